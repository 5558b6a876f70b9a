/** `Aggregator`: ends and races with the timer of its linger, and the timeout of its handlers. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { Aggregator } from "../mod.ts";
import { tally } from "./support/aggregating.ts";
import { microtasks, turn } from "./support/gate.ts";
import { Hand, heard, rejection } from "./support/hand.ts";
import { countListeners } from "./support/listeners.ts";
import { timed } from "./support/timed.ts";

timed(
  "Aggregator hands over a partial batch at close, and clears its timer [F-23]",
  async (clock) => {
    const seen: number[][] = [];
    const sink = new Aggregator((batch: number[]) => void seen.push(batch), { linger: 100 });
    for (const n of [1, 2]) sink.tryPush(n);
    await microtasks();
    assertEquals(clock.pending, 1);
    await sink.close();
    assertEquals(seen, [[1, 2]]);
    await turn();
    assertEquals(clock.pending, 0);
    await clock.tick(200);
    assertEquals(sink.stats, tally({ accepted: 2, done: 2, batches: 1 }));
  },
);

for (const first of ["close", "timer"] as const) {
  timed(
    `Aggregator flushes once when timer and close come in one tick, ${first} first [F-24]`,
    async (clock) => {
      const seen: number[][] = [];
      const sink = new Aggregator((batch: number[]) => void seen.push(batch), { linger: 100 });
      let closed: Promise<void> | undefined;
      const close = () => void (closed = sink.close());
      if (first === "close") setTimeout(close, 100);
      sink.tryPush(1);
      await microtasks();
      if (first === "timer") setTimeout(close, 100);
      await clock.tick(100);
      await closed;
      assertEquals(seen, [[1]]);
      assertEquals(sink.stats.batches, 1);
    },
  );
}

for (const how of ["close", "abort", "failure", "signal", "flush", "weigh"] as const) {
  timed(`Aggregator has no timer left after ${how} [5.7] [F-29] [F-36]`, async (clock) => {
    const hand = new Hand<number[]>();
    const controller = new AbortController();
    const listeners = countListeners(controller.signal);
    const sink = new Aggregator(hand.handler, {
      maxItems: 2,
      maxWeight: 100,
      weigh: (n: number) => n,
      linger: 100,
      timeout: 500,
      signal: controller.signal,
    });
    heard(sink);
    await turn();
    for (const n of [1, 2, 3]) sink.tryPush(n);
    await microtasks();
    assertEquals(clock.pending, 2);
    let ended: Promise<unknown> = Promise.resolve();
    if (how === "abort") ended = sink.abort();
    if (how === "signal") controller.abort();
    if (how === "failure") hand.calls[0]!.reject("x");
    if (how === "weigh") ended = rejection(sink.getWriter().write(NaN));
    if (how === "close") ended = sink.close();
    if (how === "flush") ended = sink.flush();
    if (how === "close" || how === "flush") {
      hand.calls[0]!.resolve(0);
      await microtasks();
      hand.calls[1]!.resolve(0);
    }
    await ended;
    await microtasks();
    assertEquals(clock.pending, 0);
    assertEquals(listeners.live, how === "flush" ? 1 : 0);
    if (how === "flush") await sink.close();
    assertEquals(listeners.live, 0);
  });
}

timed(
  "Aggregator flushes once, late, when the loop was blocked, and ignores the wall clock [F-35]",
  async (clock) => {
    const seen: unknown[] = [];
    const sink = new Aggregator((batch: number[]) => void seen.push([clock.now, ...batch]), {
      linger: 100,
    });
    sink.tryPush(1);
    await microtasks();
    clock.jumpWall(24 * 3600 * 1000);
    await clock.tick(50);
    clock.jumpWall(-48 * 3600 * 1000);
    assertEquals(seen, []);
    clock.block(5000);
    sink.tryPush(2);
    await clock.tick(0);
    assertEquals(seen, [[5050, 1, 2]]);
    sink.tryPush(3);
    await clock.tick(99);
    assertEquals(seen.length, 1);
    await clock.tick(1);
    assertEquals(seen, [[5050, 1, 2], [5150, 3]]);
  },
);

timed(
  "Aggregator fails a batch whose handler takes too long, and frees its slot [5.7] [F-16] [F-17]",
  async (clock) => {
    const hand = new Hand<number[]>();
    const failed: unknown[] = [];
    const sink = new Aggregator(hand.handler, {
      maxItems: 2,
      timeout: 50,
      onError: (error, batch) => failed.push([clock.now, (error as Error).name, batch]),
    });
    for (const n of [1, 2, 3, 4]) sink.tryPush(n);
    const submitted = rejection(sink.submit(5));
    await clock.tick(50);
    assertEquals(failed, [[50, "TimeoutError", [1, 2]]]);
    assertEquals(hand.calls[0]!.signal.aborted, true);
    assertEquals(hand.started, [[1, 2], [3, 4]]);
    hand.calls[0]!.reject(new Error("late"));
    const flushed = sink.flush();
    await clock.tick(100);
    await flushed;
    assertEquals(((await submitted) as Error).name, "TimeoutError");
    assertEquals(failed.length, 2);
    assertEquals(sink.stats, tally({ accepted: 5, failed: 5, batches: 3, overrunning: 2 }));
  },
);

timed("Aggregator is aborted by its signal while a batch lingers [5.6] [F-33]", async (clock) => {
  const reason = new Error("shutdown");
  const discarded: unknown[] = [];
  const controller = new AbortController();
  const sink = new Aggregator(() => {}, {
    signal: controller.signal,
    onDiscard: (...args) => discarded.push(args),
  });
  const writer = sink.getWriter();
  await writer.write(1);
  const submitted = rejection(sink.submit(2));
  controller.abort(reason);
  assertEquals(discarded, [[[1, 2], reason]]);
  assertEquals(clock.pending, 0);
  assertStrictEquals(await submitted, reason);
  assertStrictEquals(await rejection(writer.closed), reason);
  assertEquals(sink.stats, tally({ accepted: 2, discarded: 2 }));
});

timed("Aggregator with an aborted signal handles nothing [5.6] [F-33]", async () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, { maxItems: 1, signal: AbortSignal.abort("no") });
  assertEquals(await rejection(sink.push(1)), "no");
  assertEquals(await rejection(sink.close()), "no");
  assertEquals([hand.started, sink.stats], [[], tally({})]);
});

timed(
  "Aggregator makes no timer when linger is Infinity, and waits for the longest [F-02] [F-03]",
  async (clock) => {
    for (const linger of [Infinity, 2147483647]) {
      const seen: number[][] = [];
      const sink = new Aggregator((batch: number[]) => void seen.push(batch), { linger });
      sink.tryPush(1);
      await microtasks();
      assertEquals(clock.pending, linger === Infinity ? 0 : 1);
      await clock.tick(2147483646);
      assertEquals(seen, []);
      await clock.tick(1);
      assertEquals(seen, linger === Infinity ? [] : [[1]]);
      await sink.close();
    }
  },
);

timed(
  "Aggregator lets batches linger in the order in which they were opened, after any earlier batches [5.2] [4.1]",
  async (clock) => {
    const batches: string[][] = [];
    const aggregator = new Aggregator((batch: string[]) => void batches.push(batch), {
      maxItems: 2,
      linger: 100,
      concurrency: 9,
      key: (item) => item[0],
    });
    // In one turn, the first batch of `a` fills up, and another opens after the batch of `b`.
    for (const item of ["a1", "a2", "b1", "a3"]) {
      aggregator.tryPush(item);
      clock.block(2);
    }
    await clock.tick(95);
    assertEquals(batches, [["a1", "a2"]]);
    await clock.tick(1);
    assertEquals(batches, [["a1", "a2"], ["b1"]]);
    await clock.tick(2);
    assertEquals(batches, [["a1", "a2"], ["b1"], ["a3"]]);
    await aggregator.close();
  },
);
