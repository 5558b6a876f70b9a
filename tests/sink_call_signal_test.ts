/** `{ signal }` of one call: a waiting caller may leave, and leaves nothing behind. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Aggregator, Fanout } from "../mod.ts";
import { tally } from "./support/aggregating.ts";
import { gate, microtasks, settled, turn } from "./support/gate.ts";
import { counts, Hand, heard, rejection } from "./support/hand.ts";
import { countListeners } from "./support/listeners.ts";
import { sinks } from "./support/sinks.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

const REASON = { left: true };

/** A signal, its abort, and the number of its listeners. */
function leaver(): { signal: AbortSignal; leave: () => void; listeners: () => number } {
  const controller = new AbortController();
  const listeners = countListeners(controller.signal);
  return {
    signal: controller.signal,
    leave: () => controller.abort(REASON),
    listeners: () => listeners.live,
  };
}

for (const [name, make] of Object.entries(sinks)) {
  test(`${name}.push() with a signal stops waiting for room at its abort, which has no effect later [5.42]`, async () => {
    const hand = new Hand<number>();
    const sink = make(hand.handler, { capacity: 1 });
    for (const n of [1, 2]) assert(sink.tryPush(n));
    const { signal, leave, listeners } = leaver();
    const pushes = [3, 4, 5].map((n) => sink.push(n, n === 5 ? {} : { signal }));
    assertEquals([sink.stats.blocked, listeners()], [3, 1]);
    hand.calls[0]!.resolve(0);
    await pushes[0];
    leave();
    assertStrictEquals(await rejection(pushes[1]!), REASON);
    assertEquals([sink.stats.blocked, listeners()], [1, 0]);
    hand.calls[1]!.resolve(0);
    await pushes[2];
    hand.calls[2]!.resolve(0);
    await microtasks();
    hand.calls[3]!.resolve(0);
    await sink.close();
    assertEquals([hand.started, sink.stats.done, sink.stats.discarded], [[1, 2, 3, 5], 4, 0]);
  });

  test(`${name} refuses a call with an aborted signal, and accepts nothing [5.42]`, async () => {
    const sink = make(() => {});
    const { signal, leave, listeners } = leaver();
    leave();
    assertStrictEquals(await rejection(sink.push(1, { signal })), REASON);
    assertStrictEquals(await rejection(sink.submit(1, { signal })), REASON);
    assertStrictEquals(await rejection(sink.trySubmit(1, { signal })!), REASON);
    assertEquals([sink.stats.accepted, listeners()], [0, 0]);
    let cancelled: unknown;
    const source = new ReadableStream({ cancel: (reason) => void (cancelled = reason) });
    assertStrictEquals(await rejection(sink.consume(source, { signal })), REASON);
    assertEquals([cancelled, source.locked], [REASON, false]);
    await sink.close();
  });

  test(`${name} takes any object as the options of a call, except an AbortSignal [5.42] [7]`, async () => {
    const sink = make(() => {});
    const { signal } = leaver();
    for (const wrong of [signal, null, 5, "signal"] as never[]) {
      for (const call of ["push", "submit", "trySubmit", "consume"] as const) {
        const error = await rejection(sink[call]((call === "consume" ? [] : 1) as never, wrong)!);
        assert(error instanceof TypeError, call);
        assert(
          error.message.startsWith(`${name}.${call}: options must be an object`),
          error.message,
        );
      }
    }
    const error = await rejection(sink.push(1, { signal: {} as never })) as Error;
    assert(error.message.includes('option "signal" must be an AbortSignal'), error.message);
    await sink.push(1, { signal: undefined });
    await sink.close();
  });

  test(`${name}.submit() with a signal leaves no listener when it has settled [5.42] [F-10]`, async () => {
    const hand = new Hand<number>();
    const sink = make(hand.handler, { capacity: 1 });
    const { signal, leave, listeners } = leaver();
    const results = [1, 2, 3].map((n) => sink.submit(n, { signal }));
    assertEquals(listeners(), 1);
    hand.calls[0]!.resolve("a");
    assertEquals(await results[0], "a");
    hand.calls[1]!.reject("b");
    assertEquals(await rejection(results[1]!), "b");
    await microtasks();
    hand.calls[2]!.resolve("c");
    assertEquals([await results[2], listeners()], ["c", 0]);
    leave();
    await sink.close();
    assertEquals(sink.stats.done, 2);
  });

  test(`${name}.submit() with a signal that a handler aborts at once rejects [5.42] [5.8]`, async () => {
    const { signal, leave, listeners } = leaver();
    const sink = make(() => {
      leave();
      return Promise.resolve(1);
    });
    assertStrictEquals(await rejection(sink.submit(1, { signal })), REASON);
    await sink.close();
    assertEquals([sink.stats.accepted, listeners()], [1, 0]);
  });

  test(`${name}.submit() that waits for room leaves at once, and takes no room [5.42]`, async () => {
    const hand = new Hand<number>();
    const sink = make(hand.handler, { capacity: 1 });
    for (const n of [1, 2]) assert(sink.tryPush(n));
    const { signal, leave } = leaver();
    const results = [sink.submit(3, { signal }), sink.submit(4)];
    const flushed = sink.flush();
    leave();
    assertStrictEquals(await rejection(results[0]!), REASON);
    for (const n of [0, 1, 2]) {
      hand.calls[n]!.resolve(n);
      await microtasks();
    }
    await flushed;
    assertEquals([hand.started, await results[1]], [[1, 2, 4], 2]);
    await sink.close();
    const { accepted, done, discarded } = sink.stats;
    assertEquals([accepted, done, discarded], [3, 3, 0]);
  });

  test(`${name}.consume() with a signal reads no more, keeps its accepted items, and then rejects [5.43]`, async () => {
    const hand = new Hand<number>();
    const discarded: unknown[] = [];
    const sink = make(hand.handler, {
      capacity: 1,
      onDiscard: (items, reason) => discarded.push([items, reason]),
    });
    const { signal, leave, listeners } = leaver();
    let cancelled: unknown;
    const source = new ReadableStream<number>({
      start(controller) {
        for (const n of [1, 2, 3, 4]) controller.enqueue(n);
      },
      cancel: (reason) => void (cancelled = reason),
    });
    const consumed = sink.consume(source, { signal });
    const told = rejection(consumed);
    await turn();
    assertEquals([hand.started, sink.stats.waiting, sink.stats.blocked], [[1], 1, 1]);
    leave();
    await turn();
    // The third item was read, and not accepted.
    assertEquals([cancelled, source.locked, discarded], [REASON, false, [[[3], REASON]]]);
    assertEquals([await settled(consumed), sink.stats.blocked, listeners()], ["pending", 0, 0]);
    hand.calls[0]!.resolve(0);
    await microtasks();
    hand.calls[1]!.resolve(0);
    assertStrictEquals(await told, REASON);
    assert(sink.tryPush(5));
    hand.calls[2]!.resolve(0);
    await sink.close();
    const { accepted, done, discarded: lost } = sink.stats;
    assertEquals([hand.started, accepted, done, lost], [[1, 2, 5], 4, 3, 1]);
  });

  test(`${name}.consume() with a signal leaves no listener when its source is over [5.43] [F-10]`, async () => {
    const sink = make(() => {});
    const { signal, leave, listeners } = leaver();
    await sink.consume([1, 2], { signal });
    assertEquals(listeners(), 0);
    leave();
    await sink.close();
    assertEquals(sink.stats.done, 2);
  });

  test(`${name} calls onError for a failure after its caller has left, and does not end with it [5.42] [5.21]`, async () => {
    const hand = new Hand<number>();
    const told: unknown[] = [];
    for (const onError of [(error: unknown) => told.push(error), undefined]) {
      hand.calls.length = 0;
      const sink = make(hand.handler, { concurrency: 9, ...(onError && { onError }) });
      const { signal, leave } = leaver();
      const results = [1, 2, 3].map((n) => rejection(sink.submit(n, { signal })));
      leave();
      assertEquals(await Promise.all(results), [REASON, REASON, REASON]);
      hand.calls[0]!.reject(REASON);
      hand.calls[1]!.reject("real");
      hand.calls[2]!.resolve(0);
      await sink.close();
      const { done, failed, discarded } = sink.stats;
      assertEquals([done, failed, discarded], [1, 1, 1]);
    }
    assertEquals(told, ["real"]);
  });

  test(`${name} reports no echo of a caller that has left, even after its end [5.42] [5.21]`, async () => {
    const hand = new Hand<number>();
    const told: unknown[] = [];
    const sink = make(hand.handler, {
      concurrency: 2,
      onError: (error: unknown) => told.push(error),
      onDiscard: (items, reason) => told.push([items, reason]),
    });
    const { signal, leave } = leaver();
    const results = [1, 2].map((n) => rejection(sink.submit(n, n === 1 ? { signal } : {})));
    leave();
    await sink.abort("end");
    assertEquals(await Promise.all(results), [REASON, "end"]);
    for (const { reject } of hand.calls) reject(REASON);
    await sink.idle();
    assertEquals([told, sink.stats.failed, sink.stats.discarded], [[REASON], 1, 1]);
  });

  timed(
    `${name} does not call retry for an item whose caller has left [5.42] [5.40]`,
    async (clock) => {
      const hand = new Hand<number>();
      const asked: unknown[] = [];
      const sink = make(hand.handler, {
        concurrency: 9,
        retry: (error: unknown) => asked.push(error),
        onError: () => {},
      } as never);
      const { signal, leave } = leaver();
      const result = rejection(sink.submit(1, { signal }));
      leave();
      hand.calls[0]!.reject("real");
      await result;
      await clock.tick(10);
      await sink.close();
      assertEquals([asked, hand.calls.length, sink.stats.failed], [[], 1, 1]);
    },
  );
}

test("Fanout.submit() that waits for a worker leaves the queue: its room and its turn are free at once [5.42]", async () => {
  const hand = new Hand<number>();
  const discarded: unknown[] = [];
  const fanout = new Fanout(hand.handler, {
    capacity: 3,
    onDiscard: (items) => void discarded.push(items),
  });
  const { signal, leave, listeners } = leaver();
  assert(fanout.tryPush(1));
  const results = [2, 3, 4].map((n) => rejection(fanout.submit(n, n % 2 ? {} : { signal })));
  const pushed = [5, 6].map((n) => fanout.push(n));
  assertEquals(fanout.stats, counts({ accepted: 4, waiting: 3, running: 1, blocked: 2 }));
  leave();
  await Promise.all(pushed);
  assertEquals(fanout.stats, counts({ accepted: 6, waiting: 3, running: 1, discarded: 2 }));
  assertEquals([await results[0], await results[2], listeners(), discarded], [
    REASON,
    REASON,
    0,
    [],
  ]);
  results[1]!.catch(() => {});
  for (const n of [0, 1, 2, 3]) {
    hand.calls[n]!.resolve(0);
    await microtasks();
  }
  assertEquals(hand.started, [1, 3, 5, 6]);
  await fanout.close();
});

for (const place of [0, 1, 2, 3]) {
  test(`Fanout.submit() leaves its key's queue at place ${place}, and the others keep their order [5.42] [5.2]`, async () => {
    const hand = new Hand<string>();
    const fanout = new Fanout(hand.handler, { concurrency: 1, key: (item: string) => item[0] });
    const { signal, leave } = leaver();
    assert(fanout.tryPush("z"));
    const items = ["a1", "b1", "a2", "b2"];
    for (const [n, item] of items.entries()) {
      fanout.submit(item, n === place ? { signal } : {}).catch(() => {});
    }
    leave();
    for (let n = 0; n < 4; n++) {
      hand.calls[n]!.resolve(0);
      await microtasks();
    }
    assertEquals(hand.started, ["z", ...items.filter((_, n) => n !== place)]);
    assertEquals(fanout.stats, counts({ accepted: 5, done: 4, discarded: 1 }));
    await fanout.close();
  });
}

test("Fanout.submit() leaves a key that is freed out of order, from the middle of the ready ones [5.42] [5.2]", async () => {
  const hand = new Hand<string>();
  const fanout = new Fanout(hand.handler, { concurrency: 3, key: (item: string) => item[0] });
  const { signal, leave } = leaver();
  for (const item of ["a1", "b1", "c1"]) assert(fanout.tryPush(item));
  for (const item of ["x1", "y1", "z1"]) assert(fanout.tryPush(item));
  const kept = ["a2", "b2", "c2"];
  for (const item of kept) fanout.submit(item, item === "b2" ? { signal } : {}).catch(() => {});
  for (const item of ["a3", "b3", "c3"]) assert(fanout.tryPush(item));
  for (const n of [2, 1, 0]) hand.calls[n]!.resolve(0);
  await microtasks();
  assertEquals(hand.started.slice(3), ["x1", "y1", "z1"]);
  leave();
  for (let n = 3; n < 11; n++) {
    hand.calls[n]!.resolve(0);
    await microtasks();
  }
  assertEquals(hand.started.slice(6), ["a2", "c2", "b3", "a3", "c3"]);
  await fanout.close();
});

test("Fanout.submit() aborts the signal of its running handler, and the item settles when the handler does [5.42]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 2 });
  const { signal, leave } = leaver();
  const result = rejection(fanout.submit(1, { signal }));
  assert(fanout.tryPush(2));
  leave();
  assertStrictEquals(await result, REASON);
  assertEquals(hand.calls.map(({ signal }) => signal.reason), [REASON, undefined]);
  assertEquals(fanout.stats, counts({ accepted: 2, running: 2 }));
  hand.calls[0]!.reject(new DOMException("aborted", "AbortError"));
  await microtasks();
  assertEquals(fanout.stats, counts({ accepted: 2, running: 1, discarded: 1 }));
  hand.calls[1]!.resolve(0);
  await fanout.close();
});

timed(
  "Fanout.submit() leaves while it waits for a retry, and its key is free [5.42] [5.40]",
  async (clock) => {
    const seen: number[] = [];
    const fanout = new Fanout((n: number) => {
      seen.push(n);
      if (n === 1) throw "busy";
    }, { key: () => 0, retry: () => 100 });
    const { signal, leave, listeners } = leaver();
    const result = rejection(fanout.submit(1, { signal }));
    assert(fanout.tryPush(2));
    await microtasks();
    assertEquals(seen, [1]);
    leave();
    assertEquals([seen, await result, clock.pending, listeners()], [[1, 2], REASON, 0, 0]);
    assertEquals(fanout.stats, counts({ accepted: 2, done: 1, discarded: 1, retried: 1 }));
    await fanout.close();
  },
);

test("Aggregator.submit() that leaves its batch leaves alone: the others stay, and the item is handled [5.42]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 2, linger: Infinity });
  const { signal, leave } = leaver();
  const results = [1, 2].map((n) => sink.submit(n, n === 1 ? { signal } : {}));
  const told = rejection(results[0]!);
  leave();
  assertStrictEquals(await told, REASON);
  assertEquals([hand.started, hand.calls[0]!.signal.aborted], [[[1, 2]], false]);
  hand.calls[0]!.resolve(["a", "b"]);
  assertEquals(await results[1], "b");
  assertEquals(sink.stats, tally({ accepted: 2, done: 2, batches: 1 }));
  await sink.close();
});

test("Aggregator needs no result for a caller that has left [5.42] [5.18]", async () => {
  for (const outcome of [undefined, []]) {
    const hand = new Hand<number[]>();
    const sink = heard(new Aggregator(hand.handler, { maxItems: 2 }));
    const { signal, leave } = leaver();
    const result = rejection(sink.submit(1, { signal }));
    sink.tryPush(2);
    leave();
    hand.calls[0]!.resolve(outcome as never);
    assertStrictEquals(await result, REASON);
    await sink.close();
    assertEquals(sink.stats, tally({ accepted: 2, done: 2, batches: 1 }));
  }
});

test("Fanout.trySubmit() with a signal leaves as submit() does [5.42] [5.38]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { capacity: 1 });
  const { signal, leave, listeners } = leaver();
  const running = rejection(fanout.trySubmit(1, { signal })!);
  const waiting = rejection(fanout.trySubmit(2, { signal })!);
  assertEquals([fanout.trySubmit(3, { signal }), listeners()], [undefined, 1]);
  leave();
  assertEquals([await running, await waiting], [REASON, REASON]);
  assertEquals(
    fanout.stats,
    counts({ accepted: 2, running: 1, discarded: 1, refused: 1 }),
  );
  hand.calls[0]!.resolve(0);
  await fanout.close();
});

test("Fanout lets ten thousand callers leave from the middle, and keeps nothing of them [5.42] [F-37]", async () => {
  const { promise, resolve } = gate();
  const fanout = new Fanout(() => promise, { capacity: Infinity, key: (n: number) => n % 100 });
  assert(fanout.tryPush(0));
  const leavers = Array.from({ length: 100 }, leaver);
  const left = Array.from(
    { length: 10_000 },
    (_, n) => fanout.submit(n, { signal: leavers[n % 97]!.signal }).then(() => 0, () => 1),
  );
  for (const { leave } of leavers) leave();
  assertEquals((await Promise.all(left)).reduce((sum, one) => sum + one), 10_000);
  assertEquals(fanout.stats, counts({ accepted: 10_001, running: 1, discarded: 10_000 }));
  resolve();
  await fanout.close();
});

test("Fanout.flush() does not wait for a caller that has left, and resolves when it leaves [5.42] [5.13]", async () => {
  const hand = new Hand<number>();
  const fanout = heard(new Fanout(hand.handler));
  assert(fanout.tryPush(1));
  const { signal, leave } = leaver();
  fanout.submit(2, { signal }).catch(() => {});
  const flushed = fanout.flush();
  hand.calls[0]!.resolve(0);
  leave();
  await flushed;
  hand.calls[1]?.resolve(0);
  await fanout.close();
});

timed(
  "Fanout.submit() leaves when its next attempt is due and no worker is free [5.42] [5.40]",
  async (clock) => {
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { key: (n) => n % 2, retry: () => 10, maxWait: 1000 });
    const { signal, leave } = leaver();
    const result = rejection(fanout.submit(1, { signal }));
    for (const n of [2, 3]) assert(fanout.tryPush(n));
    hand.calls[0]!.reject("busy");
    await clock.tick(10);
    assertEquals(hand.started, [1, 2]);
    leave();
    assertStrictEquals(await result, REASON);
    hand.calls[1]!.resolve(0);
    await microtasks();
    assertEquals(hand.started, [1, 2, 3]);
    hand.calls[2]!.resolve(0);
    await fanout.close();
    assertEquals(fanout.stats, counts({ accepted: 3, done: 2, discarded: 1, retried: 1 }));
  },
);

timed(
  "Fanout.submit() leaves before its next attempt, also with a maxWait [5.42] [5.44]",
  async (clock) => {
    const fanout = new Fanout(() => Promise.reject("busy"), { retry: () => 10, maxWait: 5 });
    const { signal, leave } = leaver();
    const result = rejection(fanout.submit(1, { signal }));
    await microtasks();
    leave();
    assertEquals([await result, clock.pending], [REASON, 0]);
    await fanout.close();
  },
);

test("Fanout.consume() takes its item out of the callers that wait for room [5.43]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { capacity: 1 });
  for (const n of [1, 2]) assert(fanout.tryPush(n));
  const pushed = fanout.push(3);
  const { signal, leave } = leaver();
  const consumed = rejection(fanout.consume([4, 5], { signal }));
  const last = fanout.push(6);
  assertEquals(fanout.stats.blocked, 3);
  leave();
  assertStrictEquals(await consumed, REASON);
  assertEquals(fanout.stats.blocked, 2);
  for (let n = 0; n < 4; n++) {
    hand.calls[n]!.resolve(0);
    await microtasks();
  }
  await Promise.all([pushed, last]);
  assertEquals(hand.started, [1, 2, 3, 6]);
  await fanout.close();
});
