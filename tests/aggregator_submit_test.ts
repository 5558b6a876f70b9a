/** `Aggregator`: results of single items, and failures of batches. */

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Aggregator, Singleflight } from "../mod.ts";
import { summing, tally } from "./support/aggregating.ts";
import { counted, settled, turn } from "./support/gate.ts";
import { Hand, heard, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

test("Aggregator.submit() resolves with the result at the place of its item [5.10]", async () => {
  const sink = new Aggregator((batch: number[]) => batch.map((n) => `r${n}`), {
    maxItems: 2,
    linger: 0,
  });
  const results = await Promise.all([1, 2, 3].map((n) => sink.submit(n)));
  assertEquals(results, ["r1", "r2", "r3"]);
  assertEquals(sink.stats, tally({ accepted: 3, done: 3, batches: 2 }));
});

const arrays: Record<string, (values: number[]) => unknown> = {
  "an array": (values) => values,
  "a promise of an array": (values) => Promise.resolve(values),
  "an array of promises": (values) => values.map((value) => Promise.resolve(value)),
};
for (const [what, make] of Object.entries(arrays)) {
  test(`Aggregator.submit() reads results from ${what} [5.10]`, async () => {
    const sink = new Aggregator<number>((batch) => make(batch.map((n) => n * 2)), {
      linger: 0,
    });
    assertEquals(await Promise.all([1, 2, 3].map((n) => sink.submit(n))), [2, 4, 6]);
  });
}

test("Aggregator.submit() rejects only the item whose result is an Error [5.10]", async () => {
  const error = new RangeError("one");
  const told: unknown[] = [];
  const sink = new Aggregator<number>((batch) => batch.map((n) => n === 2 ? error : n), {
    linger: 0,
    onError: (...args) => told.push(args),
  });
  const results = await Promise.allSettled([1, 2, 3].map((n) => sink.submit(n)));
  assertEquals(results.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  assertStrictEquals((results[1] as PromiseRejectedResult).reason, error);
  assertEquals(sink.stats, tally({ accepted: 3, done: 2, failed: 1, batches: 1 }));
  assertEquals(told, []);
});

const wrong: Record<string, [make: () => unknown, complaint: string]> = {
  "too few": [() => [1], "each of 3 items; got 1"],
  "too many": [() => [1, 2, 3, 4], "each of 3 items; got 4"],
  "none": [() => [], "each of 3 items; got 0"],
  "undefined": [() => undefined, "each of 3 items; got undefined"],
  "null": [() => null, "each of 3 items; got null"],
  "a number": [() => 5, "each of 3 items; got 5"],
  "an object": [() => ({ length: 3 }), "each of 3 items; got an object"],
  "a promise of undefined": [async () => {}, "each of 3 items; got undefined"],
  "a string": [() => "abc", 'each of 3 items; got "abc"'],
  "a Set": [() => new Set([1, 2, 3]), "each of 3 items; got an object"],
  "a typed array": [() => new Uint8Array(3), "each of 3 items; got an object"],
  "a generator without an end": [function* () {
    while (true) yield counted(1);
  }, "each of 3 items; got an object"],
};
for (const [what, [make, complaint]] of Object.entries(wrong)) {
  test(`Aggregator.submit() rejects the whole batch when the handler returns ${what} [5.10] [F-22]`, async () => {
    const sink = new Aggregator<number>(make, { maxItems: 3 });
    const results = await Promise.all([1, 2, 3].map((n) => rejection(sink.submit(n))));
    for (const error of results) assertStrictEquals(error, results[0]);
    await assertRejects(() => Promise.reject(results[0]), TypeError, complaint);
    await assertRejects(() => Promise.reject(results[0]), TypeError, "Aggregator: the handler");
    assertEquals(sink.stats, tally({ accepted: 3, failed: 3, batches: 1 }));
    await sink.close();
  });
}

test("Aggregator ignores the result of a handler when nothing was submitted [5.10]", async () => {
  const sink = new Aggregator<number>(() => new Error("a value"), { maxItems: 1 });
  await sink.push(1);
  assertEquals(sink.stats, tally({ accepted: 1, done: 1, batches: 1 }));
  await sink.close();
});

test("Aggregator gives submitted items their own results when others were pushed [5.10]", async () => {
  const sink = new Aggregator((batch: number[]) => batch.map((n) => n * 2), { maxItems: 4 });
  sink.tryPush(1);
  const second = sink.submit(2);
  await sink.push(3);
  assertEquals(await Promise.all([second, sink.submit(4)]), [4, 8]);
});

test("Aggregator with a failed batch of submitted and pushed items rejects the first and calls onError [5.3] [5.10]", async () => {
  const error = new Error("batch");
  const told: unknown[] = [];
  const sink = new Aggregator<number>(() => Promise.reject(error), {
    maxItems: 2,
    onError: (...args) => told.push(args),
  });
  sink.tryPush(1);
  assertStrictEquals(await rejection(sink.submit(2)), error);
  assertEquals(told, [[error, [1], [1, 2]]]);
  // All are submitted, so `onError` is not called.
  const both = await Promise.all([rejection(sink.submit(3)), rejection(sink.submit(4))]);
  assertEquals([both, told.length], [[error, error], 1]);
  assertEquals(sink.stats, tally({ accepted: 4, failed: 4, batches: 2 }));
  await sink.close();
});

test("Aggregator without onError fails at a failed batch of submitted and pushed items [5.3] [5.10]", async () => {
  const error = new Error("batch");
  const sink = new Aggregator<number>(() => Promise.reject(error), { maxItems: 2 });
  const submitted = rejection(sink.submit(1));
  sink.tryPush(2);
  assertStrictEquals(await submitted, error);
  assertStrictEquals(await rejection(sink.close()), error);
  assertEquals(sink.stats, tally({ accepted: 2, failed: 2, batches: 1 }));
});

test("Aggregator rejects running, waiting and blocked submits with its error when it fails [5.3] [F-19] [F-21]", async () => {
  const error = new Error("first");
  const hand = new Hand<number[]>();
  const discarded: unknown[] = [];
  const sink = new Aggregator(hand.handler, {
    maxItems: 2,
    capacity: 3,
    concurrency: 2,
    linger: Infinity,
    onDiscard: (...args) => discarded.push(args),
  });
  sink.tryPush(1);
  sink.tryPush(2);
  const submits = [3, 4, 5, 6, 7, 8].map((n) => rejection(sink.submit(n)));
  const pushed = rejection(sink.push(9));
  hand.calls[0]!.reject(error);
  hand.calls[1]!.reject(new Error("second"));
  for (const failed of [...submits, pushed]) assertStrictEquals(await failed, error);
  assertEquals(discarded, [[[5, 6, 7], error]]);
  assertEquals(hand.calls.length, 2);
  assertEquals(sink.stats, tally({ accepted: 7, failed: 4, discarded: 3, batches: 2 }));
});

for (const error of [undefined, null, 0, "text", Object.freeze({})]) {
  test(`Aggregator treats a rejection with ${typeof error} ${error} as a failure [5.3] [7] [F-14]`, async () => {
    const sink = new Aggregator<number>(() => Promise.reject(error), { maxItems: 1 });
    heard(sink);
    assertStrictEquals(await rejection(sink.submit(1)), error);
    assertEquals(sink.tryPush(2), true);
    await turn();
    assertStrictEquals(await rejection(sink.close()), error);
    assertEquals(sink.stats.failed, 2);
  });
}

test("Aggregator takes only the first settlement of a thenable [F-15]", async () => {
  const sink = new Aggregator<number>((batch) => ({
    then(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
      resolve(batch);
      reject("late");
      throw "last";
    },
  }), { maxItems: 1 });
  assertEquals(await sink.submit(1), 1);
  assertEquals(sink.stats, tally({ accepted: 1, done: 1, batches: 1 }));
});

test("Aggregator keeps the slot while an asynchronous onError runs, and fails if that fails [5.3]", async () => {
  const hand = new Hand<unknown>();
  const sink = new Aggregator<number>(() => Promise.reject("batch"), {
    maxItems: 1,
    onError: (error, batch) => hand.handler([error, batch], { signal: undefined as never }),
  });
  heard(sink);
  sink.tryPush(1);
  sink.tryPush(2);
  await turn();
  assertEquals(hand.started, [["batch", [1]]]);
  assertEquals(sink.stats.running, 1);
  hand.calls[0]!.resolve(0);
  await turn();
  const closed = sink.close();
  assertEquals(await settled(closed), "pending");
  hand.calls[1]!.reject("onError");
  assertEquals(await rejection(closed), "onError");
  assertEquals(sink.stats, tally({ accepted: 2, failed: 2, batches: 2 }));
});

test("Aggregator with a custom collector matches the results with the added items [5.10]", async () => {
  const sink = new Aggregator(({ sum }: { sum: number }) => [sum, sum], {
    collector: summing(2),
  });
  assertEquals(await Promise.all([sink.submit(3), sink.submit(4)]), [7, 7]);
});

test("Aggregator with linger 0 and a Singleflight is a data loader [5.10] [4.6]", async () => {
  const queries: number[][] = [];
  const store = new Aggregator(async (keys: number[]) => {
    queries.push(keys);
    await turn();
    return keys.map((key) => key < 0 ? new Error(`no ${key}`) : `user ${key}`);
  }, { maxItems: 3, linger: 0 });
  const flight = new Singleflight<number, string>();
  const load = (key: number) => flight.do(key, () => store.submit(key));
  const asked = await Promise.allSettled([1, 2, 1, -1, 2, 4].map(load));
  assertEquals(queries, [[1, 2, -1], [4]]);
  assertEquals(
    asked.map((answer) => answer.status === "fulfilled" ? answer.value : answer.reason.message),
    ["user 1", "user 2", "user 1", "no -1", "user 2", "user 4"],
  );
  await load(1);
  assertEquals(queries.length, 3);
});

test("Aggregator makes no own unhandled rejection [5.3] [F-17] [F-19]", async () => {
  assertEquals(
    await unhandled(async () => {
      const sink = new Aggregator<number>((batch) => Promise.reject(batch[0]), {
        maxItems: 1,
        concurrency: 2,
      });
      heard(sink);
      sink.tryPush(1);
      sink.tryPush(2);
      await turn();
      await sink.abort("again");
    }),
    [],
  );
});
