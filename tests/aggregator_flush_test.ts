/** `Aggregator`: `flush()`, `consume()`, `idle()` and the ends. */

import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { Aggregator } from "../mod.ts";
import { ids, tally } from "./support/aggregating.ts";
import { gate, settled, streamOf, turn } from "./support/gate.ts";
import { Hand, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

test("Aggregator.flush() dispatches the open batch now, and waits for all items accepted before it and none after [5.13]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 3, linger: Infinity, concurrency: 9 });
  for (const n of [1, 2]) sink.tryPush(n);
  const first = sink.flush();
  assertEquals(hand.started, [[1, 2]]);
  sink.tryPush(3);
  const second = sink.flush();
  const same = sink.flush();
  sink.tryPush(4);
  assertEquals(hand.started, [[1, 2], [3]]);
  hand.calls[1]!.resolve(0);
  assertEquals(await states(first, second, same), ["pending", "pending", "pending"]);
  hand.calls[0]!.resolve(0);
  assertEquals(await states(first, second, same), ["fulfilled", "fulfilled", "fulfilled"]);
  assertEquals(sink.stats, tally({ accepted: 4, waiting: 1, done: 3, batches: 2 }));
  const last = sink.flush();
  hand.calls[2]!.resolve(0);
  await last;
});

function states(...promises: Promise<void>[]): Promise<string[]> {
  return Promise.all(promises.map(settled));
}

test("Aggregator.flush() ends the open batch, even while no worker is free [5.13]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 3, linger: Infinity });
  for (const n of [1, 2, 3, 4]) sink.tryPush(n);
  const flushed = sink.flush();
  sink.tryPush(5);
  for (const [n, batch] of [[1, 2, 3], [4]].entries()) {
    assertEquals(hand.started[n], batch);
    assertEquals(await settled(flushed), "pending");
    hand.calls[n]!.resolve(0);
    await turn();
  }
  await flushed;
  assertEquals(sink.stats.waiting, 1);
  await sink.abort();
});

test("Aggregator.flush() dispatches the batch of each key, the oldest first [5.13] [5.2]", async () => {
  const seen: string[][] = [];
  const sink = new Aggregator((batch: string[]) => void seen.push(batch), {
    linger: Infinity,
    key: (item: string) => item[0],
  });
  for (const item of ["b1", "a1", "c1", "a2"]) sink.tryPush(item);
  await sink.flush();
  assertEquals(seen, [["b1"], ["a1", "a2"], ["c1"]]);
});

test("Aggregator.flush() and idle() resolve at once when there are no items, and hand over no empty batch [5.13] [5.15] [4.1]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler);
  await Promise.all([sink.flush(), sink.idle(), sink.flush()]);
  await sink.close();
  assertEquals(hand.calls.length, 0);
});

test("Aggregator.flush() waits for callers that wait for room at the time, and closes their batches [5.30] [5.13]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 2, capacity: 2, linger: Infinity });
  for (const n of ids(1, 4)) sink.tryPush(n);
  const pushes = [5, 6, 7].map((n) => sink.push(n));
  const flushed = sink.flush();
  pushes.push(sink.push(8));
  // Their batches go out as usual, and the last one as soon as its item has come in.
  for (const [n, batch] of [[1, 2], [3, 4], [5, 6], [7]].entries()) {
    assertEquals(hand.started[n], batch);
    assertEquals(await settled(flushed), "pending");
    hand.calls[n]!.resolve(0);
    await turn();
  }
  await Promise.all([flushed, ...pushes]);
  assertEquals(sink.stats, tally({ accepted: 8, waiting: 1, done: 7, batches: 4 }));
  await sink.abort();
});

test("Aggregator.flush() closes no batch of items that a handler pushes while its last caller comes in [5.30] [5.13]", async () => {
  const first = gate();
  const seen: number[][] = [];
  const sink = new Aggregator((batch: number[]): Promise<void> | void => {
    seen.push(batch);
    if (batch.includes(1)) return first.promise;
    if (batch.includes(6)) sink.tryPush(7);
  }, { maxItems: 2, capacity: 2, linger: Infinity });
  for (const n of [1, 2, 3, 4]) sink.tryPush(n);
  const pushed = [5, 6].map((n) => sink.push(n));
  const flushed = sink.flush();
  first.resolve();
  await Promise.all([flushed, ...pushed]);
  await turn();
  assertEquals(seen, [[1, 2], [3, 4], [5, 6]]);
  assertEquals(sink.stats.waiting, 1);
  await sink.close();
});

test("Aggregator.flush() by key waits for callers that wait for room at the time [5.30] [5.28]", async () => {
  const seen: string[][] = [];
  const hand = new Hand<string[]>();
  const sink = new Aggregator((batch: string[], context) => {
    seen.push(batch);
    return hand.handler(batch, context);
  }, { maxItems: 2, capacity: 3, concurrency: 1, linger: Infinity, key: (item) => item[0] });
  for (const item of ["a1", "a2", "b1", "c1", "d1"]) sink.tryPush(item);
  const pushes = ["e1", "b2"].map((item) => sink.push(item));
  const flushed = sink.flush();
  pushes.push(sink.push("f1"));
  for (let n = 0; n < 6; n++) {
    assertEquals(await settled(flushed), "pending");
    hand.calls[n]!.resolve(0);
    await turn();
  }
  await Promise.all([flushed, ...pushes]);
  assertEquals(seen, [["a1", "a2"], ["b1"], ["c1"], ["d1"], ["e1"], ["b2"]]);
  await sink.abort();
});

for (const waiting of [[9], [9, 10]]) {
  test(`Aggregator.flush() waits for the ${waiting.length} callers that waited for room when weigh lets a later item into their batch [5.30] [5.8]`, async () => {
    const hand = new Hand<number[]>();
    const last = waiting.at(-1)!;
    const sink: Aggregator<number> = new Aggregator<number>(hand.handler, {
      ...{ maxItems: 4, capacity: 4, maxWeight: 9, linger: Infinity },
      weigh(n) {
        // No caller waits for room while `weigh` runs for the last one, so this item comes in
        // before it.
        if (n === last) assertEquals(sink.tryPush(11), true);
        return 1;
      },
    });
    for (const n of ids(1, 8)) sink.tryPush(n);
    const pushed = waiting.map((n) => sink.push(n));
    const flushed = sink.flush();
    hand.calls[0]!.resolve([]);
    await Promise.all(pushed);
    hand.calls[1]!.resolve([]);
    assertEquals(await settled(flushed), "pending");
    // Their batch was closed after the last of them had come in.
    const batch = [...waiting.slice(0, -1), 11, last];
    assertEquals(hand.started, [ids(1, 4), ids(5, 8), batch]);
    const second = sink.flush();
    assertEquals(await settled(second), "pending");
    hand.calls[2]!.resolve([]);
    await Promise.all([flushed, second]);
    assertEquals([sink.stats.done, sink.stats.waiting], [8 + batch.length, 0]);
  });
}

test("Aggregator.flush() does not wait for a caller whose weigh throws [5.30] [5.27]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator<number>(hand.handler, {
    maxItems: 1,
    capacity: 1,
    maxWeight: 1,
    oversize: "error",
    weigh: (n) => n,
  });
  for (const n of [1, 0]) sink.tryPush(n);
  const refused = rejection(sink.push(5));
  const flushed = sink.flush();
  hand.calls[0]!.resolve(0);
  await refused;
  assertEquals(await settled(flushed), "pending");
  hand.calls[1]!.resolve(0);
  await flushed;
});

test("Aggregator.flush() rejects with the sink's error [5.13] [5.3]", async () => {
  const error = new Error("handler");
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 2 });
  for (const n of [1, 2, 3]) sink.tryPush(n);
  const flushes = [rejection(sink.flush()), rejection(sink.flush())];
  hand.calls[0]!.reject(error);
  for (const flushed of flushes) assertStrictEquals(await flushed, error);
  assertStrictEquals(await rejection(sink.flush()), error);
});

test("Aggregator.idle() does not flush: it waits for the linger [5.15]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { linger: Infinity });
  sink.tryPush(1);
  const idle = sink.idle();
  assertEquals(await settled(idle), "pending");
  void sink.flush();
  hand.calls[0]!.resolve(0);
  await idle;
});

test("Aggregator.idle() resolves when an abort discards all items that it waits for [5.6]", async () => {
  const sink = new Aggregator(() => {}, { linger: Infinity });
  sink.tryPush(1);
  const idle = sink.idle();
  assertEquals(await settled(idle), "pending");
  await sink.abort();
  await idle;
  assertEquals(sink.stats, tally({ accepted: 1, discarded: 1 }));
});

for (
  const [kind, make] of Object.entries({
    "an iterable": (items: number[]) => items,
    "a stream": (items: number[]) => streamOf(items),
    "an async generator": async function* (items: number[]) {
      yield* items;
    },
  })
) {
  test(`Aggregator.consume() flushes the rest of ${kind}, and resolves when all has settled [5.10] [5.14]`, async () => {
    const seen: number[][] = [];
    const sink = new Aggregator<number>(async (batch) => {
      await turn();
      seen.push(batch);
    }, { maxItems: 3, linger: Infinity });
    await sink.consume(make(ids(1, 7)));
    assertEquals(seen, [[1, 2, 3], [4, 5, 6], [7]]);
    await sink.consume(make([]));
    await sink.consume(make([8]));
    assertEquals(seen.at(-1), [8]);
    await sink.close();
  });
}

test("Aggregator.consume() rejects with the source's error when its items have settled, and leaves the sink open [5.29] [5.3]", async () => {
  const error = new Error("source");
  const hand = new Hand<number[]>();
  const sink = new Aggregator<number>(hand.handler, { linger: Infinity });
  const source = function* () {
    yield 1;
    throw error;
  };
  const consumed = sink.consume(source());
  assertEquals(await settled(consumed), "pending");
  assertEquals(hand.started, [[1]]);
  hand.calls[0]!.resolve(0);
  assertStrictEquals(await rejection(consumed), error);
  assertEquals(sink.tryPush(2), true);
  await sink.abort();
});

test("Aggregator.consume() closes only the batches with one of its items, and waits for those [5.29]", async () => {
  const hand = new Hand<string[]>();
  const sink = new Aggregator<string>(hand.handler, {
    linger: Infinity,
    concurrency: 9,
    key: (item) => item[0],
  });
  for (const item of ["a1", "b1", "c1"]) sink.tryPush(item);
  const other = sink.consume(streamOf(["d1", "a2"]));
  const consumed = sink.consume(["b2", "e1", "b3"]);
  await turn();
  const batches = [["b1", "b2", "b3"], ["e1"], ["a1", "a2"], ["d1"]];
  assertEquals(hand.started.toSorted(), batches.toSorted());
  assertEquals(sink.stats.waiting, 1);
  for (const call of hand.calls) if (call.item[0] !== "a1") call.resolve(0);
  await consumed;
  assertEquals(await settled(other), "pending");
  hand.calls.find(({ item }) => item[0] === "a1")!.resolve(0);
  await other;
  await sink.abort();
});

test("Aggregator.consume() waits for a batch of two sources in both calls [5.29]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator<number>(hand.handler, { linger: Infinity });
  const ends = [gate(), gate()];
  const source = async function* (n: number) {
    yield n;
    await ends[n]!.promise;
  };
  const consumed = [0, 1].map((n) => sink.consume(source(n)));
  await turn();
  assertEquals(hand.started, []);
  ends[1]!.resolve();
  await turn();
  assertEquals(hand.started, [[0, 1]]);
  ends[0]!.resolve();
  assertEquals(await states(...consumed), ["pending", "pending"]);
  hand.calls[0]!.resolve(0);
  await Promise.all(consumed);
  await sink.close();
});

test("Aggregator.close() handles open and queued batches and waiting pushes, and no later item [5.5] [5.11] [F-23]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 2, capacity: 2, linger: Infinity });
  const pushes = ids(1, 7).map((n) => sink.push(n));
  const closed = sink.close();
  assertThrows(() => sink.tryPush(9), TypeError);
  for (let n = 0; n < 4; n++) {
    assertEquals(await settled(closed), "pending");
    hand.calls[n]!.resolve(0);
    await turn();
  }
  await Promise.all([closed, ...pushes]);
  assertEquals(hand.started, [[1, 2], [3, 4], [5, 6], [7]]);
  assertEquals(sink.stats, tally({ accepted: 7, done: 7, batches: 4 }));
});

test("Aggregator.close() rejects when the last, partial batch fails [5.5] [F-20]", async () => {
  const error = new Error("last");
  const sink = new Aggregator<number>(() => Promise.reject(error), { linger: Infinity });
  sink.tryPush(1);
  assertStrictEquals(await rejection(sink.close()), error);
});

test("Aggregator.close() handles the items that a writer wrote before it [5.5]", async () => {
  const seen: number[][] = [];
  const sink = new Aggregator<number>((batch) => void seen.push(batch), { linger: Infinity });
  const writer = sink.getWriter();
  for (const n of [1, 2, 3]) writer.write(n);
  await writer.close();
  assertEquals(seen, [[1, 2, 3]]);
});

test("Aggregator at the end of a pipe flushes the rest [5.5]", async () => {
  const seen: number[][] = [];
  await streamOf(ids(1, 5)).pipeTo(
    new Aggregator<number>((batch) => void seen.push(batch), { maxItems: 2, linger: Infinity }),
  );
  assertEquals(seen, [[1, 2], [3, 4], [5]]);
});

test("Aggregator with await using drains, even if it is locked [5.12]", async () => {
  const seen: number[][] = [];
  const handler = (batch: number[]) => void seen.push(batch);
  {
    await using sink = new Aggregator<number>(handler, { linger: Infinity });
    sink.tryPush(1);
  }
  assertEquals(seen, [[1]]);
  let writer: WritableStreamDefaultWriter<number>;
  {
    await using sink = new Aggregator<number>(handler, { linger: Infinity });
    writer = sink.getWriter();
    await assertRejects(() => sink.close(), TypeError);
    sink.tryPush(2);
    writer.close();
  }
  assertEquals(seen, [[1], [2]]);
});

for (const reason of [new Error("stop"), undefined, null, 0]) {
  test(`Aggregator.abort() is prompt, and discards open and queued batches: ${reason} [5.6] [F-16] [F-34]`, async () => {
    const hand = new Hand<number[]>();
    const discarded: unknown[] = [];
    const sink = new Aggregator(hand.handler, {
      maxItems: 2,
      capacity: 3,
      linger: Infinity,
      onDiscard: (...args) => discarded.push(args),
    });
    const submitted = rejection(sink.submit(1));
    for (const n of ids(2, 5)) sink.tryPush(n);
    const waiting = rejection(sink.push(6));
    const flushed = rejection(sink.flush());
    const idle = sink.idle();
    await sink.abort(reason);
    const signal = hand.calls[0]!.signal;
    assertEquals(signal.aborted, true);
    // Without a reason, the platform makes one.
    const told = reason === undefined ? signal.reason : reason;
    for (const call of [submitted, waiting, flushed]) assertStrictEquals(await call, told);
    assertEquals((discarded as unknown[][]).map(([items]) => items), [[3, 4, 5]]);
    assertEquals(sink.stats, tally({ accepted: 5, running: 2, discarded: 3, batches: 1 }));
    assertEquals(await settled(idle), "pending");
    hand.calls[0]!.resolve([1, 2]);
    await idle;
    assertEquals(sink.stats.done, 2);
  });
}

test("Aggregator aborted during close() and during flush() rejects both with the reason [5.6] [F-31]", async () => {
  const controller = new AbortController();
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 2, signal: controller.signal });
  await turn();
  for (const n of [1, 2, 3]) sink.tryPush(n);
  const flushed = rejection(sink.flush());
  const closed = rejection(sink.close());
  controller.abort("reason");
  assertEquals([await flushed, await closed], ["reason", "reason"]);
  assertEquals(sink.stats, tally({ accepted: 3, running: 2, discarded: 1, batches: 1 }));
});
