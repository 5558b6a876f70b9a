/** What `commitOrder` promises. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { commitOrder, type Delivery, delivery } from "../delivery.ts";
import { acked } from "../delivery.ts";
import { Fanout } from "../../../mod.ts";
import { type Gate, gate, macrotask, microtasks, settled } from "../../../tests/support/gate.ts";
import { test } from "../../../tests/support/test.ts";
import { unhandled } from "../../../tests/support/unhandled.ts";

const no = new Error("no");

test("commitOrder() commits the last of those that have settled with all before them", async () => {
  const commits: unknown[] = [];
  const order = commitOrder((offset: number, partition: string) =>
    commits.push([partition, offset])
  );
  const ends = [10, 11, 12, 13].map((offset) => order.begin("p", offset));
  const other = order.begin("q", 7);
  assertEquals(order.pending, 5);
  ends[1]!();
  ends[2]!();
  await microtasks();
  assertEquals([commits, order.pending], [[], 5]);
  ends[0]!();
  await microtasks();
  assertEquals([commits, order.pending], [[["p", 12]], 2]);
  other();
  ends[3]!();
  await order.idle();
  assertEquals(commits, [["p", 12], ["q", 7], ["p", 13]]);
  assertEquals(order.pending, 0);
});

test("commitOrder() takes a settlement once", async () => {
  const commits: number[] = [];
  const order = commitOrder((offset: number) => commits.push(offset));
  const [first, second] = [order.begin(1, 1), order.begin(1, 2)];
  first();
  first();
  await order.idle();
  first();
  assertEquals([commits, order.pending], [[1], 1]);
  second();
  second();
  await order.idle();
  assertEquals([commits, order.pending], [[1, 2], 0]);
});

test("commitOrder() runs one commit of a key at a time, and what settles meanwhile is one commit later", async () => {
  const running: Gate[] = [];
  const commits: string[] = [];
  const order = commitOrder((offset: number, key: string) => {
    commits.push(`${key}${offset}`);
    running.push(gate());
    return running.at(-1)!.promise;
  });
  for (const key of ["a", "b"]) order.begin(key, 0)();
  await microtasks();
  assertEquals(commits, ["a0", "b0"]);
  for (let offset = 1; offset <= 5; offset++) {
    order.begin("a", offset)();
    await microtasks();
  }
  assertEquals([commits, order.pending], [["a0", "b0"], 7]);
  running[0]!.resolve();
  await microtasks();
  assertEquals([commits, order.pending], [["a0", "b0", "a5"], 6]);
  running[2]!.resolve();
  running[1]!.resolve();
  await order.idle();
  assertEquals(order.pending, 0);
});

test("commitOrder() commits once what settles in one turn", async () => {
  const commits: number[] = [];
  const order = commitOrder((offset: number) => void commits.push(offset));
  for (let offset = 0; offset < 100; offset++) order.begin("p", offset)();
  await order.idle();
  assertEquals(commits, [99]);
});

test("commitOrder() waits in idle() for every commit, and not for what has not settled", async () => {
  const running = gate();
  const order = commitOrder(() => running.promise);
  await order.idle();
  const end = order.begin("p", 0);
  await order.idle();
  end();
  const idle = order.idle();
  assertEquals(await settled(idle), "pending");
  running.resolve();
  await idle;
});

test("commitOrder() rejects idle() with what a commit has thrown, also where it threw before", async () => {
  let fails = true;
  const commits: number[] = [];
  const order = commitOrder((offset: number) => {
    commits.push(offset);
    if (fails) throw no;
  });
  order.begin("p", 0)();
  const both = [order.idle(), order.idle()].map((idle) => idle.catch((error) => error));
  assertEquals(await Promise.all(both), [no, no]);
  assertEquals(await order.idle().catch((error) => error), no);
  assertEquals(order.pending, 1);
  fails = false;
  order.begin("p", 1)();
  await order.idle();
  assertEquals([commits, order.pending], [[0, 1], 0]);
});

test("commitOrder() rejects idle() with all that several commits have thrown", async () => {
  const order = commitOrder((error: Error) => Promise.reject(error));
  const errors = [new Error("a"), new Error("b")];
  for (const error of errors) order.begin(error, error)();
  const error = await assertRejects(() => order.idle(), AggregateError, "a; b");
  assertEquals(error.errors, errors);
});

test("commitOrder() surfaces what a commit throws while nobody waits, and covers it by a later one", async () => {
  let fails = true;
  const order = commitOrder(() => fails ? Promise.reject(no) : undefined);
  const lost = await unhandled(async () => {
    order.begin("p", 0)();
    await macrotask();
  });
  assertEquals([lost, order.pending], [[no], 1]);
  fails = false;
  order.begin("p", 1)();
  await order.idle();
  assertEquals(order.pending, 0);
});

test("commitOrder() commits at once again what settled while a commit failed", async () => {
  const running = [gate(), gate()];
  const commits: number[] = [];
  const order = commitOrder((offset: number) => {
    commits.push(offset);
    return running[commits.length - 1]!.promise;
  });
  order.begin("p", 0)();
  const idle = order.idle().catch((error) => error);
  await microtasks();
  order.begin("p", 1)();
  running[0]!.reject(no);
  await microtasks();
  assertEquals([commits, order.pending], [[0, 1], 2]);
  running[1]!.resolve();
  assertEquals([await idle, order.pending], [no, 0]);
  await order.idle();
});

test("commitOrder() commits nothing of a key that is dropped", async () => {
  const commits: unknown[] = [];
  const order = commitOrder((offset: number, key: string) => void commits.push([key, offset]));
  const ends = [0, 1, 2].map((offset) => order.begin("p", offset));
  const kept = order.begin("q", 5);
  ends[0]!(); // due
  ends[2]!();
  order.drop("p");
  order.drop("never seen");
  assertEquals(order.pending, 1);
  ends[1]!();
  kept();
  await order.idle();
  assertEquals([commits, order.pending], [[["q", 5]], 0]);
});

test("commitOrder() waits with a key that has come back for the commit that ran when it was dropped", async () => {
  const running = [gate(), gate()];
  const commits: number[] = [];
  const order = commitOrder((offset: number) => {
    commits.push(offset);
    return running[commits.length - 1]!.promise;
  });
  const old = [5, 6].map((offset) => order.begin("p", offset));
  old[0]!();
  await microtasks();
  order.drop("p");
  assertEquals(order.pending, 0);
  order.begin("p", 3)();
  old[1]!();
  await microtasks();
  assertEquals([commits, order.pending], [[5], 1]);
  running[0]!.resolve();
  await microtasks();
  assertEquals([commits, order.pending], [[5, 3], 1]);
  running[1]!.resolve();
  await order.idle();
  assertEquals(order.pending, 0);
});

test("commitOrder() surfaces what a commit of a dropped key throws, and forgets it", async () => {
  const running = gate();
  const order = commitOrder(() => running.promise);
  const lost = await unhandled(async () => {
    order.begin("p", 0)();
    await microtasks();
    order.drop("p");
    running.reject(no);
    await macrotask();
  });
  assertEquals(lost, [no]);
  await order.idle();
});

test("commitOrder() lets a commit begin, settle and drop", async () => {
  const commits: number[] = [];
  const order = commitOrder((offset: number, key: string) => {
    commits.push(offset);
    if (offset === 0) order.begin(key, 1)();
    if (offset === 1) {
      order.begin(key, 2)();
      order.drop(key);
      order.begin(key, 3)();
    }
  });
  order.begin("p", 0)();
  await order.idle();
  assertEquals([commits, order.pending], [[0, 1, 3], 0]);
});

test("commitOrder() keeps the sinks of a log in order, whatever the order of their ends", async () => {
  const commits: number[] = [];
  const order = commitOrder((offset: number) => void commits.push(offset));
  const gates = [0, 1, 2].map(() => gate());
  const messages = gates.map((_, offset) =>
    delivery(offset, { ack: order.begin("p", offset), nak() {} })
  );
  const fanout = new Fanout(acked(({ value }: Delivery<number>) => gates[value]!.promise), {
    concurrency: 3,
  });
  for (const message of messages) fanout.tryPush(message);
  for (const place of [2, 0, 1]) {
    gates[place]!.resolve();
    await microtasks();
  }
  await fanout.idle();
  await order.idle();
  assertEquals(commits, [0, 2]);
});

test("commitOrder() refuses what is no function", () => {
  assertThrows(() => commitOrder(5 as never), TypeError, 'commitOrder: option "commit" must be');
});

test("commitOrder() is linear: a million keys come and go, and a million items settle in reverse", async () => {
  let commits = 0;
  const order = commitOrder<number, number>(() => void commits++);
  for (let key = 0; key < 1_000_000; key++) {
    order.begin(key, key)();
    if (key % 10_000 === 0) await order.idle();
  }
  await order.idle();
  assertEquals([commits, order.pending], [1_000_000, 0]);
  const ends = Array.from({ length: 1_000_000 }, (_, offset) => order.begin(0, offset));
  for (const end of ends.reverse()) end();
  await order.idle();
  assertEquals([commits, order.pending], [1_000_001, 0]);
});

/** What happens to an order. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("begin"), key: fc.nat(2) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("settle"), which: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("commit"), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("drop"), key: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("idle") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("turn") }) },
);

interface Begun {
  readonly key: number;
  readonly value: number;
  readonly end: () => void;
  readonly era: number;
  settled: boolean;
}

test("commitOrder() keeps its promises in every schedule", async () => {
  const seed = Math.trunc(Math.random() * 2 ** 31);
  await fc.assert(
    fc.asyncProperty(
      fc.array(step as fc.Arbitrary<Record<string, unknown>>, { maxLength: 60, size: "max" }),
      play,
    ),
    { seed, numRuns: 300 },
  );
});

async function play(steps: readonly Record<string, unknown>[]): Promise<void> {
  const begun: Begun[] = [];
  const eras = [0, 0, 0];
  const committed = [-1, -1, -1];
  const running = new Map<number, { value: number; era: number; over: Gate }>();
  let clock = 0;
  const idles: Promise<unknown>[] = [];
  // A throw in a commit would be one of its failures.
  const wrong: string[] = [];
  const order = commitOrder((value: number, key: number) => {
    if (running.has(key)) wrong.push("two commits of a key run");
    const mine = begun.filter((each) => each.key === key && each.era === eras[key]);
    const open = mine.findIndex((each) => !each.settled);
    const prefix = open === -1 ? mine : mine.slice(0, open);
    if (prefix.at(-1)?.value !== value) {
      wrong.push(`${value} is not the last of the prefix, ${prefix.at(-1)?.value}`);
    }
    const over = gate();
    running.set(key, { value, era: eras[key]!, over });
    return over.promise;
  });
  const pending = () =>
    begun.filter(({ key, era, value }) => era === eras[key] && value > committed[key]!).length;
  const finish = async (key: number, fails: boolean) => {
    const { value, era, over } = running.get(key)!;
    running.delete(key);
    if (fails) {
      // Somebody waits, so that it is not unhandled.
      idles.push(order.idle().catch(() => {}));
      over.reject(no);
    } else {
      over.resolve();
      if (era === eras[key]) {
        assert(value > committed[key]!, "never backwards");
        committed[key] = value;
      }
    }
    await microtasks();
  };
  for (const { do: what, key, which, fails } of steps as never as Record<string, never>[]) {
    if (what === "begin") {
      const value = clock++;
      begun.push({
        key: key!,
        value,
        era: eras[key!]!,
        settled: false,
        end: order.begin(key!, value),
      });
    } else if (what === "settle") {
      const open = begun.filter((each) => !each.settled);
      const one = open[which! % open.length];
      if (one) {
        one.settled = true;
        one.end();
      }
    } else if (what === "commit") {
      const [first] = running.keys();
      if (first !== undefined) await finish(first, fails!);
    } else if (what === "drop") {
      order.drop(key!);
      eras[key!]!++;
      committed[key!] = -1;
    } else if (what === "idle") idles.push(order.idle().catch(() => {}));
    else await microtasks();
    assertEquals([wrong, order.pending], [[], pending()]);
  }
  await microtasks();
  while (running.size > 0) for (const key of [...running.keys()]) await finish(key, false);
  for (const each of begun) if (!each.settled) (each.settled = true, each.end());
  await microtasks();
  while (running.size > 0) for (const key of [...running.keys()]) await finish(key, false);
  await Promise.all(idles);
  for (const key of [0, 1, 2]) {
    const last = begun.findLast((each) => each.key === key && each.era === eras[key]);
    // A commit that failed is covered by a later one, if one came.
    if (last && committed[key] !== last.value) {
      const end = order.begin(key, clock);
      begun.push({ key, value: clock, era: eras[key]!, settled: true, end });
      end();
      await microtasks();
      assertEquals(running.get(key)?.value, clock++);
      await finish(key, false);
    }
  }
  assertEquals([wrong, order.pending], [[], 0]);
  await order.idle();
}
