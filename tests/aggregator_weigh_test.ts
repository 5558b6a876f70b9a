/** `Aggregator`: the results of `weigh`, and its errors, which only the caller gets. */

import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { Aggregator, byteLength } from "../mod.ts";
import { tally } from "./support/aggregating.ts";
import { settled, streamOf, turn } from "./support/gate.ts";
import { assertConserved, Hand, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

for (const [what, weight] of Object.entries({ NaN, "-1": -1, Infinity, "a string": "5" })) {
  test(`Aggregator refuses an item whose weigh returns ${what}, and its open batch goes on [5.27] [F-10]`, async () => {
    const hand = new Hand<number[]>();
    const sink = new Aggregator<number>(hand.handler, {
      maxWeight: 10,
      weigh: (n) => n === 2 ? weight as number : 1,
    });
    sink.tryPush(1);
    const error = assertThrows(() => sink.tryPush(2), Error, 'Aggregator: option "weigh" must');
    assertEquals(error.name, what === "a string" ? "TypeError" : "RangeError");
    assertEquals(sink.stats, tally({ accepted: 1, waiting: 1 }));
    await sink.push(3);
    const closed = sink.close();
    hand.calls[0]!.resolve(0);
    await closed;
    assertEquals(hand.started, [[1, 3]]);
    assertEquals(sink.stats, tally({ accepted: 2, done: 2, batches: 1 }));
  });
}

test("Aggregator with oversize: error refuses an item over the limit, and goes on [5.27] [4.3] [F-08]", async () => {
  const seen: number[][] = [];
  const sink = new Aggregator<number>((batch) => void seen.push(batch), {
    maxWeight: 5,
    weigh: (n) => n,
    oversize: "error",
  });
  sink.tryPush(2);
  assertThrows(() => sink.tryPush(6), RangeError, 'weight 6 is over option "maxWeight" of 5');
  sink.tryPush(1);
  await sink.close();
  assertEquals(seen, [[2, 1]]);
});

test("Aggregator refuses an item that byteLength does not know, and goes on [5.27] [4.8]", async () => {
  const seen: unknown[][] = [];
  const sink = new Aggregator<unknown>((batch) => void seen.push(batch), {
    maxWeight: 50,
    weigh: byteLength,
  });
  sink.tryPush("a");
  await assertRejects(() => sink.push(5), TypeError, "only strings, buffers");
  sink.tryPush("b");
  await sink.close();
  assertEquals(seen, [["a", "b"]]);
});

/** A sink with room for three, whose `weigh` throws for 9. */
function refusing(error: Error) {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, {
    maxItems: 2,
    capacity: 3,
    maxWeight: 10,
    linger: Infinity,
    weigh(n: number) {
      if (n === 9) throw error;
      return 1;
    },
  });
  return { hand, sink };
}

for (const front of ["tryPush", "push", "submit", "consume"] as const) {
  test(`Aggregator.${front}() alone gets the error of weigh [5.27]`, async () => {
    const error = new Error("weigh");
    const { hand, sink } = refusing(error);
    sink.tryPush(1);
    const give = async () => await sink[front](front === "consume" ? [9] as never : 9 as never);
    assertStrictEquals(await rejection(give()), error);
    assertEquals(sink.stats, tally({ accepted: 1, waiting: 1 }));
    assertEquals(sink.tryPush(2), true);
    const closed = sink.close();
    hand.calls[0]!.resolve(0);
    await closed;
    assertEquals(hand.started, [[1, 2]]);
  });
}

for (const front of ["push", "submit"] as const) {
  test(`Aggregator.${front}() that waits for room gets the error of weigh, and later callers come in [5.27]`, async () => {
    const error = new Error("weigh");
    const { hand, sink } = refusing(error);
    for (const n of [1, 2, 3, 4, 5]) sink.tryPush(n);
    const before = sink.push(6);
    const refused = rejection(sink[front](9));
    const behind = sink.push(7);
    assertEquals(await settled(refused), "pending");
    hand.calls[0]!.resolve(0);
    assertEquals(await settled(before), "fulfilled");
    hand.calls[1]!.resolve(0);
    assertStrictEquals(await refused, error);
    await behind;
    const closed = sink.close();
    for (const call of [2, 3]) {
      hand.calls[call]?.resolve(0);
      await turn();
    }
    await closed;
    assertEquals(hand.started, [[1, 2], [3, 4], [5, 6], [7]]);
    assertEquals(sink.stats, tally({ accepted: 7, done: 7, batches: 4 }));
  });
}

for (const when of ["at once", "waiting for room"] as const) {
  test(`Aggregator's stream errors when weigh throws for an item written ${when} [5.27]`, async () => {
    const error = new Error("weigh");
    const { hand, sink } = refusing(error);
    const waits = when !== "at once";
    for (const n of waits ? [1, 2, 3, 4, 5] : [1]) sink.tryPush(n);
    const writer = sink.getWriter();
    writer.closed.catch(() => {});
    const written = rejection(writer.write(9));
    const behind = rejection(writer.write(3));
    await turn();
    const pushed = waits ? rejection(sink.push(8)) : undefined;
    await turn();
    hand.calls[0]?.resolve(0);
    await turn();
    for (
      const told of [written, behind, pushed, rejection(writer.closed), rejection(sink.flush())]
    ) {
      if (told) assertStrictEquals(await told, error);
    }
    hand.calls[1]?.resolve(0);
    await sink.idle();
    assertConserved(sink);
    assertEquals(sink.stats.discarded, 1);
  });
}

test("Aggregator at the end of a pipe ends the pipe with an error of weigh [5.27]", async () => {
  const error = new Error("weigh");
  const { hand, sink } = refusing(error);
  assertStrictEquals(await rejection(streamOf([1, 9, 2]).pipeTo(sink)), error);
  assertEquals(hand.started, []);
  assertEquals(sink.stats, tally({ accepted: 1, discarded: 1 }));
});
