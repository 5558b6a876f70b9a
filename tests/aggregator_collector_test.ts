/** `Aggregator`: custom collectors, and throws in them. */

import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { Aggregator, type Collector } from "../mod.ts";
import { ids, type Sum, summing, tally } from "./support/aggregating.ts";
import { turn } from "./support/gate.ts";
import { assertConserved, Hand, heard, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

test("Aggregator hands over the batches of a collector, in order, each once [4.1]", async () => {
  const seen: Sum[] = [];
  const sink = new Aggregator<number, unknown, Sum>((batch) => void seen.push(batch), {
    collector: summing(3),
    linger: Infinity,
  });
  for (const n of ids(1, 7)) sink.tryPush(n);
  assertEquals(seen, [{ sum: 6 }, { sum: 15 }]);
  await sink.close();
  assertEquals(seen[2], { sum: 7 });
  assertEquals(sink.stats, tally({ accepted: 7, done: 7, batches: 3 }));
});

test("Aggregator calls fits once before each add, and takes the open batch before an item that does not fit [4.3]", async () => {
  const asked: unknown[] = [];
  const seen: string[] = [];
  const lines = (): Collector<string, string> => {
    let text = "";
    return {
      get size() {
        return text.length;
      },
      full: false,
      fits: (item) => (asked.push(item), text.length + item.length <= 5),
      add: (item) => void (text += item),
      take: () => [text, text = ""][0]!,
    };
  };
  const sink = new Aggregator<string, unknown, string>((batch) => void seen.push(batch), {
    collector: lines,
    linger: Infinity,
  });
  for (const item of ["abc", "de", "f", "toolong", "g"]) sink.tryPush(item);
  await sink.close();
  assertEquals(seen, ["abcde", "f", "toolong", "g"]);
  assertEquals(asked, ["abc", "de", "f", "toolong", "g"]);
});

test("Aggregator makes one collector, or with keys one for each open batch [5.2]", async () => {
  let made = 0;
  const collector = () => (made++, summing(2)());
  const one = new Aggregator<number, unknown, Sum>(() => {}, { collector });
  await one.consume(ids(1, 9));
  assertEquals(made, 1);
  made = 0;
  const seen: number[] = [];
  const keyed = new Aggregator<number, unknown, Sum>(({ sum }) => void seen.push(sum), {
    collector,
    key: (n) => n % 2,
  });
  await keyed.consume(ids(1, 5));
  assertEquals(seen, [4, 6, 5]);
  assertEquals(made, 3);
});

test("Aggregator calls no handler for a collector that has swallowed everything [4.1]", async () => {
  const hand = new Hand<number[]>();
  const swallowing = (): Collector<number, number[]> => ({
    size: 0,
    full: false,
    fits: (n) => n !== 3,
    add() {},
    take: () => [],
  });
  const sink = new Aggregator(hand.handler, { collector: swallowing, linger: 0, capacity: 4 });
  const submitted = sink.submit(1);
  await sink.push(2);
  await sink.push(3);
  assertEquals(await submitted, undefined);
  // Also at capacity: swallowed items make room.
  for (const n of ids(4, 20)) assertEquals(sink.tryPush(n), true);
  await sink.flush();
  assertEquals(sink.stats, tally({ accepted: 20, done: 20 }));
  await sink.close();
  assertEquals(hand.calls.length, 0);
});

test("Aggregator with a custom collector passes the same items to onDiscard, in order [5.6]", async () => {
  const discarded: unknown[] = [];
  const sink = new Aggregator<number, unknown, Sum>(() => new Promise(() => {}), {
    collector: summing(2),
    linger: Infinity,
    onDiscard: (...args) => discarded.push(args),
  });
  for (const n of ids(1, 5)) sink.tryPush(n);
  await sink.abort("reason");
  assertEquals(discarded, [[[3, 4, 5], "reason"]]);
  assertEquals(sink.stats, tally({ accepted: 5, running: 2, discarded: 3, batches: 1 }));
});

test("Aggregator without onDiscard counts discarded items, and calls nothing of the collector [5.6]", async () => {
  let taken = 0;
  const sink = new Aggregator<number, unknown, Sum>(() => new Promise(() => {}), {
    collector: summing(2, (call) => call === "take" && taken++),
    linger: Infinity,
  });
  for (const n of ids(1, 5)) sink.tryPush(n);
  assertEquals(taken, 2);
  await sink.abort("reason");
  assertEquals(taken, 2);
  assertEquals(sink.stats, tally({ accepted: 5, running: 2, discarded: 3, batches: 1 }));
});

/**
 * The accepted items when the third call of each method throws. The current item is not accepted,
 * except at `take` and the call after it.
 */
for (const call of ["size", "full", "add", "take"] as const) {
  for (const keyed of [false, true]) {
    for (const nth of [1, 2, 3]) {
      const where = `${keyed ? "keyed " : ""}collector throws in ${call}, call ${nth}`;
      timed(
        `Aggregator whose ${where}, is errored with it, and loses nothing [5.0] [F-10] [F-29]`,
        async (clock) => {
          const error = new Error(call);
          let calls = 0;
          let armed = true;
          const discarded: number[] = [];
          const handled: number[] = [];
          const sink = new Aggregator<number, unknown, Sum>(({ sum }) => void handled.push(sum), {
            collector: summing(2, (here) => {
              if (armed && here === call && ++calls === nth) throw error;
            }),
            key: keyed ? (n) => n % 2 : undefined,
            linger: 10,
            onDiscard: (items) => discarded.push(...items),
          });
          heard(sink);
          const given = [];
          for (let n = 1; n <= 12; n++) {
            try {
              if (sink.tryPush(n)) given.push(n);
            } catch (thrown) {
              assertStrictEquals(thrown, error);
              break;
            }
            await turn();
          }
          armed = false;
          assertStrictEquals(await rejection(sink.close()), error);
          assertStrictEquals(assertThrows(() => sink.tryPush(1)), error);
          assertConserved(sink);
          const { accepted, waiting, running, done } = sink.stats;
          assertEquals([accepted, waiting, running], [given.length, 0, 0]);
          assertEquals(discarded.length + done, accepted);
          assertEquals(sink.stats.batches, handled.length);
          assertEquals(clock.pending, 0);
        },
      );
    }
  }
}

timed(
  "Aggregator whose collector throws in take when the batch is due is errored with it [5.0]",
  async (clock) => {
    for (const how of ["linger", "flush", "close"] as const) {
      const error = new Error(how);
      const discarded: number[] = [];
      const sink = new Aggregator<number, unknown, Sum>(() => {}, {
        collector: summing(9, (call) => {
          if (call === "take") throw error;
        }),
        key: (n) => n,
        linger: 10,
        onDiscard: (items) => discarded.push(...items),
      });
      const submitted = rejection(sink.submit(1));
      sink.tryPush(2);
      if (how === "linger") await clock.tick(10);
      const ended = how === "flush" ? sink.flush() : sink.close();
      assertStrictEquals(await rejection(ended), error);
      assertStrictEquals(await submitted, error);
      assertEquals(discarded, [1, 2]);
      assertEquals(sink.stats, tally({ accepted: 2, discarded: 2 }));
    }
  },
);

for (const step of ["fits", "the factory"] as const) {
  test(`Aggregator throws an error of a collector's ${step} only to the caller, and goes on [5.27] [F-10] [F-29]`, async () => {
    const error = new Error(step);
    const seen: number[] = [];
    let made = 0;
    const make = summing(2, (call) => {
      if (call === "fits" && step === "fits" && armed) throw error;
    });
    let armed = false;
    const sink = new Aggregator<number, unknown, Sum>(({ sum }) => void seen.push(sum), {
      collector() {
        made++;
        if (armed && step !== "fits") throw error;
        return make();
      },
      key: (n) => n % 2,
      linger: Infinity,
    });
    sink.tryPush(1);
    armed = true;
    assertStrictEquals(assertThrows(() => sink.tryPush(2)), error);
    assertStrictEquals(await rejection(sink.submit(4)), error);
    armed = false;
    for (const n of [3, 6, 8]) sink.tryPush(n);
    await sink.close();
    assertEquals(seen, [4, 14]);
    assertEquals(sink.stats, tally({ accepted: 4, done: 4, batches: 2 }));
    assertEquals(made > 2, true);
  });
}

test("Aggregator refuses a factory that makes no collector: at once, or with keys at each item [7] [F-04]", async () => {
  const collector = (() => ({ add() {} })) as never;
  const complaint = 'Aggregator: option "collector" must be a function that returns a Collector';
  assertThrows(() => new Aggregator(() => {}, { collector }), TypeError, complaint);
  const sink = new Aggregator(() => {}, { collector, key: () => 1 });
  assertThrows(() => sink.tryPush(1), TypeError, complaint);
  await assertRejects(() => sink.push(1), TypeError, complaint);
  await sink.close();
  assertEquals(sink.stats, tally({}));
});
