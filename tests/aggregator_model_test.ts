/** `Aggregator` held against a model, over random schedules. A failure prints its seed and path. */

import fc from "fast-check";
import { check, type Plan, type Setup, type Step } from "./support/aggregator_model.ts";
import { test } from "./support/test.ts";

/** To run one failure again: its seed and path. */
const REPLAY: { seed?: number; path?: string } = {};

const setups: fc.Arbitrary<Setup> = fc.record({
  maxItems: fc.integer({ min: 1, max: 4 }),
  weighed: fc.boolean(),
  linger: fc.constantFrom(0, 4, Infinity),
  concurrency: fc.integer({ min: 1, max: 3 }),
  spare: fc.integer({ min: 0, max: 4 }),
  keyed: fc.boolean(),
  locked: fc.boolean(),
  onError: fc.constantFrom("absent", "sync", "async", "throws"),
});

const plans: fc.Arbitrary<Plan> = fc.record({
  key: fc.integer({ min: 0, max: 3 }),
  weight: fc.integer({ min: 0, max: 7 }),
  ends: fc.constantFrom("by hand", "by hand", "by hand", "by hand", "at once", "throws"),
  act: fc.oneof(
    { weight: 12, arbitrary: fc.constant("nothing" as const) },
    { weight: 4, arbitrary: fc.constantFrom("tryPush", "push", "submit", "flush") },
    { weight: 1, arbitrary: fc.constantFrom("close", "abort") },
  ),
});

const step = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight, arbitrary });
const offers = fc.constantFrom("tryPush", "push", "submit", "write");
const which = fc.array(
  fc.record({
    nth: fc.nat(3),
    end: fc.constantFrom("done", "done", "done", "done", "fails", "one", "count"),
  }),
  { minLength: 1, maxLength: 3 },
);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    step(28, fc.record({ do: offers, plan: plans })),
    step(10, fc.record({ do: fc.constant("settle"), which })),
    step(3, fc.record({ do: fc.constant("advance"), ms: fc.integer({ min: 1, max: 5 }) })),
    step(3, fc.record({ do: fc.constantFrom("flush", "idle") })),
    step(1, fc.record({ do: fc.constantFrom("close", "abort", "signal") })),
  ),
  { minLength: 5, maxLength: 40, size: "max" },
);

test("Aggregator keeps every promise over random schedules [3] [4.1] [4.2] [4.3] [4.4] [5.1] [5.2] [5.3] [5.5] [5.6] [5.8] [5.10] [5.11]", () =>
  fc.assert(fc.asyncProperty(setups, steps, check), { numRuns: 400, ...REPLAY }));
