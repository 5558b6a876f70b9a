/** `Fanout`: `flush()` waits for the items accepted before it, and `idle()` for all. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { Fanout } from "../mod.ts";
import { settled, turn } from "./support/gate.ts";
import { counts, Hand, heard, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

test("Fanout.flush() resolves when all items accepted before it have settled, and waits for no later item [5.13]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 9 });
  for (const n of [1, 2]) fanout.tryPush(n);
  const first = fanout.flush();
  fanout.tryPush(3);
  const second = fanout.flush();
  const same = fanout.flush();
  fanout.tryPush(4);
  hand.call(3).resolve(0);
  hand.call(2).resolve(0);
  assertEquals(await states(first, second, same), ["pending", "pending", "pending"]);
  hand.call(1).resolve(0);
  // When the first resolves, the second does too, because its items settled before.
  assertEquals(await states(first, second, same), ["fulfilled", "fulfilled", "fulfilled"]);
  const last = fanout.flush();
  assertEquals(await settled(last), "pending");
  hand.call(4).resolve(0);
  await last;
});

function states(...promises: Promise<void>[]): Promise<string[]> {
  return Promise.all(promises.map(settled));
}

test("Fanout.flush() calls resolve one after the other as their items settle [5.13]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler);
  const order: number[] = [];
  const flushes = [1, 2, 3].map((n) => {
    fanout.tryPush(n);
    return fanout.flush().then(() => order.push(n));
  });
  for (const n of [1, 2, 3]) {
    hand.call(n).resolve(0);
    await turn();
    assertEquals(order.length, n);
  }
  await Promise.all(flushes);
  assertEquals(order, [1, 2, 3]);
});

test("Fanout.flush() and idle() resolve at once without items, or when all have settled [5.13] [5.15]", async () => {
  const fanout = new Fanout((n: number) => n);
  await Promise.all([fanout.flush(), fanout.idle()]);
  fanout.tryPush(1);
  await Promise.all([fanout.flush(), fanout.idle()]);
});

test("Fanout.flush() waits for callers that wait for room at the time, and for no later caller [5.30] [5.13]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { capacity: 1 });
  for (const n of [1, 2]) fanout.tryPush(n);
  const pushes = [fanout.push(3), fanout.submit(4)];
  const flushed = fanout.flush();
  pushes.push(fanout.push(5));
  const again = fanout.flush();
  for (const n of [1, 2, 3, 4]) {
    assertEquals(await settled(flushed), "pending");
    hand.call(n).resolve(0);
    await turn();
  }
  assertEquals(await states(flushed, again), ["fulfilled", "pending"]);
  hand.call(5).resolve(0);
  await Promise.all([again, ...pushes]);
});

test("Fanout.flush() counts a failure as settled [5.13]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 2, onError() {} });
  for (const n of [1, 2]) fanout.tryPush(n);
  const flushed = fanout.flush();
  hand.call(1).reject("x");
  hand.call(2).resolve(0);
  await flushed;
});

test("Fanout.flush() rejects every waiting call with the sink's error [5.13] [5.3]", async () => {
  const error = new Error("handler");
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 2 });
  fanout.tryPush(1);
  const flushes = [rejection(fanout.flush())];
  fanout.tryPush(2);
  flushes.push(rejection(fanout.flush()), rejection(fanout.flush()));
  fanout.tryPush(3);
  flushes.push(rejection(fanout.flush()));
  hand.call(2).reject(error);
  for (const flushed of flushes) assertStrictEquals(await flushed, error);
  assertStrictEquals(await rejection(fanout.flush()), error);
});

test("Fanout.flush() in a handler waits for that handler's own item [5.13] [5.8]", async () => {
  const hand = new Hand<number>();
  let flushed!: Promise<void>;
  const fanout: Fanout<number> = new Fanout((n: number, context) => {
    flushed = fanout.flush();
    return hand.handler(n, context);
  });
  fanout.tryPush(1);
  assertEquals(await settled(flushed), "pending");
  hand.call(1).resolve(0);
  await flushed;
});

test("Fanout.idle() resolves at the first moment when no item is waiting or running, and never rejects [5.15]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { capacity: 1 });
  heard(fanout);
  const pushes = [1, 2, 3].map((n) => fanout.push(n));
  const idle = [fanout.idle(), fanout.idle()];
  for (const n of [1, 2, 3]) {
    assertEquals(await settled(idle[0]!), "pending");
    hand.call(n).resolve(0);
  }
  await Promise.all([...idle, ...pushes]);
  fanout.tryPush(4);
  const again = fanout.idle();
  assertEquals(await settled(again), "pending");
  hand.call(4).reject("x");
  await again;
  await fanout.idle();
  assertEquals(fanout.stats, counts({ accepted: 4, done: 3, failed: 1 }));
});

test("go-zero: Add in a handler does not deadlock, and Wait is flush or idle [5.8] [F-18]", async () => {
  const seen: number[] = [];
  const fanout: Fanout<number> = new Fanout(async (n: number) => {
    await undefined;
    seen.push(n);
    // Each level adds two until there are 31.
    if (n < 16) {
      fanout.push(2 * n).catch(() => {});
      fanout.push(2 * n + 1).catch(() => {});
    }
  }, { capacity: 1 });
  fanout.tryPush(1);
  await fanout.flush();
  assertEquals(seen, [1]);
  await fanout.idle();
  assertEquals(seen.toSorted((a, b) => a - b), Array.from({ length: 31 }, (_, n) => n + 1));
  await fanout.close();
});

test("go-zero: a caller's failure is not swallowed [5.3]", async () => {
  const error = new Error("database");
  const insert = (row: string) => row === "bad" ? Promise.reject(error) : Promise.resolve(row);
  const told: unknown[] = [];
  const reporting = new Fanout(insert, { onError: (...failure) => told.push(failure) });
  await reporting.consume(["a", "bad"]);
  assertEquals(told, [[error, "bad"]]);
  assertStrictEquals(await rejection(reporting.submit("bad")), error);
  const strict = new Fanout(insert);
  assertStrictEquals(await rejection(strict.consume(["a", "bad", "b"])), error);
  assertStrictEquals(await rejection(strict.close()), error);
});

test("Kratos fanout: Close abandons queued jobs, and ours drains them [5.5]", async () => {
  const seen: number[] = [];
  const fanout = new Fanout(async (n: number) => {
    await turn();
    seen.push(n);
  }, { concurrency: 2, capacity: 8 });
  for (let n = 0; n < 10; n++) fanout.tryPush(n);
  await fanout.close();
  assertEquals(seen.toSorted(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("Kratos fanout: queue length and counts are metrics [3]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 2, capacity: 4, onError() {} });
  const gauge: number[] = [];
  for (let n = 0; n < 5; n++) {
    fanout.tryPush(n);
    gauge.push(fanout.stats.waiting);
  }
  assertEquals(gauge, [0, 0, 1, 2, 3]);
  hand.call(0).resolve(0);
  hand.call(1).reject("x");
  await turn();
  assertEquals(fanout.stats, counts({ accepted: 5, waiting: 1, running: 2, done: 1, failed: 1 }));
  await fanout.abort();
  assertEquals(fanout.stats.discarded, 1);
});
