/** A model of the contract of `Singleflight`: plain data, no promises. */

import type { FlightStats } from "../../mod.ts";

/** The setup of a `Singleflight`. */
export interface Config {
  readonly cache: boolean;
  readonly clone: boolean;
  readonly forgetAfter: number;
}

/** The outcome of a function. */
export interface Value {
  readonly id: number;
  readonly copy: boolean;
}

/** The outcome of a call. `shared` is set for `doShared`, and `copied` if the value is a copy. */
export type Outcome =
  | { readonly state: "pending" }
  | { readonly state: "error"; readonly error: unknown }
  | {
    readonly state: "value";
    readonly value: unknown;
    readonly shared?: boolean;
    readonly copied?: boolean;
  };

/** A call as the model expects it. The first call of a flight also stands for the flight. */
export interface Plan {
  readonly key: string;
  readonly body: string;
  readonly detailed: boolean;
  /** The signal of the caller. */
  readonly signal: number | null;
  readonly value: Value;
  readonly error: Error;
  readonly outcome: Outcome;
  /** The call that the function makes in its synchronous part. */
  inside?: Plan;
  /** The call that the function makes at its abort. */
  rejoin?: Plan;
  /** All callers have left. This is the reason of the last one. */
  abandoned?: { readonly reason: unknown };
}

interface FlightModel {
  readonly plan: Plan;
  readonly startedAt: number;
  callers: Plan[];
  joined: number;
}

/** The model of a `Singleflight`. */
export class Model {
  readonly current: Map<string, FlightModel> = new Map();
  readonly cache: Map<string, Value> = new Map();
  #executions = 0;
  #shared = 0;
  #hits = 0;
  readonly #config: Config;
  readonly #flights: FlightModel[] = [];
  #now = 0;
  #lastId = 0;

  constructor(config: Config) {
    this.#config = config;
  }

  get stats(): FlightStats {
    return {
      running: this.#flights.length,
      executions: this.#executions,
      shared: this.#shared,
      hits: this.#hits,
    };
  }

  call(key: string, body: string, detailed: boolean, signal: number | null): Plan {
    const id = ++this.#lastId;
    const plan: Plan = {
      key,
      body,
      detailed,
      signal,
      value: { id, copy: false },
      error: new Error(`error ${id}`),
      outcome: { state: "pending" },
    };
    const kept = this.cache.get(key);
    const flight = this.current.get(key);
    if (kept) {
      this.#hits++;
      this.#give(plan, kept, true, this.#config.clone);
    } else if (flight) this.#join(flight, plan);
    else this.#start(plan);
    return plan;
  }

  #join(flight: FlightModel, plan: Plan): void {
    flight.callers.push(plan);
    flight.joined++;
    this.#shared++;
  }

  #start(plan: Plan): void {
    const { key, body, detailed } = plan;
    const flight: FlightModel = { plan, startedAt: this.#now, callers: [plan], joined: 1 };
    this.#executions++;
    this.current.set(key, flight);
    this.#flights.push(flight);
    if (body === "re-enter") {
      const error = "re-entry";
      plan.inside = { ...plan, detailed: !detailed, outcome: { state: "error", error } };
    }
    if (body === "forget inside") this.forget(key);
    if (body === "value") this.settle(plan, true);
    if (body === "throw") this.settle(plan, false);
  }

  settle(plan: Plan, well: boolean): void {
    const index = this.#flights.findIndex((flight) => flight.plan === plan);
    if (index < 0) return;
    const [flight] = this.#flights.splice(index, 1) as [FlightModel];
    const { key, value, error } = plan;
    if (this.current.get(key) === flight) {
      this.current.delete(key);
      if (well && this.#config.cache) this.cache.set(key, value);
    }
    for (const [index, caller] of flight.callers.entries()) {
      const original = index === 0 && !this.#config.cache;
      if (well) this.#give(caller, value, flight.joined > 1, this.#config.clone && !original);
      else set(caller, { state: "error", error });
    }
  }

  #give(plan: Plan, value: Value, shared: boolean, copied: boolean): void {
    set(plan, { state: "value", value, copied, ...(plan.detailed && { shared }) });
  }

  /** In the order in which the callers added their listeners. */
  abort(signal: number, reason: unknown): void {
    const leaving = this.#flights.flatMap((flight) =>
      flight.callers.filter((caller) => caller.signal === signal).map((plan) => ({ flight, plan }))
    ).sort((left, right) => left.plan.value.id - right.plan.value.id);
    for (const { flight, plan } of leaving) {
      set(plan, { state: "error", error: reason });
      flight.callers = flight.callers.filter((caller) => caller !== plan);
      if (flight.callers.length > 0) continue;
      const { key, body, detailed } = flight.plan;
      if (this.current.get(key) === flight) this.current.delete(key);
      flight.plan.abandoned = { reason };
      if (body === "rejoin") flight.plan.rejoin = this.call(key, "async", detailed, null);
    }
  }

  forget(key: string): boolean {
    const forgotten = this.current.delete(key);
    return this.cache.delete(key) || forgotten;
  }

  clear(): void {
    this.current.clear();
    this.cache.clear();
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const [key, { startedAt }] of this.current) {
      if (startedAt + this.#config.forgetAfter <= this.#now) this.current.delete(key);
    }
  }
}

function set(plan: Plan, outcome: Outcome): void {
  (plan as { outcome: Outcome }).outcome = outcome;
}
