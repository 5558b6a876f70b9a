/** `Aggregator` does the job of channelx's Aggregator and of go-zero's executors, without their faults. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Aggregator } from "../mod.ts";
import { ids, type Sum, summing, tally } from "./support/aggregating.ts";
import { settled, turn } from "./support/gate.ts";
import { Hand, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

timed("channelx Aggregator: BatchSize 1, 8 workers and one linger [F-26] [5.1]", async (clock) => {
  let [running, most] = [0, 0];
  const handled: number[] = [];
  const sink = new Aggregator<number>(async ([item, ...others]) => {
    assertEquals(others, []);
    most = Math.max(most, ++running);
    await turn();
    running--;
    handled.push(item!);
  }, { maxItems: 1, concurrency: 8, linger: 60_000 });
  for (const n of ids(1, 100)) await sink.push(n);
  await sink.flush();
  assertEquals(handled, ids(1, 100));
  assertEquals(most, 8);
  assertEquals(clock.now, 0);
  await sink.close();
});

timed(
  "channelx Aggregator: a batch goes out when it is full, or LingerTime after its first item [4.2] [4.4]",
  async (clock) => {
    const seen: unknown[] = [];
    const sink = new Aggregator<number>((batch) => void seen.push([clock.now, ...batch]), {
      maxItems: 3,
      linger: 500,
      concurrency: 2,
    });
    for (const n of ids(1, 4)) sink.tryPush(n);
    await clock.tick(499);
    sink.tryPush(5);
    assertEquals(seen, [[0, 1, 2, 3]]);
    await clock.tick(1);
    assertEquals(seen[1], [500, 4, 5]);
  },
);

test("channelx Aggregator: all workers share one open batch, instead of one each [5.1]", async () => {
  const seen: number[][] = [];
  const sink = new Aggregator<number>((batch) => void seen.push(batch), {
    maxItems: 8,
    concurrency: 8,
    linger: Infinity,
  });
  for (const n of ids(1, 8)) await sink.push(n);
  assertEquals(seen, [ids(1, 8)]);
  await sink.close();
});

test("channelx Aggregator: an error handler that re-enqueues its batch [5.3] [5.8]", async () => {
  const attempts = new Map<number, number>();
  const handled: number[] = [];
  const retries: Promise<void>[] = [];
  const sink: Aggregator<number> = new Aggregator<number>(async (batch) => {
    await undefined;
    for (const n of batch) attempts.set(n, (attempts.get(n) ?? 0) + 1);
    if (batch.some((n) => n % 5 === 0 && attempts.get(n)! < 3)) throw new Error("try again");
    handled.push(...batch);
  }, {
    maxItems: 4,
    concurrency: 2,
    capacity: 4,
    linger: 0,
    // Not awaited, because the pushed items may need its slot.
    onError: (_error, items) => void retries.push(...items.map((n) => sink.push(n))),
  });
  await sink.consume(ids(1, 40));
  await Promise.all(retries);
  await sink.idle();
  await Promise.all(retries);
  await sink.close();
  assertEquals(handled.toSorted((a, b) => a - b), ids(1, 40));
  const { accepted, done, failed, waiting, running } = sink.stats;
  assertEquals([done, accepted - failed, waiting + running], [40, 40, 0]);
});

test("channelx Aggregator: an error handler that retries at once keeps its slot, and close waits for it [5.3] [5.5]", async () => {
  let attempts = 0;
  const table: number[] = [];
  const insert = async (batch: number[]) => {
    await turn();
    if (++attempts % 2) throw new Error("lost connection");
    table.push(...batch);
  };
  const sink = new Aggregator<number>(insert, {
    maxItems: 10,
    onError: (_error, items) => insert(items),
  });
  for (const n of ids(1, 25)) await sink.push(n);
  await sink.close();
  assertEquals(table, ids(1, 25));
});

test("channelx Aggregator: SafeStop and Stop: close drains, abort reports [5.5] [5.6] [5.11]", async () => {
  for (const how of ["SafeStop", "Stop"] as const) {
    const handled: number[] = [];
    const discarded: number[] = [];
    const sink = new Aggregator<number>(async (batch) => {
      await turn();
      handled.push(...batch);
    }, { maxItems: 4, capacity: 50, onDiscard: (items) => discarded.push(...items) });
    for (const n of ids(1, 50)) assertEquals(sink.tryPush(n), true);
    const stopped = how === "SafeStop" ? sink.close() : sink.abort(new Error("stop"));
    assertThrows(() => sink.tryPush(51));
    await stopped;
    await sink.idle();
    assertEquals(handled, how === "SafeStop" ? ids(1, 50) : ids(1, 4));
    assertEquals(discarded, how === "SafeStop" ? [] : ids(5, 50));
  }
});

test("channelx Aggregator: a panic loses no batch, and stops no worker [5.3] [F-13]", async () => {
  const failed: number[] = [];
  const done: number[] = [];
  const sink = new Aggregator<number>((batch) => {
    if (batch[0]! % 8 === 1) throw new Error("panic");
    done.push(...batch);
  }, { maxItems: 4, concurrency: 3, onError: (_error, items) => failed.push(...items) });
  await sink.consume(ids(1, 400));
  assertEquals([...done, ...failed].toSorted((a, b) => a - b), ids(1, 400));
  assertEquals(sink.stats, tally({ accepted: 400, done: 200, failed: 200, batches: 100 }));
  await sink.close();
});

test("channelx Aggregator: TryEnqueue refuses when full, Enqueue waits [5.1]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 2, capacity: 2 });
  assertEquals(ids(1, 5).map((n) => sink.tryPush(n)), [true, true, true, true, false]);
  const pushed = sink.push(5);
  assertEquals(await settled(pushed), "pending");
  hand.calls[0]!.resolve(0);
  await pushed;
  await sink.abort();
});

test("go-zero ChunkExecutor on Aggregator: sizes 4,4,100,1 under a cap of 10 give 4 and 4, 100, and 1 [4.3]", async () => {
  const seen: number[][] = [];
  const sink = new Aggregator<number>((batch) => void seen.push(batch), {
    maxWeight: 10,
    weigh: (size) => size,
    linger: Infinity,
  });
  for (const size of [4, 4, 100, 1]) await sink.push(size);
  await sink.close();
  assertEquals(seen, [[4, 4], [100], [1]]);
});

test("go-zero BulkExecutor on Aggregator: 100,000 adds of size 1 with a slow sink lose nothing [3] [5.5]", async () => {
  const count = 100_000;
  let [sum, rounds, refused] = [0, 0, 0];
  const sink = new Aggregator<number>(async (batch) => {
    if (++rounds % 10 === 0) await turn();
    sum += batch.length;
  }, { maxItems: 1000, maxWeight: 1000, weigh: () => 1, linger: 10 });
  for (let n = 0; n < count; n++) {
    if (sink.tryPush(n)) continue;
    refused++;
    await sink.push(n);
  }
  await sink.close();
  assertEquals(sum, count);
  assertEquals(sink.stats, tally({ accepted: count, done: count, batches: 100, refused }));
});

timed(
  "go-zero PeriodicalExecutor on Aggregator: a leftover waits one interval, not two [4.4]",
  async (clock) => {
    const seen: unknown[] = [];
    const sink = new Aggregator<number>((batch) => void seen.push([clock.now, ...batch]), {
      maxItems: 3,
      linger: 100,
    });
    await clock.tick(90);
    for (const n of ids(1, 4)) sink.tryPush(n);
    await clock.tick(100);
    assertEquals(seen, [[90, 1, 2, 3], [190, 4]]);
    await clock.tick(98);
    sink.tryPush(5);
    // There is no independent ticker, so nothing goes out at 290.
    await clock.tick(99);
    assertEquals(seen.length, 2);
    await clock.tick(1);
    assertEquals(seen[2], [388, 5]);
  },
);

test("go-zero PeriodicalExecutor on Aggregator: a custom container [4.1]", async () => {
  const seen: Sum[] = [];
  const sink = new Aggregator<number, unknown, Sum>((batch) => void seen.push(batch), {
    collector: summing(100),
    linger: 0,
    concurrency: 2,
  });
  for (const n of ids(1, 250)) await sink.push(n);
  await sink.close();
  assertEquals(seen.reduce((all, { sum }) => all + sum, 0), 250 * 251 / 2);
  assertEquals(sink.stats.done, 250);
});

test("go-zero BulkExecutor on Aggregator: a handler that adds does not deadlock [5.8] [F-18]", async () => {
  const seen: number[] = [];
  const sink: Aggregator<number> = new Aggregator<number>(async (batch) => {
    await undefined;
    seen.push(...batch);
    // Each level adds two until there are 63.
    for (const n of batch) {
      if (n < 32) { for (const more of [2 * n, 2 * n + 1]) sink.push(more).catch(() => {}); }
    }
  }, { maxItems: 2, capacity: 2, linger: 0 });
  sink.tryPush(1);
  while (seen.length < 63) await sink.idle().then(turn);
  await sink.close();
  assertEquals(seen.toSorted((a, b) => a - b), ids(1, 63));
});

test("go-zero BulkExecutor on Aggregator: failures are not swallowed [5.3]", async () => {
  const error = new Error("database");
  const insert = (rows: string[]) => rows.includes("bad") ? Promise.reject(error) : rows;
  const told: unknown[] = [];
  const reporting = new Aggregator<string>(insert, {
    maxItems: 2,
    onError: (...failure) => told.push(failure),
  });
  await reporting.consume(["a", "bad", "b"]);
  assertEquals(told, [[error, ["a", "bad"], ["a", "bad"]]]);
  await reporting.close();
  const strict = new Aggregator<string>(insert, { maxItems: 2 });
  assertStrictEquals(await rejection(strict.consume(["a", "bad", "b"])), error);
  assertStrictEquals(await rejection(strict.close()), error);
});

test("go-zero BulkExecutor on Aggregator: Flush and Wait are flush() and close(), in order and by one worker [5.2] [5.5]", async () => {
  const seen: number[][] = [];
  let running = 0;
  const sink = new Aggregator<number>(async (batch) => {
    assert(++running === 1);
    await turn();
    running--;
    seen.push(batch);
  }, { maxItems: 2, linger: Infinity });
  for (const n of ids(1, 5)) sink.tryPush(n);
  await sink.flush();
  assertEquals(seen, [[1, 2], [3, 4], [5]]);
  sink.tryPush(6);
  await sink.close();
  assertEquals(seen[3], [6]);
});
