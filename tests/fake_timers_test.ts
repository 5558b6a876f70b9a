/** Fake timers with a real clock: events come when their timer fires. */

import { assertEquals } from "@std/assert";
import { Aggregator, Fanout, MapStream, throttle, ThrottleStream } from "../mod.ts";
import { kinds } from "./support/batching.ts";
import { microtasks, turn } from "./support/gate.ts";
import { Hand, rejection } from "./support/hand.ts";
import { timed } from "./support/timed.ts";

/** Far longer than a test, so that real time does not matter. */
const LONG = 3_600_000;

const nameOf = (error: unknown) => (error as Error).name;

for (const { name, make } of kinds) {
  timed(`${name} lingers under fake timers [7.16] [4.4]`, async (clock) => {
    const { readable, writable } = make(9, { linger: LONG });
    const [writer, reader] = [writable.getWriter(), readable.getReader()];
    const seen: unknown[] = [];
    for (const n of [1, 2, 3]) {
      reader.read().then(({ value }) => seen.push(value));
      await writer.write(n);
      await clock.tick(LONG / 2);
      await writer.write(-n);
      assertEquals(seen.length, n - 1);
      await clock.tick(LONG / 2);
      assertEquals(seen.at(-1), [n, -n]);
    }
  }, true);
}

timed("Aggregator lingers under fake timers [7.16] [4.4]", async (clock) => {
  const seen: number[][] = [];
  const key = (n: number) => Math.abs(n) % 2;
  const sink = new Aggregator((batch: number[]) => void seen.push(batch), { linger: LONG, key });
  for (const n of [1, 2, 3]) {
    for (const item of [n, -n]) sink.tryPush(item);
    await clock.tick(LONG / 2);
    assertEquals(seen.length, n - 1);
    await clock.tick(LONG / 2);
    assertEquals(seen.at(-1), [n, -n]);
  }
}, true);

timed("Fanout and Aggregator time out under fake timers [7.16] [5.7]", async (clock) => {
  const failed: unknown[] = [];
  const hand = new Hand<unknown>();
  const options = {
    timeout: LONG,
    onError: (error: unknown, item: unknown) => failed.push([nameOf(error), item]),
  };
  const fanout = new Fanout(hand.handler, options);
  const aggregator = new Aggregator(hand.handler, { ...options, maxItems: 1 });
  for (const n of [1, 2]) {
    fanout.tryPush(n);
    aggregator.tryPush(n);
  }
  for (const n of [1, 2]) {
    // The second starts when the first has timed out, and has its full time.
    await clock.tick(LONG / 2);
    assertEquals(failed.length, 2 * n - 2);
    await clock.tick(LONG / 2);
    assertEquals(failed.slice(-2), [["TimeoutError", n], ["TimeoutError", [n]]]);
  }
  assertEquals([fanout.stats.failed, aggregator.stats.failed], [2, 2]);
}, true);

timed("MapStream times out under fake timers [7.16] [4.M6]", async (clock) => {
  const hand = new Hand<number>();
  const results = MapStream.from([1, 2], hand.handler, { timeout: LONG }).getReader();
  const reads = [results.read(), rejection(results.read())] as const;
  await clock.tick(LONG / 2);
  hand.call(1).resolve(10);
  assertEquals((await reads[0]).value, 10);
  await clock.tick(LONG);
  assertEquals(nameOf(await reads[1]), "TimeoutError");
}, true);

for (const edge of ["trailing", "both"] as const) {
  timed(
    `throttle() (${edge}) runs for the latest under fake timers [7.16] [4.T2]`,
    async (clock) => {
      const seen: number[] = [];
      const run = throttle((n: number) => void seen.push(n), { interval: LONG, edge });
      if (edge === "both") run(0);
      for (const n of [1, 2, 3]) {
        for (const item of [-n, n]) assertEquals(run(item), false);
        await clock.tick(LONG / 2);
        assertEquals(seen.includes(n), false);
        await clock.tick(LONG / 2);
        assertEquals([seen.at(-1), clock.pending], [n, 0]);
      }
      assertEquals(seen.filter((n) => n > 0), [1, 2, 3]);
    },
    true,
  );

  timed(`ThrottleStream (${edge}) passes the latest under fake timers [7.16]`, async (clock) => {
    const { readable, writable } = new ThrottleStream<number>({ interval: LONG, edge });
    const [writer, reader] = [writable.getWriter(), readable.getReader()];
    if (edge === "both") {
      await writer.write(0);
      await reader.read();
    }
    for (const n of [1, 2, 3]) {
      const read = reader.read();
      for (const item of [-n, n]) await writer.write(item);
      await clock.tick(LONG);
      assertEquals((await read).value, n);
    }
  }, true);
}

timed(
  "throttle() waits for at most one more millisecond under fake timers [7.16] [4.T21]",
  async (clock) => {
    const seen: number[] = [];
    const run = throttle((n: number) => void seen.push(n), { interval: 1, edge: "trailing" });
    for (const n of [1, 2, 3]) {
      run(n);
      await clock.tick(2);
      assertEquals(seen.at(-1), n);
    }
  },
  true,
);

timed("Fanout believes a timer that fires early [7.16] [5.7]", async (clock) => {
  const { setTimeout } = globalThis;
  let made = 0;
  Object.assign(globalThis, {
    setTimeout: (callback: () => void, delay: number) => {
      made++;
      return setTimeout(callback, delay - 0.5);
    },
  });
  try {
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { timeout: 10, onError: () => {} });
    fanout.tryPush(1);
    await clock.tick(10);
    assertEquals([fanout.stats.failed, made], [1, 1]);
  } finally {
    Object.assign(globalThis, { setTimeout });
  }
});

timed(
  "Fanout has one timer for deadlines within one millisecond [7.16] [5.7]",
  async (clock) => {
    const failed: number[] = [];
    const hand = new Hand<number>();
    const options = {
      timeout: 10,
      concurrency: 3,
      onError: (_: unknown, n: number) => failed.push(n),
    };
    const fanout = new Fanout(hand.handler, options);
    for (const [n, later] of [[1, 0.75], [2, 0.25], [3, 0]] as const) {
      fanout.tryPush(n);
      // Each in a separate turn, because those of one turn count from its end.
      await microtasks();
      clock.block(later);
    }
    await clock.tick(9);
    assertEquals([failed, clock.pending], [[1, 2], 1]);
    await clock.tick(1);
    assertEquals(failed, [1, 2, 3]);
  },
);

timed(
  "Fanout, Aggregator and MapStream have no timer while they are open and need none [7.17] [F-36]",
  async (clock) => {
    const options = { timeout: LONG, linger: LONG };
    const { linger: _, ...fanning } = options;
    const fanout = new Fanout(() => turn(), fanning);
    const aggregator = new Aggregator(() => turn(), { ...options, maxItems: 2 });
    const map = new MapStream(() => turn(), fanning);
    const [writer, reader] = [map.writable.getWriter(), map.readable.getReader()];
    assertEquals(clock.pending, 0);
    for (let round = 1; round <= 3; round++) {
      for (const sink of [fanout, aggregator]) for (const n of [1, 2, 3]) sink.tryPush(n);
      writer.write(round);
      await microtasks();
      assertEquals(clock.pending, 4);
      await Promise.all([fanout.flush(), aggregator.flush(), reader.read()]);
      await turn();
      assertEquals([round, clock.pending], [round, 0]);
    }
  },
);
