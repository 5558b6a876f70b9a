/** `keyCapacity` and `capacityWeight`: neither one key nor heavy items fill the queue. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Aggregator, Fanout } from "../mod.ts";
import { tally } from "./support/aggregating.ts";
import { microtasks, settled } from "./support/gate.ts";
import { counts, Hand, rejection } from "./support/hand.ts";
import { sinks } from "./support/sinks.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

const REASON = new Error("left");

for (const [name, make] of Object.entries(sinks)) {
  const open = (hand: Hand<number>, options: object) =>
    make(hand.handler, { capacity: 99, ...options } as never);
  const tens = (n: number) => Math.trunc(n / 10);

  test(`${name}.tryPush() refuses items only for a full key [5.45]`, async () => {
    const hand = new Hand<number>();
    const sink = open(hand, { concurrency: 2, key: tens, keyCapacity: 2 });
    assertEquals([10, 11, 12, 13, 20, 21, 22, 23].map((n) => sink.tryPush(n)), [
      ...[true, true, true, false],
      ...[true, true, true, false],
    ]);
    assertEquals([sink.stats.waiting, sink.stats.refused], [4, 2]);
    hand.call(20).resolve(0);
    await microtasks();
    assertEquals([sink.tryPush(14), sink.tryPush(24)], [false, true]);
    for (const n of [10, 21, 11, 22, 12, 24]) {
      hand.call(n).resolve(0);
      await microtasks();
    }
    await sink.close();
    assertEquals(sink.stats.done, 7);
  });

  test(`${name}.push() of a full key waits, holds up no other, and keeps its order [5.45] [5.2]`, async () => {
    const hand = new Hand<number>();
    const sink = open(hand, { concurrency: 2, key: tens, keyCapacity: 1, capacity: 3 });
    for (const n of [10, 11]) assert(sink.tryPush(n));
    const waits = [12, 13].map((n) => sink.push(n));
    assertEquals(sink.stats.blocked, 2);
    for (const n of [20, 21]) await sink.push(n);
    assertEquals(sink.tryPush(14), false);
    hand.call(10).resolve(0);
    await microtasks();
    assertEquals([await settled(waits[0]!), await settled(waits[1]!)], ["fulfilled", "pending"]);
    for (const n of [11, 12]) {
      hand.call(n).resolve(0);
      await microtasks();
    }
    await Promise.all(waits);
    for (const n of [13, 20]) hand.call(n).resolve(0);
    await microtasks();
    hand.call(21).resolve(0);
    await sink.close();
    assertEquals(hand.started.filter((n) => n < 20), [10, 11, 12, 13]);
  });

  test(`${name} lets waiting callers of a key in before later callers, even when all have room again [5.45]`, async () => {
    const hand = new Hand<number>();
    const sink = open(hand, { concurrency: 9, key: tens, keyCapacity: 1, capacity: 2 });
    for (const n of [10, 11, 20, 21]) assert(sink.tryPush(n));
    // The first items of both keys wait for their key, and the third waits for the whole sink.
    const waits = [12, 22, 30, 31].map((n) => sink.push(n));
    assertEquals([hand.started, sink.stats.blocked], [
      [10, 20, ...(name === "Fanout" ? [30] : [])],
      name === "Fanout" ? 3 : 4,
    ]);
    assertEquals(sink.tryPush(13), false);
    for (let n = 0; n < 9; n++) {
      for (const call of hand.calls) call.resolve(0);
      await microtasks();
    }
    await Promise.all(waits);
    await sink.close();
    assertEquals([sink.stats.done, sink.stats.blocked], [8, 0]);
    const ofKey = (key: number) => hand.started.filter((n) => tens(n) === key);
    assertEquals([1, 2, 3].map(ofKey), [[10, 11, 12], [20, 21, 22], [30, 31]]);
  });

  test(`${name}.close() and flush() wait for callers of a key that wait for room [5.45] [5.5] [5.30]`, async () => {
    const hand = new Hand<number>();
    const sink = open(hand, { key: tens, keyCapacity: 1 });
    for (const n of [10, 11]) assert(sink.tryPush(n));
    const waits = [12, 13].map((n) => sink.push(n));
    const ends = [sink.flush(), sink.close()];
    for (const n of [10, 11, 12]) {
      hand.call(n).resolve(0);
      await microtasks();
      assertEquals(await Promise.all(ends.map(settled)), ["pending", "pending"]);
    }
    hand.call(13).resolve(0);
    await Promise.all([...ends, ...waits]);
    assertEquals(sink.stats.done, 4);
  });

  test(`${name} rejects callers of a key that wait for room at an abort, and a caller that leaves leaves nothing [5.45] [5.6] [5.42]`, async () => {
    const hand = new Hand<number>();
    const sink = open(hand, { key: tens, keyCapacity: 1 });
    for (const n of [10, 11]) assert(sink.tryPush(n));
    const controller = new AbortController();
    const left = [rejection(sink.push(12, controller)), rejection(sink.submit(13, controller))];
    const [first, second] = [sink.push(14), rejection(sink.push(15))];
    controller.abort(REASON);
    assertEquals([await Promise.all(left), sink.stats.blocked], [[REASON, REASON], 2]);
    hand.call(10).resolve(0);
    await microtasks();
    assertEquals([sink.stats.blocked, hand.started], [1, [10, 11]]);
    await sink.abort(REASON);
    await first;
    assertEquals([await second, sink.stats.blocked], [REASON, 0]);
  });

  test(`${name} bounds the weight of waiting items, for any count [5.46]`, async () => {
    const hand = new Hand<number>();
    const sink = open(hand, { weigh: (n: number) => n, capacityWeight: 10 });
    assert(sink.tryPush(9));
    assertEquals([4, 5, 2, 1, 0, 1].map((n) => sink.tryPush(n)), [
      ...[true, true, false, true, true, false],
    ]);
    const waits = [8, 0].map((n) => sink.push(n));
    hand.calls[0]!.resolve(0);
    await microtasks();
    // 4 has started, and a weight of 6 is left: the 8 waits, and no other item overtakes it.
    assertEquals([hand.started, sink.stats.blocked], [[9, 4], 2]);
    for (let n = 1; n < 7; n++) {
      hand.calls[n]!.resolve(0);
      await microtasks();
    }
    await Promise.all(waits);
    await sink.close();
    assertEquals(hand.started, [9, 4, 5, 1, 0, 8, 0]);
  });

  test(`${name} refuses an item that alone is too heavy, and goes on [5.46] [5.27]`, async () => {
    const sink = make(() => {}, { weigh: (n: number) => n, capacityWeight: 10 } as never);
    const message = `${name}: an item of weight 11 is over option "capacityWeight" of 10`;
    assertThrows(() => sink.tryPush(11), RangeError, message);
    for (const call of ["push", "submit"] as const) {
      const error = await rejection(sink[call](11)) as Error;
      assertEquals([error.name, error.message], ["RangeError", message]);
    }
    for (const wrong of [-1, NaN, Infinity]) {
      assertThrows(
        () => sink.tryPush(wrong),
        RangeError,
        'option "weigh" must return a finite number',
      );
    }
    assertThrows(
      () => sink.tryPush("1" as never),
      TypeError,
      'option "weigh" must return a finite',
    );
    assert(sink.tryPush(10));
    await sink.close();
    assertEquals([sink.stats.accepted, sink.stats.done], [1, 1]);
  });

  timed(`${name} counts the weight of items in a retry [5.46] [5.40]`, async (clock) => {
    let fails = true;
    const sink = make((n) => {
      if (fails && n === 6) throw "busy";
    }, { weigh: (n: number) => n, capacityWeight: 10, capacity: 9, retry: () => 10 } as never);
    assert(sink.tryPush(6));
    fails = false;
    const pushed = sink.push(10);
    assertEquals(sink.stats.waiting, 1);
    if (name === "Aggregator") assertEquals(sink.stats.blocked, 1);
    await clock.tick(10);
    await pushed;
    await sink.close();
    assertEquals(sink.stats.done, 2);
  });

  test(`${name} drops rounding errors of weights when no item waits [5.46]`, async () => {
    const sink = make(() => {}, {
      ...{ concurrency: 0, capacity: 9, weigh: (n: number) => n, capacityWeight: 0.9 },
    } as never);
    // Four of these minus four of them is a little more than nothing.
    for (let n = 0; n < 4; n++) assert(sink.tryPush(0.225));
    sink.concurrency = 1;
    sink.concurrency = 0;
    assertEquals([sink.stats.done, sink.tryPush(0.9)], [4, true]);
    sink.concurrency = 1;
    await sink.close();
  });

  test(`${name} needs key for keyCapacity, and weigh for capacityWeight [5.45] [5.46] [7]`, () => {
    const wrong = (options: object, message: string) =>
      assertThrows(() => make(() => {}, options as never), TypeError, message);
    wrong({ keyCapacity: 1 }, 'option "keyCapacity" needs option "key"');
    wrong({ capacityWeight: 1 }, 'option "capacityWeight" needs option "weigh"');
    const other = name === "Fanout" ? "capacityWeight" : "maxWeight";
    wrong({ weigh: () => 1 }, `option "weigh" needs option "${other}"`);
  });
}

test("Fanout whose slow key is full handles the others with all workers [5.45]", async () => {
  const hand = new Hand<string>();
  const done: string[] = [];
  const fanout = new Fanout((item: string) => {
    if (item[0] === "s") return hand.handler(item, { signal: new AbortController().signal });
    done.push(item);
  }, { concurrency: 16, capacity: 20, key: (item) => item[0], keyCapacity: 4 });
  let refused = 0;
  for (let n = 0; n < 100; n++) {
    if (!fanout.tryPush(`s${n}`)) refused++;
    for (const key of ["a", "b", "c"]) assert(fanout.tryPush(`${key}${n}`));
  }
  assertEquals([done.length, refused, fanout.stats.waiting], [300, 95, 4]);
  await fanout.abort();
});

test("Aggregator hands over the open batch of a full key [5.45]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, {
    ...{ maxItems: 9, linger: Infinity, keyCapacity: 2, concurrency: 3, capacity: 99 },
    key: (n) => n % 2,
  });
  for (const n of [1, 2]) assert(sink.tryPush(n));
  assertEquals(hand.started, []);
  assert(sink.tryPush(3));
  assertEquals(hand.started, [[1, 3]]);
  for (const n of [5, 7]) assert(sink.tryPush(n));
  assertEquals([hand.started.length, sink.tryPush(9), sink.tryPush(4)], [1, false, true]);
  assertEquals(hand.started, [[1, 3], [2, 4]]);
  hand.calls[0]!.resolve(0);
  await microtasks();
  assertEquals(hand.started[2], [5, 7]);
  for (const n of [1, 2]) hand.calls[n]!.resolve(0);
  await sink.close();
});

test("Aggregator puts items that have waited for room into one batch, not one each [5.45] [4.2]", async () => {
  const hand = new Hand<string[]>();
  const sink = new Aggregator(hand.handler, {
    ...{ maxItems: 2, linger: Infinity, keyCapacity: 2, concurrency: 0, capacity: 2 },
    key: (item) => item[0],
  });
  for (const item of ["a1", "a2", "b1", "b2"]) void sink.push(item);
  sink.concurrency = 2;
  assertEquals(hand.started, [["a1", "a2"], ["b1", "b2"]]);
  for (const n of [0, 1]) hand.calls[n]!.resolve(0);
  await sink.close();
});

test("Aggregator.flush() closes no batch of a later caller that comes in before its waiting callers [5.30] [5.45]", async () => {
  const hand = new Hand<string[]>();
  const sink = new Aggregator(hand.handler, {
    ...{ maxItems: 3, linger: Infinity, keyCapacity: 2, concurrency: 0, capacity: 3 },
    key: (item) => item[0],
  });
  for (const item of ["a1", "a2", "c1", "a3"]) void sink.push(item);
  const flushed = sink.flush();
  // The sink is full. When the first batch starts, the third item of its key gets in line.
  void sink.push("b1");
  sink.concurrency = 3;
  assertEquals([hand.started, sink.stats.waiting], [[["a1", "a2"], ["c1"]], 2]);
  for (const n of [0, 1]) hand.calls[n]!.resolve(0);
  await microtasks();
  assertEquals(hand.started.slice(2), [["a3"]]);
  hand.calls[2]!.resolve(0);
  await flushed;
  const closed = sink.close();
  await microtasks();
  hand.calls[3]!.resolve(0);
  await closed;
  assertEquals(hand.started[3], ["b1"]);
});

test("Fanout accepts no item for a slot that another item is about to take [5.46] [5.1]", async () => {
  const hand = new Hand<number>();
  const given: boolean[] = [];
  const fanout: Fanout<number> = new Fanout((n: number, context) => {
    if (n === 0) given.push(fanout.tryPush(4));
    return hand.handler(n, context);
  }, { concurrency: 0, capacity: 9, weigh: (n) => n, capacityWeight: 5 });
  for (const n of [0, 1, 3]) assert(fanout.tryPush(n));
  // The first item starts, and the second slot is for the 1.
  fanout.concurrency = 2;
  assertEquals([given, hand.started, fanout.stats.waiting], [[false], [0, 1], 1]);
  for (const n of [0, 1]) hand.call(n).resolve(0);
  await microtasks();
  hand.call(3).resolve(0);
  await fanout.close();
  assertEquals(fanout.stats, counts({ accepted: 3, done: 3, refused: 1 }));
});

test("Aggregator hands over the oldest batch when the weight is full, and calls weigh once for an item [5.46] [4.6]", async () => {
  const hand = new Hand<number[]>();
  let asked = 0;
  const sink = new Aggregator(hand.handler, {
    ...{
      maxItems: 9,
      linger: Infinity,
      capacityWeight: 10,
      concurrency: 3,
      capacity: 99,
      maxWeight: 6,
    },
    key: (n) => n % 2,
    weigh(n) {
      asked++;
      return n;
    },
  });
  for (const n of [3, 4, 1]) assert(sink.tryPush(n));
  assertEquals(hand.started, []);
  // Heavier than the batch of its key takes, and than the room that is left.
  const result = sink.submit(5);
  assertEquals(hand.started, [[3, 1]]);
  hand.calls[0]!.resolve([0, 0]);
  await microtasks();
  assertEquals([sink.stats.waiting, asked], [2, 4]);
  const closed = sink.close();
  for (const n of [1, 2]) hand.calls[n]!.resolve([n]);
  assertEquals(await result, 2);
  await closed;
  assertEquals(sink.stats, tally({ accepted: 4, done: 4, batches: 3 }));
  assertStrictEquals(asked, 4);
});

timed("Aggregator weighs the items of a batch that it retries [5.46] [5.40]", async (clock) => {
  const sink = new Aggregator(
    (batch: number[], { attempt }) => batch.map((n) => attempt === 1 && n > 1 ? new Error() : n),
    {
      ...{ maxItems: 3, linger: Infinity, capacityWeight: 10, capacity: 99 },
      weigh: (n) => n,
      retry: () => 10,
      onError: () => {},
    },
  );
  for (const n of [1, 4, 5]) assert(sink.tryPush(n));
  assertEquals([sink.stats.waiting, sink.tryPush(2), sink.tryPush(1)], [2, false, true]);
  await clock.tick(10);
  assert(sink.tryPush(9));
  const closed = sink.close();
  await clock.tick(10);
  await closed;
});

test("Fanout with a keyCapacity keeps nothing of idle keys [5.45] [F-37]", async () => {
  const fanout = new Fanout(() => Promise.resolve(), { key: (n: number) => n, keyCapacity: 1 });
  for (let n = 0; n < 10_000; n++) await fanout.push(n);
  await fanout.close();
  assertEquals(fanout.stats, counts({ accepted: 10_000, done: 10_000 }));
});

test("Aggregator gives the room of a key back when weigh throws for a caller that has waited [5.45] [5.27]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, {
    ...{ maxItems: 1, maxWeight: 20, oversize: "error", linger: Infinity, capacity: 1 },
    ...{ keyCapacity: 1, concurrency: 1, key: (n: number) => n % 2, weigh: (n: number) => n },
  });
  for (const n of [2, 4]) assert(sink.tryPush(n));
  const heavy = rejection(sink.push(21));
  const behind = sink.push(1);
  hand.calls[0]!.resolve(0);
  assertEquals((await heavy as Error).name, "RangeError");
  hand.calls[1]!.resolve(0);
  await microtasks();
  await behind;
  hand.calls[2]!.resolve(0);
  await sink.close();
  assertEquals(hand.started, [[2], [4], [1]]);
});

test("Aggregator gives back the room of items that its collector has swallowed [5.45] [5.14]", async () => {
  const batches: string[] = [];
  const swallowing = () => {
    const kept: string[] = [];
    return {
      get size() {
        return kept.length;
      },
      get full() {
        return true;
      },
      add: (item: string) => void (item.startsWith("-") || kept.push(item)),
      take: () => kept.splice(0).join(),
    };
  };
  const sink = new Aggregator((batch: string) => void batches.push(batch), {
    collector: swallowing,
    key: () => "one",
    keyCapacity: 1,
  });
  for (let n = 0; n < 3; n++) assert(sink.tryPush("-"), `the item ${n}`);
  assert(sink.tryPush("a"));
  await sink.close();
  assertEquals([batches, sink.stats.done], [["a"], 4]);
});

test("Fanout lets a caller that waits for room of its key leave, even after others came and went [5.45] [5.42]", async () => {
  const hand = new Hand<number>();
  const sink = new Fanout(hand.handler, { capacity: 1, key: (n) => n % 10, keyCapacity: 1 });
  // All these items have waited for room, and have ended.
  for (let n = 0; n < 100; n++) void sink.push(n);
  for (let n = 0; n < 100; n++) {
    hand.calls[n]!.resolve(0);
    await microtasks();
  }
  assertEquals(sink.stats.done, 100);
  for (const n of [1, 11]) assert(sink.tryPush(n));
  const leaver = new AbortController();
  const [leaves, stays] = [sink.push(21, leaver), sink.push(31)];
  leaver.abort(REASON);
  assertStrictEquals(await rejection(leaves), REASON);
  assertEquals(sink.stats.blocked, 1);
  for (let n = 100; n < 103; n++) {
    hand.calls[n]!.resolve(0);
    await microtasks();
  }
  await stays;
  await sink.close();
  assertEquals(hand.started.slice(100), [1, 11, 31]);
});

timed(
  "Aggregator adds no later item to a batch that a flush has closed, not even from the last item's handler [5.30] [5.44]",
  async (clock) => {
    const batches: string[][] = [];
    const gates: Array<() => void> = [];
    const aggregator: Aggregator<string> = new Aggregator((batch) => {
      batches.push(batch);
      if (batch[0] === "b1") aggregator.tryPush("a2");
      return new Promise<void>((over) => gates.push(over));
    }, { maxItems: 2, capacity: 3, maxWait: 5, linger: Infinity, key: (item) => item[0] });
    for (const item of ["x1", "x2", "y1", "y2", "y3"]) assert(aggregator.tryPush(item), item);
    for (const item of ["b1", "a1", "b2"]) void aggregator.push(item);
    void aggregator.flush();
    await clock.tick(6);
    // The waiting items are discarded, all three come in, and the last of them fills a batch, which
    // starts at once.
    gates.shift()!();
    await microtasks();
    assertEquals([batches.at(-1), aggregator.stats.waiting], [["b1", "b2"], 2]);
    gates.shift()!();
    await microtasks();
    assertEquals(batches.at(-1), ["a1"]);
    const closed = aggregator.close();
    for (let n = 0; n < 3; n++) {
      gates.shift()?.();
      await microtasks();
    }
    await closed;
    assertEquals(batches.at(-1), ["a2"]);
  },
);
