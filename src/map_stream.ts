/**
 * {@linkcode MapStream}: calls a function for each item of a stream, several calls at once.
 *
 * It runs in Deno, Bun, Node, edge runtimes and browsers.
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
 * What a {@linkcode MapStream} does with an item. It may return a value for one item and a promise
 * for another: `from` infers the type of both. For `new MapStream<T, R>`, give the type `R`
 * yourself.
 */
export type MapFunction<T, R> = (item: T, context: HandlerContext) => R | PromiseLike<R>;

/** Options of {@linkcode MapStream}. */
export interface MapStreamOptions<T> {
  /**
   * The most calls that run at once: an integer of at least 1. By default a call that has timed out
   * no longer counts: if it runs on after its `timeout`, it counts only with `overrun: "hold"`.
   *
   * @default {1}
   */
  concurrency?: number | undefined;
  /**
   * The most items that the stream holds: items that wait for their call, calls that run, and
   * results that wait for the consumer. An integer of at least `concurrency`. With a larger
   * capacity, calls go on behind a slow call, and behind items that wait for their key.
   *
   * @default {concurrency}
   */
  capacity?: number | undefined;
  /**
   * Whether results come in the order of their items (true), or as the calls settle (false).
   *
   * @default {true}, or false if `key` is given
   */
  ordered?: boolean | undefined;
  /**
   * Gives the key of an item. The stream makes one call at a time for each key, and results keep
   * their order within a key. A key is any value, compared as a `Map` compares.
   */
  key?: ((item: T) => unknown) | undefined;
  /**
   * How long a call may take, in milliseconds: more than 0 and at most 2147483647, or `Infinity`. A
   * call that has not settled by then has failed with a `TimeoutError`.
   *
   * @default {Infinity}
   */
  timeout?: number | undefined;
  /**
   * When a call that runs on after its `timeout` frees its place and its key. With `"release"`, at
   * the timeout. With `"hold"`, when the call has settled. Take `"hold"` where `concurrency`, or
   * the order within a key, must also hold on the other side. With `"hold"`, a call that never
   * settles keeps its place. In both cases the call fails at the timeout, the end of the stream
   * does not wait for it, and `stats.overrunning` shows how many calls run on.
   *
   * @default {"release"}
   */
  overrun?: "release" | "hold" | undefined;
  /**
   * How many calls may start in an interval, such as "10 calls a second". Several streams and sinks
   * may share one {@linkcode RateLimit}; they take turns. Items that may not start yet wait.
   */
  rate?: RateLimit | undefined;
  /**
   * Called with the error and the item of each call that fails. The stream skips the item and goes
   * on. If `onError` returns a promise, the slot of the call is free when that promise has settled.
   * If it throws, the stream errors. Without `onError`, the first failure errors the stream.
   */
  onError?: ((error: unknown, item: T) => unknown) | undefined;
  /**
   * Called when the stream ends early, with the items whose calls have not started and the reason.
   * `from` also calls it with an item that it has read and can no longer use. If it throws, the
   * error is uncaught.
   */
  onDiscard?: ((items: T[], reason: unknown) => unknown) | undefined;
  /** Errors both sides with the signal's reason when the signal aborts. */
  signal?: AbortSignal | undefined;
  /** The name that messages and `console.log` show, such as `MapStream "mails"`. */
  name?: string | undefined;
}

/**
 * A transform stream that calls a function for each item, several calls at once.
 *
 * To handle items without a result, use a `Fanout`. To retry calls, use a `Fanout` with `retry`,
 * and call its `submit` in the function.
 *
 * - **Bound**: at most `concurrency` calls run. The stream holds at most `capacity` items: those
 *   that wait for their call, those whose calls run, and results that wait for the consumer. At
 *   that bound it pulls no more items.
 * - **Order**: results come in the order of the items; with `ordered: false`, as the calls settle;
 *   with `key`, in the order of the items of each key.
 * - **Failure**: the first failure errors both sides with that same error and aborts the signal of
 *   the other calls. What they do later is only counted. With `onError`, a failure goes there, its
 *   item is skipped in its turn, and the stream goes on.
 * - **Close**: the writable side closes when all calls have settled, the readable side when all
 *   results are read.
 *
 * How to choose `concurrency`: take how many calls the other side can take at once. If calls differ
 * much in length, one slow call delays the calls behind it. A `capacity` of a few times
 * `concurrency` lets those go on, and `ordered: false` does not wait for the slow one.
 *
 * @example Four requests at once, with answers in order
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
 * @example Skip a text that fails, and report it
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
   * What has happened to the items so far:
   * `accepted = waiting + running + done + failed + discarded`.
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
 * @throws {TypeError} If `fn` is not a function, or an option is of the wrong kind or unknown.
 * @throws {RangeError} If an option is out of range, or `capacity` is less than `concurrency`.
 */
// A class can't infer the results of a function that is asynchronous for some items only; these
// types can.
export const MapStream: {
  /**
   * Makes a stream.
   *
   * @param fn The function to call for each item.
   * @param options The bounds, and the order.
   */
  new <T, R>(fn: MapFunction<T, R>, options?: MapStreamOptions<T>): MapStream<T, R>;
  /**
   * Makes a stream whose function is asynchronous for some items only.
   *
   * @param fn The function to call for each item.
   * @param options The bounds, and the order.
   */
  new <T, H>(
    fn: (item: T, context: HandlerContext) => H,
    options?: MapStreamOptions<T>,
  ): MapStream<T, Awaited<H>>;
  /**
   * Gives the results for a source of arrays, such as pages of rows, whose elements are the items.
   * If the source gives anything other than an array, the stream stops reading it and errors with a
   * `TypeError`. At an early end, the unused rest of a page counts as items that were read and
   * could not be used, and goes to `onDiscard` like them.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of arrays. Promises of
   * arrays in an `Iterable` are awaited; the elements of an array are taken as they are.
   * @param fn The function to call for each item.
   * @param options The options of the constructor, and `flatten`.
   * @returns The results.
   * @throws {TypeError} If the source is not one of these, or is locked. Also as the constructor
   * does.
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
   * The same for a function that is asynchronous for some items only.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of arrays.
   * @param fn The function to call for each item.
   * @param options The options of the constructor, and `flatten`.
   * @returns The results.
   */
  from<T, H>(
    source: Source<readonly T[]>,
    fn: (item: T, context: HandlerContext) => H,
    options: MapStreamOptions<T> & { flatten: true },
  ): ReadableStream<Awaited<H>>;
  /**
   * Gives the results for a source that you already have. It reads the source in a plain loop,
   * which costs less than a pipe and otherwise does the same.
   *
   * **Reading** begins with the first demand. **Cancelling** cancels the source, and waits for that
   * unless a read is pending, because a generator may hang. If the source fails, the stream hands
   * over the results for the items that came before, and then errors with that same error.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable`, but not a string.
   * Promises in an `Iterable` are awaited.
   * @param fn The function to call for each item.
   * @param options The options of the constructor.
   * @returns The results. `for await` is the fastest way to read them.
   * @throws {TypeError} If the source is not one of these, or is locked. Also as the constructor
   * does.
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
   * The same for a function that is asynchronous for some items only.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable`, but not a string.
   * @param fn The function to call for each item.
   * @param options The options of the constructor.
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
    super.readable.getReader(); // A transfer would move this side. The lock refuses that.
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
  // The object always has the same shape, because it is read for each item.
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
