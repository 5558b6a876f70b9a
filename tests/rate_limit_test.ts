/** `RateLimit`: strict in every window, shared in turns, and free for items that don't wait. */

import fc from "fast-check";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Aggregator, Fanout, MapStream, RateLimit } from "../mod.ts";
import { collect, turn } from "./support/gate.ts";
import { newSeed } from "./races/race.ts";
import { Hand, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

/** The places of starts that come too soon after the start `limit` places before. */
function tooSoon(starts: readonly number[], limit: number, interval: number): number[] {
  return [...starts.keys()].filter((n) => n >= limit && starts[n]! - starts[n - limit]! < interval);
}

timed(
  "RateLimit starts no more than its limit in any window, and no fewer than possible [8.1]",
  async (clock) => {
    const rate = new RateLimit({ limit: 3, interval: 100 });
    const starts: number[] = [];
    const fanout = new Fanout(() => void starts.push(clock.now), { concurrency: 99, rate });
    for (const [at, count] of [[0, 2], [90, 3], [5, 1], [5, 2], [300, 9]] as const) {
      await clock.tick(at);
      for (let n = 0; n < count; n++) fanout.tryPush(n);
    }
    const closed = fanout.close();
    await clock.tick(1000);
    await closed;
    assertEquals(starts, [
      ...[0, 0, 90, 100, 100, 190, 200, 200],
      ...[400, 400, 400, 500, 500, 500, 600, 600, 600],
    ]);
  },
);

timed(
  "RateLimit is strict in random schedules of three sharers [8.1] [8.2]",
  async (clock) => {
    const seed = newSeed();
    const step = fc.record({ sink: fc.nat(2), items: fc.nat(5), wait: fc.nat(30) });
    const schedule = fc.record({
      limit: fc.integer({ min: 1, max: 5 }),
      interval: fc.integer({ min: 1, max: 50 }),
      steps: fc.array(step, { minLength: 10, maxLength: 20 }),
    });
    for (const { limit, interval, steps } of fc.sample(schedule, { seed, numRuns: 40 })) {
      const rate = new RateLimit({ limit, interval });
      const starts: number[] = [];
      const start = () => void starts.push(clock.now);
      const options = { rate, concurrency: 9 };
      const fanout = new Fanout(start, options);
      const keyed = new Fanout(start, { ...options, key: (n: number) => n % 3 });
      const aggregator = new Aggregator(start, { ...options, maxItems: 2, linger: 7 });
      let count = 0;
      for (const { sink, items, wait } of steps) {
        const one = [fanout, keyed, aggregator][sink]!;
        for (let n = 0; n < items; n++) if (one.tryPush(n) && one !== aggregator) count++;
        await clock.tick(wait);
      }
      const closed = Promise.all([fanout, keyed, aggregator].map((sink) => sink.close()));
      await clock.tick(interval * 200);
      await closed;
      const said = `seed ${seed}: ${JSON.stringify({ limit, interval, steps })}`;
      assertEquals(tooSoon(starts, limit, interval), [], said);
      assertEquals(starts.length, count + aggregator.stats.batches, said);
      assertEquals(rate.stats, { started: starts.length, waiting: 0, wait: rate.stats.wait }, said);
    }
  },
);

timed(
  "RateLimit makes waiting sinks take turns, no matter how many items each has [8.2]",
  async (clock) => {
    const rate = new RateLimit({ limit: 2, interval: 10 });
    const seen: string[] = [];
    const [a, b, c] = ["a", "b", "c"].map((name) =>
      new Fanout(() => void seen.push(name), { concurrency: 9, rate })
    );
    for (let n = 0; n < 8; n++) a!.tryPush(n);
    for (let n = 0; n < 2; n++) b!.tryPush(n);
    c!.tryPush(0);
    await clock.tick(10);
    await clock.tick(10);
    await clock.tick(10);
    assertEquals(seen.join(""), "aa" + "ab" + "ca" + "ba");
    assertEquals(rate.stats.waiting, 1);
    await Promise.all([a, b, c].map((sink) => sink!.abort()));
    assertEquals([rate.stats.waiting, clock.pending], [0, 0]);
  },
);

timed(
  "RateLimit.pause() lets nothing start before its end, and the later end of two wins [8.3]",
  async (clock) => {
    const rate = new RateLimit({ limit: 9, interval: 10 });
    const seen: number[] = [];
    const fanout = new Fanout(() => void seen.push(clock.now), { concurrency: 9, rate });
    fanout.tryPush(0);
    rate.pause(100);
    rate.pause(30);
    fanout.tryPush(1);
    assertEquals(rate.stats, { started: 1, waiting: 1, wait: 100 });
    await clock.tick(50);
    rate.pause(70);
    await clock.tick(69);
    assertEquals(seen, [0]);
    await clock.tick(1);
    assertEquals(seen, [0, 120]);
    rate.pause(0);
    fanout.tryPush(2);
    assertEquals(seen, [0, 120, 120]);
  },
);

timed("RateLimit holds the calls of a MapStream, in their order [8.1] [4.M16]", async (clock) => {
  const rate = new RateLimit({ limit: 1, interval: 10 });
  const starts: number[] = [];
  const call = (n: number) => {
    starts.push(clock.now);
    return n;
  };
  const mapped = collect(MapStream.from([1, 2, 3], call, { concurrency: 3, rate }));
  await clock.tick(100);
  assertEquals([await mapped, starts], [[1, 2, 3], [0, 10, 20]]);
});

timed(
  "RateLimit counts a batch as one start, and makes no batch smaller [8.1] [4.1]",
  async (clock) => {
    const rate = new RateLimit({ limit: 1, interval: 100 });
    const seen: number[][] = [];
    const sink = new Aggregator((batch: number[]) => void seen.push(batch), {
      ...{ rate, concurrency: 9, maxItems: 3, linger: 10, capacity: 9 },
    });
    for (const n of [1, 2, 3, 4, 5]) sink.tryPush(n);
    await clock.tick(50);
    // It is due, and goes on growing. The full batch takes its place.
    for (const n of [6, 7]) sink.tryPush(n);
    await clock.tick(300);
    assertEquals(seen, [[1, 2, 3], [4, 5, 6], [7]]);
    assertEquals(rate.stats.started, 3);
  },
);

timed(
  "RateLimit lets a full Aggregator go on when a start is allowed [8.1] [4.6]",
  async (clock) => {
    const rate = new RateLimit({ limit: 1, interval: 100 });
    const seen: number[][] = [];
    const sink = new Aggregator((batch: number[]) => void seen.push(batch), {
      ...{ rate, maxItems: 2, linger: Infinity, capacity: 2, key: (n: number) => n % 2 },
    });
    for (const n of [1, 3]) assert(sink.tryPush(n));
    for (const n of [5, 6]) assert(sink.tryPush(n));
    const pushed = sink.push(7);
    assertEquals([seen, sink.stats.waiting], [[[1, 3]], 2]);
    await clock.tick(99);
    assertEquals(seen.length, 1);
    await clock.tick(1);
    await pushed;
    assertEquals(seen, [[1, 3], [5]]);
    await sink.abort();
  },
);

timed(
  "RateLimit with a capacity of 0 accepts only items that start at once, and a push waits for a start [8.1] [5.33]",
  async (clock) => {
    const rate = new RateLimit({ limit: 1, interval: 10 });
    const fanout = new Fanout(() => {}, { concurrency: 9, capacity: 0, rate });
    assertEquals([fanout.tryPush(1), fanout.tryPush(2)], [true, false]);
    assertEquals([rate.stats.waiting, clock.pending], [0, 0]);
    const pushed = fanout.push(3);
    await clock.tick(9);
    assertEquals(fanout.stats.accepted, 1);
    await clock.tick(1);
    await pushed;
    assertEquals([fanout.stats.done, clock.pending], [2, 0]);
  },
);

timed("RateLimit skips a sink that is not ready in its turn [8.2]", async (clock) => {
  const rate = new RateLimit({ limit: 1, interval: 10 });
  const [hand, seen] = [new Hand<number>(), [] as number[]];
  const busy = new Fanout(hand.handler, { rate, concurrency: 1 });
  const other = new Fanout((n: number) => void seen.push(n), { rate });
  for (const n of [1, 2]) busy.tryPush(n);
  other.tryPush(3);
  await clock.tick(10);
  assertEquals([hand.started, seen], [[1], [3]]);
  hand.calls[0]!.resolve(0);
  await turn();
  assertEquals(hand.started, [1]);
  await clock.tick(10);
  assertEquals(hand.started, [1, 2]);
  hand.calls[1]!.resolve(0);
  await Promise.all([busy.close(), other.close()]);
  assertEquals(clock.pending, 0);
});

timed("RateLimit has no timer when no sink waits [8.4] [F-09]", async (clock) => {
  const rate = new RateLimit({ limit: 1, interval: 1000 });
  const fanout = new Fanout(() => {}, { rate });
  fanout.tryPush(1);
  rate.pause(500);
  assertEquals(clock.pending, 0);
  const controller = new AbortController();
  const left = rejection(fanout.submit(2, controller));
  assertEquals(clock.pending, 1);
  controller.abort("left");
  assertEquals([await left, clock.pending], ["left", 0]);
  fanout.tryPush(3);
  assertEquals(clock.pending, 1);
  await fanout.abort();
  assertEquals(clock.pending, 0);
});

timed("RateLimit works under fake timers [7.16] [8.1]", async (clock) => {
  const rate = new RateLimit({ limit: 1, interval: 3_600_000 });
  const seen: number[] = [];
  const fanout = new Fanout((n: number) => void seen.push(n), { rate });
  for (const n of [1, 2, 3]) fanout.tryPush(n);
  await clock.tick(3_600_000 - 1);
  assertEquals(seen, [1]);
  await clock.tick(1);
  assertEquals(seen, [1, 2]);
  await clock.tick(3_600_000);
  assertEquals(seen, [1, 2, 3]);
}, true);

test("RateLimit is strict by the real clock, whose timers may be early [8.1]", async () => {
  const [limit, interval] = [2, 7];
  const rate = new RateLimit({ limit, interval });
  const starts: number[] = [];
  const fanout = new Fanout(() => void starts.push(performance.now()), { rate });
  await fanout.consume(Array(30).fill(0));
  assertEquals(starts.length, 30);
  // The handler reads the clock a little later than the limit does.
  assertEquals(tooSoon(starts, limit, interval - 1), []);
  await fanout.close();
});

timed(
  "RateLimit with an interval of Infinity allows its limit, and no more [8.1]",
  async (clock) => {
    const rate = new RateLimit({ limit: 2, interval: Infinity });
    const fanout = new Fanout(() => {}, { rate });
    for (const n of [1, 2, 3]) fanout.tryPush(n);
    await clock.tick(2147483647);
    assertEquals([fanout.stats.done, rate.stats.wait, clock.pending], [2, Infinity, 0]);
    const closed = rejection(fanout.close({ timeout: 5 }));
    await clock.tick(5);
    assertEquals((await closed as Error).name, "TimeoutError");
  },
);

timed(
  "RateLimit has no timer for items that have left, or were shed [8.4] [5.42] [5.44]",
  async (clock) => {
    const rate = new RateLimit({ limit: 1, interval: 1000 });
    for (const capacity of [0, 1]) {
      const fanout = new Fanout((n: number) => n, { concurrency: 2, capacity, rate });
      fanout.tryPush(1);
      const caller = new AbortController();
      const result = fanout.submit(2, caller).catch((reason) => reason);
      assertEquals([clock.pending, rate.stats.waiting], [1, 1]);
      caller.abort("left");
      assertEquals([clock.pending, rate.stats.waiting, await result], [0, 0, "left"]);
      await fanout.close();
      await clock.tick(1000);
    }
    const fanout = new Fanout((n: number) => n, { capacity: 1, maxWait: 10, rate });
    for (const n of [1, 2]) fanout.tryPush(n);
    await clock.tick(11);
    fanout.concurrency = 2;
    assertEquals([clock.pending, fanout.stats.discarded, rate.stats.waiting], [0, 1, 0]);
    await fanout.close();
  },
);

test("RateLimit refuses a wrong limit, and a wrong pause [8.3] [7] [F-01] [F-03]", () => {
  assertThrows(() => new RateLimit({ limit: 1 } as never), TypeError, 'option "interval" must');
  assertThrows(() => new RateLimit({ interval: 1 } as never), TypeError, 'option "limit" must');
  const rate = new RateLimit({ limit: 1, interval: 1, name: "api" });
  for (const ms of [-1, NaN, Infinity, 2147483648]) {
    assertThrows(() => rate.pause(ms), RangeError, 'RateLimit "api".pause: option "ms" must');
  }
  for (const ms of ["1", null, undefined, 1n]) {
    assertThrows(
      () => rate.pause(ms as never),
      TypeError,
      'RateLimit "api".pause: option "ms" must',
    );
  }
  for (const wrong of [{}, null, 10, () => {}, { limit: 1, interval: 1 }]) {
    const message = 'option "rate" must be a RateLimit';
    assertThrows(() => new Fanout(() => {}, { rate: wrong as never }), TypeError, message);
  }
});

timed("RateLimit waits for one more millisecond when a timer is early [8.1]", async (clock) => {
  const rate = new RateLimit({ limit: 1, interval: 10.0005 });
  const starts: number[] = [];
  const fanout = new Fanout(() => void starts.push(clock.now), { rate });
  for (const n of [1, 2]) fanout.tryPush(n);
  await clock.tick(10);
  assertEquals(starts, [0]);
  await clock.tick(1);
  assertEquals(starts, [0, 11]);
});
