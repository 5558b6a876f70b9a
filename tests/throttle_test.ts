/**
 * `throttle`, a function. Its promises, and those of `ThrottleStream`:
 *
 * - [4.T1] `"leading"`: the first item of an interval passes at once and opens it; the others are
 *   dropped.
 * - [4.T2] `"trailing"`: the latest item passes `interval` after the first; nothing postpones it.
 * - [4.T3] `"both"`: the first item passes at once. The latest passes when the interval is over,
 *   and opens the next one.
 * - [4.T4] `accepted = waiting + done + dropped + discarded`, at every moment.
 * - [4.T5] Dispose, close and `flush` pass the waiting item at once; cancel, abort, signal and
 *   `cancel` discard it.
 * - [4.T6] There is at most one timer, and none while no item waits for it.
 * - [4.T7] An error of the function goes to the caller, or is uncaught if a timer called the
 *   function.
 * - [4.T8] The stream at the leading edge keeps a passed item, and the next write that would pass
 *   waits.
 * - [4.T9] The stream at the trailing edge: while the consumer is busy, the latest item replaces
 *   the passed one.
 */

import { assertEquals } from "@std/assert";
import { throttle, type ThrottleEdge, type ThrottleStats } from "../mod.ts";
import { timed } from "./support/timed.ts";

const edges: readonly ThrottleEdge[] = ["leading", "trailing", "both"];

function open(edge: ThrottleEdge | undefined, interval = 100) {
  const seen: number[] = [];
  const run = throttle((n: number) => void seen.push(n), { interval, edge });
  return { seen, run };
}

const counts = (some: Partial<ThrottleStats>): ThrottleStats => ({
  ...{ accepted: 0, waiting: 0, done: 0, dropped: 0, discarded: 0 },
  ...some,
});

timed(
  "go-zero LessExecutor: DoOrDiscard runs, discards within the interval, and runs again after it [4.T1]",
  async (clock) => {
    let ran = 0;
    const doOrDiscard = throttle(() => ran++, { interval: 60_000 });
    assertEquals([doOrDiscard(), doOrDiscard(), ran], [true, false, 1]);
    await clock.tick(90_000);
    assertEquals([doOrDiscard(), doOrDiscard(), ran], [true, false, 2]);
  },
);

timed(
  "go-zero DelayExecutor: a hundred triggers within the delay run it once [4.T2]",
  async (clock) => {
    let ran = 0;
    const trigger = throttle(() => ran++, { interval: 10, edge: "trailing" });
    for (let i = 0; i < 100; i++) trigger();
    await clock.tick(9);
    assertEquals(ran, 0);
    await clock.tick(91);
    assertEquals(ran, 1);
  },
);

timed(
  "throttle() drops calls within the interval, up to its last moment [4.T1] [4.T4] [4.T6]",
  async (clock) => {
    const { seen, run } = open(undefined);
    assertEquals(run(1), true);
    await clock.tick(99);
    assertEquals(run(2), false);
    await clock.tick(1);
    // Counted from the call that passed, and not from the dropped ones.
    assertEquals(run(3), true);
    await clock.tick(99);
    assertEquals([run(4), clock.pending], [false, 0]);
    await clock.tick(1000);
    assertEquals(seen, [1, 3]);
    assertEquals(run.stats, counts({ accepted: 4, done: 2, dropped: 2 }));
  },
);

timed(
  "throttle() at the trailing edge runs for the latest call, an interval after the first [4.T2] [4.T4] [4.T6]",
  async (clock) => {
    const { seen, run } = open("trailing");
    assertEquals([run(1), clock.pending], [false, 1]);
    for (const n of [2, 3, 4]) {
      await clock.tick(33);
      assertEquals([run(n), clock.pending], [false, 1]);
    }
    assertEquals([seen, run.stats], [[], counts({ accepted: 4, waiting: 1, dropped: 3 })]);
    await clock.tick(1);
    assertEquals([seen, clock.pending], [[4], 0]);
    assertEquals(run.stats, counts({ accepted: 4, done: 1, dropped: 3 }));
    // The next interval begins with the next trigger.
    await clock.tick(50);
    run(5);
    await clock.tick(99);
    assertEquals(seen, [4]);
    await clock.tick(1);
    assertEquals(seen, [4, 5]);
  },
);

timed(
  "throttle() at both edges runs for the first and for the latest call [4.T3] [4.T4] [4.T6]",
  async (clock) => {
    const { seen, run } = open("both");
    assertEquals([run(1), clock.pending], [true, 0]);
    await clock.tick(40);
    assertEquals([run(2), run(3), clock.pending], [false, false, 1]);
    assertEquals(run.stats, counts({ accepted: 3, waiting: 1, done: 1, dropped: 1 }));
    await clock.tick(59);
    assertEquals(seen, [1]);
    await clock.tick(1);
    assertEquals([seen, clock.pending], [[1, 3], 0]);
    // That opened a new interval: never two calls within one.
    await clock.tick(99);
    assertEquals(run(4), false);
    await clock.tick(1);
    assertEquals(seen, [1, 3, 4]);
    await clock.tick(100);
    assertEquals([run(5), clock.pending], [true, 0]);
    assertEquals(run.stats, counts({ accepted: 5, done: 4, dropped: 1 }));
  },
);

timed("throttle() runs with all arguments of its call, of any kind [F-12]", async (clock) => {
  for (const edge of edges) {
    const seen: unknown[][] = [];
    using run = throttle((...args: unknown[]) => void seen.push(args), { interval: 10, edge });
    const calls = [[], [undefined], [null, 0, false]];
    for (const call of calls) {
      run(...call);
      await clock.tick(20);
    }
    assertEquals(seen, calls);
  }
});

for (const end of ["flush", "dispose", "using"] as const) {
  timed(
    `throttle() makes only the waiting call at once by ${end} [4.T5] [4.T6] [F-36]`,
    async (clock) => {
      const { seen, run } = open("trailing");
      const finish = () => end === "flush" ? run.flush() : run[Symbol.dispose]();
      if (end === "using") {
        using disposed = run;
        disposed(1);
        disposed(2);
      } else {
        finish();
        run(1);
        run(2);
        finish();
        finish();
      }
      assertEquals([seen, clock.pending], [[2], 0]);
      assertEquals(run.stats, counts({ accepted: 2, done: 1, dropped: 1 }));
      // It goes on unchanged.
      run(3);
      await clock.tick(99);
      assertEquals(seen, [2]);
      await clock.tick(1);
      assertEquals(seen, [2, 3]);
    },
  );
}

timed(
  "throttle() at both edges counts the next interval from a flush [4.T3] [4.T5]",
  async (clock) => {
    const { seen, run } = open("both");
    run(1);
    await clock.tick(50);
    run(2);
    run.flush();
    assertEquals([seen, clock.pending], [[1, 2], 0]);
    await clock.tick(60);
    assertEquals(run(3), false);
    await clock.tick(39);
    assertEquals(seen, [1, 2]);
    await clock.tick(1);
    assertEquals(seen, [1, 2, 3]);
  },
);

timed(
  "throttle() drops the waiting call by cancel, and counts it [4.T4] [4.T5] [4.T6] [F-36]",
  async (clock) => {
    for (const edge of edges) {
      const { seen, run } = open(edge);
      run.cancel();
      run(1);
      run(2);
      run.cancel();
      run.cancel();
      assertEquals(clock.pending, 0);
      await clock.tick(1000);
      const expected = {
        leading: counts({ accepted: 2, done: 1, dropped: 1 }),
        trailing: counts({ accepted: 2, dropped: 1, discarded: 1 }),
        both: counts({ accepted: 2, done: 1, discarded: 1 }),
      };
      assertEquals([seen, run.stats], [edge === "trailing" ? [] : [1], expected[edge]]);
      run(3);
      await clock.tick(100);
      assertEquals(seen.at(-1), 3);
    }
  },
);

timed(
  "throttle() sets no delay below 0 when the interval closes meanwhile [4.T3] [4.T6]",
  async (clock) => {
    const { setTimeout } = globalThis;
    const { now } = performance;
    const delays: unknown[] = [];
    const { seen, run } = open("both");
    run(1);
    clock.block(99);
    // Each read of the clock takes five milliseconds, like a pause of the collector.
    performance.now = () => {
      const time = now.call(performance);
      clock.block(5);
      return time;
    };
    Object.assign(globalThis, {
      setTimeout: (callback: () => void, delay: number) => {
        delays.push(delay);
        return setTimeout(callback, delay);
      },
    });
    try {
      run(2);
    } finally {
      performance.now = now;
      Object.assign(globalThis, { setTimeout });
    }
    assertEquals(delays, [0]);
    await clock.tick(0);
    assertEquals(seen, [1, 2]);
  },
);
