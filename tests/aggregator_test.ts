/** `Aggregator`: the ways to add items, and the counts. */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { retry } from "@std/async/retry";
import { Aggregator, Sink } from "../mod.ts";
import { ids, tally } from "./support/aggregating.ts";
import { settled, streamOf, turn } from "./support/gate.ts";
import { assertConserved, Hand, heard, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

test("Aggregator.tryPush() starts the handler before it returns when it fills a batch and a slot is free [5.0]", () => {
  const hand = new Hand<string[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 2, linger: Infinity });
  assertEquals(["a", "b", "c", "d", "e"].map((item) => sink.tryPush(item)), Array(5).fill(true));
  assertEquals(hand.started, [["a", "b"]]);
  // One batch is queued, and "e" is in an open one.
  assertEquals(sink.stats, tally({ accepted: 5, waiting: 3, running: 2, batches: 1 }));
});

test("Aggregator.tryPush() returns true when the handler throws synchronously [5.0] [F-13]", async () => {
  const error = new Error("sync");
  const sink = new Aggregator(() => {
    throw error;
  }, { maxItems: 1 });
  assertEquals(sink.tryPush(1), true);
  assertEquals(sink.stats, tally({ accepted: 1, failed: 1, batches: 1 }));
  assertStrictEquals(await rejection(sink.flush()), error);
});

for (const hook of ["key", "snapshot"] as const) {
  const error = new Error(hook);
  const broken = () => {
    throw error;
  };

  test(`Aggregator throws an error of ${hook} to the caller and accepts nothing [5.0]`, async () => {
    const hand = new Hand<number[]>();
    const sink = new Aggregator(hand.handler, { [hook]: broken });
    assertStrictEquals(assertThrows(() => sink.tryPush(1)), error);
    assertStrictEquals(await rejection(sink.push(2)), error);
    assertStrictEquals(await rejection(sink.submit(3)), error);
    assertStrictEquals(await rejection(sink.consume([4])), error);
    assertEquals(sink.stats, tally({}));
    await sink.close();
    assertEquals(hand.started, []);
  });

  test(`Aggregator errors as any stream does when a write's ${hook} throws [5.0]`, async () => {
    const sink = new Aggregator(() => {}, { [hook]: broken });
    const writer = sink.getWriter();
    assertStrictEquals(await rejection(writer.write(1)), error);
    assertStrictEquals(await rejection(writer.closed), error);
    assertStrictEquals(await rejection(sink.flush()), error);
    assertEquals(sink.stats, tally({}));
  });
}

test("Aggregator.push() resolves when the item is accepted, not when its batch is handled [3] [5.1]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 2, capacity: 2, linger: Infinity });
  for (const n of [1, 2, 3, 4]) await sink.push(n);
  const fifth = sink.push(5);
  assertEquals(await settled(fifth), "pending");
  assertEquals(sink.tryPush(6), false);
  hand.calls[0]!.resolve(0);
  await fifth;
  assertEquals(hand.started, [[1, 2], [3, 4]]);
  assertEquals(
    sink.stats,
    tally({ accepted: 5, waiting: 1, running: 2, done: 2, batches: 2, refused: 1 }),
  );
});

test("Aggregator carries undefined, null, 0, false and NaN as items and results [7] [F-12]", async () => {
  const items = [undefined, null, 0, false, "", NaN];
  const seen: unknown[] = [];
  const sink = new Aggregator((batch: unknown[]) => {
    seen.push(...batch);
    return batch;
  }, { maxItems: 4, linger: 0 });
  for (const item of items) assertEquals(sink.tryPush(item), true);
  assertEquals(await Promise.all(items.map((item) => sink.submit(item))), items);
  await sink.consume(items);
  await streamOf(items).pipeTo(sink);
  assertEquals(seen, [...items, ...items, ...items, ...items]);
});

test("Aggregator.stats adds up at every moment, even inside all hooks and handlers [3]", async () => {
  let looks = 0;
  const look = () => {
    looks++;
    assertConserved(sink);
    assert(sink.stats.waiting <= 8 && sink.stats.running <= 6);
  };
  const sink: Aggregator<number> = new Aggregator(async (batch: number[], { signal }) => {
    look();
    signal.addEventListener("abort", look);
    await undefined;
    look();
    if (batch[0]! % 3 === 0) throw batch;
    if (batch[0]! > 50) await new Promise(() => {});
  }, {
    maxItems: 3,
    maxWeight: 5,
    weigh: (n) => (look(), n % 4),
    concurrency: 2,
    capacity: 8,
    linger: 0,
    key: (n) => (look(), n % 5),
    snapshot: () => (look(), (run) => (look(), run())),
    onError: look,
    onDiscard: look,
  });
  for (let n = 0; n < 100; n++) {
    if (n % 2) sink.tryPush(n);
    else sink.push(n).catch(() => {});
    look();
    await undefined;
  }
  await turn();
  const before = looks;
  await sink.abort("over");
  assert(looks > before);
  assert(sink.stats.discarded > 0 && sink.stats.done > 0 && sink.stats.failed > 0);
  assertEquals(sink.stats.waiting, 0);
  assertConserved(sink);
});

test("Aggregator.stats is a snapshot, and counts the batches that were handed over [3]", async () => {
  const sink = new Aggregator(() => {}, { maxItems: 2 });
  const before = sink.stats;
  for (const n of [1, 2, 3]) sink.tryPush(n);
  assertEquals(before, tally({}));
  assertEquals(sink.stats, tally({ accepted: 3, done: 2, waiting: 1, batches: 1 }));
  await sink.abort();
  assertEquals(sink.stats, tally({ accepted: 3, done: 2, discarded: 1, batches: 1 }));
});

test("Aggregator retries by composition [5.4]", async () => {
  let attempts = 0;
  const send = (batch: number[]) => {
    if (++attempts < 3) throw new Error("not yet");
    return batch.map((n) => n * 2);
  };
  const sink = new Aggregator(
    (batch: number[]) => retry(() => send(batch), { minTimeout: 1, maxTimeout: 1 }),
    { maxItems: 2 },
  );
  assertEquals(await Promise.all([sink.submit(7), sink.submit(8)]), [14, 16]);
  assertEquals(attempts, 3);
  assertEquals(sink.stats, tally({ accepted: 2, done: 2, batches: 1 }));
});

test("Aggregator is a WritableStream and a Sink [5.16]", () => {
  const sink = new Aggregator(() => {});
  assert(sink instanceof WritableStream);
  assert(sink instanceof Sink);
});

test("Aggregator accepts nothing after close(), and gives the reason [5.11] [F-32]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler);
  const closed = sink.close();
  for (let round = 0; round < 2; round++) {
    const complaint = "Aggregator: nothing is accepted after close()";
    assertThrows(() => sink.tryPush(1), TypeError, complaint);
    await assertRejects(() => sink.push(1), TypeError, complaint);
    await assertRejects(() => sink.submit(1), TypeError, complaint);
    await assertRejects(() => sink.consume([1]), TypeError, complaint);
    await closed;
  }
  assertEquals(hand.started, []);
  assertEquals(sink.stats, tally({}));
});

for (const how of ["abort", "failure", "signal"] as const) {
  test(`Aggregator accepts nothing after ${how}, and gives the reason [5.11] [5.3] [F-32]`, async () => {
    const error = new Error(how);
    const hand = new Hand<number[]>();
    const controller = new AbortController();
    const { signal } = controller;
    const sink = heard(
      new Aggregator(hand.handler, { maxItems: 2, linger: Infinity, signal }),
    );
    for (const n of [1, 2, 3]) sink.tryPush(n);
    if (how === "abort") await sink.abort(error);
    else if (how === "signal") controller.abort(error);
    else hand.calls[0]!.reject(error);
    await turn();
    assertStrictEquals(assertThrows(() => sink.tryPush(2)), error);
    for (const call of ["push", "submit"] as const) {
      assertStrictEquals(await rejection(sink[call](2)), error);
    }
    assertStrictEquals(await rejection(sink.consume([2])), error);
    assertStrictEquals(await rejection(sink.flush()), error);
    assertStrictEquals(await rejection(sink.close()), error);
    assertStrictEquals(await rejection(sink.getWriter().write(2)), error);
    assertEquals(hand.started, [[1, 2]]);
    assertConserved(sink);
    assertEquals([sink.stats.waiting, sink.stats.discarded], [0, 1]);
  });
}

test("Aggregator takes items in every way at once, each once and in a batch [5.1] [3]", async () => {
  const handled: number[] = [];
  const sink = new Aggregator(async (batch: number[]) => {
    await undefined;
    handled.push(...batch);
    return batch;
  }, { maxItems: 7, concurrency: 3, capacity: 20, linger: 0 });
  const piped = streamOf(ids(0, 49)).pipeTo(sink, { preventClose: true });
  const submitted = ids(50, 99).map((n) => sink.submit(n));
  const pushed = ids(100, 149).map((n) => sink.push(n));
  const consumed = [sink.consume(ids(150, 199)), sink.consume(streamOf(ids(200, 249)))];
  await Promise.all([piped, ...pushed, ...consumed]);
  assertEquals(await Promise.all(submitted), ids(50, 99));
  await sink.close();
  assertEquals(handled.toSorted((a, b) => a - b), ids(0, 249));
});
