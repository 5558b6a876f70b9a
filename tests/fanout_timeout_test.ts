/** `Fanout`: a handler that does not settle in time fails. */

import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { Fanout, type HandlerContext } from "../mod.ts";
import { turn } from "./support/gate.ts";
import { counts, Hand, rejection } from "./support/hand.ts";
import { timed } from "./support/timed.ts";
import { unhandled } from "./support/unhandled.ts";

timed("Fanout fails a handler that has not settled in time [5.7] [F-16]", async (clock) => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { timeout: 100 });
  const result = rejection(fanout.submit(1));
  fanout.tryPush(2);
  await clock.tick(99);
  assertEquals(fanout.stats, counts({ accepted: 2, waiting: 1, running: 1 }));
  await clock.tick(1);
  const error = await result;
  assertInstanceOf(error, DOMException);
  assertEquals(error.name, "TimeoutError");
  assertEquals(error.message, "Fanout: the handler has not settled within 100 ms");
  assertStrictEquals(hand.call(1).signal.reason, error);
  assertEquals(hand.call(2).signal.aborted, false);
  assertEquals(fanout.stats, counts({ accepted: 2, running: 1, failed: 1, overrunning: 1 }));
  hand.call(2).resolve(0);
  await fanout.close();
});

timed(
  "Fanout aborts the signal of the call that has not settled in time, and of no other [5.7]",
  async (clock) => {
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { timeout: 100, onError: () => {} });
    for (const n of [1, 2]) fanout.tryPush(n);
    hand.call(1).resolve(0);
    await turn();
    await clock.tick(100);
    assertEquals([1, 2].map((n) => hand.call(n).signal.aborted), [false, true]);
  },
);

timed("Fanout calls onError for a timeout, and keeps its workers [5.7] [5.3]", async (clock) => {
  const seen: unknown[] = [];
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, {
    timeout: 10,
    concurrency: 2,
    onError: (error, item) => seen.push([(error as Error).name, item]),
  });
  for (let n = 0; n < 6; n++) fanout.tryPush(n);
  await clock.tick(30);
  assertEquals(seen, [0, 1, 2, 3, 4, 5].map((n) => ["TimeoutError", n]));
  assertEquals(fanout.stats, counts({ accepted: 6, failed: 6, overrunning: 6 }));
  for (let n = 6; n < 12; n++) fanout.tryPush(n);
  assertEquals(fanout.stats.running, 2);
  for (let n = 6; n < 12; n++) {
    hand.call(n).resolve(0);
    await turn();
  }
  assertEquals(fanout.stats, counts({ accepted: 12, done: 6, failed: 6, overrunning: 6 }));
});

timed(
  "Fanout fails at a timeout that neither onError nor a submit gets [5.7] [5.3]",
  async (clock) => {
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { timeout: 10, concurrency: 2 });
    for (const n of [1, 2, 3]) fanout.tryPush(n);
    const closed = rejection(fanout.close());
    await clock.tick(10);
    const error = await closed;
    assertEquals((error as Error).name, "TimeoutError");
    assertStrictEquals(hand.call(2).signal.reason, error);
    assertEquals(
      fanout.stats,
      counts({ accepted: 3, running: 1, failed: 1, discarded: 1, overrunning: 1 }),
    );
  },
);

timed("Fanout ignores a handler after its timeout [5.7] [F-17]", async (clock) => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { timeout: 10, onError() {} });
  const lost = await unhandled(async () => {
    for (const n of [1, 2, 3]) fanout.tryPush(n);
    await clock.tick(20);
    hand.call(1).resolve(0);
    hand.call(2).reject("late");
    await turn();
    // The third is running, and the others' outcomes don't count as its outcome.
    assertEquals(fanout.stats, counts({ accepted: 3, running: 1, failed: 2 }));
    hand.call(3).resolve(0);
    await fanout.idle();
  });
  assertEquals(lost, []);
  assertEquals(fanout.stats, counts({ accepted: 3, done: 1, failed: 2 }));
});

timed(
  "Fanout ends in time when the listener of a timeout aborts the sink [5.7] [5.8]",
  async (clock) => {
    const contexts: HandlerContext[] = [];
    const fanout: Fanout<number> = new Fanout((_, context) => {
      contexts.push(context);
      return new Promise(() => {});
    }, { timeout: 100, concurrency: 2 });
    const results = [1, 2].map((n) => rejection(fanout.submit(n)));
    contexts[0]!.signal.addEventListener("abort", () => fanout.abort("own"));
    await clock.tick(100);
    assertEquals(((await results[0]!) as Error).name, "TimeoutError");
    assertEquals(await results[1], "own");
    assertEquals(contexts[1]!.signal.reason, "own");
    assertEquals(fanout.stats, counts({ accepted: 2, running: 1, failed: 1, overrunning: 1 }));
  },
);

timed(
  "Fanout aborts the signal that a handler reads only after its timeout [5.7]",
  async (clock) => {
    let context!: HandlerContext;
    const fanout = new Fanout((_: number, given) => {
      context = given;
      return new Promise(() => {});
    }, { timeout: 100, onError() {} });
    fanout.tryPush(1);
    await clock.tick(100);
    assert(context.signal.aborted);
    assertStrictEquals(context.signal, context.signal);
    assertEquals(context.signal.reason.name, "TimeoutError");
  },
);

timed(
  "Fanout aborts only the signals of running handlers with the sink's reason [5.7] [5.6]",
  async () => {
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { timeout: 100, concurrency: 3 });
    for (const n of [1, 2, 3]) fanout.tryPush(n);
    hand.call(2).resolve(0);
    await turn();
    await fanout.abort("over");
    assertEquals(hand.calls.map(({ signal }) => signal.reason), ["over", undefined, "over"]);
  },
);

timed("Fanout frees the key of a handler that has timed out [5.7] [5.2]", async (clock) => {
  const hand = new Hand<string>();
  const fanout = new Fanout(hand.handler, {
    timeout: 100,
    concurrency: 2,
    key: (item) => item[0],
    onError() {},
  });
  for (const item of ["a1", "a2", "b1"]) fanout.tryPush(item);
  assertEquals(hand.started, ["a1", "b1"]);
  await clock.tick(100);
  assertEquals(hand.started, ["a1", "b1", "a2"]);
  await fanout.abort();
});
