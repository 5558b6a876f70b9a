/** `Fanout`: the bound is exact for every way to add items. */

import { assert, assertEquals } from "@std/assert";
import { Fanout } from "../mod.ts";
import { counted, settled, streamOf, turn } from "./support/gate.ts";
import { assertConserved, counts, Hand } from "./support/hand.ts";
import { test } from "./support/test.ts";

test("Kratos fanout: the queue is full at exactly workers + buffer [5.1]", () => {
  for (const [concurrency, capacity] of [[1, 1], [3, 5], [8, 2]] as const) {
    const fanout = new Fanout(() => new Promise(() => {}), { concurrency, capacity });
    let accepted = 0;
    while (fanout.tryPush(accepted)) accepted++;
    assertEquals(accepted, concurrency + capacity);
    assertEquals(fanout.tryPush(-1), false);
    assertEquals(
      fanout.stats,
      counts({ accepted, waiting: capacity, running: concurrency, refused: 2 }),
    );
  }
});

test("Fanout.tryPush() on a full sink accepts one item for each that settles [5.1]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 2, capacity: 2 });
  for (let n = 0; n < 4; n++) fanout.tryPush(n);
  for (let n = 4; n < 20; n++) {
    assertEquals(fanout.tryPush(n), false);
    hand.calls.at(-1)!.resolve(0);
    await turn();
    assertEquals(fanout.tryPush(n), true);
    assertEquals(fanout.tryPush(n), false);
  }
});

test("Fanout.tryPush() does not overtake callers that wait for room [5.1] [5.2]", async () => {
  const hand = new Hand<string>();
  const fanout = new Fanout(hand.handler, { concurrency: 2, capacity: 1, key: (item) => item[0] });
  for (const item of ["a1", "a2"]) assertEquals(fanout.tryPush(item), true);
  const pushed = fanout.push("a3");
  // A worker is free for "b1", but "a3" came before it.
  assertEquals(fanout.tryPush("b1"), false);
  hand.call("a1").resolve(0);
  await pushed;
  assertEquals(fanout.tryPush("b1"), true);
  assertEquals(hand.started, ["a1", "a2", "b1"]);
});

test("Fanout accepts an item for a free worker even if the queue has no room [5.1]", () => {
  const hand = new Hand<string>();
  const fanout = new Fanout(hand.handler, { concurrency: 2, capacity: 1, key: (item) => item[0] });
  for (const item of ["a1", "a2"]) fanout.tryPush(item);
  assertEquals(fanout.tryPush("a3"), false);
  assertEquals(fanout.tryPush("b1"), true);
  assertEquals(fanout.tryPush("c1"), false);
  assertEquals(fanout.stats, counts({ accepted: 3, waiting: 1, running: 2, refused: 2 }));
});

test("Fanout keeps one bound over pipeTo, tryPush, push, submit and consume at once [5.1]", async () => {
  const concurrency = 3;
  const capacity = 4;
  let running = 0;
  let most = 0;
  const handled: number[] = [];
  const fanout: Fanout<number, number> = new Fanout(async (n: number) => {
    most = Math.max(most, ++running);
    assert(fanout.stats.running <= concurrency && fanout.stats.waiting <= capacity);
    for (let i = n % 4; i >= 0; i--) await undefined;
    assertConserved(fanout);
    running--;
    handled.push(n);
    return n;
  }, { concurrency, capacity });

  const ids = (from: number) => Array.from({ length: 50 }, (_, i) => from + i);
  const piped = streamOf(ids(0)).pipeTo(fanout, { preventClose: true });
  const pushed = ids(100).map((n) => fanout.push(n));
  assertEquals(fanout.stats.waiting, capacity);
  const submitted = ids(200).map((n) => fanout.submit(n));
  const consumed = [fanout.consume(ids(300)), fanout.consume(streamOf(ids(400)))];
  let tried = 500;
  while (tried < 550) {
    if (fanout.tryPush(tried)) tried++;
    else await turn();
    assert(fanout.stats.waiting <= capacity && fanout.stats.running <= concurrency);
  }
  await Promise.all([piped, ...pushed, ...consumed]);
  assertEquals(await Promise.all(submitted), ids(200));
  await fanout.close();
  assertEquals(handled.length, 300);
  assertEquals(new Set(handled).size, 300);
  assertEquals(most, concurrency);
});

test("Fanout slows a pipe down, which reads no more than fits [5.1]", async () => {
  let pulled = 0;
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 2, capacity: 3 });
  const source = new ReadableStream<number>({
    pull(controller) {
      controller.enqueue(counted(pulled++));
    },
  }, { highWaterMark: 0 });
  const piped = source.pipeTo(fanout);
  for (let i = 0; i < 30; i++) await turn();
  assertEquals(fanout.stats, counts({ accepted: 5, waiting: 3, running: 2, blocked: 1 }));
  // One write waits for room, and a pipe may hold an item that it has read ahead.
  assert(pulled >= 5 && pulled <= 7, String(pulled));
  const before = pulled;
  for (let i = 0; i < 10; i++) await turn();
  assertEquals(pulled, before);
  await Promise.all([fanout.idle(), endPipe()]);

  async function endPipe() {
    piped.catch(() => {});
    for (const call of hand.calls) call.reject("end");
    await piped.catch(() => {});
  }
});

test("Fanout slows a writer down: ready and write() wait for room [5.1]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { capacity: 1 });
  const writer = fanout.getWriter();
  await writer.write(1);
  await writer.write(2);
  const third = writer.write(3);
  assertEquals(await settled(third), "pending");
  assertEquals(await settled(writer.ready), "pending");
  assertEquals(writer.desiredSize, 0);
  hand.call(1).resolve(0);
  await third;
  await writer.ready;
  assertEquals(hand.started, [1, 2]);
  assertEquals(fanout.stats, counts({ accepted: 3, waiting: 1, running: 1, done: 1 }));
});

test("Fanout.push() lets a million calls wait for room without an await [F-37]", async () => {
  const count = 1e6;
  let next = 0;
  let inOrder = true;
  const fanout = new Fanout((n: number) => {
    inOrder &&= n === next++;
    if (n % 100_000 === 0) return turn();
  }, { concurrency: 1, capacity: 10 });
  for (let n = 0; n < count; n++) fanout.push(n);
  assertEquals(
    fanout.stats,
    counts({ accepted: 11, waiting: 10, running: 1, blocked: count - 11 }),
  );
  assertEquals(fanout.tryPush(-1), false);
  await fanout.close();
  assertEquals([next, inOrder], [count, true]);
  assertEquals(fanout.stats, counts({ accepted: count, done: count, refused: 1 }));
});

test("Fanout.tryPush() stays bounded over a million calls [F-37]", () => {
  const fanout = new Fanout(() => new Promise(() => {}), { concurrency: 2, capacity: 10 });
  let accepted = 0;
  for (let n = 0; n < 1e6; n++) if (fanout.tryPush(n)) accepted++;
  assertEquals(accepted, 12);
  assertEquals(fanout.stats, counts({ accepted: 12, waiting: 10, running: 2, refused: 1e6 - 12 }));
});

test("Fanout drains a long queue of synchronous handlers without growing the stack [5.1]", async () => {
  let handled = 0;
  const hand = new Hand<number>();
  const fanout = new Fanout(
    (n: number, context) => n === 0 ? hand.handler(n, context) : void handled++,
    { capacity: 1e5 },
  );
  for (let n = 0; n <= 1e5; n++) fanout.tryPush(n);
  for (let n = 0; n < 1e5; n++) fanout.push(n + 1);
  hand.call(0).resolve(0);
  await fanout.idle();
  assertEquals(handled, 2e5);
});

test("Fanout with a capacity of 0 accepts only items that start at once [5.33] [5.1]", async () => {
  const hand = new Hand<string>();
  const fanout = new Fanout(hand.handler, {
    concurrency: 2,
    capacity: 0,
    key: (item) => item[0],
  });
  assertEquals(["a1", "a2", "b1", "c1"].map((item) => fanout.tryPush(item)), [
    ...[true, false, true, false],
  ]);
  const pushed = fanout.push("d1");
  const writer = fanout.getWriter();
  const written = writer.write("e1");
  assertEquals([await settled(pushed), await settled(written)], ["pending", "pending"]);
  assertEquals(fanout.stats, counts({ accepted: 2, running: 2, refused: 2, blocked: 2 }));
  const consumed = fanout.consume(["f1", "g1"]);
  for (const item of ["a1", "b1", "d1", "e1", "f1", "g1"]) {
    await turn();
    assertEquals(fanout.stats.waiting, 0);
    hand.call(item).resolve(0);
  }
  await Promise.all([pushed, written, consumed]);
  await writer.close();
  assertEquals(fanout.stats, counts({ accepted: 6, done: 6, refused: 2 }));
});

test("Fanout with a capacity of Infinity always has room, for a handler that pushes to its own sink [5.33]", async () => {
  const crawled: number[] = [];
  const fanout: Fanout<number> = new Fanout(async (page: number) => {
    await undefined;
    crawled.push(page);
    // Each page has links to two others.
    if (page < 2 ** 12) { for (const link of [2 * page, 2 * page + 1]) await fanout.push(link); }
  }, { concurrency: 2, capacity: Infinity });
  await fanout.push(1);
  await fanout.idle();
  assertEquals(crawled.length, 2 ** 13 - 1);
  await fanout.close();
});
