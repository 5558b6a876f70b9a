/** What is behind `observe`: one callback a meter, and a sum for each set of attributes. */

import type { Attributes, BatchObservableResult, Meter, Observable } from "@opentelemetry/api";
import { BYTES, FLIGHT, type Metrics, observables, QUEUE } from "./metrics.ts";

/** What is counted, by name. */
export type Stats = Readonly<Record<string, unknown>>;

/** What is observed. */
interface Target {
  readonly stats: Stats;
  readonly concurrency?: unknown;
  /** Of a sink: resolves, and never rejects, when nothing waits or runs. */
  idle?(): Promise<void>;
}

/** The metrics of an object with these stats, if they are known. */
export function kindOf(stats: Stats | undefined): Metrics | undefined {
  const has = (...names: string[]) => names.every((name) => typeof stats?.[name] === "number");
  if (has("executions", "shared")) return FLIGHT;
  if (!has("accepted", "waiting", "done", "discarded")) return;
  // Bytes are all that a `FixedChunkStream` counts.
  return has("running") || has("batches") || has("dropped") ? QUEUE : BYTES;
}

/** Reports the metrics of one kind by one meter. */
export class Reporter {
  static readonly #all: WeakMap<Meter, Map<Metrics, Reporter>> = new WeakMap();
  readonly #metrics: Metrics;
  readonly #instruments: Map<string, Observable<Attributes>>;
  readonly #series: Map<string, Series> = new Map();

  /** The one that there is, or a new one. Its callback stays for as long as the meter. */
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

  /** The sum for these attributes. */
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

/** The sum of the objects that have the same attributes. */
class Series {
  readonly attributes: Attributes;
  readonly #metrics: Metrics;
  readonly #members: Set<Member> = new Set();
  /** What those have counted that are no members any more. Of what goes up and down it is 0. */
  readonly #retired: Map<string, number> = new Map();

  constructor(attributes: Attributes, metrics: Metrics) {
    this.attributes = attributes;
    this.#metrics = metrics;
  }

  add(target: Target): Member {
    // Where nobody collects metrics, the garbage of before would stay.
    for (const member of this.#members) member.read();
    const member = new Member(target, Object.keys(this.#metrics), () => this.#retire(member));
    this.#members.add(member);
    return member;
  }

  sum(): Map<string, number> {
    const sums = new Map<string, number>();
    const add = (numbers: ReadonlyMap<string, number>) => {
      for (const [key, value] of numbers) sums.set(key, (sums.get(key) ?? 0) + value);
    };
    // Garbage retires when it is read.
    for (const member of this.#members) if (member.read()) add(member.numbers);
    add(this.#retired);
    return sums;
  }

  #retire(member: Member): void {
    if (!this.#members.delete(member)) return;
    for (const [key, value] of member.numbers) {
      const lasting = this.#metrics[key]!.kind === "total" ? value : 0;
      this.#retired.set(key, (this.#retired.get(key) ?? 0) + lasting);
    }
  }
}

/** One object that is observed. It is not held. */
class Member {
  /** As they were read last. */
  numbers: ReadonlyMap<string, number> = new Map();
  readonly #target: WeakRef<Target>;
  readonly #keys: readonly string[];
  readonly #retire: () => void;
  #stopping = false;

  constructor(target: Target, keys: readonly string[], retire: () => void) {
    this.#target = new WeakRef(target);
    this.#keys = keys;
    this.#retire = retire;
  }

  /** Reads the numbers anew. Returns whether the object is still there. */
  read(): boolean {
    const target = this.#target.deref();
    if (target) this.numbers = numbersOf(target, this.#keys);
    else this.#retire();
    return target !== undefined;
  }

  stop(): void {
    const target = this.#target.deref();
    if (this.#stopping) return;
    this.#stopping = true;
    const end = () => {
      if (target) this.read();
      this.#retire();
    };
    if (typeof target?.idle === "function") void target.idle().then(end);
    else end();
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
