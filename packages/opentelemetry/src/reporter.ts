/** The engine of `observe`: one callback per meter, and a sum for each set of attributes. */

import type { Attributes, BatchObservableResult, Meter, Observable } from "@opentelemetry/api";
import { guard } from "./guard.ts";
import { BYTES, FLIGHT, type Metrics, observables, QUEUE } from "./metrics.ts";

/** Numbers, by name. */
export type Stats = Readonly<Record<string, unknown>>;

/** An observed object. */
interface Target {
  readonly stats: Stats;
  readonly concurrency?: unknown;
  /** Of a sink: resolves when no item is waiting or running, and never rejects. */
  idle?(): Promise<void>;
}

/** Returns the metrics for an object with these stats, if they are known. */
export function kindOf(stats: Stats | undefined): Metrics | undefined {
  const has = (...names: string[]) => names.every((name) => typeof stats?.[name] === "number");
  if (has("executions", "shared")) return FLIGHT;
  if (!has("accepted", "waiting", "done", "discarded")) return;
  // A `FixedChunkStream` counts only bytes.
  return has("running") || has("batches") || has("dropped") ? QUEUE : BYTES;
}

/** Reports the metrics of one kind to one meter. */
export class Reporter {
  static readonly #all: WeakMap<Meter, Map<Metrics, Reporter>> = new WeakMap();
  readonly #metrics: Metrics;
  readonly #instruments: Map<string, Observable<Attributes>>;
  readonly #series: Map<string, Series> = new Map();

  /** Returns the existing reporter, or a new one. Its callback lives as long as the meter. */
  static of(meter: Meter, metrics: Metrics): Reporter {
    let reporters = Reporter.#all.get(meter);
    if (!reporters) Reporter.#all.set(meter, reporters = new Map());
    let reporter = reporters.get(metrics);
    if (!reporter) reporters.set(metrics, reporter = new Reporter(meter, metrics));
    return reporter;
  }

  private constructor(meter: Meter, metrics: Metrics) {
    this.#metrics = metrics;
    this.#instruments = observables(meter, metrics);
    const report = (result: BatchObservableResult) => this.#report(result);
    meter.addBatchObservableCallback(report, [...this.#instruments.values()]);
  }

  /** Returns the sum for these attributes. */
  series(attributes: Attributes): Series {
    const id = JSON.stringify(Object.entries(attributes).sort(([a], [b]) => a < b ? -1 : 1));
    let series = this.#series.get(id);
    if (!series) this.#series.set(id, series = new Series(attributes, this.#metrics));
    return series;
  }

  #report(result: BatchObservableResult): void {
    for (const series of this.#series.values()) {
      for (const [key, value] of series.sum()) {
        result.observe(this.#instruments.get(key)!, value, series.attributes);
      }
    }
  }
}

/** The sum of all objects with the same attributes. */
class Series {
  readonly attributes: Attributes;
  readonly #metrics: Metrics;
  readonly #members: Set<Member> = new Set();
  /** An object that is observed again keeps its member, so its totals count once. */
  readonly #known: WeakMap<Target, Member> = new WeakMap();
  /** The totals of former members. Levels, which go up and down, are 0. */
  readonly #retired: Map<string, number> = new Map();
  /** The number of members at which to look for garbage: twice the number left the last time. */
  #limit = 0;

  constructor(attributes: Attributes, metrics: Metrics) {
    this.attributes = attributes;
    this.#metrics = metrics;
  }

  /** Adds an object. Returns a function that ends the observation. */
  add(target: Target): () => void {
    // Without a collection of metrics, the garbage would stay.
    if (this.#members.size >= this.#limit) this.#sweep();
    let member = this.#known.get(target);
    if (!member) this.#known.set(target, member = new Member(target));
    if (!this.#members.has(member)) {
      this.#members.add(member);
      this.#addLasting(member, -1);
    }
    member.observations++;
    let stopping = false;
    return () => {
      if (!stopping) this.#stop(member);
      stopping = true;
    };
  }

  sum(): Map<string, number> {
    this.#sweep();
    const sums = new Map(this.#retired);
    for (const member of this.#members) {
      member.read(this.#metrics);
      for (const [key, value] of member.numbers) sums.set(key, (sums.get(key) ?? 0) + value);
    }
    return sums;
  }

  #sweep(): void {
    for (const member of this.#members) if (!member.target.deref()) this.#retire(member);
    this.#limit = 2 * this.#members.size + 16;
  }

  #stop(member: Member): void {
    const target = member.target.deref();
    const end = () => {
      if (--member.observations > 0) return;
      if (target) member.read(this.#metrics);
      this.#retire(member);
    };
    const idle = guard("idle", () => target?.idle?.());
    if (idle) void idle.then(end, end);
    else end();
  }

  #retire(member: Member): void {
    if (this.#members.delete(member)) this.#addLasting(member, 1);
  }

  #addLasting({ numbers }: Member, sign: 1 | -1): void {
    for (const [key, value] of numbers) {
      const lasting = this.#metrics[key]!.kind === "total" ? sign * value : 0;
      this.#retired.set(key, (this.#retired.get(key) ?? 0) + lasting);
    }
  }
}

/** One observed object. The member doesn't keep it alive. */
class Member {
  /** The numbers of the last read. */
  numbers: ReadonlyMap<string, number> = new Map();
  /** The observations that have not ended. */
  observations = 0;
  readonly target: WeakRef<Target>;

  constructor(target: Target) {
    this.target = new WeakRef(target);
  }

  /** Reads the numbers. If that fails, the last numbers stay. */
  read(metrics: Metrics): void {
    const target = this.target.deref();
    if (!target) return;
    const numbers = guard("a look at stats", () => numbersOf(target, Object.keys(metrics)));
    if (numbers) this.numbers = numbers;
  }
}

function numbersOf(target: Target, keys: readonly string[]): Map<string, number> {
  const { stats, concurrency } = target;
  const numbers = new Map<string, number>();
  for (const key of keys) {
    const value = key === "concurrency" ? concurrency : stats[key];
    if (typeof value === "number") numbers.set(key, value);
  }
  return numbers;
}
