/** Sinks: the slot and the key of a handler that runs on after its timeout. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { Aggregator, type AggregatorOptions } from "../mod.ts";
import { type Gate, gate, settled, turn } from "./support/gate.ts";
import { assertConserved, Hand, heard, rejection } from "./support/hand.ts";
import { type Options, sinks } from "./support/sinks.ts";
import { timed } from "./support/timed.ts";
import { unhandled } from "./support/unhandled.ts";

const TIMEOUT = 10;

for (const [name, make] of Object.entries(sinks)) {
  const open = (options: Options) => {
    const hand = new Hand<number>();
    const told: unknown[] = [];
    const onError = (error: unknown) => told.push((error as Error).name);
    const usual: Options = { timeout: TIMEOUT, overrun: "hold", capacity: 9, onError };
    return { hand, told, sink: make(hand.handler, { ...usual, ...options }) };
  };

  for (const ends of ["fulfilled", "rejected"] as const) {
    timed(
      `${name} holds the slot of a handler that runs on until it is ${ends}, after its item has failed [5.37] [5.7] [F-17]`,
      async (clock) => {
        const { hand, told, sink } = open({ concurrency: 2 });
        const lost = await unhandled(async () => {
          const submitted = rejection(sink.submit(1));
          for (const n of [2, 3, 4]) sink.tryPush(n);
          await clock.tick(TIMEOUT);
          assertEquals(((await submitted) as Error).name, "TimeoutError");
          assertEquals(told, ["TimeoutError"]);
          assertEquals(hand.call(1).signal.aborted, true);
          const { waiting, running, failed, overrunning } = sink.stats;
          assertEquals([waiting, running, failed, overrunning], [2, 0, 2, 2]);
          assertEquals([hand.started, clock.pending], [[1, 2], 0]);
          if (ends === "fulfilled") hand.call(2).resolve("late");
          else hand.call(2).reject("late");
          await turn();
          assertEquals([hand.started, sink.stats.overrunning], [[1, 2, 3], 1]);
          hand.call(3).resolve(0);
          await turn();
          hand.call(4).resolve(0);
          await sink.close();
        });
        assertEquals([lost, told.length], [[], 1]);
        const { done, failed, overrunning } = sink.stats;
        assertEquals([done, failed, overrunning], [2, 2, 1]);
        assertConserved(sink);
      },
    );
  }

  timed(
    `${name} by default frees the slot of a handler that runs on at once, and counts it as overrunning [5.37] [5.7]`,
    async (clock) => {
      for (const overrun of ["release", undefined] as const) {
        const { hand, sink } = open({ overrun });
        for (const n of [1, 2]) sink.tryPush(n);
        await clock.tick(TIMEOUT);
        assertEquals([hand.started, sink.stats.overrunning], [[1, 2], 1]);
        hand.call(2).resolve(0);
        await sink.idle();
        assertEquals(sink.stats.overrunning, 1);
        hand.call(1).resolve(0);
        await turn();
        assertEquals(sink.stats.overrunning, 0);
        await sink.close();
      }
    },
  );

  timed(
    `${name} holds only the key of a handler that runs on [5.37] [5.2]`,
    async (clock) => {
      const { hand, sink } = open({ concurrency: 3, key: (n) => n % 10 });
      for (const n of [1, 11]) sink.tryPush(n);
      await clock.tick(TIMEOUT);
      for (const n of [21, 2]) sink.tryPush(n);
      assertEquals(hand.started, [1, 2]);
      hand.call(1).reject("late");
      await turn();
      assertEquals(hand.started, [1, 2, 11]);
      // The slot of a handler that ended in time is free again meanwhile.
      for (const n of [11, 2]) hand.call(n).resolve(0);
      await turn();
      hand.call(21).resolve(0);
      await sink.close();
      assertEquals([sink.stats.done, sink.stats.failed], [3, 1]);
    },
  );

  timed(
    `${name}.close() and flush() do not wait for a held slot, and idle() does [5.37] [5.5] [5.13] [5.15]`,
    async (clock) => {
      const { hand, sink } = open({});
      sink.tryPush(1);
      const [flushed, idle] = [sink.flush(), sink.idle()];
      await clock.tick(TIMEOUT);
      await flushed;
      await sink.flush();
      await sink.close();
      await sink.closed;
      assertEquals([await settled(idle), await settled(sink.idle())], ["pending", "pending"]);
      hand.call(1).resolve(0);
      await Promise.all([idle, sink.idle()]);
      assertEquals(sink.stats.overrunning, 0);
    },
  );

  timed(
    `${name} closes when only the handler that runs on is left, even if close() came before its timeout [5.37] [5.5]`,
    async (clock) => {
      const { hand, sink } = open({});
      sink.tryPush(1);
      const closing = sink.close();
      await clock.tick(TIMEOUT - 1);
      assertEquals(await settled(closing), "pending");
      await clock.tick(1);
      await closing;
      assertEquals([hand.started, sink.stats.overrunning], [[1], 1]);
    },
  );

  timed(
    `${name}.close() waits for items that need a held slot, and no longer than its timeout [5.37] [5.24]`,
    async (clock) => {
      for (const timeout of [undefined, 50]) {
        const { hand, sink } = open({});
        for (const n of [1, 2]) sink.tryPush(n);
        const closing = sink.close({ timeout });
        const told = closing.catch((error) => error.name);
        await clock.tick(TIMEOUT);
        assertEquals(await settled(closing), "pending");
        if (timeout) {
          await clock.tick(timeout - TIMEOUT);
          assertEquals([await told, sink.stats.discarded], ["TimeoutError", 1]);
        } else {
          hand.call(1).resolve(0);
          await turn();
          hand.call(2).resolve(0);
          await closing;
        }
      }
    },
  );

  for (const first of ["the handler", "onError"] as const) {
    timed(
      `${name} holds a slot until both the handler and an asynchronous onError end, ${first} first [5.37] [5.25]`,
      async (clock) => {
        const handling: Gate = gate();
        const { hand, sink } = open({ onError: () => handling.promise });
        for (const n of [1, 2]) sink.tryPush(n);
        await clock.tick(TIMEOUT);
        const state = () => {
          const { running, failed, overrunning } = sink.stats;
          return [running, failed, overrunning, hand.calls.length];
        };
        assertEquals(state(), [1, 0, 1, 1]);
        const ends = [() => handling.resolve(), () => hand.call(1).resolve(0)];
        if (first === "the handler") ends.reverse();
        ends[0]!();
        await turn();
        assertEquals(state(), first === "onError" ? [0, 1, 1, 1] : [1, 0, 0, 1]);
        ends[1]!();
        await turn();
        assertEquals(state(), [1, 1, 0, 2]);
        hand.call(2).resolve(0);
        await sink.close();
      },
    );
  }

  timed(
    `${name} at an abort leaves a handler that runs on alone, starts nothing, and idle() waits for it [5.37] [5.6] [5.21]`,
    async (clock) => {
      const discarded: unknown[] = [];
      const { hand, told, sink } = open({ onDiscard: (items) => discarded.push(...items) });
      const lost = await unhandled(async () => {
        for (const n of [1, 2]) sink.tryPush(n);
        await clock.tick(TIMEOUT);
        const { reason } = hand.call(1).signal;
        await sink.abort("over");
        assertStrictEquals(hand.call(1).signal.reason, reason);
        assertEquals(discarded, [2]);
        const idle = sink.idle();
        assertEquals(await settled(idle), "pending");
        // An error that was reported at the timeout is not reported again.
        hand.call(1).reject("over");
        await idle;
      });
      assertEquals([lost, told, discarded], [[], ["TimeoutError"], [2]]);
      assertEquals([hand.started, sink.stats.failed, sink.stats.overrunning], [[1], 1, 0]);
      assertConserved(sink);
    },
  );

  timed(
    `${name} fails at a timeout without onError, and still counts the handler that runs on [5.37] [5.3]`,
    async (clock) => {
      const { hand, sink } = open({ onError: undefined as never, concurrency: 2 });
      heard(sink);
      for (const n of [1, 2, 3]) sink.tryPush(n);
      await clock.tick(TIMEOUT);
      assertEquals(((await rejection(sink.closed)) as Error).name, "TimeoutError");
      const { running, failed, discarded, overrunning } = sink.stats;
      // The end of the sink also ends the timeouts.
      assertEquals([running, failed, discarded, overrunning], [1, 1, 1, 1]);
      const idle = sink.idle();
      hand.call(2).resolve(0);
      assertEquals(await settled(idle), "pending");
      hand.call(1).resolve(0);
      await idle;
      assertEquals([sink.stats.done, sink.stats.overrunning], [1, 0]);
    },
  );

  timed(
    `${name} counts a held slot when its concurrency changes [5.37] [5.36]`,
    async (clock) => {
      const { hand, sink } = open({ concurrency: 2 });
      for (const n of [1, 2, 3, 4]) sink.tryPush(n);
      await clock.tick(TIMEOUT);
      sink.concurrency = 3;
      assertEquals(hand.started, [1, 2, 3]);
      sink.concurrency = 1;
      for (const n of [3, 1]) {
        hand.call(n).resolve(0);
        await turn();
      }
      assertEquals([hand.started, sink.stats.overrunning], [[1, 2, 3], 1]);
      hand.call(2).resolve(0);
      await turn();
      assertEquals(hand.started, [1, 2, 3, 4]);
      hand.call(4).resolve(0);
      await sink.close();
    },
  );

  timed(
    `${name} lets in callers that wait for room when the handler that runs on ends, and refuses before that [5.37] [5.1]`,
    async (clock) => {
      const { hand, sink } = open({ capacity: 1 });
      for (const n of [1, 2]) sink.tryPush(n);
      const pushed = sink.push(3);
      await clock.tick(TIMEOUT);
      assertEquals([await settled(pushed), sink.tryPush(4)], ["pending", false]);
      hand.call(1).resolve(0);
      await pushed;
      assertEquals([hand.started, sink.stats.waiting], [[1, 2], 1]);
      for (const n of [2, 3]) {
        hand.call(n).resolve(0);
        await turn();
      }
      await sink.close();
    },
  );

  timed(
    `${name} goes on at once when a handler ends at the abort of its signal [5.37] [5.31]`,
    async (clock) => {
      const seen: number[] = [];
      const { sink } = ((): ReturnType<typeof open> => {
        const own = open({});
        const handler = (n: number, { signal }: { signal: AbortSignal }) => {
          seen.push(n);
          return new Promise((_, no) => signal.addEventListener("abort", () => no(signal.reason)));
        };
        const onError = () => {};
        const options: Options = { timeout: TIMEOUT, overrun: "hold", capacity: 9, onError };
        return { ...own, sink: make(handler, options) };
      })();
      for (const n of [1, 2, 3]) sink.tryPush(n);
      await clock.tick(3 * TIMEOUT);
      await sink.close();
      assertEquals([seen, sink.stats.failed, sink.stats.overrunning], [[1, 2, 3], 3, 0]);
    },
  );

  timed(
    `${name} counts a handler that runs on once, for any thenable [5.37] [F-15]`,
    async (clock) => {
      for (const overrun of ["release", "hold"] as const) {
        let settle!: (value: unknown) => void;
        const twice = {
          then(yes: (value: unknown) => void, no: (value: unknown) => void) {
            settle = (value) => (yes(value), no(value), yes(value));
          },
        };
        const sink = make((n) => n === 1 ? twice : n, {
          ...{ timeout: TIMEOUT, overrun, onError: () => {} },
        });
        sink.tryPush(1);
        await turn();
        await clock.tick(TIMEOUT);
        assertEquals(sink.stats.overrunning, 1);
        settle(0);
        await turn();
        assertEquals(sink.stats.overrunning, 0);
        assertEquals(await sink.submit(2), 2);
        await sink.close();
      }
    },
  );

  timed(
    `${name} with overrun "hold" works the same when no handler times out [5.37]`,
    async (clock) => {
      for (const timeout of [TIMEOUT, Infinity]) {
        const { hand, sink } = open({ timeout });
        const results = [1, 2].map((n) => sink.submit(n));
        await clock.tick(TIMEOUT - 1);
        hand.call(1).resolve("a");
        await results[0];
        hand.call(2).resolve("b");
        assertEquals(await Promise.all(results), ["a", "b"]);
        await Promise.all([sink.close(), sink.idle()]);
        assertEquals(sink.stats.overrunning, 0);
      }
    },
  );
}

/** An Aggregator with batches of two, which the test settles. */
function batches(options: AggregatorOptions<number> = {}) {
  const hand = new Hand<number[]>();
  const failed: unknown[] = [];
  const sink = new Aggregator(hand.handler, {
    ...{ maxItems: 2, capacity: 4, timeout: TIMEOUT, overrun: "hold" },
    onError: (error, items) => failed.push([(error as Error).name, items]),
    ...options,
  });
  return { hand, failed, sink };
}

for (const when of ["in time", "after its time"] as const) {
  timed(
    `Aggregator holds the slot of a batch until the promises that its handler has given ${when} have settled [5.37] [5.18]`,
    async (clock) => {
      const { hand, failed, sink } = batches();
      const entries = [gate<number>(), gate<number>()];
      const give = () => hand.calls[0]!.resolve(entries.map(({ promise }) => promise));
      const lost = await unhandled(async () => {
        for (const n of [1, 2, 3, 4]) sink.tryPush(n);
        if (when === "in time") give();
        await clock.tick(TIMEOUT);
        if (when === "after its time") give();
        await turn();
        assertEquals(failed, [["TimeoutError", [1, 2]]]);
        entries[0]!.resolve(1);
        await turn();
        assertEquals([hand.calls.length, sink.stats.overrunning], [1, 1]);
        // A late outcome is not reported, and is handled.
        entries[1]!.reject(new Error("late"));
        await turn();
        assertEquals([hand.started, sink.stats.overrunning], [[[1, 2], [3, 4]], 0]);
        hand.calls[1]!.resolve([]);
        await sink.close();
      });
      assertEquals([lost, failed.length], [[], 1]);
      assertEquals([sink.stats.done, sink.stats.failed, sink.stats.batches], [2, 2, 2]);
    },
  );
}

timed(
  "Aggregator lets a due batch grow while a handler of its key runs on [5.37] [5.1]",
  async (clock) => {
    const { hand, sink } = batches({
      ...{ key: (n) => n % 10, concurrency: 2, maxItems: 3, capacity: 9, linger: 5 },
    });
    for (const n of [1, 11, 21]) sink.tryPush(n);
    await clock.tick(TIMEOUT);
    for (const n of [31, 2]) sink.tryPush(n);
    await clock.tick(5);
    sink.tryPush(41);
    assertEquals(hand.started, [[1, 11, 21], [2]]);
    hand.calls[0]!.resolve([]);
    await turn();
    assertEquals(hand.started, [[1, 11, 21], [2], [31, 41]]);
    for (const call of hand.calls) call.resolve([]);
    await sink.close();
  },
);
