/** `acked` keeps its promises in every schedule. A failure prints its seed, and the shortest schedule. */

import fc from "fast-check";
import { test } from "../../../tests/support/test.ts";
import { type End, play, type Setup, type Step } from "./acked_play.ts";

/** The number of schedules. */
const SCHEDULES = 400;

const end: fc.Arbitrary<End> = fc.record({
  how: fc.constantFrom("done" as const, "throw" as const, "parts" as const, "echo" as const),
  wrong: fc.nat(7),
  own: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(7) }),
}, { noNullPrototype: true });

const setup: fc.Arbitrary<Setup> = fc.record({
  kind: fc.constantFrom("single", "batches", "behind", "aggregator"),
  managed: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, {
    weight: 1,
    arbitrary: fc.constant(false),
  }),
  attempts: fc.nat(2),
  timeout: fc.constantFrom(undefined, 20),
  maxWait: fc.constantFrom(undefined, 15),
  overrun: fc.constantFrom("release", "hold"),
  onError: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, {
    weight: 1,
    arbitrary: fc.constant(false),
  }),
  concurrency: fc.integer({ min: 1, max: 3 }),
  maxDeliveries: fc.constantFrom(undefined, undefined, 1, 2, 3),
  made: fc.boolean(),
  first: fc.array(end, { maxLength: 3 }),
}, { noNullPrototype: true });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("push" as const),
      counts: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
    }, { noNullPrototype: true }),
  },
  {
    weight: 7,
    arbitrary: fc.record({ do: fc.constant("end" as const), which: fc.nat(5), end }, {
      noNullPrototype: true,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("poison" as const),
      which: fc.nat(3),
      fails: fc.boolean(),
    }, { noNullPrototype: true }),
  },
  {
    weight: 5,
    arbitrary: fc.constantFrom(1, 5, 16, 20, 40).map((ms) => ({ do: "advance" as const, ms })),
  },
  { weight: 1, arbitrary: fc.constantFrom({ do: "abort" as const }, { do: "close" as const }) },
);

test("acked() settles each delivery once, and acks only done deliveries, in every schedule", async () => {
  const seed = Math.trunc(Math.random() * 2 ** 31);
  const steps = fc.array(step, { minLength: 1, maxLength: 25, size: "max" });
  await fc.assert(fc.asyncProperty(setup, steps, play), { seed, numRuns: SCHEDULES });
});
