/** Faults at the end of a sink, for both sinks. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { settled, turn } from "./support/gate.ts";
import { assertConserved, rejection } from "./support/hand.ts";
import { countListeners } from "./support/listeners.ts";
import { hang, reasons, type Sink, sinks, thrower } from "./support/sinks.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

const closes: Record<string, (sink: Sink) => PromiseLike<unknown>> = {
  "close()": (sink) => sink.close(),
  "a writer's close()": (sink) => sink.getWriter().close(),
  "the end of a pipe": (sink) => empty().pipeTo(sink),
  "await using": (sink) => sink[Symbol.asyncDispose](),
};

for (const [name, open] of Object.entries(sinks)) {
  for (const [way, close] of Object.entries(closes)) {
    test(`${name} rejects ${way} when a handler fails after it [5.5] [F-20]`, async () => {
      for (const reason of reasons) {
        let reject!: (reason: unknown) => void;
        const sink = open(() => new Promise((_, no) => reject = no));
        sink.tryPush(1);
        await turn();
        const lost = await unhandled(async () => {
          const closing = close(sink);
          assertEquals(await settled(closing), "pending");
          reject(reason);
          assertStrictEquals(await rejection(closing), reason);
        });
        assertEquals(lost, []);
        assertEquals(sink.stats.failed, 1);
      }
    });
  }

  test(`${name} rejects all callers that wait for room with the same error when a handler fails [5.3] [F-21]`, async () => {
    for (const reason of reasons) {
      let reject!: (reason: unknown) => void;
      const started: number[] = [];
      const sink = open((n) => {
        started.push(n);
        return new Promise((_, no) => reject = no);
      }, { capacity: 1 });
      for (const n of [1, 2]) assertEquals(sink.tryPush(n), true);
      const writer = sink.getWriter();
      await turn();
      const waiting = [
        ...[writer.write(3), writer.write(4), writer.close()],
        ...[sink.push(5), sink.submit(6), sink.consume([7]), sink.flush()],
      ];
      const lost = await unhandled(async () => {
        reject(reason);
        for (const call of waiting) assertStrictEquals(await rejection(call), reason);
        assertStrictEquals(await rejection(writer.closed), reason);
        assertStrictEquals(await rejection(sink.push(8)), reason);
      });
      assertEquals([lost, started], [[], [1]]);
      // One item had room, and `consume()` has read one.
      assertEquals([sink.stats.failed, sink.stats.discarded], [1, 2]);
    }
  });

  test(`${name} ends with the first reason when it is aborted during flush, during close, and twice [5.6] [F-31] [F-34]`, async () => {
    for (const reason of reasons) {
      const sink = open(hang, { concurrency: 1 });
      for (const n of [1, 2]) sink.tryPush(n);
      const lost = await unhandled(async () => {
        const calls = [sink.flush(), sink.close(), sink.flush(), sink.close()].map(rejection);
        await turn();
        // They reject if the sink was closing, as platform streams do.
        await Promise.allSettled([sink.abort(reason), sink.abort("second")]);
        const [told, ...others] = await Promise.all(calls);
        // A signal makes an `AbortError` of it. The stream itself keeps the reason.
        if (reason === undefined) assertEquals((told as Error).name, "AbortError");
        else assertStrictEquals(told, reason);
        const later = [sink.flush(), sink.push(3)].map(rejection);
        for (const other of [...others, ...await Promise.all(later)]) {
          assertStrictEquals(other, told);
        }
        assertStrictEquals(await rejection(sink.getWriter().closed), reason);
      });
      assertEquals(lost, []);
      assertConserved(sink);
    }
  });

  for (const hook of ["key", "snapshot"] as const) {
    test(`${name} whose ${hook} aborts it takes no item of a write [5.6] [5.8] [F-18]`, async () => {
      const own = new AbortController();
      const handled: number[] = [];
      const sink = open((n) => handled.push(n), {
        signal: own.signal,
        [hook]() {
          own.abort("own");
          return (run: () => unknown) => run();
        },
      });
      const writer = sink.getWriter();
      assertEquals(await rejection(writer.write(1)), "own");
      assertEquals(await rejection(writer.closed), "own");
      assertEquals([sink.stats.accepted, handled], [0, []]);
    });
  }

  test(`${name} still closes when it is flushed or closed while it drains [5.5] [F-31]`, async () => {
    let settle!: (value: unknown) => void;
    const sink = open(() => new Promise((yes) => settle = yes));
    sink.tryPush(1);
    const closing = sink.close();
    const flushed = sink.flush();
    const again = sink.close();
    for (const call of [closing, flushed, again]) assertEquals(await settled(call), "pending");
    settle(1);
    await Promise.all([closing, flushed, again, sink.idle()]);
    await sink.flush();
    await sink.close();
    await sink.abort("late");
    assert(await rejection(sink.push(2)) instanceof TypeError);
  });

  test(`${name} refuses items in every way after its end, and gives the reason [5.11] [F-32]`, async () => {
    const over = new Error("over");
    const own = new AbortController();
    const ends: Array<[Sink, (sink: Sink) => unknown]> = [
      [open(hang), (sink) => sink.close()],
      [open(hang), (sink) => sink.abort(over)],
      [open(hang, { signal: own.signal }), () => own.abort(over)],
      [open(thrower(over)), (sink) => sink.tryPush(1)],
    ];
    for (const [sink, end] of ends) {
      await end(sink);
      const { accepted } = sink.stats;
      const refused: unknown[] = [];
      for (const call of [() => sink.push(2), () => sink.submit(2), () => sink.consume([2])]) {
        refused.push(await rejection(call()));
      }
      const writer = sink.getWriter();
      const written = await rejection(writer.write(2));
      const closed = sink === ends[0]![0];
      if (closed) assert(written instanceof TypeError);
      else assertStrictEquals(written, over);
      for (const error of refused) {
        if (closed) assert(error instanceof TypeError);
        else assertStrictEquals(error, over);
      }
      assertEquals(sink.stats.accepted, accepted);
    }
  });

  test(`${name} shares one listener with 1e4 others on one signal, and leaves none [7.5] [F-33] [F-36]`, async () => {
    const own = new AbortController();
    const listeners = countListeners(own.signal);
    const all = Array.from({ length: 1e4 }, () => open(hang, { signal: own.signal }));
    assertEquals([listeners.live, listeners.added], [1, 1]);
    const last = all.pop()!;
    for (const sink of all) sink.close();
    await turn();
    assertEquals([listeners.live, listeners.added], [1, 1]);
    last.tryPush(1);
    own.abort("over");
    assertEquals(listeners.live, 0);
    assertEquals(await rejection(last.push(2)), "over");
  });
}

function empty(): ReadableStream<number> {
  return new ReadableStream({ start: (controller) => controller.close() });
}
