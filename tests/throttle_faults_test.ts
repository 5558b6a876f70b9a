/** `throttle` with problems of time or of its function. The ids are in `throttle_test.ts`. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { throttle, type ThrottleEdge } from "../mod.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";
import { unhandled } from "./support/unhandled.ts";

const edges: readonly ThrottleEdge[] = ["leading", "trailing", "both"];

function open(edge: ThrottleEdge | undefined, interval = 100) {
  const seen: number[] = [];
  const run = throttle((n: number) => void seen.push(n), { interval, edge });
  return { seen, run };
}

timed(
  "throttle() with an interval of Infinity has no timer, and runs once or when flushed [4.T6] [F-03]",
  async (clock) => {
    for (const edge of edges) {
      const { seen, run } = open(edge, Infinity);
      for (const n of [1, 2, 3]) run(n);
      assertEquals(clock.pending, 0);
      await clock.tick(1e9);
      assertEquals([edge, seen], [edge, edge === "trailing" ? [] : [1]]);
      run.flush();
      assertEquals(seen, { leading: [1], trailing: [3], both: [1, 3] }[edge]);
      assertEquals(run(4), false);
      run.cancel();
    }
  },
);

timed(
  "throttle() keeps the longest and the shortest interval [4.T1] [4.T2] [F-02] [F-03]",
  async (clock) => {
    for (const interval of [2147483647, 0.25]) {
      const whole = Math.ceil(interval);
      for (const edge of edges) {
        const { seen, run } = open(edge, interval);
        run(1);
        await clock.tick(whole - 1);
        if (interval > 1) assertEquals([run(2), seen.includes(2)], [false, false]);
        await clock.tick(1);
        assertEquals(seen.length, interval > 1 && edge === "both" ? 2 : 1);
      }
    }
  },
);

timed("throttle() ignores a wall clock that jumps [F-35]", async (clock) => {
  for (const edge of edges) {
    for (const jump of [86_400_000, -86_400_000]) {
      const { seen, run } = open(edge);
      run(1);
      clock.jumpWall(jump);
      assertEquals(run(2), false);
      await clock.tick(99);
      assertEquals(seen, edge === "trailing" ? [] : [1]);
      await clock.tick(1);
      assertEquals(seen, { leading: [1], trailing: [2], both: [1, 2] }[edge]);
    }
  }
});

timed(
  "throttle() runs once, late, when the event loop was blocked [4.T20] [F-35]",
  async (clock) => {
    for (const edge of ["trailing", "both"] as const) {
      const { seen, run } = open(edge);
      run(1);
      run(2);
      clock.block(60_000);
      // The timer is due but has not fired: the call runs the waiting one, and waits itself.
      assertEquals(run(3), false);
      assertEquals([seen, clock.pending], [edge === "both" ? [1, 2] : [2], 1]);
      await clock.tick(99);
      assertEquals(seen.at(-1), 2);
      await clock.tick(1);
      assertEquals(seen, edge === "both" ? [1, 2, 3] : [2, 3]);
    }
  },
);

timed(
  "throttle() runs for the latest call when its interval is over, even if its caller blocks the timers [4.T20] [4.T4]",
  async (clock) => {
    for (const edge of ["trailing", "both"] as const) {
      const runs: [number, number][] = [];
      const start = clock.now;
      const run = throttle((n: number) => void runs.push([n, clock.now - start]), {
        interval: 100,
        edge,
      });
      for (let n = 0; n < 12; n++) {
        assertEquals(run(n), edge === "both" && n === 0);
        clock.block(30);
      }
      // The latest call of each interval, and never two in one interval.
      const expected = { trailing: [[3, 120], [7, 240]], both: [[0, 0], [3, 120], [7, 240]] };
      assertEquals(runs as unknown[], expected[edge]);
      const { accepted, waiting, done, dropped, discarded } = run.stats;
      assertEquals([accepted, waiting, discarded], [12, 1, 0]);
      assertEquals(accepted, waiting + done + dropped);
      await clock.tick(0);
      assertEquals(runs.at(-1), [11, 360]);
    }
  },
);

timed(
  "throttle() throws to the call that runs the waiting one, and keeps its own arguments [4.T20] [4.T7] [4.T4]",
  async (clock) => {
    const seen: number[] = [];
    const run = throttle((n: number) => {
      seen.push(n);
      if (n === 1) throw new Error("own");
    }, { interval: 100, edge: "trailing" });
    run(1);
    clock.block(100);
    assertThrows(() => run(2), Error, "own");
    assertEquals([run.stats.waiting, run.stats.done, run.stats.accepted], [1, 1, 2]);
    await clock.tick(100);
    assertEquals(seen, [1, 2]);
  },
);

timed(
  "throttle() throws an error of its function to the caller, and opens the interval [4.T7] [4.T4]",
  async (clock) => {
    for (const edge of ["leading", "both"] as const) {
      for (const thrown of [new Error("own"), undefined, 0]) {
        let ran = 0;
        const run = throttle(() => {
          ran++;
          throw thrown;
        }, { interval: 10, edge });
        let caught: unknown = "nothing";
        try {
          run();
        } catch (error) {
          caught = error;
        }
        assertStrictEquals(caught, thrown);
        assertEquals([run(), ran], [false, 1]);
        assertEquals(run.stats.done, 1);
        run.cancel();
        await clock.tick(10);
      }
    }
  },
);

timed(
  "throttle() throws to the caller of flush, and is not stuck then [4.T5] [4.T7]",
  async (clock) => {
    let ran = 0;
    const run = throttle(() => {
      ran++;
      throw new Error("own");
    }, { interval: 10, edge: "trailing" });
    run();
    assertThrows(() => run.flush(), Error, "own");
    assertEquals([run.stats.waiting, clock.pending, ran], [0, 0, 1]);
    run();
    assertThrows(() => run[Symbol.dispose](), Error, "own");
    run();
    // The fake clock rejects with the error of a timer.
    let caught: unknown;
    await clock.tick(10).catch((error) => caught = error);
    assertEquals([(caught as Error).message, ran], ["own", 3]);
  },
);

test("throttle() surfaces an uncaught error when a timer called the function [4.T7]", async () => {
  const thrown = new Error("own");
  const errors = await unhandled(async () => {
    const run = throttle(() => {
      throw thrown;
    }, { interval: 1, edge: "trailing" });
    run();
    while (run.stats.waiting > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  });
  assertEquals(errors, [thrown]);
});

timed(
  "throttle() allows its own function to call, flush and cancel it [4.T4] [F-18]",
  async (clock) => {
    for (const edge of edges) {
      const seen: number[] = [];
      const run = throttle((n: number): void => {
        seen.push(n);
        run.flush();
        run.cancel();
        if (n < 3) assertEquals(run(n + 1), false);
        const { accepted, waiting, done, dropped, discarded } = run.stats;
        assertEquals(accepted, waiting + done + dropped + discarded);
      }, { interval: 10, edge });
      run(1);
      await clock.tick(9);
      assert(seen.length <= 1);
      await clock.tick(91);
      assertEquals(seen, edge === "leading" ? [1] : [1, 2, 3]);
      assertEquals(run.stats.waiting, 0);
    }
  },
);

timed(
  "throttle() never runs twice within a fractional interval, or with early timers [4.T2] [4.T3] [4.T21]",
  async (clock) => {
    const { setTimeout } = globalThis;
    // Like platforms: the delay is rounded down, so a timer comes up to a millisecond early.
    Object.assign(globalThis, {
      setTimeout: (callback: () => void, delay: number) =>
        setTimeout(callback, delay > 1 ? delay - 1 : delay),
    });
    try {
      for (const edge of ["trailing", "both"] as const) {
        const runs: number[] = [];
        const run = throttle(() => runs.push(clock.now), { interval: 2.5, edge });
        const start = clock.now;
        for (let call = 0; call < 3; call++) run();
        await clock.tick(10);
        assertEquals(runs, edge === "both" ? [start, start + 3] : [start + 3]);
      }
    } finally {
      Object.assign(globalThis, { setTimeout });
    }
  },
);
