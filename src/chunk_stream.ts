/**
 * {@linkcode ChunkStream}: arrays of items, by bytes and time.
 *
 * Runs in Deno, Bun, Node, edge runtimes and browsers.
 *
 * @module
 */

import { byteLength, measure } from "./core/batch/byte_length.ts";
import { completeLimits, OVERSIZE } from "./core/batch/item_collector.ts";
import { titleOf } from "./core/shared/describe.ts";
import {
  check,
  FUNCTION,
  LIMIT_OR_NONE,
  LINGER,
  NAME,
  readOptions,
  SIGNAL,
} from "./core/shared/options.ts";
import { FLATTEN, type Source } from "./core/shared/source.ts";
import { BatchStage, type BatchStats } from "./core/stage/batch_stage.ts";
import { discarding, StageController, TransformBase } from "./core/stage/stage.ts";
import { openShort } from "./core/stage/short_ways.ts";

export { byteLength };
export type { BatchStats, Source };

const OPTIONS = {
  maxBytes: LIMIT_OR_NONE,
  maxItems: LIMIT_OR_NONE,
  byteLength: FUNCTION,
  oversize: OVERSIZE,
  linger: LINGER,
  onDiscard: FUNCTION,
  signal: SIGNAL,
  name: NAME,
};

/**
 * Options of {@linkcode ChunkStream}.
 *
 * @typeParam T The type of the items.
 */
export interface ChunkStreamOptions<T> {
  /**
   * The most bytes in a batch: an integer of at least 1, or `Infinity` where `maxItems` is finite.
   */
  maxBytes: number;
  /**
   * The most items in a batch: an integer of at least 1, or `Infinity`. Give it where items may be
   * empty: they fill no bytes.
   *
   * @default {Infinity}
   */
  maxItems?: number | undefined;
  /**
   * How many bytes an item has: a finite number of at least 0. Asked once for each item.
   *
   * @default {byteLength}
   */
  byteLength?: ((item: T) => number) | undefined;
  /**
   * How long the first item of a batch may wait before the batch is due, in milliseconds: 0 to
   * 2147483647, or `Infinity` for never. 0 is adaptive: single items while the consumer keeps up,
   * larger batches while it is busy.
   *
   * @default {Infinity}
   */
  linger?: number | undefined;
  /**
   * What happens to an item that alone has more than `maxBytes`: it goes out `"alone"`, or it is an
   * `"error"`.
   *
   * @default {"alone"}
   */
  oversize?: "alone" | "error" | undefined;
  /**
   * Called when the stream ends early: with the items that it gives up, and the reason. `from` also
   * calls it with an item that it has read and can no longer use. A throw in it is an uncaught error.
   */
  onDiscard?: ((items: T[], reason: unknown) => unknown) | undefined;
  /** Errors both sides with its reason when it aborts. */
  signal?: AbortSignal | undefined;
  /** What it is called in messages and by `console.log`, such as `ChunkStream "mails"`. */
  name?: string | undefined;
}

/**
 * A transform stream that gathers items into arrays of limited size in bytes.
 *
 * It is a {@linkcode BatchStream} whose weight is the length in bytes, and promises the same. Items
 * stay whole: to cut a byte stream into pieces of an exact size, use `FixedChunkStream`.
 *
 * - **Bytes**: `maxBytes` is never exceeded. The item that would exceed it starts the next batch; one
 *   that is larger by itself goes out alone, or errors the stream.
 * - **Items** are handed over as they are. A producer that reuses a buffer must write a copy of it.
 *
 * Choosing the number: what the receiver takes in one request, such as 1 MiB for many message
 * brokers, less what its envelope needs.
 *
 * It is go-zero's `ChunkExecutor` as a stream.
 *
 * @example Messages for a broker that takes a mebibyte at once
 * ```ts
 * import { ChunkStream } from "@weir/streams/chunk-stream";
 * import { assertEquals } from "@std/assert";
 *
 * const messages = ["ok", "grün", "a longer message"];
 * const batches: string[][] = [];
 * for await (const batch of ChunkStream.from(messages, { maxBytes: 8 })) batches.push(batch);
 *
 * assertEquals(batches, [["ok", "grün"], ["a longer message"]]);
 * ```
 *
 * @typeParam T The type of the items.
 */
export class ChunkStream<T> extends TransformBase<T, T[]> {
  readonly #controller: StageController<T, T[], BatchStage<T, T[]>>;

  /**
   * Makes a stream.
   *
   * @param options The limits of a batch; a number is `maxBytes`.
   * @throws {TypeError} If an option is of the wrong kind or unknown, or `maxBytes` is missing.
   * @throws {RangeError} If an option is out of range, or no limit is finite.
   */
  constructor(options: number | ChunkStreamOptions<T>) {
    const controller = open(options);
    super();
    super.readable.getReader(); // A transfer would move that side: locked, it is refused.
    this.#controller = controller.open(this);
  }

  /** The batches. */
  override get readable(): ReadableStream<T[]> {
    return this.#controller.readable;
  }

  /** Takes the items. */
  override get writable(): WritableStream<T> {
    return this.#controller.writable;
  }

  /**
   * What has become of the items, at this moment: `accepted = waiting + done + discarded`.
   *
   * @example
   * ```ts
   * import { ChunkStream } from "@weir/streams/chunk-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const stream = new ChunkStream<string>({ maxBytes: 2 });
   * const writer = stream.writable.getWriter();
   * await writer.write("a");
   * assertEquals(stream.stats, { accepted: 1, waiting: 1, done: 0, discarded: 0, batches: 0 });
   * await writer.abort();
   * assertEquals(stream.stats.discarded, 1);
   * ```
   */
  get stats(): BatchStats {
    return this.#controller.stage.stats;
  }

  /**
   * Makes what is held due now: it goes out as soon as the consumer asks. Does nothing where
   * nothing is held.
   *
   * @example
   * ```ts
   * import { ChunkStream } from "@weir/streams/chunk-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const stream = new ChunkStream<string>({ maxBytes: 100 });
   * const reader = stream.readable.getReader();
   * await stream.writable.getWriter().write("a");
   * stream.flush();
   * assertEquals(await reader.read(), { value: ["a"], done: false });
   * ```
   */
  flush(): void {
    this.#controller.stage.flush();
  }

  /**
   * Batches of a source of arrays, such as pages of rows, whose elements are the items. What else the source
   * gives is a `TypeError`, by which it is left. At an early end the rest of a page that was read counts, and
   * is told, as an item that was read and could not be used.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of arrays. Promises of arrays in
   * an `Iterable` are awaited; what is in an array is taken as it is.
   * @param options Those of the constructor, and `flatten`.
   * @returns The batches.
   * @throws {TypeError} If the source is none, is locked, or as the constructor does.
   * @throws {RangeError} As the constructor does.
   *
   * @example
   * ```ts
   * import { ChunkStream } from "@weir/streams/chunk-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const pages = [["a", "b", "c"], ["d"]];
   * const batches: string[][] = [];
   * for await (const batch of ChunkStream.from(pages, { maxBytes: 2, flatten: true })) {
   *   batches.push(batch);
   * }
   * assertEquals(batches, [["a", "b"], ["c", "d"]]);
   * ```
   */
  static from<T>(
    source: Source<readonly T[]>,
    options: ChunkStreamOptions<T> & { flatten: true },
  ): ReadableStream<T[]>;
  /**
   * Batches of a source that is at hand, read by a plain loop: about half the cost of a pipe,
   * with the same rules.
   *
   * **Reading** begins with the first demand, and goes on until one batch is held. **Cancelling**
   * cancels the source, and waits for it unless a read is pending: a generator may hang. A failure of
   * the source errors the stream with the very error, after the batch of what came before it.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable`, but no string. Promises in
   * an `Iterable` are awaited.
   * @param options Those of the constructor.
   * @returns The batches. `for await` is the quickest way to read them.
   * @throws {TypeError} If the source is none, is locked, or as the constructor does.
   * @throws {RangeError} As the constructor does.
   *
   * @example
   * ```ts
   * import { ChunkStream } from "@weir/streams/chunk-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const batches: string[][] = [];
   * for await (const batch of ChunkStream.from(["a", "b", "c"], { maxBytes: 2 })) {
   *   batches.push(batch);
   * }
   * assertEquals(batches, [["a", "b"], ["c"]]);
   * ```
   */
  static from<T>(
    source: Source<T>,
    options: number | ChunkStreamOptions<T> & { flatten?: false | undefined },
  ): ReadableStream<T[]>;
  static from<T>(
    source: Source<T> | Source<readonly T[]>,
    options: number | ChunkStreamOptions<T>,
  ): ReadableStream<T[]> {
    return open(options, FLATTEN).from(source);
  }
}

const NAMES = { maxWeight: "maxBytes", weigh: "byteLength" };

/** To the rest of the house, bytes are the weight. */
function open<T>(
  options: number | ChunkStreamOptions<T>,
  more?: typeof FLATTEN,
): StageController<T, T[], BatchStage<T, T[]>> {
  const given = typeof options === "number" ? { maxBytes: options } : options;
  const values = readOptions<ChunkStreamOptions<T>>("ChunkStream", given, { ...OPTIONS, ...more });
  const owner = titleOf("ChunkStream", values.name);
  const maxWeight = check(owner, "maxBytes", values.maxBytes!, LIMIT_OR_NONE);
  const { maxItems = Infinity, oversize, linger = Infinity } = values;
  const { byteLength: weigh = (item: T) => measure(owner, item) } = values;
  const limits = { maxItems, maxWeight, weigh, oversize };
  const complete = completeLimits<T, T[]>(owner, limits, NAMES);
  const make = (controller: StageController<T, T[]>) =>
    new BatchStage(controller, complete, linger);
  return new StageController(make, owner, values, discarding(values.onDiscard), openShort);
}
