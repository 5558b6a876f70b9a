/** {@linkcode observe} exports the `stats` of an object as metrics. */

import { type Attributes, type Meter, metrics } from "@opentelemetry/api";
import { NAME_ATTRIBUTE } from "./metrics.ts";
import { ATTRIBUTES, checkAll, METER, NAME, show } from "./options.ts";
import { kindOf, Reporter, type Stats } from "./reporter.ts";
import { SCOPE, VERSION } from "./version.ts";

/**
 * An object that you can observe: a `Fanout`, an `Aggregator`, a `MapStream`, a `BatchStream`, a
 * `ChunkStream`, a `FixedChunkStream`, a `ThrottleStream`, a function of `throttle`, or a
 * `Singleflight`. `observe` recognizes it by its `stats`.
 */
export interface Observable {
  /** The numbers that the object counts. */
  readonly stats: object;
}

/** Options of {@linkcode observe}. */
export interface ObserveOptions {
  /** The attribute `weir.name` of each metric: a string that is not empty. */
  readonly name: string;
  /** More attributes of each metric. */
  readonly attributes?: Attributes | undefined;
  /**
   * The meter, which makes the instruments.
   *
   * @default {metrics.getMeter("@weir/opentelemetry")} of the provider that is registered at the call
   */
  readonly meter?: Meter | undefined;
}

/** A running {@linkcode observe}. `stop` ends it, and `using` does too. */
export interface Observation extends Disposable {
  /**
   * Ends the observation. The counted numbers stay in the metrics. A busy sink is observed until it
   * is idle, so the items that it drains are counted. A second call does nothing.
   */
  stop(): void;
}

const RULES = { name: NAME, attributes: ATTRIBUTES, meter: METER };

/**
 * Exports the numbers that an object counts. It reads `stats` when the SDK collects metrics, and
 * **costs nothing per item**. The README of the package has the table of the metrics.
 *
 * - **One name, one sum**: objects with the same meter, name and attributes are added up, such as
 *   the workers of one job, or a sink for each run of it.
 * - **A total never falls**: it keeps the numbers of stopped objects. An object that you observe
 *   twice under one name counts once, even if the first observation has ended.
 * - **No leak**: `observe` doesn't keep an object alive. If you drop one, you lose what it counted
 *   since the last collection of metrics. Call `stop()`, or use `using`, where that matters.
 * - **Failures**: if the `stats` of an object throws, the error goes to `diag.error` of the API,
 *   and its last numbers stay. The other objects are exported as usual.
 * - **Nothing is swallowed**: it reads `stats`, and never `closed`, so a failure that you don't
 *   handle stays an unhandled rejection.
 *
 * Register the `MeterProvider` first: a meter of the API never finds a provider that comes later.
 *
 * @param target The object to observe.
 * @param options The name, the attributes and the meter.
 * @returns The observation, to stop it.
 * @throws {TypeError} If the target has no known `stats`, or an option is of the wrong kind,
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
