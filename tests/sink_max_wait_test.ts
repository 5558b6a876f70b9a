/** `maxWait`: overload sheds the oldest items, without a timer. */

import { assert, assertEquals } from "@std/assert";
import { Aggregator, Fanout, RateLimit, type SinkContext } from "../mod.ts";
import { tally } from "./support/aggregating.ts";
import { microtasks } from "./support/gate.ts";
import { counts, Hand, rejection } from "./support/hand.ts";
import { sinks } from "./support/sinks.ts";
import { timed } from "./support/timed.ts";

function assertThrowsWith(call: () => unknown, reason: unknown): void {
  try {
    call();
  } catch (error) {
    return assertEquals(error, reason);
  }
  throw new Error("it did not throw");
}

const late = (error: unknown) => (error as DOMException).name === "TimeoutError";

for (const [name, make] of Object.entries(sinks)) {
  timed(
    `${name} discards an item that has waited longer than maxWait when its turn comes, and calls onDiscard [5.44]`,
    async (clock) => {
      const hand = new Hand<number>();
      const discarded: [readonly number[], unknown][] = [];
      const sink = make(hand.handler, {
        ...{ maxWait: 10, capacity: 9 },
        onDiscard: (items, reason) => discarded.push([items, reason]),
      });
      sink.tryPush(1);
      const results = [2, 3].map((n) => n === 2 ? rejection(sink.submit(n)) : sink.push(n));
      await clock.tick(5);
      sink.tryPush(4);
      await clock.tick(6);
      assertEquals([clock.pending, sink.stats.waiting], [0, 3]);
      hand.calls[0]!.resolve(0);
      await microtasks();
      assertEquals(hand.started, [1, 4]);
      const error = await results[0] as Error;
      assert(late(error));
      assertEquals(error.message, `${name}: the handler has not started within 10 ms`);
      assertEquals(discarded.map(([items]) => items), [[3]]);
      assert(late(discarded[0]![1]));
      hand.calls[1]!.resolve(0);
      await sink.close();
      assertEquals([sink.stats.done, sink.stats.discarded], [2, 2]);
    },
  );

  timed(
    `${name} discards all items that are late at one moment with one error [5.44]`,
    async (clock) => {
      const reasons: unknown[] = [];
      const sink = make(() => new Promise(() => {}), {
        ...{ maxWait: 10, capacity: 3, key: (n: number) => n },
        onDiscard: (_, reason) => reasons.push(reason),
      });
      for (const n of [1, 2, 3]) sink.tryPush(n);
      const submitted = rejection(sink.submit(4));
      await clock.tick(11);
      assert(sink.tryPush(5));
      reasons.push(await submitted);
      await clock.tick(11);
      for (const n of [6, 7, 8]) assert(sink.tryPush(n));
      const [first, second, third, later] = reasons;
      assert([late(first), first === second, first === third, late(later)].every(Boolean));
      assertEquals([reasons.length, later === first], [4, false]);
      await sink.abort();
    },
  );

  timed(
    `${name} handles an item that has waited exactly as long as maxWait [5.44]`,
    async (clock) => {
      const hand = new Hand<number>();
      const sink = make(hand.handler, { maxWait: 10, capacity: 9 } as never);
      for (const n of [1, 2]) sink.tryPush(n);
      await clock.tick(10);
      hand.calls[0]!.resolve(0);
      await microtasks();
      assertEquals(hand.started, [1, 2]);
      hand.calls[1]!.resolve(0);
      await sink.close();
    },
  );

  timed(`${name} sheds late items before it refuses one [5.44] [5.1]`, async (clock) => {
    const hand = new Hand<number>();
    const sink = make(hand.handler, { maxWait: 10, capacity: 2 } as never);
    for (const n of [1, 2]) assert(sink.tryPush(n));
    await clock.tick(6);
    assert(sink.tryPush(3));
    assertEquals(sink.tryPush(4), false);
    await clock.tick(5);
    assertEquals(sink.stats.discarded, 0);
    assert(sink.tryPush(4));
    assertEquals([sink.stats.discarded, sink.stats.refused], [1, 1]);
    assertEquals(sink.tryPush(5), false);
    await clock.tick(11);
    await sink.push(6);
    assertEquals([sink.stats.discarded, sink.stats.blocked], [3, 0]);
    hand.calls[0]!.resolve(0);
    await microtasks();
    assertEquals(hand.started, [1, 6]);
    hand.calls[1]!.resolve(0);
    await sink.close();
  });

  timed(
    `${name} sheds late items, and lets in callers that wait for room, before it refuses one [5.44] [5.38]`,
    async (clock) => {
      const hand = new Hand<number>();
      const sink = make(hand.handler, { maxWait: 10, capacity: 2 } as never);
      for (const n of [1, 2, 3]) assert(sink.tryPush(n));
      const pushed = sink.push(4);
      await clock.tick(11);
      assert(sink.tryPush(5));
      await pushed;
      assertEquals(sink.tryPush(6), false);
      const { waiting, discarded, blocked, refused } = sink.stats;
      assertEquals([waiting, discarded, blocked, refused], [2, 2, 0, 1]);
      await sink.abort();
    },
  );

  timed(`${name} accepts nothing when onDiscard ends it before [5.44] [5.11]`, async (clock) => {
    const ends = new AbortController();
    const sink = make(() => new Promise(() => {}), {
      ...{ maxWait: 10, capacity: 1, signal: ends.signal },
      onDiscard: () => ends.abort("end"),
    });
    for (const n of [1, 2]) assert(sink.tryPush(n));
    await clock.tick(11);
    assertThrowsWith(() => sink.tryPush(3), "end");
    assertEquals(sink.stats.waiting, 0);
    assertEquals(await rejection(sink.closed), "end");
  });

  timed(`${name} sheds items that wait for a stuck key [5.44] [5.2]`, async (clock) => {
    const hand = new Hand<number>();
    const sink = make(hand.handler, {
      ...{ maxWait: 10, capacity: 2, concurrency: 2, key: (n: number) => n % 2 },
    } as never);
    for (const n of [1, 3, 5]) assert(sink.tryPush(n));
    await clock.tick(11);
    assert(sink.tryPush(7));
    assert(sink.tryPush(2));
    assertEquals([hand.started, sink.stats.discarded], [[1, 2], 2]);
    hand.calls[0]!.resolve(0);
    await microtasks();
    assertEquals(hand.started, [1, 2, 7]);
    for (const n of [1, 2]) hand.calls[n]!.resolve(0);
    await sink.close();
  });

  timed(`${name} shows the handler how long its item has waited [5.44]`, async (clock) => {
    const waited: unknown[] = [];
    const hand = new Hand<number>();
    for (const maxWait of [Infinity, undefined]) {
      hand.calls.length = 0;
      const sink = make((item, context) => {
        waited.push((context as unknown as SinkContext).waited);
        return hand.handler(item, context);
      }, { maxWait, capacity: 9 } as never);
      for (const n of [1, 2]) sink.tryPush(n);
      await clock.tick(1000);
      hand.calls[0]!.resolve(0);
      await microtasks();
      hand.calls[1]!.resolve(0);
      await sink.close();
    }
    assertEquals(waited, [0, 1000, undefined, undefined]);
  });

  timed(`${name} restarts the time for each attempt of a retry [5.44] [5.40]`, async (clock) => {
    const waited: unknown[] = [];
    const sink = make((item, context) => {
      const { waited: ms, attempt } = context as unknown as SinkContext;
      waited.push(ms);
      if (attempt === 1) throw item;
    }, { maxWait: 10, retry: () => 1000 } as never);
    sink.tryPush(1);
    await clock.tick(1000);
    await sink.close();
    assertEquals([waited, sink.stats.done], [[0, 0], 1]);
  });

  timed(
    `${name} discards an item that waits too long for a worker after a retry, and reports how long [5.44] [5.40]`,
    async (clock) => {
      const waited: unknown[] = [];
      const hand = new Hand<number>();
      const sink = make((item, context) => {
        const { waited: ms, attempt } = context as unknown as SinkContext;
        waited.push([item, attempt, ms]);
        if (item === 3) return hand.handler(item, context);
        if (attempt === 1) throw item;
        return item;
      }, { maxWait: 10, capacity: 9, retry: () => 5 } as never);
      const first = rejection(sink.submit(1));
      await clock.tick(2);
      const second = sink.submit(2);
      assert(sink.tryPush(3));
      // The delay of the first is over after 5 ms, and that of the second after 7.
      await clock.tick(14);
      assertEquals([sink.stats.waiting, sink.stats.retried], [2, 2]);
      hand.call(3).resolve(0);
      assertEquals(await second, 2);
      assert(late(await first));
      assertEquals(waited, [[1, 1, 0], [2, 1, 0], [3, 1, 0], [2, 2, 9]]);
      await sink.close();
      assertEquals([sink.stats.done, sink.stats.discarded], [2, 1]);
    },
  );

  timed(
    `${name}.flush(), idle() and close() do not wait for shed items [5.44] [5.13] [5.5]`,
    async (clock) => {
      const hand = new Hand<number>();
      const sink = make(hand.handler, { maxWait: 10, capacity: 9 } as never);
      for (const n of [1, 2]) sink.tryPush(n);
      const consumed = sink.consume([3]);
      await microtasks();
      const ends = [consumed, sink.flush(), sink.idle(), sink.close()];
      await clock.tick(11);
      hand.calls[0]!.resolve(0);
      await Promise.all(ends.slice(1));
      await consumed.catch(() => {});
      const { done, discarded } = sink.stats;
      assertEquals([done, discarded], [1, 2]);
    },
  );
}

timed(
  "Aggregator counts maxWait from the time when a batch is due, and sheds the whole batch [5.44]",
  async (clock) => {
    const hand = new Hand<number[]>();
    const discarded: unknown[] = [];
    const sink = new Aggregator(hand.handler, {
      ...{ maxItems: 3, linger: 100, maxWait: 10, capacity: 9 },
      onDiscard: (items) => void discarded.push(items),
    });
    for (const n of [1, 2, 3]) sink.tryPush(n);
    for (const n of [4, 5]) sink.tryPush(n);
    await clock.tick(110);
    // It has been due for ten milliseconds, and is still open.
    const result = rejection(sink.submit(6));
    assertEquals(discarded, []);
    await clock.tick(1);
    hand.calls[0]!.resolve([0, 0, 0]);
    await microtasks();
    assertEquals([hand.started.length, discarded], [1, [[4, 5]]]);
    assert(late(await result));
    assertEquals(sink.stats, tally({ accepted: 6, done: 3, discarded: 3, batches: 1 }));
    await sink.close();
  },
);

timed(
  "Aggregator sheds a due batch that still gathers, and opens another for its key [5.44]",
  async (clock) => {
    const hand = new Hand<number[]>();
    const sink = new Aggregator(hand.handler, {
      ...{ maxItems: 9, linger: 10, maxWait: 10, capacity: 9, concurrency: 1 },
      key: (n) => n % 2,
    });
    sink.tryPush(1);
    await clock.tick(10);
    for (const n of [3, 2]) sink.tryPush(n);
    await clock.tick(21);
    hand.calls[0]!.resolve(0);
    await microtasks();
    assertEquals([hand.started, sink.stats.discarded], [[[1]], 2]);
    for (const n of [5, 7]) sink.tryPush(n);
    await clock.tick(10);
    assertEquals(hand.started, [[1], [5, 7]]);
    hand.calls[1]!.resolve(0);
    await sink.close();
  },
);

timed(
  "Fanout with a rate sheds late items, and uses no start for them [5.44] [8.1]",
  async (clock) => {
    const rate = new RateLimit({ limit: 1, interval: 100 });
    const seen: number[] = [];
    const fanout = new Fanout((n: number) => void seen.push(n), { rate, maxWait: 150 });
    for (const n of [1, 2, 3, 4]) fanout.tryPush(n);
    await clock.tick(100);
    fanout.tryPush(5);
    await clock.tick(100);
    assertEquals([seen, rate.stats.started], [[1, 2, 5], 3]);
    assertEquals(fanout.stats, counts({ accepted: 5, done: 3, discarded: 2 }));
    await fanout.close();
  },
);

timed(
  "Aggregator sheds nothing of a batch that its collector has swallowed [5.44] [4.2]",
  async (clock) => {
    const hand = new Hand<number[]>();
    const held: number[] = [];
    const collector = () => ({
      get size() {
        return held.length;
      },
      get full() {
        return held.length > 0;
      },
      add: (n: number) => void (n > 0 && held.push(n)),
      take: () => held.splice(0),
    });
    const sink = new Aggregator(hand.handler, { collector, linger: 5, maxWait: 10, capacity: 9 });
    for (const n of [1, -1]) assert(sink.tryPush(n));
    await clock.tick(5);
    // It is due, and flushed before its turn, so there is nothing to hand over.
    const flushed = sink.flush();
    await clock.tick(20);
    assert(sink.tryPush(2));
    assertEquals(sink.stats.discarded, 0);
    hand.calls[0]!.resolve(0);
    await flushed;
    await microtasks();
    hand.calls[1]!.resolve(0);
    await sink.close();
    assertEquals([hand.started, sink.stats.done], [[[1], [2]], 3]);
  },
);
