/**
 * {@linkcode CollectStream}: batches made by a collector of your own.
 *
 * Runs in Deno, Bun, Node, edge runtimes and browsers.
 *
 * @module
 */

import type { Collector } from "./core/batcher.ts";
import { type BatchStats, openOutlet, type Outlet } from "./core/outlet.ts";
import type { Source } from "./core/source.ts";
import { duplex, readableFrom } from "./duplex.ts";

export type { BatchStats, Collector, Source };

/**
 * Options of {@linkcode CollectStream}.
 *
 * @typeParam T The type of the items.
 * @typeParam B The type of the batches.
 */
export interface CollectStreamOptions<T, B> {
  /** Makes the collector: called once for each stream. */
  collector: () => Collector<T, B>;
  /**
   * How long the first item of a batch may wait before the batch is due, in milliseconds: 0 to
   * 2147483647, or `Infinity` for never. 0 makes a batch due as soon as the code that adds items
   * yields.
   *
   * @default {Infinity}
   */
  linger?: number | undefined;
  /** Errors both sides with its reason when it aborts. */
  signal?: AbortSignal | undefined;
}

/**
 * A transform stream that gathers items in a collector of your own and emits what it makes of them.
 *
 * Use it where a batch is not an array: a map that keeps the latest item of each key, a running sum,
 * a buffer that is encoded as it fills. For arrays use {@linkcode BatchStream}, or
 * {@linkcode ChunkStream} to cut them by bytes.
 *
 * - **Order**: batches come in the order of their items. None is empty, and none is touched again.
 * - **When**: a batch goes out when the collector is full, or when it is due and the consumer asks
 *   for one, or at close. Never earlier: what was armed for one batch never flushes the next.
 * - **Bound**: one batch is held at the most. While it is full and nobody asks for it, writes wait.
 * - **Linger**: runs from the first item of a batch and is never extended. A batch that is due while
 *   the consumer is busy keeps growing until it is full.
 * - **Close**: hands over the rest, and then closes.
 * - **Failure**: a cancel, an abort, the signal, or a throw in the collector errors both sides with
 *   the very reason, and what was held is counted as discarded. No timer is left.
 *
 * It is what go-zero's `PeriodicalExecutor` is over its `TaskContainer`, with backpressure.
 *
 * @example The latest reading of each sensor
 * ```ts
 * import { CollectStream } from "@weir/streams/collect-stream";
 * import { assertEquals } from "@std/assert";
 *
 * type Reading = { sensor: string; value: number };
 *
 * class Latest {
 *   #readings = new Map<string, Reading>();
 *   get size() {
 *     return this.#readings.size;
 *   }
 *   get full() {
 *     return this.#readings.size >= 100;
 *   }
 *   add(reading: Reading) {
 *     this.#readings.set(reading.sensor, reading);
 *   }
 *   take() {
 *     const readings = [...this.#readings.values()];
 *     this.#readings.clear();
 *     return readings;
 *   }
 * }
 *
 * const readings = [
 *   { sensor: "a", value: 1 },
 *   { sensor: "b", value: 2 },
 *   { sensor: "a", value: 3 },
 * ];
 * const batches = CollectStream.from(readings, { collector: () => new Latest(), linger: 1000 });
 *
 * for await (const batch of batches) {
 *   assertEquals(batch, [{ sensor: "a", value: 3 }, { sensor: "b", value: 2 }]);
 * }
 * ```
 *
 * @typeParam T The type of the items.
 * @typeParam B The type of the batches.
 */
export class CollectStream<T, B> {
  /** The batches. */
  readonly readable: ReadableStream<B>;
  /** Takes the items. */
  readonly writable: WritableStream<T>;

  readonly #outlet: Outlet<T, B>;

  /**
   * Makes a stream.
   *
   * @param options What gathers the items, and for how long at the most.
   * @throws {TypeError} If an option is of the wrong kind or unknown, or the collector is none.
   * @throws {RangeError} If `linger` is out of range.
   */
  constructor(options: CollectStreamOptions<T, B>) {
    const { outlet, signal } = openOutlet(options);
    const { readable, writable } = duplex(outlet, signal);
    this.readable = readable;
    this.writable = writable;
    this.#outlet = outlet;
  }

  /**
   * What has become of the items, at this moment: `accepted = waiting + done + discarded`.
   *
   * @example
   * ```ts
   * import { BatchStream } from "@weir/streams/batch-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const stream = new BatchStream<string>(2);
   * const writer = stream.writable.getWriter();
   * await writer.write("a");
   * assertEquals(stream.stats, { accepted: 1, waiting: 1, done: 0, discarded: 0, batches: 0 });
   * await writer.abort();
   * assertEquals(stream.stats.discarded, 1);
   * ```
   */
  get stats(): BatchStats {
    return this.#outlet.stats;
  }

  /**
   * Makes what is held due now: it goes out as soon as the consumer asks. Does nothing where
   * nothing is held.
   *
   * @example
   * ```ts
   * import { BatchStream } from "@weir/streams/batch-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const stream = new BatchStream<string>(100);
   * const reader = stream.readable.getReader();
   * await stream.writable.getWriter().write("a");
   * stream.flush();
   * assertEquals(await reader.read(), { value: ["a"], done: false });
   * ```
   */
  flush(): void {
    this.#outlet.flush();
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
   * import { BatchStream } from "@weir/streams/batch-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const batches: number[][] = [];
   * for await (const batch of BatchStream.from([1, 2, 3], 2)) batches.push(batch);
   * assertEquals(batches, [[1, 2], [3]]);
   * ```
   */
  static from<T, B>(source: Source<T>, options: CollectStreamOptions<T, B>): ReadableStream<B> {
    const { outlet, signal } = openOutlet(options);
    return readableFrom("CollectStream", source, outlet, signal);
  }
}
