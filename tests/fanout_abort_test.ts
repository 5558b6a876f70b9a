/** `Fanout`: abort is prompt, and waits for no handler. */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { Fanout, type FanoutOptions } from "../mod.ts";
import { settled, turn } from "./support/gate.ts";
import { counts, Hand, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

/** Every way to abort a sink. Returns the promise, if there is one. */
const ways: Record<
  string,
  (options: FanoutOptions<number>, hand: Hand<number>) => {
    fanout: Fanout<number>;
    writer: WritableStreamDefaultWriter<number> | undefined;
    abort: (reason: unknown) => unknown;
  }
> = {
  "abort()": (options, hand) => {
    const fanout = new Fanout(hand.handler, options);
    return { fanout, writer: undefined, abort: (reason) => fanout.abort(reason) };
  },
  "writer.abort()": (options, hand) => {
    const fanout = new Fanout(hand.handler, options);
    const writer = fanout.getWriter();
    return { fanout, writer, abort: (reason) => writer.abort(reason) };
  },
  "signal": (options, hand) => {
    const controller = new AbortController();
    const fanout = new Fanout(hand.handler, { ...options, signal: controller.signal });
    return { fanout, writer: undefined, abort: (reason) => controller.abort(reason) };
  },
  "signal, locked": (options, hand) => {
    const controller = new AbortController();
    const fanout = new Fanout(hand.handler, { ...options, signal: controller.signal });
    const writer = fanout.getWriter();
    return { fanout, writer, abort: (reason) => controller.abort(reason) };
  },
};

const reason = new Error("reason");

for (const [way, make] of Object.entries(ways)) {
  test(`Fanout is errored by ${way} while it is idle [5.6]`, async () => {
    const { fanout, writer, abort } = make({ onDiscard: () => discarded++ }, new Hand());
    let discarded = 0;
    await turn();
    await abort(reason);
    assertStrictEquals(await rejection((writer ?? fanout.getWriter()).closed), reason);
    assertStrictEquals(assertThrows(() => fanout.tryPush(1)), reason);
    assertEquals(discarded, 0);
    await fanout.idle();
    assertEquals(fanout.stats, counts({}));
  });

  test(`Fanout gives every caller the reason at ${way}, and waits for no handler [5.6] [F-16]`, async () => {
    const hand = new Hand<number>();
    const discarded: unknown[] = [];
    const { fanout, writer, abort } = make({
      concurrency: 2,
      capacity: 2,
      onDiscard: (...args) => discarded.push(args),
    }, hand);
    await turn();
    let cancelled: unknown;
    const silent = new ReadableStream<number>({ cancel: (reason) => void (cancelled = reason) });
    const calls: Promise<unknown>[] = [fanout.consume(silent), fanout.submit(0), fanout.push(1)];
    assertEquals(fanout.tryPush(2), true);
    calls.push(fanout.submit(3));
    const waiting = [fanout.push(4), fanout.submit(5), fanout.consume([6])];
    if (writer) waiting.push(writer.write(7), writer.write(8));
    const flushes = [fanout.flush(), fanout.flush()];
    const idle = fanout.idle();
    const aborted = abort(reason);

    // At once, before any promise reaction.
    assertStrictEquals(hand.call(0).signal.reason, reason);
    assertStrictEquals(hand.call(1).signal.reason, reason);
    assertEquals(discarded, [[[2, 3], reason]]);
    assertStrictEquals(cancelled, reason);
    assertEquals(fanout.stats, counts({ accepted: 4, running: 2, discarded: 2 }));

    await aborted;
    assertEquals(await calls[2], undefined);
    for (const call of [calls[0]!, calls[1]!, calls[3]!, ...waiting, ...flushes]) {
      assertStrictEquals(await rejection(call), reason);
    }
    assertStrictEquals(await rejection((writer ?? fanout.getWriter()).closed), reason);
    assertEquals(await settled(idle), "pending");
    hand.call(0).resolve(0);
    hand.call(1).reject("late");
    await idle;
    assertEquals(hand.started, [0, 1]);
    // With the item that the second `consume()` had read and the sink had not accepted.
    assertEquals(discarded.slice(1), [[[6], reason]]);
    assertEquals(fanout.stats, counts({ accepted: 5, done: 1, failed: 1, discarded: 3 }));
  });

  test(`Fanout keeps its first reason at a second abort after ${way} [5.3] [5.6] [F-31]`, async () => {
    const { fanout, writer, abort } = make({}, new Hand());
    await turn();
    await abort(reason);
    writer?.releaseLock();
    await fanout.abort("second");
    await fanout.abort("third");
    assertStrictEquals(await rejection(fanout.close()), reason);
    assertStrictEquals(await rejection(fanout.getWriter().closed), reason);
  });

  test(`Fanout passes undefined on at ${way}, and still fails [F-34]`, async () => {
    const hand = new Hand<number>();
    const { fanout, writer, abort } = make({}, hand);
    await turn();
    fanout.tryPush(1);
    await abort(undefined);
    await rejection((writer ?? fanout.getWriter()).closed);
    // A signal makes an AbortError of it on every platform, so the callers get that.
    assertEquals((hand.call(1).signal.reason as Error).name, "AbortError");
    assertEquals(((await rejection(fanout.push(2))) as Error).name, "AbortError");
    assertEquals(fanout.stats, counts({ accepted: 1, running: 1 }));
  });

  test(`Fanout leaves no internal rejection unhandled at ${way} [5.6] [F-17]`, async () => {
    const lost = await unhandled(async () => {
      const hand = new Hand<number>();
      const { fanout, abort } = make({ concurrency: 2, timeout: 1000 }, hand);
      for (const n of [1, 2, 3]) fanout.tryPush(n);
      await turn();
      await abort(reason);
      for (const call of hand.calls) call.reject("late");
      await fanout.idle();
    });
    assertEquals(lost, []);
  });
}

/** The platform's behaviour for a close that rejects because of an abort. */
async function outcomes(stream: WritableStream): Promise<unknown[]> {
  await turn();
  const writer = stream.getWriter();
  const closing = writer.close();
  await turn();
  const aborted = writer.abort("reason");
  return await Promise.allSettled([closing, writer.closed, aborted, writer.abort("second")]);
}

test("Fanout whose writer aborts it while it closes behaves as a platform stream [5.6] [5.23] [F-31]", async () => {
  let signal!: AbortSignal;
  const own = new WritableStream({
    start: (controller) => void (signal = controller.signal),
    close: () =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  });
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler);
  fanout.tryPush(1);
  assertEquals(await outcomes(fanout), await outcomes(own));
  assertEquals(await rejection(fanout.push(2)), "reason");
  assertEquals(hand.call(1).signal.reason, "reason");
});

test("Fanout.abort() rejects when it is locked, and does nothing [5.6]", async () => {
  const fanout = new Fanout(() => {});
  const writer = fanout.getWriter();
  await assertRejects(() => fanout.abort("x"), TypeError);
  assertEquals(fanout.tryPush(1), true);
  await writer.close();
});

test("Fanout.abort() after close() has resolved does nothing [5.6] [F-31]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler);
  fanout.tryPush(1);
  hand.call(1).resolve(0);
  await fanout.close();
  await fanout.abort("x");
  assertEquals(hand.call(1).signal.aborted, false);
  await assertRejects(() => fanout.push(2), TypeError);
  await fanout[Symbol.asyncDispose]();
});

test("Fanout that is aborted before it has started takes nothing [5.6]", async () => {
  const fanout = new Fanout(() => {});
  const aborted = fanout.abort("early");
  assertEquals(assertThrows(() => fanout.tryPush(1)), "early");
  await aborted;
  assertEquals(fanout.stats, counts({}));
});

test("Fanout passes discarded items of many keys to onDiscard once and in order [5.6]", async () => {
  const calls: unknown[][] = [];
  const fanout = new Fanout((_: number) => new Promise(() => {}), {
    concurrency: 2,
    capacity: 50,
    key: (n) => n % 7,
    onDiscard: (...args) => calls.push(args),
  });
  for (let n = 0; n < 40; n++) fanout.tryPush(n);
  await fanout.abort("over");
  await fanout.abort("again");
  const rest = Array.from({ length: 38 }, (_, n) => n + 2);
  assertEquals(calls, [[rest, "over"]]);
  assertEquals(fanout.stats, counts({ accepted: 40, running: 2, discarded: 38 }));
});

test("Fanout with await using on an aborted sink rejects with the reason [5.12]", async () => {
  const fanout = new Fanout(() => {});
  await fanout.abort(reason);
  assertStrictEquals(await rejection(fanout[Symbol.asyncDispose]()), reason);
  assert(!fanout.locked);
});

test("Fanout.abort() discards more items of one key than a call can have arguments [5.6] [F-37]", async () => {
  const discarded: number[] = [];
  const fanout = new Fanout<number>(() => new Promise(() => {}), {
    capacity: 2e5,
    key: () => 1,
    onDiscard: (items) => {
      for (const item of items) discarded.push(item);
    },
  });
  for (let n = 0; n <= 2e5; n++) fanout.tryPush(n);
  await fanout.abort("over");
  assertEquals([discarded.length, discarded[0], discarded.at(-1)], [2e5, 1, 2e5]);
  assertEquals(fanout.stats.discarded, 2e5);
});
