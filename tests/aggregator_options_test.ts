/** `Aggregator`: how its options depend on each other. `options_test.ts` tests their values. */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Aggregator, type AggregatorOptions, type Collector } from "../mod.ts";
import { ids, summing, tally } from "./support/aggregating.ts";
import { turn } from "./support/gate.ts";
import { counts, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

test("Aggregator refuses a capacity smaller than a full batch [5.1] [7] [F-01]", () => {
  const complaint = (least: number, got: number) =>
    `Aggregator: option "capacity" must be at least "maxItems", ${least}; got ${got}`;
  const make = (options: AggregatorOptions<number>) => () => new Aggregator(() => {}, options);
  assertThrows(make({ maxItems: 5, capacity: 4 }), RangeError, complaint(5, 4));
  assertThrows(make({ capacity: 999 }), RangeError, complaint(1000, 999));
  make({ maxItems: 5, capacity: 5 })();
  // Without a count there is no minimum.
  make({ maxWeight: 5, weigh: () => 1, capacity: 1 })();
  new Aggregator(() => {}, { collector: summing(5), capacity: 1 });
});

for (
  const [name, more] of Object.entries({
    maxItems: {},
    maxWeight: { weigh: () => 1 },
    weigh: { maxWeight: 5 },
    oversize: {},
  })
) {
  test(`Aggregator refuses a collector together with ${name} [4.10] [7.2]`, () => {
    const value = { maxItems: 5, maxWeight: 5, weigh: () => 1, oversize: "alone" }[name];
    const options = { collector: summing(5), ...more, [name]: value };
    assertThrows(
      () => new Aggregator(() => {}, options as never),
      TypeError,
      'Aggregator: option "collector" is instead of option "',
    );
  });
}

test("Aggregator refuses one of two limits that need each other, or only infinite ones [3] [7]", () => {
  const cases = [
    [{ maxWeight: 5 }, 'option "maxWeight" needs option "weigh"'],
    [{ weigh: () => 1 }, 'option "weigh" needs option "maxWeight"'],
    [{ maxItems: Infinity }, 'option "maxItems" must be finite where "maxWeight" is not'],
  ] as const;
  for (const [options, complaint] of cases) {
    assertThrows(() => new Aggregator(() => {}, options as never), Error, complaint);
  }
});

test("Aggregator has batches of a thousand, one worker and no key by default [7.6]", async () => {
  const sizes: number[] = [];
  const sink = new Aggregator((batch: number[]) => {
    sizes.push(batch.length);
    return turn();
  });
  for (const n of ids(1, 2500)) sink.tryPush(n);
  assertEquals(sizes, [1000]);
  assertEquals(sink.stats, tally({ accepted: 2500, waiting: 1500, running: 1000, batches: 1 }));
  await sink.close();
  assertEquals(sizes, [1000, 1000, 500]);
});

test("Aggregator treats undefined as an absent option [7]", async () => {
  const none = Object.fromEntries(
    ["maxItems", "maxWeight", "weigh", "oversize", "collector", "linger", "concurrency"]
      .concat(["capacity", "key", "timeout", "onError", "onDiscard", "snapshot", "signal"])
      .map((name) => [name, undefined]),
  );
  const sink = new Aggregator((batch: number[]) => batch, none);
  const results = [1, 2].map((n) => sink.submit(n));
  await sink.close();
  assertEquals(await Promise.all(results), [1, 2]);
});

test("Aggregator needs no fits of a collector, which may hold fewer items than were added [5.10]", async () => {
  const merging = (): Collector<string, string[]> => {
    const words = new Set<string>();
    return {
      get size() {
        return words.size;
      },
      get full() {
        return words.size >= 2;
      },
      add: (word) => void words.add(word),
      take() {
        const batch = [...words];
        words.clear();
        return batch;
      },
    };
  };
  const seen: string[][] = [];
  const sink = new Aggregator<string>((batch) => void seen.push(batch), {
    collector: merging,
    linger: Infinity,
  });
  for (const word of ["a", "a", "a", "b", "c"]) sink.tryPush(word);
  assertEquals(seen, [["a", "b"]]);
  const { batches, ...six } = sink.stats;
  assertEquals([six, batches], [counts({ accepted: 5, waiting: 1, done: 4 }), 1]);
  // One result for each added item, not for each item in the collector.
  const submitted = rejection(sink.submit("d"));
  assertStrictEquals(
    ((await submitted) as Error).message,
    "Aggregator: the handler must return an array with one entry for each of 2 items; got undefined",
  );
  await sink.close();
});

test("Aggregator surfaces a throw in onDiscard as an uncaught error, and still ends [5.3]", async () => {
  const thrown = new Error("onDiscard");
  const errors = await unhandled(async () => {
    const sink = new Aggregator<number>(() => {}, {
      linger: Infinity,
      onDiscard() {
        throw thrown;
      },
    });
    sink.tryPush(1);
    await sink.abort("reason");
    assertEquals(await rejection(sink[Symbol.asyncDispose]()), "reason");
    assertEquals(sink.stats, tally({ accepted: 1, discarded: 1 }));
  });
  assertEquals(errors, [thrown]);
});
