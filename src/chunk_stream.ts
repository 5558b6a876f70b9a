/**
 * {@linkcode ChunkStream}: arrays of items, by bytes and time.
 *
 * Runs in Deno, Bun, Node, edge runtimes and browsers.
 *
 * @module
 */

import { BatchStream } from "./batch_stream.ts";
import type { BatchStats, BatchStreamOptions, Source } from "./batch_stream.ts";
import { CollectStream } from "./collect_stream.ts";
import type { Collector, CollectStreamOptions } from "./collect_stream.ts";
import { byteLength, measure } from "./core/byte_length.ts";
import { BATCHING, completeLimits, ItemBatching, OVERSIZE } from "./core/item_collector.ts";
import { check, FUNCTION, LIMIT_OR_NONE, readOptions } from "./core/options.ts";
import { openOutlet } from "./core/outlet.ts";
import { readableFrom } from "./duplex.ts";

export { BatchStream, byteLength, CollectStream };
export type { BatchStats, BatchStreamOptions, Collector, CollectStreamOptions, Source };

const OPTIONS = {
  maxBytes: LIMIT_OR_NONE,
  maxItems: LIMIT_OR_NONE,
  byteLength: FUNCTION,
  oversize: OVERSIZE,
  ...BATCHING,
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
  /** Errors both sides with its reason when it aborts. */
  signal?: AbortSignal | undefined;
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
export class ChunkStream<T> extends BatchStream<T> {
  /**
   * Makes a stream.
   *
   * @param options The limits of a batch.
   * @throws {TypeError} If an option is of the wrong kind or unknown, or `maxBytes` is missing.
   * @throws {RangeError} If an option is out of range, or no limit is finite.
   */
  constructor(options: ChunkStreamOptions<T>) {
    super(chunking(options) as BatchStreamOptions<T>);
  }

  /**
   * Batches of a source that is at hand, read by a plain loop: about half the cost of a pipe,
   * with the same rules.
   *
   * **Reading** begins with the first demand, and goes on until one batch is held. **Cancelling**
   * cancels the source, and does not wait for a generator that hangs. A failure of the source
   * errors the stream with the very error.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable`.
   * @param options Those of the constructor.
   * @returns The batches.
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
  static override from<T>(
    source: Source<T>,
    options: ChunkStreamOptions<T>,
  ): ReadableStream<T[]>;
  /** @ignore What TypeScript wants of a static that narrows its base's. */
  static override from<T, B>(source: Source<T>, options: never): ReadableStream<B>;
  static override from<T>(
    source: Source<T>,
    options: ChunkStreamOptions<T>,
  ): ReadableStream<T[]> {
    const { outlet, signal } = openOutlet(chunking(options));
    return readableFrom("ChunkStream", source, outlet, signal);
  }
}

const NAMES = { maxWeight: "maxBytes", weigh: "byteLength" };

/** Checks the options; the rest is a batch by weight. */
function chunking<T>(options: ChunkStreamOptions<T>): ItemBatching<T> {
  const values = readOptions<ChunkStreamOptions<T>>("ChunkStream", options, OPTIONS);
  const maxWeight = check("ChunkStream", "maxBytes", values.maxBytes!, LIMIT_OR_NONE);
  const { maxItems = Infinity, oversize } = values;
  const { byteLength: weigh = (item: T) => measure("ChunkStream", item) } = values;
  const limits = completeLimits<T>("ChunkStream", { maxItems, maxWeight, weigh, oversize }, NAMES);
  return new ItemBatching(limits, values);
}
