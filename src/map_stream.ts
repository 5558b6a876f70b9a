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
  readOptions,
  SIGNAL,
} from "./core/shared/options.ts";
import type { Source } from "./core/shared/source.ts";
import { readableFrom } from "./core/stage/from.ts";
import { MapStage } from "./core/stage/map_stage.ts";
import { openPair, type Pair, StageController, TransformBase } from "./core/stage/stage.ts";

export type { HandlerContext, Source };

const OPTIONS = {
  concurrency: LIMIT,
  ordered: FLAG,
  key: FUNCTION,
  timeout: DURATION,
  signal: SIGNAL,
  name: NAME,
};

/** What a {@linkcode MapStream} does with an item. */
export type MapFunction<T, R> = (item: T, context: HandlerContext) => R | PromiseLike<R>;

/** Options of {@linkcode MapStream}. */
export interface MapStreamOptions<T> {
  /**
   * The most calls that run at once, and the most results that wait: an integer of at least 1.
   *
   * @default {1}
   */
  concurrency?: number | undefined;
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
  /** Errors both sides with its reason when it aborts. */
  signal?: AbortSignal | undefined;
  /** What it is called in messages and by `console.log`, such as `MapStream "mails"`. */
  name?: string | undefined;
}

/**
 * A transform stream that calls a function for each item, several at once.
 *
 * To handle items without a result, or to go on after a failure, use a `Fanout`.
 *
 * - **Bound**: at most `concurrency` calls run, and at most `concurrency` results wait. Together
 *   they are not more than that either, and nothing more is pulled.
 * - **Order**: of the items; with `ordered: false`, of the settlements; with `key`, of the items of
 *   each key.
 * - **Failure**: the first failure errors both sides with the very error and aborts the signal of
 *   the other calls. What they do later is ignored.
 * - **Close**: the writable closes when all calls have settled, the readable when all results are
 *   read.
 *
 * Choosing `concurrency`: what the other side bears. Where calls differ much in length, one slow
 * call holds up those behind it; `ordered: false` does not wait for it.
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
 * @typeParam T The type of the items.
 * @typeParam R The type of the results.
 */
export class MapStream<T, R> extends TransformBase<T, R> {
  readonly #pair: Pair<T, R, MapStage<T, R>>;

  /**
   * Makes a stream.
   *
   * @param fn What is called for each item.
   * @param options The bounds, and the order.
   * @throws {TypeError} If `fn` is no function, or an option of the wrong kind or unknown.
   * @throws {RangeError} If an option is out of range.
   */
  constructor(fn: MapFunction<T, R>, options?: MapStreamOptions<T>) {
    const controller = open(fn, options);
    super();
    super.readable.getReader(); // A transfer would move that side: locked, it is refused.
    this.#pair = openPair(controller, this);
  }

  /** The results. */
  override get readable(): ReadableStream<R> {
    return this.#pair.readable;
  }

  /** Takes the items. */
  override get writable(): WritableStream<T> {
    return this.#pair.writable;
  }

  /**
   * Results for a source that is at hand, read by a plain loop: cheaper than a pipe, and otherwise
   * the same.
   *
   * **Reading** begins with the first demand. **Cancelling** cancels the source, and does not wait
   * for a generator that hangs. A failure of the source errors the stream with the very error.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable`.
   * @param fn What is called for each item.
   * @param options Those of the constructor.
   * @returns The results.
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
  static from<T, R>(
    source: Source<T>,
    fn: MapFunction<T, R>,
    options?: MapStreamOptions<T>,
  ): ReadableStream<R> {
    return readableFrom("MapStream", source, open(fn, options));
  }
}

function open<T, R>(
  fn: MapFunction<T, R>,
  options: MapStreamOptions<T> | undefined,
): StageController<T, R, MapStage<T, R>> {
  check("MapStream", "fn", fn, FUNCTION);
  const values = readOptions<MapStreamOptions<T>>("MapStream", options, OPTIONS);
  const owner = titleOf("MapStream", values.name);
  const { concurrency = 1, key, ordered = !key, timeout = Infinity, signal } = values;
  const complete = { owner, concurrency, ordered, key, timeout };
  return new StageController((controller) => new MapStage(controller, fn, complete), signal, owner);
}
