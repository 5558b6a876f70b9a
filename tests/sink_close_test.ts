/** Sinks: an abort without a reason, an abort during a close, and the time limit of a close. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Fanout } from "../mod.ts";
import { settled, turn } from "./support/gate.ts";
import { assertConserved, heard, rejection } from "./support/hand.ts";
import { countListeners } from "./support/listeners.ts";
import { hang, sinks } from "./support/sinks.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";
import { unhandled } from "./support/unhandled.ts";

for (const [name, open] of Object.entries(sinks)) {
  test(`${name} rejects all its promises with one AbortError when abort() has no reason [5.22] [F-34]`, async () => {
    const signals: AbortSignal[] = [];
    const discarded: unknown[] = [];
    const sink = open((_, { signal }) => {
      signals.push(signal);
      return hang();
    }, { capacity: 1, onDiscard: (_, reason) => discarded.push(reason) });
    const lost = await unhandled(async () => {
      sink.tryPush(1);
      const calls = [2, 3].map((n) => sink.submit(n));
      calls.push(sink.push(4), sink.flush(), sink.consume([5]), sink.closed);
      const rejections = calls.map(rejection);
      await sink.abort();
      const later = [sink.push(6), sink.submit(6), sink.flush(), sink.close()].map(rejection);
      const [first, ...others] = await Promise.all([...rejections, ...later]);
      assertEquals((first as Error).name, "AbortError");
      for (const other of others) assertStrictEquals(other, first);
      assertStrictEquals(signals[0]!.reason, first);
      assertStrictEquals(discarded[0], first);
    });
    assertEquals(lost, []);
    assertConserved(sink);
  });

  test(`${name} at an abort without a reason rejects the write in flight with an AbortError, and the others as the standard says [5.22] [F-34]`, async () => {
    const sink = open(hang, { capacity: 1 });
    for (const n of [1, 2]) sink.tryPush(n);
    const writer = sink.getWriter();
    await turn();
    const [first, second] = [3, 4].map((n) => rejection(writer.write(n)));
    const closed = rejection(writer.closed);
    await turn();
    await writer.abort();
    assertEquals(((await first) as Error).name, "AbortError");
    assertEquals([await second, await closed], [undefined, undefined]);
  });

  for (const when of ["while the writes before it wait for room", "while it drains"] as const) {
    test(`${name} rejects its close() with an AbortError when abort() has no reason, ${when} [5.22] [F-31]`, async () => {
      const sink = open(hang, { capacity: 1 });
      sink.tryPush(1);
      if (when !== "while it drains") {
        sink.tryPush(2);
        const writer = sink.getWriter();
        writer.write(3).catch(() => {});
        await turn();
        writer.releaseLock();
      }
      const closing = rejection(sink.close());
      await turn();
      await sink.abort();
      assertEquals(((await closing) as Error).name, "AbortError");
      assertStrictEquals(await rejection(sink.closed), await closing);
    });
  }

  test(`${name}.abort() during close() resolves, and the close rejects with the reason [5.23] [F-31]`, async () => {
    const reason = new Error("now");
    const lost = await unhandled(async () => {
      for (const turns of [0, 1]) {
        const sink = open(hang);
        sink.tryPush(1);
        const closing = rejection(sink.close());
        if (turns > 0) await turn();
        assertEquals(await Promise.all([sink.abort(reason), sink.abort("second")]), [
          undefined,
          undefined,
        ]);
        assertStrictEquals(await closing, reason);
        assertStrictEquals(await rejection(sink.closed), reason);
      }
    });
    assertEquals(lost, []);
  });

  test(`${name}.close() while it closes waits for the same end, by whichever way it closes [5.48] [F-31]`, async () => {
    for (const way of ["close()", "writer.close()", "a write that waits, and writer.close()"]) {
      const settle: ((value: unknown) => void)[] = [];
      const sink = open(() => new Promise((yes) => settle.push(yes)), { capacity: 1 });
      for (const n of [1, 2]) sink.tryPush(n);
      const calls: Promise<void>[] = [];
      if (way === "close()") calls.push(sink.close());
      else {
        const writer = sink.getWriter();
        await turn();
        if (way !== "writer.close()") calls.push(writer.write(3));
        calls.push(writer.close());
        writer.releaseLock();
      }
      calls.push(sink.close(), sink.close({ timeout: Infinity }));
      const ends = await Promise.all(calls.map(settled));
      assertEquals(new Set(ends), new Set(["pending"]), way);
      while (settle.length > 0) {
        settle.shift()!(1);
        await turn();
      }
      await Promise.all(calls);
      await sink.close();
      assertEquals(sink.stats.done, sink.stats.accepted);
    }
  });

  test(`${name}.close() while it closes rejects with the error of the sink, and no rejection is unhandled [5.48] [5.20]`, async () => {
    const error = new Error("503");
    const lost = await unhandled(async () => {
      let reject!: (error: unknown) => void;
      const sink = open(() => new Promise((_, no) => reject = no));
      sink.tryPush(1);
      const calls = [sink.close(), sink.close()].map(rejection);
      await turn();
      reject(error);
      for (const call of calls) assertStrictEquals(await call, error);
      assertStrictEquals(await rejection(sink.close()), error);
    });
    assertEquals(lost, []);
  });

  timed(
    `${name}.close() while it closes has its own time limit and signal [5.48] [5.24]`,
    async (clock) => {
      for (const how of ["timeout", "signal"]) {
        const stop = new AbortController();
        const listeners = countListeners(stop.signal);
        const sink = open(hang);
        sink.tryPush(1);
        const first = rejection(sink.close());
        await clock.tick(1000);
        const second = rejection(sink.close({ timeout: 50, signal: stop.signal }));
        await clock.tick(49);
        assertEquals(await settled(first), "pending");
        const reason = new DOMException("enough", "TimeoutError");
        if (how === "signal") stop.abort(reason);
        else await clock.tick(1);
        const error = await second as Error;
        assertEquals([error === reason, error.name], [how === "signal", "TimeoutError"]);
        assertStrictEquals(await first, error);
        assertEquals([clock.pending, listeners.live], [0, 0]);
      }
    },
  );

  test(`${name}.abort() of a locked sink rejects while it closes, and does nothing [5.23] [5.6]`, async () => {
    let settle!: (value: unknown) => void;
    const sink = heard(open(() => new Promise((yes) => settle = yes)));
    sink.tryPush(1);
    const closing = sink.getWriter().close();
    await turn();
    assert(await rejection(sink.abort("x")) instanceof TypeError);
    settle(1);
    await closing;
  });

  timed(
    `${name}.close() aborts at its timeout, and rejects with that [5.24] [F-03]`,
    async (clock) => {
      const signals: AbortSignal[] = [];
      const discarded: unknown[] = [];
      const sink = open((_, { signal }) => {
        signals.push(signal);
        return hang();
      }, { onDiscard: (...args) => discarded.push(args) });
      for (const n of [1, 2]) sink.tryPush(n);
      const lost = await unhandled(async () => {
        const closing = sink.close({ timeout: 50 });
        const closed = rejection(sink.closed);
        const told = rejection(closing);
        await clock.tick(49);
        assertEquals(await settled(closing), "pending");
        await clock.tick(1);
        const error = await told as Error;
        assert(error instanceof DOMException && error.name === "TimeoutError");
        assertEquals(error.message, `${name}: close() has not drained within 50 ms`);
        assertStrictEquals(await closed, error);
        assertStrictEquals(signals[0]!.reason, error);
        assertEquals(discarded, [[[2], error]]);
      });
      assertEquals([lost, clock.pending], [[], 0]);
    },
  );

  timed(
    `${name}.close() that drains in time resolves, and leaves no timer and no listener [5.24] [F-36]`,
    async (clock) => {
      const own = new AbortController();
      const listeners = countListeners(own.signal);
      let settle!: (value: unknown) => void;
      const sink = open(() => new Promise((yes) => settle = yes));
      sink.tryPush(1);
      await turn();
      const closing = sink.close({ timeout: 50, signal: own.signal });
      assertEquals([clock.pending, listeners.live], [1, 1]);
      settle(1);
      await closing;
      assertEquals([clock.pending, listeners.live], [0, 0]);
      own.abort("late");
      await sink.closed;
    },
  );

  timed(
    `${name}.close() rejects with the error of a handler, and leaves no timer [5.24] [5.5]`,
    async (clock) => {
      let fail!: (error: unknown) => void;
      const sink = open(() => new Promise((_, no) => fail = no));
      sink.tryPush(1);
      const closing = rejection(sink.close({ timeout: 50 }));
      fail("handler");
      assertEquals([await closing, clock.pending], ["handler", 0]);
    },
  );

  for (const when of ["before", "meanwhile"] as const) {
    test(`${name}.close() aborts when its signal does, ${when}, and rejects with the reason [5.24] [7.3] [F-33]`, async () => {
      const reason = new Error("no time left");
      const own = new AbortController();
      const listeners = countListeners(own.signal);
      if (when === "before") own.abort(reason);
      const sink = open(hang);
      for (const n of [1, 2]) sink.tryPush(n);
      const closing = rejection(sink.close({ signal: own.signal }));
      await turn();
      own.abort(reason);
      assertStrictEquals(await closing, reason);
      assertStrictEquals(await rejection(sink.closed), reason);
      assertEquals([sink.stats.discarded, listeners.live], [1, 0]);
    });
  }

  timed(`${name}.close() with a timeout of Infinity has no timer [5.24]`, async (clock) => {
    for (const options of [undefined, {}, { timeout: undefined }, { timeout: Infinity }]) {
      const sink = open(hang);
      sink.tryPush(1);
      const closing = rejection(sink.close(options));
      assertEquals(clock.pending, 0);
      await sink.abort("over");
      assertEquals(await closing, "over");
    }
  });

  timed(
    `${name}.close() of a locked sink starts no timer and does not look at its signal [5.24] [5.12]`,
    async (clock) => {
      const sink = open((n) => n);
      const writer = sink.getWriter();
      const options = { timeout: 5, signal: AbortSignal.abort("no") };
      assert(await rejection(sink.close(options)) instanceof TypeError);
      assertEquals([clock.pending, sink.tryPush(1)], [0, true]);
      await writer.close();
    },
  );

  test(`${name}.close() with wrong options rejects, and does nothing [5.24] [7.2] [F-01] [F-03]`, async () => {
    const kinds: unknown[] = [5, null, "5", new AbortController().signal, { timeout: "5" }];
    kinds.push({ timeout: null }, { signal: {} }, { signal: null });
    const values = [0, -1, NaN, 2 ** 31].map((timeout) => ({ timeout }));
    for (const options of [...kinds, ...values]) {
      const sink = open((n) => n);
      const close = sink.close.bind(sink) as (options: unknown) => Promise<void>;
      const error = await rejection(close(options));
      const Wrong = kinds.includes(options) ? TypeError : RangeError;
      assert(error instanceof Wrong && error.message.startsWith(`${name}: option`));
      assertEquals(sink.tryPush(1), true);
      await sink.close();
    }
  });
}

test("Fanout gives an AbortError when a foreign signal has no reason [5.22]", async () => {
  const signal = { aborted: true, addEventListener() {}, removeEventListener() {} };
  const fanout = new Fanout(() => {}, { signal: signal as unknown as AbortSignal });
  const error = await rejection(fanout.push(1));
  assertEquals((error as DOMException).name, "AbortError");
  assertStrictEquals(await rejection(fanout.closed), error);
});
