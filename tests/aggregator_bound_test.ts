/** `Aggregator`: the bound over open and queued batches is exact. */

import { assert, assertEquals } from "@std/assert";
import { Aggregator, type AggregatorOptions } from "../mod.ts";
import { ids, summing, tally } from "./support/aggregating.ts";
import { counted, settled, turn } from "./support/gate.ts";
import { assertConserved, Hand } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

const stuck = () => new Promise<never>(() => {});

/** The number of items that a sink takes when no handler ends. */
function room(options: AggregatorOptions<number>): number {
  const sink = new Aggregator<number>(stuck, { linger: Infinity, ...options });
  let accepted = 0;
  while (sink.tryPush(1)) accepted++;
  assertEquals(sink.stats.waiting + sink.stats.running, accepted);
  assertEquals(sink.tryPush(1), false);
  return accepted;
}

test("Aggregator has room for maxItems * (concurrency + 1) waiting items by default [5.1]", () => {
  // Besides the running items.
  assertEquals(room({ maxItems: 1 }), 1 + 2);
  assertEquals(room({ maxItems: 3 }), 3 + 6);
  assertEquals(room({ maxItems: 3, concurrency: 4 }), 12 + 15);
  assertEquals(room({}), 1000 + 2000);
  // By weight only: a batch has at most as many items as the capacity, which is 1000 for each.
  const weigh = () => 0;
  assertEquals(room({ maxWeight: 5, weigh }), 2000 + 2000);
  assertEquals(room({ maxWeight: 5, weigh, maxItems: 2 }), 2 + 4);
});

test("Aggregator has room for exactly capacity waiting items when the rest of a batch is open [5.1]", () => {
  assertEquals(room({ maxItems: 3, capacity: 3 }), 3 + 3);
  assertEquals(room({ maxItems: 3, capacity: 4 }), 3 + 4);
  assertEquals(room({ maxItems: 3, capacity: 4, concurrency: 2 }), 6 + 4);
  assertEquals(room({ maxItems: 1, capacity: 1 }), 1 + 1);
});

test("Aggregator allows the greatest integers for its limits [F-02]", async () => {
  const most = Number.MAX_SAFE_INTEGER;
  const seen: number[][] = [];
  const sink = new Aggregator((batch: number[]) => void seen.push(batch), {
    maxItems: most,
    concurrency: most,
  });
  await sink.consume([1, 2]);
  assertEquals(seen, [[1, 2]]);
});

test("Aggregator keeps the bound at every moment, however items come in [5.1] [3]", async () => {
  const [maxItems, concurrency, capacity] = [4, 2, 6];
  let [running, most] = [0, 0];
  const look = () => {
    assertConserved(sink);
    assert(sink.stats.waiting <= capacity, `${sink.stats.waiting} wait`);
  };
  const sink: Aggregator<number> = new Aggregator<number>(async (batch) => {
    most = Math.max(most, ++running);
    for (let i = batch[0]! % 5; i >= 0; i--) await undefined;
    look();
    running--;
    return batch;
  }, { maxItems, concurrency, capacity, linger: 0, key: (n) => n % 3 });
  const writer = sink.getWriter();
  const calls: Promise<unknown>[] = [];
  for (let n = 0; n < 300; n += 3) {
    calls.push(sink.push(n), sink.submit(n + 1), writer.write(n + 2));
    look();
    if (n % 4 === 0) await undefined;
  }
  await Promise.all(calls);
  await writer.close();
  assertEquals([sink.stats.done, most], [300, concurrency]);
});

test("Aggregator.tryPush() does not overtake callers that wait for room [5.1] [5.2]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 2, capacity: 2, linger: Infinity });
  for (const n of ids(1, 4)) sink.tryPush(n);
  const waiting = [sink.push(5), sink.push(6), sink.push(7)];
  hand.calls[0]!.resolve(0);
  await Promise.all(waiting.slice(0, 2));
  assertEquals(await settled(waiting[2]!), "pending");
  assertEquals(sink.tryPush(8), false);
  hand.calls[1]!.resolve(0);
  await waiting[2];
  assertEquals(sink.tryPush(8), true);
  assertEquals(hand.started, [[1, 2], [3, 4], [5, 6]]);
});

test("Aggregator gives its oldest batch to a free worker at capacity, and no other [5.2]", async () => {
  const hand = new Hand<string[]>();
  const sink = new Aggregator(hand.handler, {
    maxItems: 5,
    capacity: 5,
    concurrency: 2,
    linger: Infinity,
    key: (item: string) => item[0],
  });
  for (const item of ["a1", "b1", "a2", "c1"]) sink.tryPush(item);
  assertEquals(hand.started, []);
  sink.tryPush("d1");
  // There is enough room now, so the others go on gathering.
  assertEquals(hand.started, [["a1", "a2"]]);
  assertEquals(sink.stats, tally({ accepted: 5, waiting: 3, running: 2, batches: 1 }));
  for (const item of ["e1", "f1"]) sink.tryPush(item);
  assertEquals(hand.started, [["a1", "a2"], ["b1"]]);
  // No worker is free, so the sink stays full.
  assertEquals([sink.tryPush("g1"), sink.tryPush("g2")], [true, false]);
  const pushed = sink.push("g2");
  hand.calls[1]!.resolve(0);
  await pushed;
  assertEquals(hand.started.slice(2), [["c1"]]);
  await sink.abort();
});

test("Aggregator at capacity skips the oldest batch if its key is being handled [5.2]", async () => {
  const hand = new Hand<string[]>();
  const sink = new Aggregator(hand.handler, {
    maxItems: 2,
    capacity: 3,
    concurrency: 2,
    linger: Infinity,
    key: (item: string) => item[0],
  });
  for (const item of ["a1", "a2", "a3", "b1"]) sink.tryPush(item);
  assertEquals(hand.started, [["a1", "a2"]]);
  sink.tryPush("c1");
  assertEquals(hand.started, [["a1", "a2"], ["b1"]]);
  // Now "c" is open, and can't start before a worker is free.
  hand.calls[0]!.resolve(0);
  await turn();
  assertEquals(hand.calls.length, 2);
  for (const item of ["d1"]) sink.tryPush(item);
  assertEquals(hand.started.at(-1), ["a3"]);
  await sink.abort();
});

test("Aggregator at capacity does not flush an open batch while another is queued for a worker [5.2]", async () => {
  const hand = new Hand<string[]>();
  const sink = new Aggregator(hand.handler, {
    maxItems: 2,
    capacity: 3,
    linger: Infinity,
    key: (item: string) => item[0],
  });
  for (const item of ["z1", "z2", "a1", "b1", "b2"]) sink.tryPush(item);
  assertEquals(sink.stats.waiting, 3);
  hand.calls[0]!.resolve(0);
  await turn();
  assertEquals(hand.started, [["z1", "z2"], ["b1", "b2"]]);
  hand.calls[1]!.resolve(0);
  await turn();
  assertEquals(sink.stats, tally({ accepted: 5, waiting: 1, done: 4, batches: 2 }));
  await sink.abort();
});

test("Aggregator hands over batches of a weight that fill the capacity [5.1] [5.2]", async () => {
  const seen: number[][] = [];
  const sink = new Aggregator((batch: number[]) => void seen.push(batch), {
    maxWeight: 100,
    weigh: (n: number) => n,
    capacity: 4,
    linger: Infinity,
  });
  for (const n of [0, 0, 0, 0, 0, 60, 60]) assertEquals(sink.tryPush(n), true);
  assertEquals(seen, [[0, 0, 0, 0], [0, 60]]);
  await sink.close();
  assertEquals(seen[2], [60]);
});

test("Aggregator hands over a collector's batch that fills the capacity [5.1] [5.2]", async () => {
  const hand = new Hand<{ sum: number }>();
  const sink = new Aggregator(hand.handler, {
    collector: summing(Infinity),
    capacity: 3,
    linger: Infinity,
  });
  for (const n of ids(1, 6)) assertEquals(sink.tryPush(n), true);
  assertEquals(sink.tryPush(7), false);
  assertEquals(hand.started, [{ sum: 6 }]);
  const pushed = sink.push(7);
  hand.calls[0]!.resolve(0);
  await pushed;
  assertEquals(hand.started, [{ sum: 6 }, { sum: 15 }]);
  await sink.abort();
});

timed("Aggregator slows a writer and a pipe down, which read no more than fits [5.1]", async () => {
  let pulled = 0;
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 2, capacity: 3, linger: Infinity });
  const source = new ReadableStream<number>({
    pull(controller) {
      controller.enqueue(counted(pulled++));
    },
  }, { highWaterMark: 0 });
  const piped = source.pipeTo(sink);
  for (let i = 0; i < 30; i++) await turn();
  assertEquals(sink.stats, tally({ accepted: 5, waiting: 3, running: 2, batches: 1, blocked: 1 }));
  assert(pulled >= 5 && pulled <= 7, String(pulled));
  hand.calls[0]!.reject("end");
  await piped.catch(() => {});
  assertEquals(sink.stats.discarded, 3);
});

test("Aggregator.push() lets many calls wait for room without an await [F-37]", async () => {
  const count = 2e5;
  let next = 0;
  let inOrder = true;
  const sink = new Aggregator((batch: number[]) => {
    for (const n of batch) inOrder &&= n === next++;
    if (next % 10_000 === 0) return turn();
  }, { maxItems: 10, capacity: 10 });
  for (let n = 0; n < count; n++) sink.push(n);
  assert(sink.stats.waiting <= 10);
  await sink.close();
  assertEquals([next, inOrder], [count, true]);
  assertEquals(sink.stats, tally({ accepted: count, done: count, batches: count / 10 }));
});

test("Aggregator with a capacity of Infinity always has room [5.33]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 2, capacity: Infinity });
  for (const n of ids(1, 5000)) assertEquals(sink.tryPush(n), true);
  assertEquals(sink.stats, tally({ accepted: 5000, waiting: 4998, running: 2, batches: 1 }));
  await sink.abort();
});

for (const options of [undefined, new AbortController()]) {
  test(`Aggregator.push() that waits for room ${options ? "with a signal " : ""}stays the first when weigh has used its room up [5.8] [5.1]`, async () => {
    const hand = new Hand<number[]>();
    let pushes = true;
    const sink = new Aggregator(hand.handler, {
      ...{ maxItems: 1, capacity: 1, maxWeight: 9, linger: Infinity },
      weigh(n: number) {
        if (n === 3 && pushes) {
          pushes = false;
          assertEquals(sink.tryPush(9), true);
        }
        return 1;
      },
    });
    for (const n of [1, 2]) sink.tryPush(n);
    // `weigh` is called when the item comes in, and not before.
    const pushed = sink.push(3, options);
    assertEquals(sink.stats.blocked, 1);
    for (let n = 0; n < 4; n++) {
      hand.calls[n]!.resolve(0);
      await turn();
    }
    await pushed;
    await sink.close();
    assertEquals(hand.started, [[1], [2], [9], [3]]);
  });
}
