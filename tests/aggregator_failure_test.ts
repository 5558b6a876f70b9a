/** `Aggregator`: which items of a batch have failed, and which callers and hooks get the errors. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Aggregator } from "../mod.ts";
import { summing, tally } from "./support/aggregating.ts";
import { gate, settled, turn } from "./support/gate.ts";
import { Hand, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";
import { unhandled } from "./support/unhandled.ts";

test("Aggregator calls onError with the items whose failure no caller gets, as they came, and with the batch [5.17] [5.3]", async () => {
  const error = new Error("batch");
  const batches: number[][] = [];
  const told: unknown[][] = [];
  const sink = new Aggregator<number>((batch) => {
    batches.push(batch);
    batch.sort((a, b) => a - b);
    batch.pop();
    throw error;
  }, { maxItems: 4, onError: (...args) => told.push(args) });
  sink.tryPush(3);
  const submitted = rejection(sink.submit(2));
  await sink.push(4);
  await sink.push(1);
  assertStrictEquals(await submitted, error);
  assertEquals(told, [[error, [3, 4, 1], [1, 2, 3]]]);
  assertStrictEquals(told[0]![2], batches[0]);
  assertEquals(sink.stats, tally({ accepted: 4, failed: 4, batches: 1 }));
  await sink.close();
});

test("Aggregator with a custom collector calls onError with the items and the batch [5.17]", async () => {
  const told: unknown[] = [];
  const sink = new Aggregator<number, unknown, { sum: number }>(() => Promise.reject("x"), {
    collector: summing(3),
    onError: (...args) => told.push(args),
  });
  for (const n of [1, 2, 4, 5]) sink.tryPush(n);
  await sink.flush();
  assertEquals(told, [["x", [1, 2, 4], { sum: 7 }], ["x", [5], { sum: 5 }]]);
  await sink.close();
});

test("Aggregator passes the items to onDiscard as they came even if a handler has changed its batch [5.17] [5.6]", async () => {
  const discarded: unknown[] = [];
  const hand = new Hand<number[]>();
  const sink = new Aggregator<number>((batch, context) => {
    batch.length = 0;
    return hand.handler(batch, context);
  }, { maxItems: 2, onDiscard: (items) => discarded.push(items) });
  for (const n of [1, 2, 3, 4]) sink.tryPush(n);
  await sink.abort("over");
  assertEquals(discarded, [[3, 4]]);
});

/** The entries of a failed item. */
const entries: Record<string, (error: Error) => unknown> = {
  "an Error": (error) => error,
  "a promise that rejects": (error) => Promise.reject(error),
  "a promise of an Error": (error) => Promise.resolve(error),
  "a thenable that rejects at once": (error) => ({
    then: (_: unknown, no: (reason: unknown) => void) => no(error),
  }),
  "a thenable whose then cannot be read": (error) =>
    Object.defineProperty({}, "then", {
      get() {
        throw error;
      },
    }),
};
for (const [what, entry] of Object.entries(entries)) {
  test(`Aggregator fails the one item, pushed or submitted, whose entry is ${what} [5.18]`, async () => {
    const [one, other] = [new RangeError("one"), new Error("other")];
    const told: unknown[] = [];
    const sink = new Aggregator<number>(
      (batch) => batch.map((n) => n === 2 ? entry(one) : n === 3 ? entry(other) : n * 10),
      { maxItems: 4, onError: (...args) => told.push(args) },
    );
    const lost = await unhandled(async () => {
      sink.tryPush(1);
      const second = rejection(sink.submit(2));
      sink.tryPush(3);
      assertEquals(await sink.submit(4), 40);
      assertStrictEquals(await second, one);
    });
    assertEquals([lost, told], [[], [[other, [3], [1, 2, 3, 4]]]]);
    assertStrictEquals((told[0] as unknown[])[0], other);
    assertEquals(sink.stats, tally({ accepted: 4, done: 2, failed: 2, batches: 1 }));
    await sink.close();
  });
}

test("Aggregator.submit() rejects with the error with which the promise of its entry rejects [5.18] [F-14]", async () => {
  for (const reason of [undefined, null, 0, "text", Object.freeze({})]) {
    const sink = new Aggregator<number>((batch) => batch.map(() => Promise.reject(reason)), {
      maxItems: 1,
    });
    assertStrictEquals(await rejection(sink.submit(1)), reason);
    assertEquals(sink.stats.failed, 1);
    await sink.close();
  }
});

test("Aggregator treats an error of another realm in an entry as a failure, and nothing else [5.18]", async () => {
  // An object like one of another realm, which is no instance of a class here.
  const [foreign, exception] = ["Error", "DOMException"].map((tag) =>
    Object.assign(Object.create(null), { message: "", [Symbol.toStringTag]: tag })
  );
  const plain = { name: "Error", message: "no error", stack: "" };
  const own = [new DOMException("own", "DataError"), new (class extends TypeError {})("own")];
  const sink = new Aggregator<unknown>((batch) => batch, { linger: 0 });
  for (const error of [foreign, exception, ...own]) {
    assertStrictEquals(await rejection(sink.submit(error)), error);
  }
  for (const value of [plain, null, undefined, "Error", [foreign], () => {}]) {
    assertStrictEquals(await sink.submit(value), value);
  }
  await sink.close();
});

test("Aggregator without onError fails at the first failure of a pushed item in a batch [5.18] [5.3]", async () => {
  const [first, second] = [new Error("first"), new Error("second")];
  const sink = new Aggregator<number>(() => [1, first, second], { maxItems: 3 });
  for (const n of [1, 2, 3]) sink.tryPush(n);
  assertStrictEquals(await rejection(sink.close()), first);
  assertEquals(sink.stats, tally({ accepted: 3, done: 1, failed: 2, batches: 1 }));
});

test("Aggregator calls onError once for an error that items share, and once for each other error [5.18] [5.17]", async () => {
  const [shared, own] = [new Error("shared"), new Error("own")];
  const told: unknown[] = [];
  const handling = gate();
  const sink = new Aggregator<number>(() => [shared, own, shared, 4], {
    maxItems: 4,
    onError(error, items) {
      told.push([error, items]);
      if (error === own) return handling.promise;
    },
  });
  for (const n of [1, 2, 3, 4]) sink.tryPush(n);
  assertEquals(told, [[shared, [1, 3]], [own, [2]]]);
  // The slot is kept until `onError` has settled for each.
  assertEquals(sink.stats.running, 4);
  handling.resolve();
  await sink.close();
  assertEquals(sink.stats, tally({ accepted: 4, done: 1, failed: 3, batches: 1 }));
});

test("Aggregator keeps the slot until every promise in the results has settled [5.18] [5.1]", async () => {
  const [one, two] = [gate<number>(), gate<number>()];
  const sink = new Aggregator((_: number[]) => Promise.resolve([one.promise, two.promise]), {
    maxItems: 2,
  });
  const results = [1, 2].map((n) => sink.submit(n));
  one.resolve(10);
  assertEquals(await settled(results[0]!), "pending");
  assertEquals(sink.stats, tally({ accepted: 2, running: 2, batches: 1 }));
  two.resolve(20);
  assertEquals(await Promise.all(results), [10, 20]);
  assertEquals(sink.stats, tally({ accepted: 2, done: 2, batches: 1 }));
  await sink.close();
});

timed(
  "Aggregator fails a batch when a promise in its results does not settle in time [5.18] [5.7] [F-16] [F-17]",
  async (clock) => {
    const late = gate<number>();
    const sink = new Aggregator((_: number[]) => [1, late.promise], {
      maxItems: 2,
      timeout: 50,
    });
    const lost = await unhandled(async () => {
      const results = [1, 2].map((n) => rejection(sink.submit(n)));
      await clock.tick(50);
      for (const error of await Promise.all(results)) {
        assertEquals((error as Error).name, "TimeoutError");
      }
      late.reject(new Error("late"));
      await sink.close();
    });
    assertEquals(lost, []);
    assertEquals(sink.stats, tally({ accepted: 2, failed: 2, batches: 1 }));
  },
);

timed(
  "Aggregator leaves no result unhandled that comes after the timeout [5.18] [5.7] [F-17]",
  async (clock) => {
    const late = gate<unknown[]>();
    const sink = new Aggregator<number>(() => late.promise, {
      maxItems: 1,
      timeout: 50,
      onError() {},
    });
    const lost = await unhandled(async () => {
      sink.tryPush(1);
      await clock.tick(50);
      late.resolve([Promise.reject(new Error("late"))]);
      await sink.close();
    });
    assertEquals(lost, []);
    assertEquals(sink.stats, tally({ accepted: 1, failed: 1, batches: 1 }));
  },
);

test("Aggregator fails a pushed batch whose results have a wrong count if one of them is an Error [5.18] [F-22]", async () => {
  const told: unknown[][] = [];
  const sink = new Aggregator<number>(() => [new Error("one")], {
    maxItems: 2,
    onError: (...args) => told.push(args),
  });
  for (const n of [1, 2]) sink.tryPush(n);
  const [[error, items]] = told as [[Error, number[]]];
  assert(error instanceof TypeError);
  assertEquals(error.message.match(/\d+/g), ["2", "1"]);
  assertEquals(items, [1, 2]);
  assertEquals(sink.stats, tally({ accepted: 2, failed: 2, batches: 1 }));
  await sink.close();
});

test("Aggregator without a submit ignores results that are not an array, or have a wrong count and no Error [5.18]", async () => {
  const reason = new Error("the user's own");
  const returned: unknown[] = [
    ...[undefined, 5, "ab", [], [1, 2, 3], new Error("a value"), new Set([reason])],
    ...[function* () {}(), { length: 2, 0: reason }],
  ];
  for (const value of returned) {
    const sink = new Aggregator<number>(() => value, { maxItems: 2 });
    for (const n of [1, 2]) sink.tryPush(n);
    assertEquals(sink.stats, tally({ accepted: 2, done: 2, batches: 1 }));
    await sink.close();
  }
});

test("Aggregator leaves unhandled rejections in results of a wrong count to the user [5.18]", async () => {
  const reason = new Error("the user's own");
  const lost = await unhandled(async () => {
    const sink = new Aggregator<number>(() => [Promise.reject(reason)], { maxItems: 2 });
    for (const n of [1, 2]) sink.tryPush(n);
    await sink.close();
    assertEquals(sink.stats, tally({ accepted: 2, done: 2, batches: 1 }));
  });
  assertEquals(lost, [reason]);
});

test("Aggregator counts pushed items as done when a submit rejects because there is no array [5.18] [5.10]", async () => {
  const sink = new Aggregator<number>(() => "done", { maxItems: 3 });
  sink.tryPush(1);
  const submitted = rejection(sink.submit(2));
  sink.tryPush(3);
  const error = await submitted;
  assert(error instanceof TypeError && error.message.includes("must return an array"));
  assertEquals(sink.stats, tally({ accepted: 3, done: 2, failed: 1, batches: 1 }));
  await sink.close();
});

test("Aggregator reads a hole in the results as undefined [5.18]", async () => {
  const sink = new Aggregator<number>(() => Array(2), { maxItems: 2 });
  assertEquals(await Promise.all([1, 2].map((n) => sink.submit(n))), [undefined, undefined]);
  await turn();
  await sink.close();
});

test("Aggregator keeps the slot until onError has settled for each error of a batch [5.17] [5.3]", async () => {
  const handled = [gate(), gate()];
  const told: number[][] = [];
  const sink = new Aggregator((batch: number[]) => batch.map((n) => new Error(String(n))), {
    maxItems: 2,
    onError: (_error, items) => handled[told.push(items) - 1]!.promise,
  });
  for (const n of [1, 2]) sink.tryPush(n);
  for (const [place, { resolve }] of handled.entries()) {
    assertEquals([told, sink.stats.running], [[[1], [2]], 2], `${place} settled`);
    resolve();
    await turn();
  }
  assertEquals(sink.stats, tally({ accepted: 2, failed: 2, batches: 1 }));
  await sink.close();
});

test("Aggregator calls onDiscard once with all items that a batch gives up after an abort, with any echo [5.21] [5.18]", async () => {
  const entries = [gate<never>(), gate<never>()];
  const discarded: unknown[] = [];
  const sink = new Aggregator((_batch: number[]) => entries.map(({ promise }) => promise), {
    maxItems: 2,
    onDiscard: (...args) => discarded.push(args),
  });
  for (const n of [1, 2]) sink.tryPush(n);
  const reason = new Error("over");
  await sink.abort(reason);
  entries[0]!.reject(reason);
  entries[1]!.reject(new DOMException("given up", "AbortError"));
  await sink.idle();
  assertEquals(discarded, [[[1, 2], reason]]);
  assertEquals(sink.stats, tally({ accepted: 2, discarded: 2, batches: 1 }));
});
