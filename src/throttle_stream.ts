/**
 * {@linkcode ThrottleStream} and {@linkcode throttle}: pass at most one item or call in an
 * interval.
 *
 * They run in Deno, Bun, Node, edge runtimes and browsers.
 *
 * @module
 */

import { titleOf } from "./core/shared/describe.ts";
import {
  check,
  DURATION,
  FUNCTION,
  NAME,
  readOptions,
  type Rule,
  SIGNAL,
} from "./core/shared/options.ts";
import { FLATTEN, type Source } from "./core/shared/source.ts";
import { StageController, TransformBase } from "./core/stage/stage.ts";
import { ThrottleStage } from "./core/stage/throttle_stage.ts";
import {
  type ThrottleEdge,
  Throttler,
  type ThrottleRule,
  type ThrottleStats,
} from "./core/stage/throttler.ts";

export type { Source, ThrottleEdge, ThrottleStats };

const EDGE: Rule = [
  "string",
  'be "leading" or "trailing" or "both"',
  (value: string) => ["leading", "trailing", "both"].includes(value),
];
const OPTIONS = { interval: DURATION, edge: EDGE };

/** Options of {@linkcode throttle}. */
export interface ThrottleOptions {
  /**
   * How long after an item or call that passes, or that waits to pass, the next one may pass: in
   * milliseconds, more than 0 and at most 2147483647, or `Infinity`. It is measured by
   * `performance.now()`. The edge `"leading"` has no timer, so a test that fakes timers must fake
   * `performance.now()` too.
   */
  interval: number;
  /**
   * Which items or calls of an interval pass. `"leading"`: the first one, at once. `"trailing"`:
   * the latest one, when the interval that the first one opened is over. `"both"`: both.
   *
   * @default {"leading"}
   */
  edge?: ThrottleEdge | undefined;
}

/** Options of {@linkcode ThrottleStream}. */
export interface ThrottleStreamOptions extends ThrottleOptions {
  /** Errors both sides with the signal's reason when the signal aborts. */
  signal?: AbortSignal | undefined;
  /** The name that messages and `console.log` show, such as `ThrottleStream "mails"`. */
  name?: string | undefined;
}

/** A throttled function. */
export interface Throttled<A extends unknown[]> extends Disposable {
  /** Makes a call. Returns whether the function has run now. */
  (...args: A): boolean;
  /** Discards the call that waits, if there is one. */
  cancel(): void;
  /** Runs the call that waits now, if there is one. */
  flush(): void;
  /** What has happened to the calls so far: `accepted = waiting + done + dropped + discarded`. */
  readonly stats: ThrottleStats;
}

/**
 * Makes a function that runs at most once in an interval.
 *
 * - **`"leading"`** runs the first call of an interval and drops the others. Its return value says
 *   whether the call ran. It does what `LessExecutor` and `DoOrDiscard` of go-zero do.
 * - **`"trailing"`** runs with the arguments of the latest call, `interval` after the *first*. A
 *   call never postpones it, so it is not a debounce. It does what `DelayExecutor` of go-zero does.
 *   If the caller lets no timer run, the next call after the interval runs the waiting call, and
 *   then waits itself.
 * - **`"both"`** runs the first call. If there was another call, it also runs the latest one at the
 *   end of the interval, which opens the next interval.
 * - **Dispose** runs the call that waits at once, so that nothing is lost; `cancel` discards it.
 * - **Timers**: it has at most one, and only while a call waits. If the function throws, the caller
 *   whose call made it run gets the error. If a timer called it, the error is uncaught.
 * - **Asynchronous** functions are not awaited, and may overlap. To run one at a time, pipe a
 *   {@linkcode ThrottleStream} to a `Fanout`.
 * - **Cloudflare Workers**: requests can share a throttled function whose edge is `"leading"`. With
 *   another edge, the timer ends with the request that set it.
 *
 * @param fn The function to throttle.
 * @param options The interval, and its edge.
 * @returns The throttled function.
 * @throws {TypeError} If `fn` is not a function, or an option is of the wrong kind or unknown.
 * @throws {RangeError} If an option is out of range.
 *
 * @example Warn at most once a minute
 * ```ts
 * import { throttle } from "@weir/streams/throttle-stream";
 * import { assertEquals } from "@std/assert";
 *
 * const warnings: string[] = [];
 * const warn = throttle((text: string) => warnings.push(text), { interval: 60_000 });
 * assertEquals([warn("disk full"), warn("disk full")], [true, false]);
 * assertEquals(warnings, ["disk full"]);
 * assertEquals(warn.stats.dropped, 1);
 * ```
 *
 * @example Save the latest state once
 * ```ts
 * import { throttle } from "@weir/streams/throttle-stream";
 * import { assertEquals } from "@std/assert";
 *
 * const saved: number[] = [];
 * {
 *   using save = throttle((state: number) => saved.push(state), {
 *     interval: 1000,
 *     edge: "trailing",
 *   });
 *   for (const state of [1, 2, 3]) save(state);
 * }
 * assertEquals(saved, [3]);
 * ```
 */
export function throttle<A extends unknown[]>(
  fn: (...args: A) => unknown,
  options: ThrottleOptions,
): Throttled<A> {
  const owner = "throttle";
  check(owner, "fn", fn, FUNCTION);
  const values = readOptions<ThrottleOptions>(owner, options, OPTIONS);
  const throttler = new Throttler<A>(complete(owner, values), (args) => {
    throttler.done++;
    fn(...args);
  });
  const throttled = (...args: A): boolean => throttler.trigger(args);
  return Object.defineProperty(
    Object.assign(throttled, {
      cancel: () => throttler.cancel(),
      flush: () => throttler.flush(),
      [Symbol.dispose]: () => throttler.flush(),
    }),
    "stats",
    { get: () => throttler.stats },
  ) as unknown as Throttled<A>;
}

/**
 * A transform stream that passes at most one item in an interval.
 *
 * It counts the items that it drops in `stats.dropped`. To keep every item in fewer and larger
 * chunks, use a `BatchStream` with a linger.
 *
 * - **`"leading"`** passes the first item of an interval at once and drops the others. While the
 *   consumer does not ask for the item that has passed, the next item that would pass waits: that
 *   is backpressure, and no item is lost.
 * - **`"trailing"`** passes the latest item, `interval` after the *first*. An item never postpones
 *   it. While the consumer is busy, a later item still replaces it. If the producer lets no timer
 *   run, the next item after the interval makes it pass.
 * - **`"both"`** passes the first item. If there was another, it also passes the latest one at the
 *   end of the interval. While the consumer is busy, the latest item replaces the one that has
 *   passed.
 * - **Close** passes the waiting item at once, and then closes. **Failure** errors both sides, and
 *   counts the waiting item as discarded. No timer is left.
 *
 * @example
 * ```ts
 * import { ThrottleStream } from "@weir/streams/throttle-stream";
 * import { assertEquals } from "@std/assert";
 *
 * const positions = new ReadableStream<number>({
 *   start(controller) {
 *     for (const position of [1, 2, 3]) controller.enqueue(position);
 *     controller.close();
 *   },
 * });
 * const shown: number[] = [];
 * await positions
 *   .pipeThrough(new ThrottleStream<number>({ interval: 100, edge: "both" }))
 *   .pipeTo(new WritableStream({ write: (position) => void shown.push(position) }));
 *
 * assertEquals(shown, [1, 3]);
 * ```
 *
 * @typeParam T The type of the items.
 */
export class ThrottleStream<T> extends TransformBase<T, T> {
  readonly #controller: StageController<T, T, ThrottleStage<T>>;

  /**
   * Makes a stream.
   *
   * @param options The interval, and its edge.
   * @throws {TypeError} If an option is of the wrong kind or unknown, or `interval` is missing.
   * @throws {RangeError} If an option is out of range.
   */
  constructor(options: ThrottleStreamOptions) {
    const controller = open<T>(options);
    super();
    super.readable.getReader(); // A transfer would move this side. The lock refuses that.
    this.#controller = controller.open(this);
  }

  /** The items that pass. */
  override get readable(): ReadableStream<T> {
    return this.#controller.readable;
  }

  /** Takes the items. */
  override get writable(): WritableStream<T> {
    return this.#controller.writable;
  }

  /**
   * What has happened to the items so far: `accepted = waiting + done + dropped + discarded`.
   *
   * @example
   * ```ts
   * import { ThrottleStream } from "@weir/streams/throttle-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const stream = new ThrottleStream<number>({ interval: 1000, edge: "trailing" });
   * const writer = stream.writable.getWriter();
   * await writer.write(1);
   * await writer.write(2);
   * assertEquals(stream.stats, { accepted: 2, waiting: 1, done: 0, dropped: 1, discarded: 0 });
   * await writer.abort();
   * ```
   */
  get stats(): ThrottleStats {
    return this.#controller.stage.stats;
  }

  /**
   * Passes the waiting item now.
   *
   * @example
   * ```ts
   * import { ThrottleStream } from "@weir/streams/throttle-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const stream = new ThrottleStream<number>({ interval: 1000, edge: "trailing" });
   * const reader = stream.readable.getReader();
   * await stream.writable.getWriter().write(1);
   * stream.flush();
   * assertEquals(await reader.read(), { value: 1, done: false });
   * ```
   */
  flush(): void {
    this.#controller.stage.flush();
  }

  /**
   * Throttles a source of arrays, such as pages of rows, whose elements are the items. If the
   * source gives anything other than an array, the stream stops reading it and errors with a
   * `TypeError`. At an early end, the unused rest of a page counts as items that were read and
   * could not be used.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of arrays. Promises of
   * arrays in an `Iterable` are awaited; the elements of an array are taken as they are.
   * @param options The options of the constructor, and `flatten`.
   * @returns The items that pass.
   * @throws {TypeError} If the source is not one of these, or is locked. Also as the constructor
   * does.
   * @throws {RangeError} As the constructor does.
   *
   * @example
   * ```ts
   * import { ThrottleStream } from "@weir/streams/throttle-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const bursts = [[1, 2], [3]];
   * const options = { interval: 100, edge: "both", flatten: true } as const;
   * const shown: number[] = [];
   * for await (const n of ThrottleStream.from(bursts, options)) shown.push(n);
   * assertEquals(shown, [1, 3]);
   * ```
   */
  static from<T>(
    source: Source<readonly T[]>,
    options: ThrottleStreamOptions & { flatten: true },
  ): ReadableStream<T>;
  /**
   * Throttles a source that you already have. It reads the source in a plain loop, which costs less
   * than a pipe and follows the same rules.
   *
   * **Reading** begins with the first demand. At the edges `"trailing"` and `"both"` it goes on
   * whether the consumer asks or not, because the latest item is the one that counts.
   * **Cancelling** cancels the source, and waits for that unless a read is pending. If the source
   * fails, the stream passes the waiting item, and then errors with that same error.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable`.
   * @param options The options of the constructor.
   * @returns The items that pass.
   * @throws {TypeError} If the source is not one of these, or is locked. Also as the constructor
   * does.
   * @throws {RangeError} As the constructor does.
   *
   * @example
   * ```ts
   * import { ThrottleStream } from "@weir/streams/throttle-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const shown: number[] = [];
   * for await (const n of ThrottleStream.from([1, 2, 3], { interval: 100, edge: "both" })) {
   *   shown.push(n);
   * }
   * assertEquals(shown, [1, 3]);
   * ```
   */
  static from<T>(
    source: Source<T>,
    options: ThrottleStreamOptions & { flatten?: false | undefined },
  ): ReadableStream<T>;
  static from<T>(
    source: Source<T> | Source<readonly T[]>,
    options: ThrottleStreamOptions,
  ): ReadableStream<T> {
    return open<T>(options, FLATTEN).from(source);
  }
}

function open<T>(
  options: ThrottleStreamOptions,
  more?: typeof FLATTEN,
): StageController<T, T, ThrottleStage<T>> {
  const rules = { ...OPTIONS, signal: SIGNAL, name: NAME, ...more };
  const values = readOptions<ThrottleStreamOptions>("ThrottleStream", options, rules);
  const owner = titleOf("ThrottleStream", values.name);
  const rule = complete(owner, values);
  const make = (controller: StageController<T, T>) => new ThrottleStage<T>(controller, rule);
  return new StageController(make, owner, values);
}

function complete(owner: string, values: Partial<ThrottleOptions>): ThrottleRule {
  check(owner, "interval", values.interval!, DURATION);
  return values as ThrottleRule;
}
