/** Faults of handlers, for both sinks. */

import { assert, assertEquals, assertMatch, assertStrictEquals, assertThrows } from "@std/assert";
import { Aggregator, Fanout } from "../mod.ts";
import { microtasks, settled, turn } from "./support/gate.ts";
import { rejection } from "./support/hand.ts";
import { hang, reasons, type Settle, type Sink, sinks, thrower } from "./support/sinks.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";
import { unhandled } from "./support/unhandled.ts";

const failing: Record<string, (error: unknown) => unknown> = {
  "throws [F-13] [F-14]": (error) => thrower(error)(),
  "rejects [F-14]": (error) => Promise.reject(error),
  "gives a thenable that throws in then [F-14] [F-15]": (error) => ({ then: thrower(error) }),
  "gives a thenable whose then cannot be read [F-14] [F-15]": (error) =>
    Object.defineProperty({}, "then", { get: thrower(error) }),
  "gives a thenable that rejects at once, and again [F-14] [F-15]": (error) => ({
    then(yes: Settle, no: Settle) {
      no(error);
      yes("late");
      no("later");
      throw "last";
    },
  }),
};

for (const [name, open] of Object.entries(sinks)) {
  for (const [how, fail] of Object.entries(failing)) {
    test(`${name} calls onError with the same error, and goes on, when its handler ${how} [5.3] [7.3]`, async () => {
      for (const reason of reasons) {
        const told: unknown[] = [];
        const sink = open((n) => n < 3 ? fail(reason) : n, {
          onError: (error) => told.push(error),
        });
        const lost = await unhandled(async () => {
          assertStrictEquals(await rejection(sink.submit(1)), reason);
          assertEquals(sink.tryPush(2), true);
          await sink.idle();
          assertEquals(await sink.submit(3), 3);
          await sink.close();
        });
        assertEquals([lost, told], [[], [reason]]);
        assertStrictEquals(told[0], reason);
        const { done, failed, discarded } = sink.stats;
        assertEquals([done, failed, discarded], [1, 2, 0]);
      }
    });
  }

  test(`${name} takes the first settlement of a thenable, and never synchronously [5.8] [F-15]`, async () => {
    const handle = (n: number) => ({
      then(yes: Settle, no: Settle) {
        yes(n);
        no("late");
        throw "last";
      },
    });
    const sink = open(handle);
    const result = sink.submit(1);
    assertEquals(sink.stats.running, 1);
    assertEquals(await unhandled(async () => assertEquals(await result, 1)), []);
    assertEquals([sink.stats.done, sink.stats.failed], [1, 0]);
    await sink.close();
  });

  test(`${name} fails when its handler returns a value that only looks like a promise [5.3] [F-15]`, async () => {
    const told: unknown[] = [];
    const sink = open((n) => n > 1 ? n : Object.create(Promise.prototype), {
      onError: (error) => {
        told.push(error);
        return Object.create(Promise.prototype);
      },
    });
    assertEquals(sink.tryPush(1), true);
    await sink.idle().catch(() => {});
    assertEquals([told.length, told[0] instanceof TypeError], [1, true]);
    // The result of onError behaves the same.
    assertEquals((await rejection(sink.push(2))) instanceof TypeError, true);
  });

  for (const how of ["abort", "writer.abort", "signal"] as const) {
    test(`${name} waits for no hanging handler, and ignores handlers that settle, after ${how} [5.6] [F-16] [F-17]`, async () => {
      const settles: Array<() => void> = [];
      const signals: AbortSignal[] = [];
      const own = new AbortController();
      const told: unknown[] = [];
      const sink = open((n, { signal }) => {
        signals.push(signal);
        return new Promise((yes, no) => settles.push(n % 2 ? () => no("late") : () => yes("late")));
      }, { concurrency: 3, capacity: 1, signal: own.signal, onDiscard: (_, e) => told.push(e) });
      for (const n of [1, 2]) sink.tryPush(n);
      const submits = [3, 4, 5].map((n) => settled(sink.submit(n)));
      const reason = new Error("over");
      let ended: Promise<unknown> = Promise.resolve();
      if (how === "abort") ended = sink.abort(reason);
      if (how === "writer.abort") ended = sink.getWriter().abort(reason);
      if (how === "signal") own.abort(reason);
      await ended;
      assertEquals(await Promise.all(submits), ["rejected", "rejected", "rejected"]);
      assertEquals([signals.map((s) => s.reason), told], [[reason, reason, reason], [reason]]);
      assertEquals(sink.stats.running, 3);
      const lost = await unhandled(() => settles.forEach((settle) => settle()));
      assertEquals(lost, []);
      assertEquals(settles.length, 3);
      const { accepted, running, done, failed, discarded } = sink.stats;
      assertEquals([accepted, running, done, failed, discarded], [4, 0, 1, 2, 1]);
    });
  }

  timed(
    `${name} frees the slot of a handler that hangs, aborts its signal, and ignores its end [5.7] [F-16] [F-17]`,
    async (clock) => {
      const signals: AbortSignal[] = [];
      const rejects: Array<(reason: unknown) => void> = [];
      const told: unknown[] = [];
      const sink = open((_, { signal }) => {
        signals.push(signal);
        return new Promise((_, no) => rejects.push(no));
      }, { timeout: 50, onError: (error) => told.push(error) });
      for (const n of [1, 2]) sink.tryPush(n);
      await clock.tick(49);
      assertEquals([signals.length, signals[0]!.aborted], [1, false]);
      await clock.tick(1);
      assertEquals([signals.length, signals[1]!.aborted], [2, false]);
      assertEquals((signals[0]!.reason as Error).name, "TimeoutError");
      assertStrictEquals(told[0], signals[0]!.reason);
      assertEquals(await unhandled(() => rejects[0]!("late")), []);
      assertEquals([told.length, sink.stats.failed, sink.stats.running], [1, 1, 1]);
      await clock.tick(50);
      assertEquals([told.length, sink.stats.failed], [2, 2]);
      await sink.close();
    },
  );

  timed(
    `${name} makes no timer when its timeout is Infinity, and one for the longest [5.7] [F-03]`,
    async (clock) => {
      for (const timeout of [Infinity, 2147483647]) {
        const told: unknown[] = [];
        const sink = open(hang, { timeout, onError: (error) => told.push(error) });
        sink.tryPush(1);
        await microtasks();
        assertEquals(clock.pending, timeout === Infinity ? 0 : 1);
        await clock.tick(2147483646);
        assertEquals(told.length, 0);
        await clock.tick(1);
        assertEquals(told.length, timeout === Infinity ? 0 : 1);
        await sink.abort();
      }
    },
  );

  test(`${name} keeps the first of two failures in one tick, in any order of their starts [5.3] [F-19]`, async () => {
    for (const order of [[0, 1], [1, 0]] as const) {
      const rejects: Array<(reason: unknown) => void> = [];
      const sink = open(() => new Promise((_, no) => rejects.push(no)), { concurrency: 2 });
      for (const n of [1, 2]) sink.tryPush(n);
      await turn();
      const lost = await unhandled(async () => {
        for (const call of order) rejects[call]!(call);
        assertEquals(await rejection(sink.close()), order[0]);
      });
      assertEquals(lost, []);
      assertEquals([sink.stats.failed, sink.stats.discarded], [2, 0]);
      assertEquals(await rejection(sink.push(3)), order[0]);
    }
  });
}

const overflowing: Record<string, () => Sink> = {
  Fanout: () => new Fanout(() => {}, { concurrency: 4 }),
  "Aggregator, each item a batch": () => new Aggregator(() => {}, { maxItems: 1 }),
  "Aggregator, batches of 7": () => new Aggregator(() => {}, { maxItems: 7 }),
  "Aggregator, one batch": () => new Aggregator(() => {}, { linger: Infinity }),
};

/** What code does at each level of the way back from an overflow. */
const deep: Record<string, (sink: Sink) => void> = {
  tryPush: () => {},
  concurrency: (sink) => void (sink.concurrency = sink.concurrency === 4 ? 5 : 4),
};

for (const [name, make] of Object.entries(overflowing)) {
  for (const [call, also] of Object.entries(deep)) {
    test(`${name}: when the stack overflows in ${call}, it goes on or fails with that error, and loses no item [5.34] [3]`, async () => {
      // More than once, because engines then compile the code, and it takes less of the stack.
      for (let round = 0; round < 5; round++) {
        const sink = make();
        let told = 0;
        let budget = 300;
        const recurse = (): void => {
          try {
            recurse();
          } catch {
            // The overflow is expected.
          }
          if (budget === 0) return;
          try {
            sink.tryPush(1);
            budget--;
            also(sink);
          } catch {
            if (++told === 20_000) budget = 0;
          }
        };
        recurse();
        const failed = await sink.close().then(() => undefined, (error: Error) => error);
        // In Firefox it is an `InternalError`.
        if (failed) assertMatch(failed.message, /call stack|recursion/);
        // The handler itself may overflow the stack, too.
        const { accepted, waiting, running, done, discarded, failed: handled } = sink.stats;
        assertEquals([waiting, accepted], [0, running + done + discarded + handled]);
        if (!failed) assertEquals(running, 0);
      }
    });
  }
}

for (const [name, make] of Object.entries(sinks)) {
  test(`${name} whose stack has overflowed rejects the calls that wait for room, and the next call [5.34] [5.6]`, async () => {
    // Close to the end of the stack, an error like the engine's counts as an overflow.
    const overflow = new RangeError("overflow");
    let near = false;
    const key = (): number => {
      if (near) throw overflow;
      return 0;
    };
    const sink = make(hang, { capacity: 1, key });
    sink.tryPush(1);
    const waiting = Array.from({ length: 3 }, (_, n) => sink.push(n));
    near = true;
    let seen: unknown;
    const recurse = (): void => {
      try {
        recurse();
      } catch {
        // The overflow is expected.
      }
      if (seen === overflow) return;
      try {
        sink.tryPush(5);
      } catch (error) {
        seen = error;
      }
    };
    recurse();
    near = false;
    // At once, and not only when the microtask of the overflow comes.
    assertThrows(() => sink.tryPush(7), Error, seen instanceof Error ? seen.message : "");
    const error = await rejection(sink.flush());
    // The engine's error may have come first. In Firefox it is an `InternalError`.
    assert(error === overflow || /call stack|recursion/.test(String(error)));
    const outcomes = await Promise.allSettled(waiting);
    assertEquals(outcomes.at(-1), { status: "rejected", reason: error });
    assertStrictEquals(await rejection(sink.push(6)), error);
    assertStrictEquals(await rejection(sink.closed), error);
  });
}

for (const [name, make] of Object.entries(sinks)) {
  test(`${name}.flush() and concurrency change nothing when little of the stack is left [5.34]`, async () => {
    const sink = make(() => {}, { concurrency: 2 });
    const told: unknown[] = [];
    let levels = 0;
    const recurse = (): void => {
      try {
        recurse();
      } catch {
        // The overflow is expected.
      }
      // Enough is left for a promise.
      if (++levels !== 200) return;
      sink.flush().catch((error) => told.push(error));
      try {
        sink.concurrency = 3;
      } catch (error) {
        told.push(error);
      }
    };
    recurse();
    await turn();
    assertEquals(told.length, 2);
    for (const error of told) assertMatch(String(error), /call stack|recursion/);
    assertEquals(sink.concurrency, 2);
    await sink.push(1);
    await sink.flush();
    assertEquals(sink.stats.done, 1);
    await sink.close();
  });
}
