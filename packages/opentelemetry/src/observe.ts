/** {@linkcode observe}: what the `stats` of an object count, as metrics. */

import { type Attributes, type Meter, metrics } from "@opentelemetry/api";
import { NAME_ATTRIBUTE } from "./metrics.ts";
import { ATTRIBUTES, checkAll, METER, NAME, show } from "./options.ts";
import { kindOf, Reporter, type Stats } from "./reporter.ts";
import { SCOPE, VERSION } from "./version.ts";

/**
 * What can be observed: a `Fanout`, an `Aggregator`, a `MapStream`, a `BatchStream`, a `ChunkStream`, a
 * `FixedChunkStream`, a `ThrottleStream`, a function of `throttle`, or a `Singleflight`. It is known by
 * its `stats`.
 */
export interface Observable {
  /** What it counts. */
  readonly stats: object;
}

/** Options of {@linkcode observe}. */
export interface ObserveOptions {
  /** The attribute `weir.name` of each metric: a string that is not empty. */
  readonly name: string;
  /** More attributes of each metric. */
  readonly attributes?: Attributes | undefined;
  /**
   * What makes the instruments.
   *
   * @default {metrics.getMeter("@weir/opentelemetry")} of the provider that is registered at the call
   */
  readonly meter?: Meter | undefined;
}

/** What ends an {@linkcode observe}. `using` ends it, too. */
export interface Observation extends Disposable {
  /**
   * Ends it. What has been counted stays in the metrics. A sink that is at work is observed until it is
   * idle, so the items that it drains are counted. The second call does nothing.
   */
  stop(): void;
}

const RULES = { name: NAME, attributes: ATTRIBUTES, meter: METER };

/**
 * Exports what an object counts. It reads `stats` when metrics are collected, and **costs nothing an
 * item**. The README of the package has the table of the metrics.
 *
 * - **One name, one sum**: objects that are observed by the same meter under the same name and
 *   attributes are added up: the workers of one job, or a sink for each run of it.
 * - **A total never falls**: what a stopped object has counted stays in it. An object that is observed
 *   twice under one name counts once, also where the first observation has ended.
 * - **Nothing is held**: an object that you drop can be collected as garbage. What it has counted since
 *   metrics were collected last is not exported then: call `stop()`, or use `using`, where that matters.
 * - **An object that fails hinders no other**: what its `stats` throws goes to `diag.error` of the API,
 *   and it keeps the numbers that were read last.
 * - **Nothing is swallowed**: it reads `stats`, and never `closed`, so a failure that nobody hears stays
 *   an unhandled rejection.
 *
 * Register the `MeterProvider` first: the API has no meter that finds a later one.
 *
 * @param target What is observed.
 * @param options How it is called, and by what it is measured.
 * @returns What ends it.
 * @throws {TypeError} If the target has no `stats` that are known, or an option is of the wrong kind,
 * unknown, or missing.
 * @throws {RangeError} If the name is empty.
 *
 * @example
 * ```ts
 * import { Fanout } from "@weir/streams/fanout";
 * import { observe } from "@weir/opentelemetry";
 *
 * await using mails = new Fanout((to: string) => console.log(to));
 * using _observation = observe(mails, { name: "mails", attributes: { region: "eu" } });
 * await mails.consume(["ada@example.org"]);
 * ```
 */
export function observe(target: Observable, options: ObserveOptions): Observation {
  checkAll("observe", options, RULES, "name");
  const stats = (target as Partial<Observable> | undefined)?.stats as Stats | undefined;
  const kind = kindOf(stats);
  if (kind === undefined) {
    throw new TypeError(
      `observe: the target must have the stats of a sink, a stream or a flight; got ${
        show(target)
      }`,
    );
  }
  const { name, attributes, meter = metrics.getMeter(SCOPE, VERSION) } = options;
  const series = Reporter.of(meter, kind).series({ ...attributes, [NAME_ATTRIBUTE]: name });
  const stop = series.add(target as { readonly stats: Stats });
  return { stop, [Symbol.dispose]: stop };
}
