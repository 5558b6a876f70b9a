/**
 * `Singleflight`: it behaves like its model for any joins, leaves, forgets and failures at any
 * time.
 */

import fc from "fast-check";
import { type FlightStats, Singleflight } from "../mod.ts";
import type { Clock } from "./support/clock.ts";
import { gate } from "./support/gate.ts";
import { countListeners, type Listeners } from "./support/listeners.ts";
import { type Config, Model, type Outcome, type Plan, type Value } from "./races/flights.ts";
import { type Exploration, exploration, explored } from "./races/explore.ts";
import { type Advance, advance, often, type Race, race, Run, suite } from "./races/race.ts";
import { pass } from "./races/sink_events.ts";

const KEYS = ["a", "b", "c"] as const;

interface Call {
  readonly do: "call";
  readonly key: string;
  readonly body: string;
  readonly detailed: boolean;
  readonly signal: number | null;
}

type Step =
  | Call
  | { readonly do: "settle"; readonly index: number; readonly well: boolean }
  /** An abort after the settlement, before any reaction to it. */
  | {
    readonly do: "race";
    readonly index: number;
    readonly well: boolean;
    readonly signal: number;
  }
  | { readonly do: "leave"; readonly signal: number }
  | { readonly do: "forget"; readonly key: string }
  | { readonly do: "clear" };

interface Flying {
  readonly plan: Plan;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

/** The object and its model. */
class FlightRun extends Run<Step> {
  readonly #model: Model;
  readonly #cache: Map<string, Value> | undefined;
  readonly #flights: Singleflight<string, Value>;
  readonly #forgets: boolean;
  readonly #callers = [0, 1, 2].map(controlled);
  readonly #seen: { readonly plan: Plan; given?: Outcome }[] = [];
  readonly #signals = new Map<Plan, AbortSignal>();
  readonly #listeners = this.#callers.map(({ listeners }) => listeners);
  readonly #flying: Flying[] = [];
  #runs = 0;
  #reasons = 0;
  #modelled = 0;

  constructor(config: Config, clock: Clock) {
    super(clock);
    this.#model = new Model(config);
    this.#forgets = config.forgetAfter < Infinity;
    this.#cache = config.cache ? new Map() : undefined;
    this.#flights = new Singleflight<string, Value>({
      cache: this.#cache,
      clone: config.clone ? ({ id }) => ({ id, copy: true }) : undefined,
      forgetAfter: config.forgetAfter,
    });
  }

  /** Forgets by time; nothing else happens meanwhile. */
  override look(): void {
    this.#model.advance(this.clock.now - this.#modelled);
    this.#modelled = this.clock.now;
  }

  override can(step: Step | Advance): boolean {
    if (step.do === "settle") return step.index < this.#flying.length;
    if (step.do !== "leave") return true;
    return this.#seen.some(({ plan: { signal, outcome } }) =>
      signal === step.signal && outcome.state === "pending"
    );
  }

  do(step: Step): void {
    this.look();
    const model = this.#model;
    if (step.do === "call") {
      this.#perform(model.call(step.key, step.body, step.detailed, step.signal));
    } else if (step.do === "settle") this.#settle(step.index, step.well);
    else if (step.do === "race") this.#settle(step.index, step.well, step.signal);
    else if (step.do === "leave") this.#leave(step.signal);
    else if (step.do === "forget") {
      const forgotten = this.#flights.forget(step.key);
      this.must(forgotten === model.forget(step.key), "forget()");
    } else {
      this.#flights.clear();
      model.clear();
    }
  }

  #perform(plan: Plan): void {
    const { key, detailed, signal } = plan;
    const options = signal === null ? undefined : { signal: this.#callers[signal]!.signal };
    const fn = (context: { readonly signal: AbortSignal }) => this.#execute(plan, context);
    const promise: Promise<unknown> = detailed
      ? this.#flights.doShared(key, fn, options)
      : this.#flights.do(key, fn, options);
    const record: { readonly plan: Plan; given?: Outcome } = { plan };
    this.#seen.push(record);
    promise.then(
      (value) => record.given = { state: "value", value },
      (error) => record.given = { state: "error", error },
    );
  }

  #execute(plan: Plan, context: { readonly signal: AbortSignal }): Value | Promise<Value> {
    this.#runs++;
    if (plan.body === "value") return plan.value;
    if (plan.body === "throw") throw plan.error;
    if (plan.inside) this.#perform(plan.inside);
    if (plan.body === "forget inside") this.#flights.forget(plan.key);
    // Every second function ignores an abort.
    if (plan.body === "rejoin" || plan.value.id % 2 === 0) {
      this.#signals.set(plan, context.signal);
      context.signal.addEventListener("abort", () => plan.rejoin && this.#perform(plan.rejoin));
    }
    const { promise, resolve, reject } = gate<Value>();
    this.#flying.push({ plan, resolve, reject });
    // Called just before the object's own reaction.
    promise.then(() => this.#model.settle(plan, true), () => this.#model.settle(plan, false));
    return promise;
  }

  #leave(index: number): void {
    const reason = { left: ++this.#reasons };
    this.#model.abort(index, reason);
    const { controller } = this.#callers[index]!;
    this.#callers[index] = controlled();
    this.#listeners.push(this.#callers[index]!.listeners);
    controller.abort(reason);
  }

  #settle(index: number, well: boolean, signal?: number): void {
    const flying = this.#flying.splice(index % (this.#flying.length || 1), 1)[0];
    if (flying) {
      if (well) flying.resolve(flying.plan.value);
      else flying.reject(flying.plan.error);
    }
    if (signal !== undefined) this.#leave(signal);
  }

  protected check(): void {
    this.look();
    const model = this.#model;
    const { stats } = this.#flights;
    for (const [name, count] of Object.entries(model.stats)) {
      this.must(stats[name as keyof FlightStats] === count, `stats.${name}`);
    }
    this.must(this.#runs === stats.executions, "executions");
    this.must(this.#flights.size === model.current.size, "size");
    for (const key of KEYS) {
      this.must(this.#flights.has(key) === model.current.has(key), "has()");
      this.must(this.#cache?.get(key) === model.cache.get(key), "the cache");
    }
    const timers = this.#forgets && this.#flights.size > 0 ? 1 : 0;
    this.must(this.clock.pending <= timers, "a timer too many");
    for (const { plan, given } of this.#seen) this.#compare(plan.outcome, given);
    for (const [plan, signal] of this.#signals) {
      this.must(signal.aborted === (plan.abandoned !== undefined), "the function's signal");
      if (plan.abandoned) this.must(signal.reason === plan.abandoned.reason, "its reason");
    }
  }

  #compare(expected: Outcome, given: Outcome | undefined): void {
    const state = given?.state ?? "pending";
    this.must(state === expected.state, "a caller settled too early, too late, or differently");
    if (expected.state === "error" && given?.state === "error") {
      const { error } = given;
      const right = expected.error === "re-entry" ? error instanceof Error : false;
      this.must(right || error === expected.error, "another error");
    } else if (expected.state === "value" && given?.state === "value") {
      const { value, shared, copied } = expected;
      const detailed = given.value as { value: Value; shared: boolean };
      const actual = shared === undefined ? given.value : detailed.value;
      if (shared !== undefined) this.must(detailed.shared === shared, "shared");
      if (copied) {
        const { id, copy } = actual as Value;
        this.must(copy && id === (value as Value).id, "not a copy");
      } else this.must(actual === value, "another value");
    }
  }

  async finish(): Promise<void> {
    for (let left = this.#flying.length; left > 0; left--) this.#settle(left, left % 2 === 0);
    await this.quiet();
    const copies = this.#seen.flatMap(({ plan: { outcome }, given }) => {
      if (given?.state !== "value" || outcome.state !== "value" || !outcome.copied) return [];
      return [outcome.shared === undefined ? given.value : (given.value as { value: Value }).value];
    });
    this.must(new Set(copies).size === copies.length, "a copy for two");
    this.must(this.#seen.every(({ given }) => given), "a promise has not settled");
    this.must(this.#listeners.every(({ live }) => live === 0), "a listener is left");
    this.do({ do: "clear" });
    await this.quiet();
  }
}

interface Controlled {
  readonly controller: AbortController;
  readonly signal: AbortSignal;
  readonly listeners: Listeners;
}

function controlled(): Controlled {
  const controller = new AbortController();
  return { controller, signal: controller.signal, listeners: countListeners(controller.signal) };
}

const key = fc.constantFrom(...KEYS);
const index = fc.nat(9);
const signal = fc.nat(2);
const well = fc.boolean();
const body = fc.constantFrom(
  ...["async", "async", "async", "value", "throw", "re-enter", "forget inside", "rejoin"],
);

function step<N extends string, R>(
  name: N,
  rest: { [K in keyof R]: fc.Arbitrary<R[K]> },
): fc.Arbitrary<{ do: N } & R> {
  return fc.record({ do: fc.constant(name), ...rest }, { noNullPrototype: true }) as never;
}

const steps = fc.oneof(
  often(8, step("call", { key, body, detailed: fc.boolean(), signal: fc.option(signal) })),
  often(3, step("leave", { signal })),
  often(4, step("settle", { index, well })),
  often(1, step("race", { index, well, signal })),
  often(1, step("forget", { key })),
  often(1, step("clear", {})),
  often(2, advance(1, 4, 5, 9, 10)),
);

const RULES = "[6.1] [6.2] [6.3] [6.4] [6.5] [6.6] [6.7] [6.8] [6.10] [7.3] [7.5] [F-39]";

function singleflight(name: string, promise: string, cache: boolean): Race {
  return race<Config, Step>({
    name,
    promise: `${promise} does the same as its model in every schedule ${RULES}`,
    setups: fc.record({
      cache: fc.constant(cache),
      clone: fc.boolean(),
      forgetAfter: fc.constantFrom(Infinity, 10),
    }, { noNullPrototype: true }),
    steps: steps as fc.Arbitrary<Step>,
    most: 30,
    start: (config, clock) => new FlightRun(config, clock),
  });
}

/** The races and explorations of `Singleflight`. */
export const races: readonly Race[] = suite([
  singleflight("singleflight", "Singleflight", false),
  singleflight("singleflight-cache", "Singleflight with a cache", true),
]);

const CALL: Call = { do: "call", key: "a", body: "async", detailed: false, signal: null };

const PLAIN: Readonly<Record<string, Step>> = {
  "call b": { ...CALL, key: "b", detailed: true },
  "call a x": { ...CALL, signal: 0, detailed: true },
  "call a y": { ...CALL, signal: 1 },
  "leave y": { do: "leave", signal: 1 },
};

/** The action of the function in its synchronous part, or at an abort. */
const INSIDE: Readonly<Record<string, Step>> = {
  "call a x rejoining": { ...CALL, body: "rejoin", signal: 0 },
  "call a forgetting": { ...CALL, body: "forget inside" },
  "call a re-entering": { ...CALL, body: "re-enter" },
  "call a at once": { ...CALL, body: "value" },
  "call a throwing": { ...CALL, body: "throw" },
};

function every(
  name: string,
  config: Partial<Config>,
  events: Readonly<Record<string, Step | Advance>>,
): Exploration {
  return exploration<Config, Step | Advance>({
    name,
    races,
    setup: { cache: false, clone: false, forgetAfter: Infinity, ...config },
    events: {
      "call a": CALL,
      ...events,
      "leave x": { do: "leave", signal: 0 },
      "done 0": { do: "settle", index: 0, well: true },
      "done 1": { do: "settle", index: 1, well: true },
      "fails 0": { do: "settle", index: 0, well: false },
      "fails 1": { do: "settle", index: 1, well: false },
      "forget a": { do: "forget", key: "a" },
    },
  });
}

/** The races and explorations of `Singleflight`. */
export const explorations: readonly Exploration[] = explored([
  every("singleflight", {}, { ...PLAIN, clear: { do: "clear" } }),
  every("singleflight-inside", {}, INSIDE),
  every("singleflight-clone", { clone: true }, PLAIN),
  every("singleflight-forget-after", { forgetAfter: 10 }, { ...PLAIN, ...pass(5, 10) }),
  every("singleflight-cache", { cache: true, clone: true }, PLAIN),
]);
