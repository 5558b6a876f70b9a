/**
 * `Fanout`: handlers start in the order of acceptance, and with `key` one at a time for each key.
 */

import { assert, assertEquals } from "@std/assert";
import { Fanout } from "../mod.ts";
import { microtasks, streamOf, turn } from "./support/gate.ts";
import { counts, Hand, heard } from "./support/hand.ts";
import { test } from "./support/test.ts";

const first = (item: string) => item[0];

test("Fanout starts handlers in the order of acceptance [5.2]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 2, capacity: 2 });
  const pushes = [0, 1, 2, 3, 4, 5, 6].map((n) => n % 2 ? fanout.push(n) : fanout.submit(n));
  for (const n of [1, 2, 3, 0, 5, 4, 6]) {
    hand.call(n).resolve(0);
    await turn();
  }
  await Promise.all(pushes);
  assertEquals(hand.started, [0, 1, 2, 3, 4, 5, 6]);
});

test("Fanout keeps the order of a writer and of a pipe [5.2]", async () => {
  const seen: number[] = [];
  const fanout = new Fanout(async (n: number) => {
    seen.push(n);
    for (let i = n % 3; i > 0; i--) await undefined;
  }, { concurrency: 3, capacity: 2 });
  const writer = fanout.getWriter();
  for (let n = 0; n < 20; n++) writer.write(n);
  writer.releaseLock();
  await streamOf(Array.from({ length: 20 }, (_, n) => n + 20)).pipeTo(fanout);
  assertEquals(seen, Array.from({ length: 40 }, (_, n) => n));
});

test("Fanout serves callers that wait for room in the order of their calls [5.2]", async () => {
  const hand = new Hand<string>();
  const fanout = new Fanout(hand.handler, { capacity: 1 });
  const writer = fanout.getWriter();
  await turn();
  fanout.tryPush("a");
  fanout.tryPush("b");
  const resolved: string[] = [];
  const calls = [
    fanout.push("c").then(() => resolved.push("c")),
    writer.write("d").then(() => resolved.push("d")),
    fanout.submit("e").then(() => resolved.push("e")),
    fanout.consume(["f"]).then(() => resolved.push("f")),
    fanout.push("g").then(() => resolved.push("g")),
  ];
  for (const item of "abcdefg") {
    assertEquals(hand.started.at(-1), item);
    hand.call(item).resolve(0);
    await turn();
  }
  await Promise.all(calls);
  assertEquals(hand.started.join(""), "abcdefg");
  assertEquals(resolved.join(""), "cdegf");
});

test("Fanout handles the items of one key one at a time and in order [5.2]", async () => {
  const hand = new Hand<string>();
  const fanout = new Fanout(hand.handler, { concurrency: 3, key: first });
  heard(fanout);
  for (const item of ["a1", "a2", "b1", "a3", "b2", "c1"]) fanout.tryPush(item);
  assertEquals(hand.started, ["a1", "b1", "c1"]);
  hand.call("c1").resolve(0);
  await turn();
  // A slot is free, and both keys are busy.
  assertEquals(hand.started, ["a1", "b1", "c1"]);
  hand.call("b1").resolve(0);
  await turn();
  hand.call("a1").resolve(0);
  await turn();
  assertEquals(hand.started, ["a1", "b1", "c1", "b2", "a2"]);
  hand.call("a2").reject("b2 is not touched");
  await turn();
  assertEquals(fanout.stats.failed, 1);
});

test("Fanout starts the oldest item whose key is free, whether it was blocked before or not [5.2]", async () => {
  const hand = new Hand<string>();
  const fanout = new Fanout(hand.handler, { concurrency: 1, key: first });
  for (const item of ["a1", "a2", "b1", "a3", "c1", "b2"]) fanout.tryPush(item);
  for (const item of ["a1", "a2", "b1", "a3", "c1", "b2"]) {
    assertEquals(hand.started.at(-1), item);
    hand.call(item).resolve(0);
    await turn();
  }
  assertEquals(fanout.stats, counts({ accepted: 6, done: 6 }));
});

test("Fanout starts the oldest of many items whose keys become free in any order [5.2]", async () => {
  const keys = [..."abcdefghi"];
  for (let shift = 1; shift <= 8; shift++) {
    const mixed = keys.map((_, n) => keys[(n * n * shift + n) % 9]!);
    const freeing = [...new Set([...mixed, ...keys])];
    const hand = new Hand<string>();
    const fanout = new Fanout(hand.handler, { concurrency: 9, key: first });
    for (const key of keys) fanout.tryPush(`${key}1`);
    // These are older than every second item, and take the slots while the keys of those become
    // free.
    const others = keys.map((key) => key.toUpperCase());
    for (const other of others) fanout.tryPush(other);
    const seconds = freeing.toReversed().map((key) => `${key}2`);
    for (const second of seconds) fanout.tryPush(second);
    for (const key of freeing) {
      hand.call(`${key}1`).resolve(0);
      await microtasks();
    }
    assertEquals(hand.started.slice(9), others);
    for (const other of others) {
      hand.call(other).resolve(0);
      await microtasks();
    }
    assertEquals(hand.started.slice(18), seconds);
  }
});

test("Fanout starts the oldest startable item in random rounds over eight keys [5.2]", async () => {
  let random = 42;
  const next = (limit: number) => (random = (random * 1103515245 + 12345) & 0x7fffffff) % limit;
  const accepted: number[] = [];
  const started: number[] = [];
  const open: (() => void)[] = [];
  const running = new Set<number>();
  const keys = new Map<number, number>();
  const fanout = new Fanout((n: number) => {
    const key = keys.get(n)!;
    assert(!running.has(key));
    running.add(key);
    // The oldest item whose key is free.
    const startable = accepted.find((m) =>
      !started.includes(m) && (m === n || !running.has(keys.get(m)!))
    );
    assertEquals(n, startable);
    started.push(n);
    return new Promise<void>((resolve) => open.push(() => (running.delete(key), resolve())));
  }, { concurrency: 3, key: (n) => keys.get(n) });
  for (let n = 0; n < 300; n++) {
    keys.set(n, next(8));
    accepted.push(n);
    fanout.tryPush(n);
    if (next(3) === 0 && open.length) open.splice(next(open.length), 1)[0]!();
    await microtasks(5);
  }
  while (open.length) {
    open.splice(next(open.length), 1)[0]!();
    await turn();
  }
  assertEquals(started.length, 300);
  await fanout.close();
});

test("Fanout compares keys as a Map does [5.2]", () => {
  const hand = new Hand<unknown>();
  const fanout = new Fanout(hand.handler, { concurrency: 20, key: (item) => item });
  const object = {};
  for (
    const item of [NaN, NaN, 0, -0, object, object, {}, undefined, undefined, null, "__proto__"]
  ) {
    fanout.tryPush(item);
  }
  assertEquals(hand.calls.length, 7);
  assertEquals(fanout.stats.waiting, 4);
});

test("Fanout allows one hot key to fill its queue, and starts the others afterwards [5.2]", async () => {
  const hand = new Hand<string>();
  const fanout = new Fanout(hand.handler, { concurrency: 4, capacity: 3, key: first });
  for (const item of ["a1", "a2", "a3", "a4"]) assertEquals(fanout.tryPush(item), true);
  assertEquals(fanout.tryPush("a5"), false);
  const late = fanout.push("a6");
  const other = fanout.push("b1");
  hand.call("a1").resolve(0);
  await Promise.all([late, other].slice(0, 1));
  assertEquals(hand.started, ["a1", "a2", "b1"]);
  await other;
});

test("Fanout keeps nothing of keys whose items have settled [5.2]", async () => {
  let most = 0;
  const live = new Set<number>();
  const fanout = new Fanout(async (n: number) => {
    live.add(n);
    most = Math.max(most, live.size);
    await undefined;
    live.delete(n);
  }, { concurrency: 8, capacity: 8, key: (n) => n });
  await fanout.consume(Array.from({ length: 5000 }, (_, n) => n));
  assertEquals(fanout.stats, counts({ accepted: 5000, done: 5000 }));
  assertEquals(most, 8);
});
