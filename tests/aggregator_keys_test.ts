/** `Aggregator`: a batch for each key. */

import { assert, assertEquals } from "@std/assert";
import { Aggregator } from "../mod.ts";
import { ids, tally } from "./support/aggregating.ts";
import { collectGarbage } from "./support/garbage.ts";
import { microtasks, turn } from "./support/gate.ts";
import { Hand } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

const initial = (item: string) => item[0];

test("Aggregator forms a batch for each key, and handles the batches of one key one at a time [5.2]", async () => {
  const hand = new Hand<string[]>();
  const sink = new Aggregator(hand.handler, {
    maxItems: 2,
    concurrency: 3,
    linger: Infinity,
    key: initial,
  });
  for (const item of ["a1", "b1", "a2", "a3", "b2", "a4", "c1"]) sink.tryPush(item);
  assertEquals(hand.started, [["a1", "a2"], ["b1", "b2"]]);
  assertEquals(sink.stats, tally({ accepted: 7, waiting: 3, running: 4, batches: 2 }));
  hand.calls[1]!.resolve(0);
  await turn();
  assertEquals(hand.calls.length, 2);
  hand.calls[0]!.resolve(0);
  await turn();
  assertEquals(hand.started[2], ["a3", "a4"]);
  const closed = sink.close();
  assertEquals(hand.started[3], ["c1"]);
  for (const call of hand.calls) call.resolve(0);
  await closed;
});

timed(
  "Aggregator gives each key's batch its own linger, with one timer for all [5.2] [4.4]",
  async (clock) => {
    const seen: unknown[] = [];
    const sink = new Aggregator((batch: string[]) => void seen.push([clock.now, ...batch]), {
      linger: 100,
      concurrency: 9,
      key: initial,
    });
    const letters = [..."abcdefgh"];
    for (const letter of letters) {
      sink.tryPush(`${letter}1`);
      await microtasks();
      assertEquals(clock.pending, 1);
      await clock.tick(10);
    }
    sink.tryPush("a2");
    await clock.tick(19);
    assertEquals(seen, []);
    await clock.tick(1);
    assertEquals(seen, [[100, "a1", "a2"]]);
    await clock.tick(10);
    assertEquals(seen[1], [110, "b1"]);
    assertEquals(clock.pending, 1);
    await clock.tick(100);
    assertEquals(seen.slice(2), letters.slice(2).map((at, n) => [120 + 10 * n, `${at}1`]));
    assertEquals(clock.pending, 0);
  },
);

timed(
  "Aggregator gives due batches to workers in the order in which they became due [5.2]",
  async (clock) => {
    const hand = new Hand<string[]>();
    const sink = new Aggregator(hand.handler, { linger: 10, key: initial });
    for (const item of ["a1", "b1", "c1"]) {
      sink.tryPush(item);
      await clock.tick(1);
    }
    await clock.tick(20);
    assertEquals(hand.started, [["a1"]]);
    // They are due but have not started, so they go on collecting.
    for (const item of ["c2", "b2"]) sink.tryPush(item);
    for (const batch of [["b1", "b2"], ["c1", "c2"]]) {
      hand.calls.at(-1)!.resolve(0);
      await turn();
      assertEquals(hand.started.at(-1), batch);
    }
  },
);

timed(
  "Aggregator skips a due batch whose key is being handled, and starts another [5.2]",
  async (clock) => {
    const hand = new Hand<string[]>();
    const sink = new Aggregator(hand.handler, { linger: 10, key: initial, concurrency: 2 });
    sink.tryPush("a1");
    await clock.tick(10);
    sink.tryPush("a2");
    sink.tryPush("b1");
    await clock.tick(10);
    assertEquals(hand.started, [["a1"], ["b1"]]);
    sink.tryPush("a3");
    hand.calls[0]!.resolve(0);
    await turn();
    assertEquals(hand.started[2], ["a2", "a3"]);
  },
);

test("Aggregator compares keys as a Map does [5.2]", async () => {
  const seen: unknown[][] = [];
  const sink = new Aggregator((batch: unknown[]) => void seen.push(batch), {
    linger: Infinity,
    key: (item) => item,
    concurrency: 9,
  });
  const object = {};
  for (const item of [NaN, 0, object, undefined, -0, {}, NaN, object, undefined]) {
    sink.tryPush(item);
  }
  await sink.flush();
  assertEquals(seen, [[NaN, NaN], [0, -0], [object, object], [undefined, undefined], [{}]]);
  assertEquals(sink.stats.batches, 5);
});

test("Aggregator keeps the order of each of many keys under any load [5.2] [3]", async () => {
  const last = new Map<number, number>();
  const busy = new Set<number>();
  let batches = 0;
  const sink = new Aggregator<number>(async (batch) => {
    const key = batch[0]! % 7;
    assert(!busy.has(key));
    busy.add(key);
    batches++;
    assert(batch.length > 0 && batch.length <= 5);
    for (const n of batch) {
      assertEquals(n % 7, key);
      assertEquals(n, (last.get(key) ?? key - 7) + 7);
      last.set(key, n);
    }
    for (let i = batch[0]! % 4; i > 0; i--) await undefined;
    busy.delete(key);
  }, { maxItems: 5, capacity: 11, concurrency: 3, linger: 0, key: (n) => n % 7 });
  await sink.consume(ids(0, 699));
  assertEquals(sink.stats, tally({ accepted: 700, done: 700, batches }));
});

test("Aggregator allows one hot key to fill its capacity, and starts the others afterwards [5.2]", async () => {
  const hand = new Hand<string[]>();
  const sink = new Aggregator(hand.handler, {
    maxItems: 2,
    capacity: 4,
    concurrency: 2,
    linger: Infinity,
    key: initial,
  });
  for (const n of ids(1, 6)) sink.tryPush(`a${n}`);
  assertEquals(sink.tryPush("b1"), false);
  const pushed = sink.push("b1");
  hand.calls[0]!.resolve(0);
  await pushed;
  const flushed = sink.flush();
  assertEquals(hand.started, [["a1", "a2"], ["a3", "a4"], ["b1"]]);
  for (let n = 1; n < 4; n++) {
    hand.calls[n]?.resolve(0);
    await turn();
  }
  await flushed;
});

timed(
  "Aggregator starts a cold key's due batch before the younger full ones of a hot key [5.28] [5.2]",
  async (clock) => {
    const hand = new Hand<string[]>();
    const sink = new Aggregator(hand.handler, {
      maxItems: 2,
      capacity: 100,
      linger: 10,
      key: initial,
    });
    for (const item of ["a1", "a2", "b1", "a3", "a4"]) sink.tryPush(item);
    await clock.tick(10);
    for (const item of ["a5", "a6", "b2"]) sink.tryPush(item);
    assertEquals(hand.started, [["a1", "a2"]]);
    // It goes on gathering while it waits for its turn.
    for (const batch of [["b1", "b2"], ["a3", "a4"], ["a5", "a6"]]) {
      hand.calls.at(-1)!.resolve(0);
      await turn();
      assertEquals(hand.started.at(-1), batch);
    }
    await sink.abort();
  },
);

timed(
  "Aggregator starts full batches of several keys and due ones by their first items [5.28] [5.2]",
  async (clock) => {
    const hand = new Hand<string[]>();
    const sink = new Aggregator(hand.handler, {
      maxItems: 2,
      capacity: 100,
      linger: 10,
      key: initial,
    });
    for (const item of ["x1", "x2", "a1", "b1", "c1", "d1", "d2", "b2"]) sink.tryPush(item);
    await clock.tick(10);
    // A due batch fills up, and keeps its place.
    sink.tryPush("a2");
    sink.tryPush("a3");
    for (const batch of [["a1", "a2"], ["b1", "b2"], ["c1"], ["d1", "d2"]]) {
      hand.calls.at(-1)!.resolve(0);
      await turn();
      assertEquals(hand.started.at(-1), batch);
    }
    await sink.abort();
  },
);

/** Counts the operations of `body` on a `Map` or a `Set`. */
async function steps(body: () => Promise<void>): Promise<number> {
  let count = 0;
  const undo: Array<() => void> = [];
  const iterators = [new Map().values(), new Set().values()].map(Object.getPrototypeOf);
  for (const owner of [Map.prototype, Set.prototype, ...iterators]) {
    for (const name of ["get", "set", "has", "add", "delete", "next"]) {
      const method = owner[name];
      if (!method) continue;
      owner[name] = function (this: unknown, ...args: unknown[]) {
        count++;
        return method.apply(this, args);
      };
      undo.push(() => void (owner[name] = method));
    }
  }
  try {
    await body();
  } finally {
    for (const again of undo) again();
  }
  return count;
}

for (const linger of [0, Infinity]) {
  test(`Aggregator takes as many steps for an item of 10,000 keys as for one of a hundred: linger ${linger} [5.28]`, async () => {
    const COUNT = 30_000;
    /** Every key has an open batch, which is due or at capacity. */
    const measure = async (keys: number) => {
      const sink = new Aggregator<number>(() => undefined as never, {
        concurrency: 1,
        maxItems: 4,
        capacity: keys,
        linger,
        key: (n) => n % keys,
      });
      const made = await steps(async () => {
        for (let n = 0; n < COUNT; n++) await sink.push(n);
        await sink.close();
      });
      assertEquals(sink.stats.done, COUNT);
      return made / COUNT;
    };
    const [few, many] = [await measure(100), await measure(10_000)];
    assert(many <= few * 1.5, `${many} steps with many keys, ${few} with few`);
  });
}

test("Aggregator keeps nothing of keys that are idle [5.2] [F-36]", async () => {
  let kept = 0;
  const registry = new FinalizationRegistry(() => kept--);
  const sink = new Aggregator<object>(() => {}, {
    maxItems: 2,
    linger: 0,
    concurrency: 4,
    key: (item) => item,
  });
  await (async () => {
    for (let n = 0; n < 100; n++) {
      const key = {};
      registry.register(key, 0);
      kept++;
      sink.tryPush(key);
      if (n % 2) sink.tryPush(key);
    }
    await sink.idle();
  })();
  assertEquals(sink.stats.done, 150);
  for (let round = 0; kept > 5 && round < 20; round++) await collectGarbage();
  assert(kept <= 5, `${kept} keys are kept`);
  await sink.close();
});
