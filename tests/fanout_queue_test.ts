/** `Fanout`: the queue uses blocks of 256 items, and behaves as if it didn't. */

import { assert, assertEquals } from "@std/assert";
import { Fanout } from "../mod.ts";
import { collectGarbage } from "./support/garbage.ts";
import { gate, microtasks, settled } from "./support/gate.ts";
import { counts, Hand } from "./support/hand.ts";
import { test } from "./support/test.ts";

const MANY = 1000;
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

// See `garbage_test.ts`.
const STRAY = "Bun" in globalThis ? 16 : 0;

/** Settles one call after the other, and those that start then. */
async function settleAll(hand: Hand<number>, from = 0, to = Infinity): Promise<void> {
  for (let n = from; n < Math.min(to, hand.calls.length); n++) {
    hand.calls[n]!.resolve(0);
    await microtasks();
  }
}

for (const every of [1, 2, 7, 300, Infinity]) {
  test(`Fanout hands over a thousand items in order, one of ${every} submitted [5.1] [5.2]`, async () => {
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { capacity: MANY });
    const results = numbers(0, MANY).map((n) =>
      n % every === 0 ? fanout.submit(n) : fanout.tryPush(n)
    );
    assertEquals(fanout.stats, counts({ accepted: MANY, waiting: MANY - 1, running: 1 }));
    await settleAll(hand);
    assertEquals(hand.started, numbers(0, MANY));
    await Promise.all(results);
    assertEquals(fanout.stats, counts({ accepted: MANY, done: MANY }));
  });
}

test("Fanout.flush() covers the items that waited at the time, of a thousand, and no later ones [5.13]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { capacity: MANY });
  for (const n of numbers(0, 300)) fanout.tryPush(n);
  const first = fanout.flush();
  for (const n of numbers(300, 310)) fanout.tryPush(n);
  const second = fanout.flush();
  for (const n of numbers(310, 600)) fanout.tryPush(n);
  await settleAll(hand, 0, 299);
  assertEquals(await settled(first), "pending");
  await settleAll(hand, 299, 300);
  assertEquals([await settled(first), await settled(second)], ["fulfilled", "pending"]);
  await settleAll(hand, 300, 310);
  assertEquals(await settled(second), "fulfilled");
  assertEquals(hand.started, numbers(0, 311));
  await settleAll(hand, 310);
  assertEquals(fanout.stats.done, 600);
});

test("Fanout.consume() resolves when its last item has settled, among a thousand items [5.14]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { capacity: MANY });
  for (const n of numbers(0, 100)) fanout.tryPush(n);
  const [first, second] = [numbers(100, 500), numbers(500, 510)].map((ns) => fanout.consume(ns));
  await microtasks();
  for (const n of numbers(510, 600)) fanout.tryPush(n);
  await settleAll(hand, 0, 499);
  assertEquals(await settled(first!), "pending");
  await settleAll(hand, 499, 500);
  assertEquals([await settled(first!), await settled(second!)], ["fulfilled", "pending"]);
  await settleAll(hand, 500, 510);
  assertEquals(await settled(second!), "fulfilled");
  await settleAll(hand, 510);
  assertEquals(hand.started, numbers(0, 600));
});

test("Fanout discards a thousand waiting items in order, submitted ones too [5.3] [5.6]", async () => {
  const discarded: number[] = [];
  const fanout = new Fanout<number>(() => gate().promise, {
    capacity: MANY,
    onDiscard: (items) => void discarded.push(...items),
  });
  const reason = new Error("over");
  const told = numbers(0, MANY).map((n) => n % 300 === 299 ? fanout.submit(n) : fanout.tryPush(n));
  const rejected = Promise.allSettled(told);
  await fanout.abort(reason);
  assertEquals(discarded, numbers(1, MANY));
  const reasons = (await rejected).map((result) => "reason" in result ? result.reason : undefined);
  assertEquals(reasons.filter((each) => each === reason).length, 3);
});

test("Fanout keeps no item that has been handled while others wait [7.5] [F-36]", async () => {
  const HANDLED = 64;
  const traces: WeakRef<object>[] = [];
  const handler = ({ n }: { n: number }) => n < HANDLED ? undefined : gate().promise;
  const fanout = new Fanout(handler, { concurrency: 0, capacity: MANY });
  for (let n = 0; n < 200; n++) {
    const item = { n };
    if (n < HANDLED) traces.push(new WeakRef(item));
    fanout.tryPush(item);
  }
  fanout.concurrency = 1;
  assertEquals(fanout.stats.done, HANDLED);
  await collectGarbage();
  const left = traces.filter((trace) => trace.deref()).length;
  assert(left <= STRAY, `${left} are left`);
  assertEquals(fanout.stats.waiting, 200 - HANDLED - 1);
});
