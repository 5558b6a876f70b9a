/**
 * {@linkcode ThrottleStream} and {@linkcode throttle}: at most one in an interval.
 *
 * Run in Deno, Bun, Node, edge runtimes and browsers.
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
   * How long after one that passes, or waits to pass, the next may: in milliseconds, more than 0 and
   * at most 2147483647, or `Infinity`. By `performance.now()`; tests that fake timers and use the
   * edge `"leading"`, which has none, must fake that too.
   */
  interval: number;
  /**
   * Which of an interval pass: the first, at once (`"leading"`); the latest, when the interval that
   * the first one opened is over (`"trailing"`); or both.
   *
   * @default {"leading"}
   */
  edge?: ThrottleEdge | undefined;
}

/** Options of {@linkcode ThrottleStream}. */
export interface ThrottleStreamOptions extends ThrottleOptions {
  /** Errors both sides with its reason when it aborts. */
  signal?: AbortSignal | undefined;
  /** What it is called in messages and by `console.log`, such as `ThrottleStream "mails"`. */
  name?: string | undefined;
}

/** A throttled function. */
export interface Throttled<A extends unknown[]> extends Disposable {
  /** Triggers; returns whether the function has run now. */
  (...args: A): boolean;
  /** Gives up the call that waits, if there is one. */
  cancel(): void;
  /** Makes the call that waits now, if there is one. */
  flush(): void;
  /** What has become of the calls: `accepted = waiting + done + dropped + discarded`. */
  readonly stats: ThrottleStats;
}

/**
 * A function that runs at most once in an interval.
 *
 * - **`"leading"`** runs for the first call of an interval and drops the others; what it returns says
 *   whether it ran. It is go-zero's `LessExecutor`, and `DoOrDiscard`.
 * - **`"trailing"`** runs with the arguments of the latest call, `interval` after the *first*: a call
 *   never postpones it, so it is no debounce. It is go-zero's `DelayExecutor`. Where the caller lets
 *   no timer run, the next call after that makes it, and waits itself.
 * - **`"both"`** runs for the first call, and at the end of the interval for the latest, if there was
 *   another, which opens the next.
 * - **Dispose** makes the call that waits at once, so that nothing is lost; `cancel` gives it up.
 * - **Timers**: one at most, and only while a call waits. What the function throws reaches the
 *   caller whose call made it run, or surfaces as an uncaught error where a timer called it.
 * - **Asynchronous** functions are not awaited, and may overlap: to have one at a time, pipe a
 *   {@linkcode ThrottleStream} to a `Fanout`.
 * - **Cloudflare Workers**: requests can share one whose edge is `"leading"`. The timer of another
 *   ends with the request that set it.
 *
 * @param fn The function.
 * @param options The interval, and its edge.
 * @returns The throttled function.
 * @throws {TypeError} If `fn` is no function, or an option of the wrong kind or unknown.
 * @throws {RangeError} If an option is out of range.
 *
 * @example A warning at most once a minute
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
 * @example The latest state, saved once
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
 * What it leaves out is counted in `stats.dropped`. To keep everything, and have fewer and larger
 * chunks, use a `BatchStream` with a linger.
 *
 * - **`"leading"`** passes the first item of an interval at once and drops the others. While what has
 *   passed is not asked for, the next one that would pass waits: backpressure, and not a loss.
 * - **`"trailing"`** passes the latest, `interval` after the *first*: an item never postpones it. While
 *   the consumer is busy the latest still replaces it. Where the producer lets no timer run, the next
 *   item after that makes it pass.
 * - **`"both"`** passes the first, and at the end of the interval the latest, if there was another.
 *   While the consumer is busy the latest replaces what has passed.
 * - **Close** passes what waits at once, and then closes. **Failure** errors both sides, and counts
 *   what waited as discarded. No timer is left.
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
    super.readable.getReader(); // A transfer would move that side: locked, it is refused.
    this.#controller = controller.open(this);
  }

  /** What passes. */
  override get readable(): ReadableStream<T> {
    return this.#controller.readable;
  }

  /** Takes the items. */
  override get writable(): WritableStream<T> {
    return this.#controller.writable;
  }

  /**
   * What has become of the items: `accepted = waiting + done + dropped + discarded`.
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
   * Passes what waits now.
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
   * What passes of a source of arrays, such as pages of rows, whose elements are the items. What else the source
   * gives is a `TypeError`, by which it is left. At an early end the rest of a page that was read counts, and
   * is told, as an item that was read and could not be used.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of arrays. Promises of arrays in
   * an `Iterable` are awaited; what is in an array is taken as it is.
   * @param options Those of the constructor, and `flatten`.
   * @returns What passes.
   * @throws {TypeError} If the source is none, is locked, or as the constructor does.
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
   * What passes of a source that is at hand, read by a plain loop: cheaper than a pipe, with the same
   * rules.
   *
   * **Reading** begins with the first demand. At the trailing edge, and at both, it goes on whether
   * the consumer asks or not: the latest is what counts. **Cancelling** cancels the source, and waits
   * for it unless a read is pending. A failure of the source errors the stream with the very error,
   * after what waited to pass.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable`.
   * @param options Those of the constructor.
   * @returns What passes.
   * @throws {TypeError} If the source is none, is locked, or as the constructor does.
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
