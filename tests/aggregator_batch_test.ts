/** `Aggregator`: when a batch goes out, and its items. */

import { assert, assertEquals } from "@std/assert";
import { Aggregator } from "../mod.ts";
import { ids, tally } from "./support/aggregating.ts";
import { microtasks, turn } from "./support/gate.ts";
import { Hand } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

test("Aggregator keeps the order, in batches that are full, and the rest at close [4.1] [4.2] [5.2]", async () => {
  const seen: number[][] = [];
  const sink = new Aggregator((batch: number[]) => void seen.push(batch), {
    maxItems: 3,
    linger: Infinity,
  });
  for (const n of ids(1, 8)) sink.tryPush(n);
  assertEquals(seen, [[1, 2, 3], [4, 5, 6]]);
  await sink.close();
  assertEquals(seen, [[1, 2, 3], [4, 5, 6], [7, 8]]);
  assertEquals(sink.stats, tally({ accepted: 8, done: 8, batches: 3 }));
});

test("Aggregator handles every item in batches of one, including the last [F-26]", async () => {
  const seen: number[][] = [];
  const sink = new Aggregator((batch: number[]) => void seen.push(batch), { maxItems: 1 });
  for (const n of [1, 2, 3]) await sink.push(n);
  assertEquals(seen, [[1], [2], [3]]);
  await sink.close();
  assertEquals(seen.length, 3);
});

test("Aggregator never touches a batch again, even if its handler changes it [4.1] [F-11]", async () => {
  const seen: number[][] = [];
  const sink = new Aggregator((batch: number[]) => {
    seen.push([...batch]);
    batch.length = 0;
    batch.push(99);
  }, { maxItems: 2 });
  await sink.consume([1, 2, 3, 4, 5]);
  assertEquals(seen, [[1, 2], [3, 4], [5]]);
  assertEquals(sink.stats, tally({ accepted: 5, done: 5, batches: 3 }));
});

test("Aggregator never exceeds maxWeight: an item that would exceed it starts the next batch [4.3]", async () => {
  const seen: number[][] = [];
  const weighed: number[] = [];
  const sink = new Aggregator((batch: number[]) => void seen.push(batch), {
    maxWeight: 10,
    weigh: (n: number) => (weighed.push(n), n),
    linger: Infinity,
  });
  // After 4 + 5 the 2 does not fit; 0 and 8 fill the next batch exactly.
  for (const n of [4, 5, 2, 0, 8, 1, 9, 10]) sink.tryPush(n);
  assertEquals(seen, [[4, 5], [2, 0, 8], [1, 9], [10]]);
  assertEquals(weighed, [4, 5, 2, 0, 8, 1, 9, 10]);
  await sink.close();
});

test("Aggregator hands over an item over the limit alone [4.3] [F-08]", async () => {
  const seen: number[][] = [];
  const sink = new Aggregator((batch: number[]) => void seen.push(batch), {
    maxWeight: 10,
    weigh: (n: number) => n,
  });
  for (const n of [3, 11, 3]) sink.tryPush(n);
  assertEquals(seen, [[3], [11]]);
  await sink.close();
  assertEquals(seen, [[3], [11], [3]]);
});

timed(
  "Aggregator lets a batch linger from its first item, never longer and never less [4.2] [4.4]",
  async (clock) => {
    const seen: unknown[] = [];
    const sink = new Aggregator((batch: number[]) => void seen.push([clock.now, ...batch]), {
      maxItems: 10,
      linger: 100,
    });
    sink.tryPush(1);
    await clock.tick(60);
    sink.tryPush(2);
    await clock.tick(39);
    sink.tryPush(3);
    assertEquals(seen, []);
    await clock.tick(1);
    assertEquals(seen, [[100, 1, 2, 3]]);
    // There are no items, so there is no timer.
    assertEquals(clock.pending, 0);
    await clock.tick(70);
    sink.tryPush(4);
    await clock.tick(99);
    assertEquals(seen.length, 1);
    await clock.tick(1);
    assertEquals(seen[1], [270, 4]);
    await sink.close();
  },
);

timed("Aggregator lingers a second by default [7.6]", async (clock) => {
  const seen: number[][] = [];
  const sink = new Aggregator((batch: number[]) => void seen.push(batch));
  sink.tryPush(1);
  await clock.tick(999);
  assertEquals(seen, []);
  await clock.tick(1);
  assertEquals(seen, [[1]]);
});

timed(
  "Aggregator flushes no batch by the timer of the one before [4.2] [F-25]",
  async (clock) => {
    const seen: unknown[] = [];
    const sink = new Aggregator((batch: number[]) => void seen.push([clock.now, ...batch]), {
      maxItems: 2,
      linger: 100,
    });
    sink.tryPush(1);
    await clock.tick(90);
    sink.tryPush(2);
    sink.tryPush(3);
    await clock.tick(99);
    assertEquals(seen, [[90, 1, 2]]);
    await clock.tick(1);
    assertEquals(seen, [[90, 1, 2], [190, 3]]);
    // Even if the next batch opens in the same turn in which the one before was flushed.
    sink.tryPush(4);
    await clock.tick(50);
    void sink.flush();
    sink.tryPush(5);
    await clock.tick(99);
    assertEquals(seen.at(-1), [240, 4]);
    await clock.tick(1);
    assertEquals(seen.at(-1), [340, 5]);
  },
);

timed("Aggregator makes no timer for a batch that fills at once [4.4]", async (clock) => {
  let made = 0;
  const { setTimeout } = globalThis;
  globalThis.setTimeout = ((...args: Parameters<typeof setTimeout>) => {
    if (args[1] === 100) made++;
    return setTimeout(...args);
  }) as typeof setTimeout;
  const sink = new Aggregator(() => {}, { maxItems: 2, linger: 100 });
  for (const n of ids(1, 10)) sink.tryPush(n);
  await microtasks();
  assertEquals([made, clock.pending], [0, 0]);
  sink.tryPush(11);
  await microtasks();
  assertEquals([made, clock.pending], [1, 1]);
  globalThis.setTimeout = setTimeout;
  await sink.close();
});

timed("Aggregator makes no timer when linger is Infinity or 0 [3] [4.6]", async (clock) => {
  for (const linger of [Infinity, 0]) {
    const hand = new Hand<number[]>();
    const sink = new Aggregator(hand.handler, { linger });
    sink.tryPush(1);
    await microtasks();
    assertEquals(clock.pending, 0);
    assertEquals(hand.started, linger === 0 ? [[1]] : []);
    await sink.abort();
  }
});

timed(
  "Aggregator gathers the callers of one turn with linger 0, and callers that await between with linger 1 [4.6]",
  async (clock) => {
    for (const [linger, queries] of [[0, 5], [1, 1]] as const) {
      const sink = new Aggregator((batch: number[]) => batch, { linger, concurrency: 5 });
      const load = async (n: number) => {
        for (let waits = n % 5; waits > 0; waits--) await undefined;
        return await sink.submit(n);
      };
      const loads = Promise.all(ids(1, 20).map(load));
      await clock.tick(1);
      await loads;
      assertEquals(sink.stats.batches, queries);
    }
  },
);

timed(
  "Aggregator with linger 0 is due once the code yields, and adaptive [4.6] [5.1]",
  async () => {
    const hand = new Hand<number[]>();
    const sink = new Aggregator(hand.handler, { linger: 0 });
    for (const n of [1, 2]) sink.tryPush(n);
    assertEquals(hand.started, []);
    await undefined;
    assertEquals(hand.started, [[1, 2]]);
    // The worker is busy: the batch grows by itself.
    for (const n of [3, 4, 5]) {
      sink.tryPush(n);
      await turn();
    }
    assertEquals(hand.started.length, 1);
    hand.calls[0]!.resolve(0);
    await turn();
    assertEquals(hand.started, [[1, 2], [3, 4, 5]]);
    hand.calls[1]!.resolve(0);
    await turn();
    sink.tryPush(6);
    await undefined;
    assertEquals(hand.started[2], [6]);
  },
);

timed(
  "Aggregator goes on collecting in a due batch while no worker is free, until it is full [5.1] [4.5]",
  async (clock) => {
    const hand = new Hand<number[]>();
    const sink = new Aggregator(hand.handler, { maxItems: 4, linger: 10 });
    for (const n of ids(1, 4)) sink.tryPush(n);
    sink.tryPush(5);
    await clock.tick(50);
    for (const n of [6, 7]) sink.tryPush(n);
    assertEquals(sink.stats, tally({ accepted: 7, waiting: 3, running: 4, batches: 1 }));
    hand.calls[0]!.resolve(0);
    await turn();
    assertEquals(hand.started[1], [5, 6, 7]);
    // A due batch that fills up is queued, and the next has its own linger.
    sink.tryPush(8);
    await clock.tick(10);
    for (const n of ids(9, 12)) sink.tryPush(n);
    hand.calls[1]!.resolve(0);
    await turn();
    assertEquals(hand.started[2], ids(8, 11));
    hand.calls[2]!.resolve(0);
    await clock.tick(9);
    assertEquals(hand.calls.length, 3);
    await clock.tick(1);
    assertEquals(hand.started[3], [12]);
  },
);

timed(
  "Aggregator does not flush a batch that is neither full nor due when a worker becomes free [4.2] [F-28]",
  async (clock) => {
    const hand = new Hand<number[]>();
    const sink = new Aggregator(hand.handler, { maxItems: 2, linger: 100 });
    for (const n of [1, 2, 3]) sink.tryPush(n);
    hand.calls[0]!.resolve(0);
    await clock.tick(99);
    assertEquals(hand.started, [[1, 2]]);
    await clock.tick(1);
    assertEquals(hand.started, [[1, 2], [3]]);
    assert(clock.pending === 0);
  },
);
