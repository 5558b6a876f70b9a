/**
 * Random triggers and clocks against a throttle that is told by its rules only. A failure prints its
 * seed and path: give them to `fc.assert` as `{ seed, path }` to see it again.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { throttle, type ThrottleEdge } from "../mod.ts";
import { withClock } from "./support/clock.ts";
import { test } from "./support/test.ts";

/** What should happen, by the clock. Items are 0, 1, 2, … */
class Model {
  readonly passed: { item: number; at: number }[] = [];
  accepted = 0;
  dropped = 0;
  discarded = 0;
  waiting: { item: number; due: number } | undefined;
  #until = -Infinity;
  readonly #edge: ThrottleEdge;
  readonly #interval: number;

  constructor(edge: ThrottleEdge, interval: number) {
    this.#edge = edge;
    this.#interval = interval;
  }

  trigger(now: number): boolean {
    const item = this.accepted++;
    if (this.#edge !== "trailing" && !this.waiting && now >= this.#until) {
      this.#pass(item, now);
      return true;
    }
    if (this.waiting || this.#edge === "leading") this.dropped++;
    if (this.#edge === "leading") return false;
    const due = this.#edge === "both" ? this.#until : now + this.#interval;
    this.waiting = { item, due: this.waiting?.due ?? due };
    return false;
  }

  flush(now: number): void {
    const { waiting } = this;
    this.waiting = undefined;
    if (waiting) this.#pass(waiting.item, now);
  }

  cancel(): void {
    if (this.waiting) this.discarded++;
    this.waiting = undefined;
  }

  /** Time has passed; a blocked loop fires late. */
  fire(now: number, late: boolean): void {
    if (this.waiting && this.waiting.due <= now) this.flush(late ? now : this.waiting.due);
  }

  #pass(item: number, at: number): void {
    this.passed.push({ item, at });
    this.#until = at + this.#interval;
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("trigger" as const), ms: fc.constant(0) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("tick" as const),
      ms: fc.constantFrom(1, 3, 5, 9, 10, 11, 25),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom("flush" as const, "cancel" as const, "block" as const),
      ms: fc.constantFrom(4, 30),
    }),
  },
);

test("throttle() keeps its promises in every schedule [4.T1] [4.T2] [4.T3] [4.T4] [4.T6]", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<ThrottleEdge[]>("leading", "trailing", "both"),
      fc.constantFrom(1, 10, Infinity),
      fc.array(step, { size: "max", maxLength: 12 }),
      (edge, interval, steps) =>
        withClock(async (clock) => {
          const model = new Model(edge, interval);
          const passed: { item: number; at: number }[] = [];
          const run = throttle(
            (item: number) => void passed.push({ item, at: clock.now }),
            { interval, edge },
          );
          for (const { do: act, ms } of steps) {
            if (act === "trigger") {
              assertEquals(run(model.accepted), model.trigger(clock.now));
            } else if (act === "tick") {
              await clock.tick(ms);
              model.fire(clock.now, false);
            } else if (act === "block") {
              clock.block(ms);
              await clock.tick(0);
              model.fire(clock.now, true);
            } else {
              run[act]();
              model[act](clock.now);
            }
            assertEquals(passed, model.passed);
            const { accepted, dropped, discarded } = model;
            const waiting = model.waiting ? 1 : 0;
            const done = model.passed.length;
            assertEquals(accepted, waiting + done + dropped + discarded);
            assertEquals(run.stats, { accepted, waiting, done, dropped, discarded });
            assertEquals(clock.pending, interval === Infinity ? 0 : waiting);
          }
          for (const [index, { item }] of passed.entries()) {
            assert(index === 0 || item > passed[index - 1]!.item, "out of order");
          }
          run[Symbol.dispose]();
          assertEquals([clock.pending, run.stats.waiting], [0, 0]);
        }),
    ),
    { numRuns: 300 },
  );
});
