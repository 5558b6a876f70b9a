/**
 * {@linkcode MapStream}: a function over a stream, several calls at once.
 *
 * Runs in Deno, Bun, Node, edge runtimes and browsers.
 *
 * @module
 */

import type { HandlerContext } from "./core/shared/call_context.ts";
import { titleOf } from "./core/shared/describe.ts";
import {
  check,
  DURATION,
  FLAG,
  FUNCTION,
  LIMIT,
  NAME,
  OVERRUN,
  readOptions,
  SIGNAL,
} from "./core/shared/options.ts";
import { FLATTEN, type Source } from "./core/shared/source.ts";
import { type MapOptions, MapStage, type MapStats } from "./core/stage/map_stage.ts";
import { discarding, StageController, TransformBase } from "./core/stage/stage.ts";
import { openShort } from "./core/stage/short_ways.ts";
import { RATE } from "./core/work/start_limit.ts";
import type { RateLimit } from "./rate_limit.ts";

export type { HandlerContext, MapStats, Source };

const OPTIONS = {
  concurrency: LIMIT,
  capacity: LIMIT,
  ordered: FLAG,
  key: FUNCTION,
  timeout: DURATION,
  overrun: OVERRUN,
  rate: RATE,
  onError: FUNCTION,
  onDiscard: FUNCTION,
  signal: SIGNAL,
  name: NAME,
};

/**
 * What a {@linkcode MapStream} does with an item. It may return a value for one item and a promise for
 * another: `from` infers the type of both, and `new MapStream<T, R>` is given it.
 */
export type MapFunction<T, R> = (item: T, context: HandlerContext) => R | PromiseLike<R>;

/** Options of {@linkcode MapStream}. */
export interface MapStreamOptions<T> {
  /**
   * The most calls that run at once: an integer of at least 1. By default only calls that have not timed
   * out count: one that runs on after its `timeout` counts with `overrun: "hold"` only.
   *
   * @default {1}
   */
  concurrency?: number | undefined;
  /**
   * The most items that the stream holds: those that wait for their call, calls that run, and results
   * that wait to be read. An integer of at least `concurrency`. With more, calls go on behind a slow
   * one, and behind those that wait for their key.
   *
   * @default {concurrency}
   */
  capacity?: number | undefined;
  /**
   * Whether results come in the order of their items, or as the calls settle.
   *
   * @default {true}, or false where `key` is given
   */
  ordered?: boolean | undefined;
  /**
   * One call at a time for each key; results keep their order within a key. Any value, compared as a
   * `Map` compares.
   */
  key?: ((item: T) => unknown) | undefined;
  /**
   * How long a call may take, in milliseconds: more than 0 and at most 2147483647, or `Infinity`.
   * One that has not settled by then has failed with a `TimeoutError`.
   *
   * @default {Infinity}
   */
  timeout?: number | undefined;
  /**
   * When the place, and the key, of a call that runs on after its `timeout` are free: with `"release"` at
   * the timeout, with `"hold"` when the call has settled. Take `"hold"` where `concurrency`, or the order
   * of a key, must be true of the other side; a call that never settles keeps its place then. Either way
   * the call has failed at the timeout, the end of the stream does not wait for it, and
   * `stats.overrunning` shows how many run on.
   *
   * @default {"release"}
   */
  overrun?: "release" | "hold" | undefined;
  /**
   * How many may start in an interval: "10 calls a second". A {@linkcode RateLimit} may be that of
   * several streams and sinks, which take turns. What may not start yet waits.
   */
  rate?: RateLimit | undefined;
  /**
   * Called with the error and the item of each call that fails: the stream skips the item and goes
   * on. If it returns a promise, the slot of the call is free when that has settled. What it throws
   * errors the stream. Without `onError` the first failure errors the stream.
   */
  onError?: ((error: unknown, item: T) => unknown) | undefined;
  /**
   * Called when the stream ends early: with the items whose calls have not started, and the reason.
   * `from` also calls it with an item that it has read and can no longer use. A throw in it is an
   * uncaught error.
   */
  onDiscard?: ((items: T[], reason: unknown) => unknown) | undefined;
  /** Errors both sides with its reason when it aborts. */
  signal?: AbortSignal | undefined;
  /** What it is called in messages and by `console.log`, such as `MapStream "mails"`. */
  name?: string | undefined;
}

/**
 * A transform stream that calls a function for each item, several at once.
 *
 * To handle items without a result, use a `Fanout`.
 *
 * - **Bound**: at most `concurrency` calls run. With the items that wait for theirs and the results
 *   that wait they are at most `capacity`, and nothing more is pulled.
 * - **Order**: of the items; with `ordered: false`, of the settlements; with `key`, of the items of
 *   each key.
 * - **Failure**: the first failure errors both sides with the very error and aborts the signal of
 *   the other calls. What they do later is only counted. With `onError` a failure is told there, its
 *   item is skipped in its turn, and the stream goes on.
 * - **Close**: the writable closes when all calls have settled, the readable when all results are
 *   read.
 *
 * Choosing `concurrency`: what the other side bears. Where calls differ much in length, one slow
 * call holds up those behind it: a `capacity` of a few times as many lets them go on, and
 * `ordered: false` does not wait for it.
 *
 * @example Four requests at once, answers in order
 * ```ts
 * import { MapStream } from "@weir/streams/map-stream";
 * import { assertEquals } from "@std/assert";
 *
 * const ask = async (id: number) => {
 *   await Promise.resolve(); // fetch, with the signal of the context
 *   return `answer ${id}`;
 * };
 *
 * const answers: string[] = [];
 * for await (const answer of MapStream.from([1, 2, 3], ask, { concurrency: 4 })) {
 *   answers.push(answer);
 * }
 * assertEquals(answers, ["answer 1", "answer 2", "answer 3"]);
 * ```
 *
 * @example A page that fails is skipped, and told
 * ```ts
 * import { MapStream } from "@weir/streams/map-stream";
 * import { assertEquals } from "@std/assert";
 *
 * const skipped: string[] = [];
 * const texts = MapStream.from(["1", "b", "3"], (text) => JSON.parse(text) as number, {
 *   onError: (_error, text) => skipped.push(text),
 * });
 * const numbers: number[] = [];
 * for await (const n of texts) numbers.push(n);
 * assertEquals([numbers, skipped], [[1, 3], ["b"]]);
 * ```
 *
 * @typeParam T The type of the items.
 * @typeParam R The type of the results.
 */
export interface MapStream<T, R> extends TransformStream<T, R> {
  /**
   * What has become of the items: `accepted = waiting + running + done + failed + discarded`.
   *
   * @example
   * ```ts
   * import { MapStream } from "@weir/streams/map-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const stream = new MapStream((n: number) => n * 2);
   * await stream.writable.getWriter().write(1);
   * const { accepted, done } = stream.stats;
   * assertEquals({ accepted, done }, { accepted: 1, done: 1 });
   * ```
   */
  readonly stats: MapStats;
}

/**
 * Makes a {@linkcode MapStream}: `new MapStream(fn, options)`.
 *
 * @throws {TypeError} If `fn` is no function, or an option of the wrong kind or unknown.
 * @throws {RangeError} If an option is out of range, or `capacity` less than `concurrency`.
 */
// The types of a class could not infer the results of a function that is asynchronous for some items.
export const MapStream: {
  /**
   * Makes a stream.
   *
   * @param fn What is called for each item.
   * @param options The bounds, and the order.
   */
  new <T, R>(fn: MapFunction<T, R>, options?: MapStreamOptions<T>): MapStream<T, R>;
  /**
   * Makes a stream whose function is asynchronous for some items.
   *
   * @param fn What is called for each item.
   * @param options The bounds, and the order.
   */
  new <T, H>(
    fn: (item: T, context: HandlerContext) => H,
    options?: MapStreamOptions<T>,
  ): MapStream<T, Awaited<H>>;
  /**
   * Results of a source of arrays, such as pages of rows, whose elements are the items. What else the source
   * gives is a `TypeError`, by which it is left. At an early end the rest of a page that was read counts, and
   * is told, as an item that was read and could not be used.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of arrays. Promises of arrays in
   * an `Iterable` are awaited; what is in an array is taken as it is.
   * @param fn What is called for each item.
   * @param options Those of the constructor, and `flatten`.
   * @returns The results.
   * @throws {TypeError} If the source is none, is locked, or as the constructor does.
   * @throws {RangeError} As the constructor does.
   *
   * @example The rows of some pages
   * ```ts
   * import { MapStream } from "@weir/streams/map-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const pages = [[1, 2], [3]]; // or a stream of what `await response.json()` gives
   * const doubled: number[] = [];
   * for await (const n of MapStream.from(pages, (n: number) => n * 2, { flatten: true })) {
   *   doubled.push(n);
   * }
   * assertEquals(doubled, [2, 4, 6]);
   * ```
   */
  from<T, R>(
    source: Source<readonly T[]>,
    fn: MapFunction<T, R>,
    options: MapStreamOptions<T> & { flatten: true },
  ): ReadableStream<R>;
  /**
   * The same for a function that is asynchronous for some items.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of arrays.
   * @param fn What is called for each item.
   * @param options Those of the constructor, and `flatten`.
   * @returns The results.
   */
  from<T, H>(
    source: Source<readonly T[]>,
    fn: (item: T, context: HandlerContext) => H,
    options: MapStreamOptions<T> & { flatten: true },
  ): ReadableStream<Awaited<H>>;
  /**
   * Results for a source that is at hand, read by a plain loop: cheaper than a pipe, and otherwise
   * the same.
   *
   * **Reading** begins with the first demand. **Cancelling** cancels the source, and waits for
   * it unless a read is pending: a generator may hang. A failure of the source errors the stream with
   * the very error, after the results for what came before it.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable`, but no string. Promises in
   * an `Iterable` are awaited.
   * @param fn What is called for each item.
   * @param options Those of the constructor.
   * @returns The results. `for await` is the quickest way to read them.
   * @throws {TypeError} If the source is none, is locked, or as the constructor does.
   * @throws {RangeError} As the constructor does.
   *
   * @example
   * ```ts
   * import { MapStream } from "@weir/streams/map-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const doubled: number[] = [];
   * for await (const n of MapStream.from([1, 2, 3], (n: number) => n * 2)) doubled.push(n);
   * assertEquals(doubled, [2, 4, 6]);
   * ```
   */
  from<T, R>(
    source: Source<T>,
    fn: MapFunction<T, R>,
    options?: MapStreamOptions<T> & { flatten?: false | undefined },
  ): ReadableStream<R>;
  /**
   * The same for a function that is asynchronous for some items.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable`, but no string.
   * @param fn What is called for each item.
   * @param options Those of the constructor.
   * @returns The results.
   */
  from<T, H>(
    source: Source<T>,
    fn: (item: T, context: HandlerContext) => H,
    options?: MapStreamOptions<T> & { flatten?: false | undefined },
  ): ReadableStream<Awaited<H>>;
} = class<T, R> extends TransformBase<T, R> {
  readonly #controller: StageController<T, R, MapStage<T, R>>;

  constructor(fn: MapFunction<T, R>, options?: MapStreamOptions<T>) {
    const controller = open(fn, options);
    super();
    super.readable.getReader(); // A transfer would move that side: locked, it is refused.
    this.#controller = controller.open(this);
  }

  override get readable(): ReadableStream<R> {
    return this.#controller.readable;
  }

  override get writable(): WritableStream<T> {
    return this.#controller.writable;
  }

  get stats(): MapStats {
    return this.#controller.stage.stats;
  }

  static from<T, R>(
    source: Source<T>,
    fn: MapFunction<T, R>,
    options?: MapStreamOptions<T>,
  ): ReadableStream<R> {
    return open(fn, options, FLATTEN).from(source);
  }
} as never;

function open<T, R>(
  fn: MapFunction<T, R>,
  options: MapStreamOptions<T> | undefined,
  more?: typeof FLATTEN,
): StageController<T, R, MapStage<T, R>> {
  check("MapStream", "fn", fn, FUNCTION);
  const values = readOptions<MapStreamOptions<T>>("MapStream", options, { ...OPTIONS, ...more });
  const owner = titleOf("MapStream", values.name);
  const { concurrency = 1, capacity = concurrency, timeout = Infinity } = values;
  const rule = `be at least option "concurrency" of ${concurrency}`;
  check(owner, "capacity", capacity, ["number", rule, () => capacity >= concurrency]);
  const { key, ordered = !key, overrun = "release", rate, onError } = values;
  // Of one shape, whatever is given: it is read for each item.
  const complete: MapOptions<T> = {
    ...{ owner, concurrency, capacity, timeout, overrun, rate, ordered, key, onError },
  };
  return new StageController(
    (controller) => new MapStage(controller, fn, complete),
    owner,
    values,
    discarding(values.onDiscard),
    openShort,
  );
}
