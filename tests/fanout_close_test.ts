/** `Fanout`: close drains in every state. */

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Fanout } from "../mod.ts";
import { counted, gate, settled, streamOf, turn } from "./support/gate.ts";
import { counts, Hand, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

/** Every way to close a sink. */
const ways: Record<string, (fanout: Fanout<number>) => Promise<void>> = {
  "close()": (fanout) => fanout.close(),
  "writer.close()": (fanout) => fanout.getWriter().close(),
  "await using": async (fanout) => {
    await using _ = fanout;
  },
  "pipeTo": (fanout) => streamOf<number>([]).pipeTo(fanout),
};

for (const [way, close] of Object.entries(ways)) {
  test(`Fanout resolves ${way} when nothing was ever accepted [5.5]`, async () => {
    const fanout = new Fanout((_: number) => {});
    await close(fanout);
    assertEquals(fanout.stats, counts({}));
  });

  test(`Fanout resolves ${way} when all accepted items have settled, and not before [5.5]`, async () => {
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { concurrency: 2 });
    for (const n of [1, 2, 3]) fanout.tryPush(n);
    const closed = close(fanout);
    for (const n of [2, 1, 3]) {
      assertEquals(await settled(closed), "pending");
      hand.call(n).resolve(0);
    }
    assertEquals(await settled(closed), "fulfilled");
    assertEquals(fanout.stats, counts({ accepted: 3, done: 3 }));
  });

  test(`Fanout handles the items of push and submit calls that wait for room at ${way} [5.5] [5.11]`, async () => {
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { capacity: 1 });
    const calls = [1, 2, 3, 4].map((n) => n % 2 ? fanout.push(n) : fanout.submit(n));
    const closed = close(fanout);
    for (const n of [1, 2, 3, 4]) {
      assertEquals(await settled(closed), "pending");
      hand.call(n).resolve(n * 10);
      await turn();
    }
    await closed;
    assertEquals(await Promise.all(calls), [undefined, 20, undefined, 40]);
    assertEquals(fanout.stats, counts({ accepted: 4, done: 4 }));
  });

  test(`Fanout rejects ${way} when a handler fails meanwhile [5.5] [F-20]`, async () => {
    const error = new Error("late");
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { concurrency: 2 });
    for (const n of [1, 2]) fanout.tryPush(n);
    const closed = close(fanout);
    await turn();
    hand.call(2).reject(error);
    assertStrictEquals(await rejection(closed), error);
    assertEquals(fanout.stats, counts({ accepted: 2, running: 1, failed: 1 }));
  });

  test(`Fanout resolves waiting flush() and idle() calls at ${way} [5.5]`, async () => {
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler);
    fanout.tryPush(1);
    const [flushed, idle] = [fanout.flush(), fanout.idle()];
    const closed = close(fanout);
    hand.call(1).resolve(0);
    await Promise.all([flushed, idle, closed]);
    await Promise.all([fanout.flush(), fanout.idle()]);
  });
}

test("Fanout.close() waits for an asynchronous onError [5.5]", async () => {
  const handling = gate();
  const fanout = new Fanout(() => Promise.reject("x"), { onError: () => handling.promise });
  fanout.tryPush(1);
  const closed = fanout.close();
  assertEquals(await settled(closed), "pending");
  handling.resolve();
  await closed;
  assertEquals(fanout.stats, counts({ accepted: 1, failed: 1 }));
});

test("Fanout.close() rejects when it has failed already [5.5]", async () => {
  const error = new Error("early");
  const fanout = new Fanout(() => Promise.reject(error));
  fanout.tryPush(1);
  await fanout.idle();
  assertStrictEquals(await rejection(fanout.close()), error);
  assertStrictEquals(await rejection(fanout[Symbol.asyncDispose]()), error);
});

test("Fanout.close() resolves when failures went to onError [5.5]", async () => {
  const fanout = new Fanout(() => Promise.reject("x"), { onError() {} });
  fanout.tryPush(1);
  await fanout.close();
});

test("Fanout handles the items that a writer wrote before close(), with the lock released [5.5]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { capacity: 1 });
  const writer = fanout.getWriter();
  const writes = [1, 2, 3, 4].map((n) => writer.write(n));
  writer.releaseLock();
  const closed = fanout.close();
  for (const n of [1, 2, 3, 4]) {
    await turn();
    assertEquals(await settled(closed), "pending");
    hand.call(n).resolve(0);
  }
  await Promise.all([...writes, closed]);
  assertEquals(fanout.stats, counts({ accepted: 4, done: 4 }));
});

test("Fanout.close() stops a consume, and handles the items that it had taken [5.5]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { capacity: 1 });
  let returned = false;
  const source = (function* () {
    try {
      for (let n = 1; counted(n); n++) yield n;
    } finally {
      returned = true;
    }
  })();
  const consumed = fanout.consume(source);
  const closed = fanout.close();
  assertEquals(await settled(consumed), "pending");
  assertEquals(returned, true);
  for (const n of [1, 2, 3]) {
    hand.call(n).resolve(0);
    await turn();
  }
  await assertRejects(() => consumed, TypeError, "nothing is accepted after close()");
  await closed;
  assertEquals(fanout.stats, counts({ accepted: 3, done: 3 }));
});

test("Fanout.close() and abort() of a locked sink reject, say why, and change nothing [5.12]", async () => {
  const hand = new Hand<number>();
  const locked = new Fanout(hand.handler);
  const writer = locked.getWriter();
  for (const method of ["close", "abort"] as const) {
    const message = `Fanout: ${method}() while a pipe or a writer locks the sink`;
    await assertRejects(() => locked[method](), TypeError, message);
  }
  // The sink is unchanged.
  assertEquals(locked.tryPush(2), true);
  hand.call(2).resolve(0);
  await writer.close();
});

test("Fanout with await using waits for a locked sink to settle [5.12]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler);
  const writer = fanout.getWriter();
  await writer.write(1);
  const disposed = fanout[Symbol.asyncDispose]();
  assertEquals(await settled(disposed), "pending");
  assertEquals(fanout.tryPush(2), true);
  const closed = writer.close();
  hand.call(1).resolve(0);
  await turn();
  assertEquals(await settled(disposed), "pending");
  hand.call(2).resolve(0);
  await Promise.all([disposed, closed]);
  await fanout[Symbol.asyncDispose]();
});

test("Fanout with await using rejects with the error of a locked sink [5.12]", async () => {
  const error = new Error("handler");
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler);
  const writer = fanout.getWriter();
  fanout.tryPush(1);
  const disposed = fanout[Symbol.asyncDispose]();
  hand.call(1).reject(error);
  assertStrictEquals(await rejection(disposed), error);
  assertStrictEquals(await rejection(writer.closed), error);
});

test("Fanout with await using waits for an earlier close [5.12] [F-31]", async () => {
  for (const way of ["close()", "writer.close()"]) {
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler);
    fanout.tryPush(1);
    const writer = fanout.getWriter();
    if (way === "writer.close()") writer.close();
    writer.releaseLock();
    if (way === "close()") fanout.close();
    const disposed = fanout[Symbol.asyncDispose]();
    assertEquals(await settled(disposed), "pending", way);
    hand.call(1).resolve(0);
    await disposed;
    assertEquals(fanout.stats, counts({ accepted: 1, done: 1 }));
  }
});

test("Fanout with await using passes on the error of its block [5.12]", async () => {
  const seen: number[] = [];
  const error = new Error("block");
  const thrown = await rejection((async () => {
    await using fanout = new Fanout((n: number) => void seen.push(n));
    fanout.tryPush(1);
    throw error;
  })());
  assertStrictEquals(thrown, error);
  assertEquals(seen, [1]);
});

test("Fanout leaves no internal rejection unhandled at a close that fails [5.5]", async () => {
  const lost = await unhandled(async () => {
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler);
    fanout.tryPush(1);
    fanout.tryPush(2);
    const closed = fanout.close();
    hand.call(1).reject("x");
    assertEquals(await rejection(closed), "x");
  });
  assertEquals(lost, []);
});
