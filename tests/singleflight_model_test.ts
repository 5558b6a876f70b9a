/**
 * `Singleflight` against a model of its contract, on random schedules.
 *
 * A failure prints its seed and path; put them into `REPLAY` to see it again.
 */

import { assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { Singleflight } from "../mod.ts";
import { withClock } from "./support/clock.ts";
import { countListeners } from "./support/listeners.ts";
import { microtasks, turn } from "./support/gate.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";
import { type Config, Model, type Outcome, type Plan, type Value } from "./support/flights.ts";

const REPLAY: { seed?: number; path?: string } = {};
const RUNS = 700;

const index = fc.nat({ max: 30 });
const key = fc.constantFrom("a", "b", "c");
const body = fc.constantFrom(
  "async",
  "async",
  "async",
  "value",
  "throw",
  "re-enter",
  "forget inside",
  "rejoin",
);
const call = fc.record({
  op: fc.constant("call"),
  key,
  body,
  detailed: fc.boolean(),
  signal: fc.option(fc.nat({ max: 2 }), { freq: 3 }),
});
const step = fc.oneof(
  { weight: 8, arbitrary: call },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("abort"), signal: fc.nat({ max: 2 }) }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("settle"), index, well: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant("race"),
      index,
      well: fc.boolean(),
      signal: fc.nat({ max: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("forget"), key }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("clear") }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant("tick"), ms: fc.integer({ min: 1, max: 12 }) }),
  },
);
const config = fc.record({
  cache: fc.boolean(),
  clone: fc.boolean(),
  forgetAfter: fc.constantFrom(Infinity, Infinity, 10),
});

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

test("Singleflight does as its model on random schedules [6.1] [6.2] [6.3] [6.4] [6.5] [6.6] [6.7] [6.8] [F-39]", () =>
  withClock(async (clock) => {
    const property = fc.asyncProperty(
      config,
      fc.array(step, { maxLength: 40, size: "max" }),
      async (config, steps) => {
        await play(config, steps);
        assertEquals(clock.pending, 0);
      },
    );
    const lost = await unhandled(() => fc.assert(property, { numRuns: RUNS, ...REPLAY }));
    assertEquals(lost, []);

    async function play(config: Config, steps: Step[]): Promise<void> {
      const world = new World(config);
      for (const step of steps) {
        switch (step.op) {
          case "call":
            world.call(step);
            break;
          case "abort":
            world.abort(step.signal);
            break;
          case "settle":
            world.settle(step.index, step.well);
            break;
          case "race":
            world.settle(step.index, step.well, step.signal);
            break;
          case "forget":
            world.forget(step.key);
            break;
          case "clear":
            world.clear();
            break;
          case "tick":
            // Only where there are timers: a turn costs a millisecond.
            if (config.forgetAfter === Infinity) break;
            world.model.advance(step.ms);
            await clock.tick(step.ms);
        }
        await microtasks(12);
        world.check();
      }
      world.end();
      await turn();
      world.check();
      world.checkEnd();
    }
  }));

interface Flying {
  readonly plan: Plan;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

/** The real thing beside its model. */
class World {
  readonly model: Model;
  readonly #cache: Map<string, Value> | undefined;
  readonly #flights: Singleflight<string, Value>;
  readonly #controllers = [0, 1, 2].map(() => controlled());
  readonly #seen: Array<{ readonly plan: Plan; given?: Outcome }> = [];
  readonly #signals = new Map<Plan, AbortSignal>();
  readonly #listeners = this.#controllers.map(({ listeners }) => listeners);
  #flying: Flying[] = [];
  #runs = 0;

  constructor(config: Config) {
    this.model = new Model(config);
    this.#cache = config.cache ? new Map() : undefined;
    this.#flights = new Singleflight<string, Value>({
      cache: this.#cache,
      clone: config.clone ? (value) => ({ id: value.id, copy: true }) : undefined,
      forgetAfter: config.forgetAfter,
    });
  }

  call(spec: { key: string; body: string; detailed: boolean; signal: number | null }): void {
    this.#perform(this.model.call(spec.key, spec.body, spec.detailed, spec.signal));
  }

  #perform(plan: Plan): void {
    const { key, detailed, signal } = plan;
    const options = signal === null ? undefined : { signal: this.#controllers[signal]!.signal };
    const fn = ({ signal }: { readonly signal: AbortSignal }) => this.#execute(plan, signal);
    const promise: Promise<unknown> = detailed
      ? this.#flights.run(key, fn, options)
      : this.#flights.do(key, fn, options);
    const record: { readonly plan: Plan; given?: Outcome } = { plan };
    this.#seen.push(record);
    promise.then(
      (value) => record.given = { state: "value", value },
      (error) => record.given = { state: "error", error },
    );
  }

  #execute(plan: Plan, signal: AbortSignal): Value | Promise<Value> {
    this.#runs++;
    this.#signals.set(plan, signal);
    if (plan.body === "value") return plan.value;
    if (plan.body === "throw") throw plan.error;
    if (plan.inside) this.#perform(plan.inside);
    if (plan.body === "forget inside") this.#flights.forget(plan.key);
    signal.addEventListener("abort", () => plan.rejoin && this.#perform(plan.rejoin));
    return new Promise((resolve, reject) => this.#flying.push({ plan, resolve, reject }));
  }

  abort(index: number): void {
    const reason = { abort: index };
    this.model.abort(index, reason);
    const { controller } = this.#controllers[index]!;
    this.#controllers[index] = controlled();
    controller.abort(reason);
    this.#listeners.push(this.#controllers[index]!.listeners);
  }

  /** `signal`: an abort after it, before anybody can hear of it. */
  settle(index: number, well: boolean, signal?: number): void {
    const flying = this.#flying.splice(index % (this.#flying.length || 1), 1)[0];
    if (flying) {
      if (well) flying.resolve(flying.plan.value);
      else flying.reject(flying.plan.error);
    }
    if (signal !== undefined) this.abort(signal);
    if (flying) this.model.settle(flying.plan, well);
  }

  forget(key: string): void {
    assertEquals(this.#flights.forget(key), this.model.forget(key));
  }

  clear(): void {
    this.#flights.clear();
    this.model.clear();
  }

  end(): void {
    for (let left = this.#flying.length; left > 0; left--) this.settle(left, left % 2 === 0);
  }

  check(): void {
    const { model } = this;
    assertEquals(this.#runs, model.runs, "executions");
    assertEquals(this.#flights.size, model.current.size, "size");
    for (const key of ["a", "b", "c"]) {
      assertEquals(this.#flights.has(key), model.current.has(key), `has ${key}`);
    }
    assertEquals([...this.#cache?.keys() ?? []].sort(), [...model.cache.keys()].sort(), "cache");
    for (const [key, value] of model.cache) assertStrictEquals(this.#cache!.get(key), value);
    for (const { plan, given } of this.#seen) this.#compare(plan.outcome, given);
    for (const [plan, signal] of this.#signals) {
      assertEquals(signal.aborted, plan.abandoned !== undefined, "the function's signal");
      if (plan.abandoned) assertStrictEquals(signal.reason, plan.abandoned.reason);
    }
  }

  checkEnd(): void {
    const copies = this.#seen.flatMap(({ plan: { outcome }, given }) => {
      if (given?.state !== "value" || outcome.state !== "value" || !outcome.copied) return [];
      return [outcome.shared === undefined ? given.value : (given.value as { value: Value }).value];
    });
    assertEquals(new Set(copies).size, copies.length, "own copies");
    assertEquals(this.#seen.filter(({ given }) => given === undefined).length, 0);
    for (const listeners of this.#listeners) assertEquals(listeners.live, 0);
  }

  #compare(expected: Outcome, given: Outcome | undefined): void {
    assertEquals(given?.state ?? "pending", expected.state);
    if (given === undefined || expected.state === "pending") return;
    if (expected.state === "error" && given.state === "error") {
      if (expected.error === "re-entry") assertEquals((given.error as Error).name, "Error");
      else assertStrictEquals(given.error, expected.error);
    } else if (expected.state === "value" && given.state === "value") {
      const { value, shared } = expected;
      const detailed = given.value as { value: Value; shared: boolean };
      const actual = shared === undefined ? given.value : detailed.value;
      if (shared !== undefined) assertEquals(detailed.shared, shared, "shared");
      if (expected.copied) assertEquals(actual, { id: (value as Value).id, copy: true });
      else assertStrictEquals(actual, value);
    }
  }
}

function controlled(): {
  readonly controller: AbortController;
  readonly signal: AbortSignal;
  readonly listeners: ReturnType<typeof countListeners>;
} {
  const controller = new AbortController();
  return { controller, signal: controller.signal, listeners: countListeners(controller.signal) };
}
