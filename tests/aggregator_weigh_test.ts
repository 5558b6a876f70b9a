/** `Aggregator`: what `weigh` may return, and throws in it. */

import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { Aggregator } from "../mod.ts";
import { tally } from "./support/aggregating.ts";
import { assertConserved, Hand, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

for (const [what, weight] of Object.entries({ NaN, "-1": -1, Infinity, "a string": "5" })) {
  test(`Aggregator is errored by a weigh that returns ${what}; no partial batch goes out [5.0] [F-10]`, async () => {
    const hand = new Hand<number[]>();
    const discarded: unknown[] = [];
    const sink = new Aggregator<number>(hand.handler, {
      maxWeight: 10,
      weigh: (n) => n === 2 ? weight as number : 1,
      onDiscard: (items) => discarded.push(...items),
    });
    sink.tryPush(1);
    const error = assertThrows(() => sink.tryPush(2), Error, 'Aggregator: option "weigh" must');
    assertStrictEquals(await rejection(sink.push(3)), error);
    assertStrictEquals(await rejection(sink.close()), error);
    assertEquals([hand.calls.length, discarded], [0, [1]]);
    assertEquals(sink.stats, tally({ accepted: 1, discarded: 1 }));
  });
}

test("Aggregator is errored by an item over the limit where oversize is an error [4.3] [F-08]", async () => {
  const sink = new Aggregator<number>(() => {}, {
    maxWeight: 5,
    weigh: (n) => n,
    oversize: "error",
  });
  assertThrows(() => sink.tryPush(6), RangeError, 'weight 6 is over option "maxWeight" of 5');
  await assertRejects(() => sink.close(), RangeError);
});

for (
  const front of ["push", "submit", "write", "consume", "waiting push", "waiting submit"] as const
) {
  test(`Aggregator gives a throw in weigh to ${front}, and is errored with it [5.0]`, async () => {
    const error = new Error("weigh");
    const hand = new Hand<number[]>();
    const sink = new Aggregator(hand.handler, {
      maxItems: 1,
      capacity: 1,
      maxWeight: 10,
      weigh(n: number) {
        if (n === 9) throw error;
        return 1;
      },
    });
    const waits = front.startsWith("waiting");
    for (const n of waits ? [1, 2] : []) sink.tryPush(n);
    const given = front === "write"
      ? sink.getWriter().write(9)
      : front === "consume"
      ? sink.consume([9])
      : front.endsWith("push")
      ? sink.push(9)
      : sink.submit(9);
    hand.calls[0]?.resolve(0);
    assertStrictEquals(await rejection(given), error);
    assertStrictEquals(await rejection(sink.flush()), error);
    hand.calls[1]?.resolve(0);
    await sink.idle();
    assertEquals(sink.stats.accepted, waits ? 2 : 0);
    assertConserved(sink);
  });
}
