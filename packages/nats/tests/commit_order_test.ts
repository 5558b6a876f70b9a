/** Tests `commitOrder`. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { commitOrder, type Delivery, delivery } from "../delivery.ts";
import { acked } from "../delivery.ts";
import { Fanout } from "../../../mod.ts";
import { type Gate, gate, macrotask, microtasks, settled } from "../../../tests/support/gate.ts";
import { collectGarbage } from "../../../tests/support/garbage.ts";
import { test } from "../../../tests/support/test.ts";
import { unhandled } from "../../../tests/support/unhandled.ts";

const no = new Error("no");

test("commitOrder() commits the last item that has settled with all items before it", async () => {
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

test("commitOrder() counts a settlement once", async () => {
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

test("commitOrder() runs one commit of a key at a time, and commits items that settle meanwhile at once afterwards", async () => {
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

test("commitOrder() commits once for all items that settle in one turn", async () => {
  const commits: number[] = [];
  const order = commitOrder((offset: number) => void commits.push(offset));
  for (let offset = 0; offset < 100; offset++) order.begin("p", offset)();
  await order.idle();
  assertEquals(commits, [99]);
});

test("commitOrder() waits in idle() for every commit, but not for items that have not settled", async () => {
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

test("commitOrder() rejects idle() with the error of a commit, even an earlier one", async () => {
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

test("commitOrder() rejects idle() with the errors of several commits", async () => {
  const order = commitOrder((error: Error) => Promise.reject(error));
  const errors = [new Error("a"), new Error("b")];
  for (const error of errors) order.begin(error, error)();
  const error = await assertRejects(() => order.idle(), AggregateError, "a; b");
  assertEquals(error.errors, errors);
});

test("commitOrder() surfaces the error of a commit without an idle() call, and a later commit covers it", async () => {
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

test("commitOrder() commits again at once when items settled during a failing commit", async () => {
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

test("commitOrder() commits nothing of a dropped key", async () => {
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

test("commitOrder() lets a key that comes back wait for the commit that ran when it was dropped", async () => {
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

test("commitOrder() forgets the error of a dropped key's commit, even if the key has come back", async () => {
  const running = [gate(), gate()];
  let commits = 0;
  const order = commitOrder(() => running[commits++]!.promise);
  order.begin("p", 0)();
  await microtasks();
  const told = order.idle().catch((error) => error);
  order.drop("p");
  const end = order.begin("p", 0);
  running[0]!.reject(no);
  assertEquals(await told, no);
  await order.idle();
  end();
  running[1]!.resolve();
  await order.idle();
  assertEquals([commits, order.pending], [2, 0]);
});

test("commitOrder() forgets the error of a commit when a later one has covered it", async () => {
  let fails = true;
  const order = commitOrder(() => {
    if (fails) throw no;
  });
  const ends = [0, 1, 2].map((offset) => order.begin("p", offset));
  ends[0]!();
  assertEquals(await order.idle().catch((error) => error), no);
  fails = false;
  ends[1]!();
  await order.idle();
  assertEquals(order.pending, 1);
});

test("commitOrder() keeps nothing of keys that are committed or dropped", async () => {
  const order = commitOrder((_value: object, _key: object) => {});
  const traces: WeakRef<object>[] = [];
  const live = (): void => {
    for (let round = 0; round < 32; round++) {
      const [key, dropped] = [{ round }, { round }];
      for (const end of [1, 2].map(() => order.begin(key, {}))) end();
      order.begin(dropped, {});
      order.drop(dropped);
      traces.push(new WeakRef(key), new WeakRef(dropped));
    }
  };
  live();
  await order.idle();
  await collectGarbage();
  // A conservative collector may mistake a value for a pointer.
  assert(traces.filter((trace) => trace.deref()).length <= 16);
});

test("commitOrder() surfaces the error of a dropped key's commit, and forgets it", async () => {
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

test("commitOrder() allows a commit to begin, settle and drop", async () => {
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

test("commitOrder() keeps the order of a log behind several sinks, in any order of their ends", async () => {
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

test("commitOrder() refuses a commit that is not a function", () => {
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
