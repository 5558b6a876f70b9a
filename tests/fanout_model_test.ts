/** `Fanout` held against a model, over random schedules. A failure prints its seed and path. */

import fc from "fast-check";
import { check, type Plan, type Setup, type Step } from "./support/fanout_model.ts";
import { test } from "./support/test.ts";

/** To run one failure again: its seed and path. */
const REPLAY: { seed?: number; path?: string } = {};

const setups: fc.Arbitrary<Setup> = fc.record({
  concurrency: fc.integer({ min: 1, max: 4 }),
  capacity: fc.integer({ min: 1, max: 5 }),
  keyed: fc.boolean(),
  timed: fc.boolean(),
  locked: fc.boolean(),
  onError: fc.constantFrom("absent", "sync", "async", "throws", "rejects"),
});

const plans: fc.Arbitrary<Plan> = fc.record({
  key: fc.integer({ min: 0, max: 3 }),
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
    fails: fc.oneof(fc.constant(false), fc.constant(false), fc.boolean()),
  }),
  { minLength: 1, maxLength: 3 },
);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    step(20, fc.record({ do: offers, plan: plans })),
    step(12, fc.record({ do: fc.constant("settle"), which })),
    step(3, fc.record({ do: fc.constant("advance"), ms: fc.integer({ min: 1, max: 12 }) })),
    step(3, fc.record({ do: fc.constantFrom("flush", "idle") })),
    step(1, fc.record({ do: fc.constantFrom("close", "abort", "signal") })),
  ),
  { minLength: 5, maxLength: 40, size: "max" },
);

test("Fanout keeps every promise over random schedules [3] [5.0] [5.1] [5.2] [5.3] [5.5] [5.6] [5.7] [5.8] [5.11]", () =>
  fc.assert(fc.asyncProperty(setups, steps, check), { numRuns: 500, ...REPLAY }));
