/** `Fanout`: its signal option, which many sinks may share. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Fanout } from "../mod.ts";
import { counted, settled, streamOf, turn } from "./support/gate.ts";
import { counts, Hand, heard, rejection } from "./support/hand.ts";
import { countListeners } from "./support/listeners.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

test("Fanout with an aborted signal runs no handler [5.6] [F-33]", async () => {
  const reason = new Error("before");
  const signal = AbortSignal.abort(reason);
  const listeners = countListeners(signal);
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { signal });
  assertStrictEquals(assertThrows(() => fanout.tryPush(1)), reason);
  const writer = fanout.getWriter();
  const lost = await unhandled(async () => {
    for (const call of [fanout.push(1), fanout.submit(1), fanout.consume([1]), writer.write(1)]) {
      assertStrictEquals(await rejection(call), reason);
    }
    assertStrictEquals(await rejection(writer.closed), reason);
  });
  assertEquals(lost, []);
  assertEquals(hand.started, []);
  assertEquals(fanout.stats, counts({}));
  assertEquals(listeners.added, 0);
});

test("Fanout is aborted by signal while a pipe holds the lock and waits for room [5.6] [F-33]", async () => {
  const reason = new Error("shutdown");
  const controller = new AbortController();
  const hand = new Hand<number>();
  const discarded: unknown[] = [];
  const fanout = new Fanout(hand.handler, {
    capacity: 2,
    signal: controller.signal,
    onDiscard: (...args) => discarded.push(...args),
  });
  let cancelled: unknown;
  const source = new ReadableStream<number>({
    pull: (controller) => controller.enqueue(counted(next++)),
    cancel: (reason) => void (cancelled = reason),
  }, { highWaterMark: 0 });
  let next = 1;
  const piped = source.pipeTo(fanout);
  for (let i = 0; i < 5; i++) await turn();
  assertEquals(await settled(piped), "pending");
  controller.abort(reason);
  assertStrictEquals(await rejection(piped), reason);
  assertStrictEquals(cancelled, reason);
  assertEquals(discarded, [[2, 3], reason]);
  assertEquals(hand.started, [1]);
  assertStrictEquals(hand.call(1).signal.reason, reason);
  assertEquals(fanout.stats, counts({ accepted: 3, running: 1, discarded: 2 }));
});

test("Fanout is aborted by signal while it closes, and close() rejects with the reason [5.6] [F-33]", async () => {
  for (const way of ["close()", "pipeTo", "await using"]) {
    const controller = new AbortController();
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { signal: controller.signal });
    fanout.tryPush(1);
    const closed = way === "close()"
      ? fanout.close()
      : way === "pipeTo"
      ? streamOf<number>([]).pipeTo(fanout)
      : fanout[Symbol.asyncDispose]();
    assertEquals(await settled(closed), "pending");
    controller.abort("now");
    assertEquals(await rejection(closed), "now", way);
  }
});

test("Fanout.idle() waits for handlers that go on after an abort [5.6]", async () => {
  const controller = new AbortController();
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 2, signal: controller.signal });
  for (const n of [1, 2, 3]) fanout.tryPush(n);
  controller.abort();
  const idle = fanout.idle();
  hand.call(1).resolve(0);
  assertEquals(await settled(idle), "pending");
  hand.call(2).reject(0);
  await idle;
  assertEquals(fanout.stats, counts({ accepted: 3, done: 1, failed: 1, discarded: 1 }));
});

for (
  const how of ["close", "writer.close", "abort", "writer.abort", "failure", "signal"] as const
) {
  test(`Fanout leaves no listener on its signal after ${how} [7] [F-33] [F-36]`, async () => {
    const controller = new AbortController();
    const listeners = countListeners(controller.signal);
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { signal: controller.signal });
    heard(fanout);
    fanout.tryPush(1);
    assertEquals(listeners.live, 1);
    if (how === "abort") await fanout.abort();
    if (how === "writer.abort") await fanout.getWriter().abort();
    if (how === "failure") hand.call(1).reject("x");
    if (how === "signal") controller.abort();
    if (how.endsWith("close")) {
      const closed = how === "close" ? fanout.close() : fanout.getWriter().close();
      assertEquals(listeners.live, 1);
      hand.call(1).resolve(0);
      await closed;
    }
    await turn();
    assertEquals(listeners.live, 0);
    // The signal has no effect any more.
    controller.abort("later");
    assert(how === "signal" || (await rejection(fanout.push(2))) !== "later");
  });
}

test("Fanout shares one listener with 1e5 others on one signal, and removes it [7] [F-33]", () => {
  const controller = new AbortController();
  const listeners = countListeners(controller.signal);
  const make = () => new Fanout((_: number) => {}, { signal: controller.signal });
  const fanouts = Array.from({ length: 1e5 }, make);
  assertEquals([listeners.live, listeners.added], [1, 1]);
  controller.abort("all");
  assertEquals(listeners.live, 0);
  for (const fanout of fanouts) assertEquals(refusal(fanout), "all");
});

function refusal(fanout: Fanout<number>): unknown {
  try {
    return fanout.tryPush(1);
  } catch (error) {
    return error;
  }
}

test("Fanout removes the shared listener when the last sink closes, and adds a new one [7] [F-33]", async () => {
  const controller = new AbortController();
  const listeners = countListeners(controller.signal);
  const make = () => new Fanout((_: number) => {}, { signal: controller.signal });
  const fanouts = Array.from({ length: 1000 }, make);
  const last = fanouts.pop()!;
  await Promise.all(fanouts.map((fanout) => fanout.close()));
  assertEquals(listeners.live, 1);
  await last.close();
  assertEquals(listeners.live, 0);
  const again = make();
  assertEquals([listeners.live, listeners.added], [1, 2]);
  controller.abort("all");
  assertEquals(refusal(again), "all");
});

test("Fanout that another sink closes or aborts at the signal ends with one reason [7] [5.8]", () => {
  const controller = new AbortController();
  const discarded: unknown[] = [];
  const fanouts: Fanout<number>[] = [0, 1, 2].map((id) =>
    new Fanout((_: number) => new Promise(() => {}), {
      signal: controller.signal,
      onDiscard(items, reason) {
        discarded.push([id, items, reason]);
        for (const other of fanouts) other.abort(`by ${id}`).catch(() => {});
        assertThrows(() => new Fanout(() => {}, { signal: controller.signal }).tryPush(1));
      },
    })
  );
  for (const fanout of fanouts) {
    fanout.tryPush(1);
    fanout.tryPush(2);
  }
  controller.abort("all");
  assertEquals(discarded.length, 3);
  assertEquals(discarded[0], [0, [2], "all"]);
  for (const { stats } of fanouts) {
    assertEquals(stats, counts({ accepted: 2, running: 1, discarded: 1 }));
  }
});

test("Fanout gives each call its own signal, made at the first read [5.31] [5.6]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 2, capacity: 20 });
  for (let n = 0; n < 20; n++) fanout.tryPush(n);
  for (let n = 0; n < 18; n++) {
    // Like `fetch`, which never removes its listener: Node warns of the eleventh on one signal.
    hand.call(n).signal.addEventListener("abort", () => {});
    hand.call(n).resolve(0);
    await turn();
  }
  const signals = hand.calls.map(({ signal }) => signal);
  assertEquals([signals.length, new Set(signals).size], [20, 20]);
  await fanout.abort("over");
  // The signal of a settled call does not abort.
  assertEquals(signals.map(({ aborted }) => aborted), [...Array(18).fill(false), true, true]);
  assertEquals([signals[18]!.reason, signals[19]!.reason], ["over", "over"]);

  const again = new Set<AbortSignal>();
  const single = new Fanout((_: number, context) => {
    again.add(context.signal);
    assertStrictEquals(context.signal, context.signal);
  });
  for (const n of [1, 2, 3]) single.tryPush(n);
  assertEquals(again.size, 3);
});

test("Fanout makes no AbortController for a call that does not read its signal [5.31]", async () => {
  const { AbortController } = globalThis;
  let made = 0;
  globalThis.AbortController = class extends AbortController {
    constructor() {
      super();
      made++;
    }
  };
  try {
    for (const timeout of [Infinity, 1000]) {
      const fanout = new Fanout((n: number, context) => {
        if (n === 3) void context.signal;
        return Promise.resolve();
      }, { timeout });
      await fanout.consume([1, 2, 3, 4, 5]);
      await fanout.close();
    }
  } finally {
    globalThis.AbortController = AbortController;
  }
  assertEquals(made, 2);
});
