/** `Fanout`: which callers and hooks get a failure, and when the sink fails. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Fanout } from "../mod.ts";
import { gate, settled, turn } from "./support/gate.ts";
import { counts, Hand, heard, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

test("Fanout keeps the slot while an asynchronous onError runs [5.3]", async () => {
  const hand = new Hand<number>();
  const handling = gate();
  const fanout = new Fanout(hand.handler, { onError: () => handling.promise });
  for (const n of [1, 2]) fanout.tryPush(n);
  const flushed = fanout.flush();
  hand.call(1).reject("x");
  assertEquals(await settled(flushed), "pending");
  assertEquals(hand.started, [1]);
  assertEquals(fanout.stats, counts({ accepted: 2, waiting: 1, running: 1 }));
  handling.resolve();
  await turn();
  assertEquals(hand.started, [1, 2]);
  assertEquals(fanout.stats, counts({ accepted: 2, running: 1, failed: 1 }));
  hand.call(2).resolve(0);
  await flushed;
});

for (const how of ["throws", "rejects", "gives a broken thenable"] as const) {
  test(`Fanout is errored by an onError that ${how} [5.3]`, async () => {
    const error = new Error(how);
    const onError = () => {
      if (how === "throws") throw error;
      if (how === "rejects") return Promise.reject(error);
      return {
        get then() {
          throw error;
        },
      }; // deno-fmt-ignore
    };
    const hand = new Hand<number>();
    const discarded: unknown[] = [];
    const fanout = new Fanout(hand.handler, {
      onError,
      onDiscard: (items, reason) => discarded.push(items, reason),
    });
    heard(fanout);
    for (const n of [1, 2]) fanout.tryPush(n);
    hand.call(1).reject("first");
    await turn();
    assertStrictEquals(assertThrows(() => fanout.tryPush(3)), error);
    assertEquals(discarded, [[2], error]);
    assertEquals(fanout.stats, counts({ accepted: 2, failed: 1, discarded: 1 }));
    assertEquals(hand.started, [1]);
  });
}

test("Fanout keeps the abort's reason when an onError fails after it [5.3] [5.8]", async () => {
  for (const how of ["throws", "rejects"]) {
    const handling = gate();
    const discarded: unknown[] = [];
    const hand = new Hand<number>();
    const fanout: Fanout<number> = new Fanout(hand.handler, {
      onError() {
        if (how === "rejects") return handling.promise;
        fanout.abort("first");
        throw "second";
      },
      onDiscard: (...args) => discarded.push(args),
    });
    for (const n of [1, 2]) fanout.tryPush(n);
    hand.call(1).reject("x");
    await turn();
    if (how === "rejects") await fanout.abort("first");
    if (how === "rejects") handling.reject("second");
    assertEquals(await unhandled(() => fanout.idle()), []);
    assertEquals(await rejection(fanout.push(3)), "first", how);
    assertEquals(await rejection(fanout.close()), "first", how);
    assertEquals(discarded, [[[2], "first"]]);
    assertEquals(fanout.stats, counts({ accepted: 2, failed: 1, discarded: 1 }));
  }
});

test("Fanout neither calls onError nor fails for an error that a submit gets [5.3]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 2 });
  const result = fanout.submit(1);
  hand.call(1).reject("x");
  assertEquals(await rejection(result), "x");
  assertEquals(fanout.tryPush(2), true);
  hand.call(2).resolve(0);
  await fanout.close();
});

test("Fanout aborts the other handlers, discards waiting items and rejects every caller when it fails [5.3] [F-21]", async () => {
  const error = new Error("first");
  const hand = new Hand<number>();
  const discarded: unknown[] = [];
  const fanout = new Fanout(hand.handler, {
    concurrency: 2,
    capacity: 2,
    onDiscard: (items, reason) => discarded.push(items, reason),
  });
  const writer = fanout.getWriter();
  await turn();
  fanout.tryPush(0);
  const submitted = fanout.submit(1);
  fanout.tryPush(2);
  const waiting = fanout.submit(3);
  const written = writer.write(4);
  const second = writer.write(5);
  const pushed = fanout.push(6);
  const offered = fanout.submit(7);
  const consumed = fanout.consume([8]);
  const flushed = fanout.flush();
  const closed = writer.close();
  hand.call(0).reject(error);
  const calls = [submitted, waiting, written, second, pushed, offered, consumed, flushed, closed];
  for (const call of calls) assertStrictEquals(await rejection(call), error);
  assertStrictEquals(await rejection(writer.closed), error);
  // With the item that `consume()` had read and the sink had not accepted.
  assertEquals(discarded, [[2, 3], error, [8], error]);
  assertEquals(hand.call(1).signal.reason, error);
  assertEquals(hand.started, [0, 1]);
  assertEquals(fanout.stats, counts({ accepted: 5, running: 1, failed: 1, discarded: 3 }));
  hand.call(1).resolve(0);
  await fanout.idle();
  assertEquals(fanout.stats, counts({ accepted: 5, done: 1, failed: 1, discarded: 3 }));
});

test("Fanout fails with the first of two failures in one tick, and the other is not unhandled [5.3] [F-19]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 3 });
  for (const n of [1, 2, 3]) fanout.tryPush(n);
  const lost = await unhandled(async () => {
    hand.call(2).reject("second");
    hand.call(1).reject("first");
    hand.call(3).reject("third");
    assertEquals(await rejection(fanout.close()), "second");
  });
  assertEquals(lost, []);
  assertEquals(fanout.stats, counts({ accepted: 3, failed: 3 }));
  assertEquals(await rejection(fanout.push(4)), "second");
});

test("Fanout.close() rejects when a handler fails after it was called [5.3] [5.5] [F-20]", async () => {
  const error = new Error("late");
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler);
  for (const n of [1, 2]) fanout.tryPush(n);
  const closed = fanout.close();
  hand.call(1).reject(error);
  assertStrictEquals(await rejection(closed), error);
  assertEquals(fanout.stats, counts({ accepted: 2, failed: 1, discarded: 1 }));
});

test("Fanout calls onError for items that fail after an abort, and for none that succeeds [5.21] [F-17]", async () => {
  const seen: unknown[] = [];
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 2, onError: (error) => seen.push(error) });
  for (const n of [1, 2]) fanout.tryPush(n);
  await fanout.abort("over");
  hand.call(1).reject("late");
  hand.call(2).resolve(0);
  assertEquals(await unhandled(() => fanout.idle()), []);
  assertEquals(seen, ["late"]);
  assertEquals(fanout.stats, counts({ accepted: 2, done: 1, failed: 1 }));
});

test("Fanout surfaces a throw in onDiscard as an uncaught error, and still ends [5.3]", async () => {
  const error = new Error("onDiscard");
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, {
    onDiscard() {
      throw error;
    },
  });
  for (const n of [1, 2]) fanout.tryPush(n);
  const lost = await unhandled(async () => {
    await fanout.abort("over");
    assert(hand.call(1).signal.aborted);
  });
  assertEquals(lost.length, 1);
  assertStrictEquals(lost[0], error);
  assertEquals(await rejection(fanout.push(1)), "over");
});

test("Fanout leaves a caller's own rejection to the caller, and adds none [5.3]", async () => {
  const lost = await unhandled(() => {
    const fanout = new Fanout(() => Promise.reject("x"), { onError() {} });
    fanout.tryPush(1);
    fanout.submit(2);
  });
  assertEquals(lost, ["x"]);
});
