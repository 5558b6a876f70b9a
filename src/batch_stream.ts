/**
 * {@linkcode BatchStream}: arrays of items, by count, weight and time.
 *
 * Runs in Deno, Bun, Node, edge runtimes and browsers.
 *
 * @module
 */

import type { Collector } from "./core/batch/batch_buffer.ts";
import { completeLimits, LIMITS } from "./core/batch/item_collector.ts";
import { titleOf } from "./core/shared/describe.ts";
import { FUNCTION, LINGER, NAME, readOptions, SIGNAL } from "./core/shared/options.ts";
import { FLATTEN, type Source } from "./core/shared/source.ts";
import { BatchStage, type BatchStats } from "./core/stage/batch_stage.ts";
import { discarding, StageController, TransformBase } from "./core/stage/stage.ts";
import { openShort } from "./core/stage/short_ways.ts";

export type { BatchStats, Collector, Source };

/**
 * Options of {@linkcode BatchStream}.
 *
 * @typeParam T The type of the items.
 * @typeParam B The type of the batches.
 */
export interface BatchStreamOptions<T, B = T[]> {
  /**
   * The most items in a batch: an integer of at least 1, or `Infinity` where `maxWeight` is finite.
   *
   * @default {1000}, or `Infinity` where `maxWeight` is finite
   */
  maxItems?: number | undefined;
  /**
   * The most that a batch may weigh: a number of more than 0. Needs `weigh`.
   *
   * @default {Infinity}
   */
  maxWeight?: number | undefined;
  /** What an item weighs: a finite number of at least 0. Asked once for each item. */
  weigh?: ((item: T) => number) | undefined;
  /**
   * What happens to an item that alone is heavier than `maxWeight`: it goes out `"alone"`, or it is
   * an `"error"`.
   *
   * @default {"alone"}
   */
  oversize?: "alone" | "error" | undefined;
  /**
   * Makes a collector of your own, instead of the four options above: called once, by the
   * constructor, which throws what it throws. What the collector throws errors the stream.
   */
  collector?: (() => Collector<T, B>) | undefined;
  /**
   * How long the first item of a batch may wait before the batch is due, in milliseconds: 0 to
   * 2147483647, or `Infinity` for never. 0 is adaptive: single items while the consumer keeps up,
   * larger batches while it is busy.
   *
   * @default {Infinity}
   */
  linger?: number | undefined;
  /**
   * Called when the stream ends early: with the items that it gives up, and the reason. `from` also
   * calls it with an item that it has read and can no longer use. A throw in it is an uncaught error.
   */
  onDiscard?: ((items: T[], reason: unknown) => unknown) | undefined;
  /** Errors both sides with its reason when it aborts. */
  signal?: AbortSignal | undefined;
  /** What it is called in messages and by `console.log`, such as `BatchStream "mails"`. */
  name?: string | undefined;
}

/**
 * A transform stream that gathers items into batches: arrays, or what a collector of yours makes.
 *
 * `new BatchStream(100)` does what `BatchStream` of `@std/streams` does; a weight and a linger are
 * what it adds. To process batches concurrently, pipe it to a {@linkcode Fanout}. To cut by bytes
 * use {@linkcode ChunkStream}; for batches that are no arrays, give a `collector`.
 *
 * - **Order** is kept. No batch is empty, and none is touched again once it is handed over.
 * - **When**: a batch goes out when it is full, or when it is due and the consumer asks for one, or
 *   at close. Never earlier: what was armed for one batch never flushes the next.
 * - **Weight**: `maxWeight` is never exceeded. The item that would exceed it starts the next batch;
 *   one that is heavier by itself goes out alone, or errors the stream.
 * - **Bound**: one batch is held at the most. While it is full and nobody asks for it, writes wait.
 * - **Linger** runs from the first item of a batch and is never extended. A batch that is due while
 *   the consumer is busy keeps growing until it is full.
 * - **Close** hands over the rest, and then closes.
 * - **Failure**: a cancel, an abort, the signal, or a throw in `weigh` or the collector errors both
 *   sides with the very reason. What was held is counted as discarded, and `onDiscard` is told of it.
 *   No timer is left.
 *
 * Choosing the numbers: `maxItems` (or `maxWeight`) is what the consumer takes best at once, such as
 * the rows of one insert; `linger` is the delay that the first item of a quiet minute can bear. 0
 * adds none, and batches only while the consumer is busy.
 *
 * It is go-zero's `BulkExecutor` as a stream; with a collector of your own, its `PeriodicalExecutor`
 * over a `TaskContainer`.
 *
 * @example Records for a bulk insert
 * ```ts
 * import { BatchStream } from "@weir/streams/batch-stream";
 * import { assertEquals } from "@std/assert";
 *
 * const inserted: string[][] = [];
 * await new Blob(["a\nb\nc"]).stream()
 *   .pipeThrough(new TextDecoderStream())
 *   .pipeThrough(new TransformStream<string, string>({
 *     transform(text, controller) {
 *       for (const line of text.split("\n")) controller.enqueue(line);
 *     },
 *   }))
 *   .pipeThrough(new BatchStream({ maxItems: 2, linger: 1000 }))
 *   .pipeTo(new WritableStream({
 *     write(batch) {
 *       inserted.push(batch);
 *     },
 *   }));
 *
 * assertEquals(inserted, [["a", "b"], ["c"]]);
 * ```
 *
 * @example By weight
 * ```ts
 * import { BatchStream } from "@weir/streams/batch-stream";
 * import { assertEquals } from "@std/assert";
 *
 * const orders = [{ lines: 4 }, { lines: 4 }, { lines: 100 }, { lines: 1 }];
 * const sizes: number[][] = [];
 * for await (
 *   const batch of BatchStream.from(orders, { maxWeight: 10, weigh: (order) => order.lines })
 * ) {
 *   sizes.push(batch.map((order) => order.lines));
 * }
 * assertEquals(sizes, [[4, 4], [100], [1]]);
 * ```
 *
 * @example A collector of your own: the latest reading of each sensor
 * ```ts
 * import { BatchStream } from "@weir/streams/batch-stream";
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
 * const batches = BatchStream.from(readings, { collector: () => new Latest(), linger: 1000 });
 *
 * for await (const batch of batches) {
 *   assertEquals(batch, [{ sensor: "a", value: 3 }, { sensor: "b", value: 2 }]);
 * }
 * ```
 *
 * @typeParam T The type of the items.
 * @typeParam B The type of the batches.
 */
export class BatchStream<T, B = T[]> extends TransformBase<T, B> {
  readonly #controller: StageController<T, B, BatchStage<T, B>>;

  /**
   * Makes a stream.
   *
   * @param options The limits of a batch; a number is `maxItems`.
   * @throws {TypeError} If an option is of the wrong kind or unknown, the collector is none, or it is
   * given beside the limits that it replaces.
   * @throws {RangeError} If an option is out of range, or no limit is finite.
   */
  constructor(options?: number | BatchStreamOptions<T, B>) {
    const controller = open(options);
    super();
    super.readable.getReader(); // A transfer would move that side: locked, it is refused.
    this.#controller = controller.open(this);
  }

  /** The batches. */
  override get readable(): ReadableStream<B> {
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
    return this.#controller.stage.stats;
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
   * @example Pages of an API, as batches for a bulk insert
   * ```ts
   * import { BatchStream } from "@weir/streams/batch-stream";
   * import { assertEquals } from "@std/assert";
   *
   * async function* pages() {
   *   for (let n = 0; n < 6; n += 3) yield [n, n + 1, n + 2]; // await (await fetch(url)).json()
   * }
   * const batches: number[][] = [];
   * for await (const batch of BatchStream.from(pages(), { maxItems: 4, flatten: true })) {
   *   batches.push(batch);
   * }
   * assertEquals(batches, [[0, 1, 2, 3], [4, 5]]);
   * ```
   */
  static from<T, B = T[]>(
    source: Source<readonly T[]>,
    options: BatchStreamOptions<T, B> & { flatten: true },
  ): ReadableStream<B>;
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
   * import { BatchStream } from "@weir/streams/batch-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const batches: number[][] = [];
   * for await (const batch of BatchStream.from([1, 2, 3], 2)) batches.push(batch);
   * assertEquals(batches, [[1, 2], [3]]);
   * ```
   */
  static from<T, B = T[]>(
    source: Source<T>,
    options?: number | BatchStreamOptions<T, B> & { flatten?: false | undefined },
  ): ReadableStream<B>;
  static from<T, B>(
    source: Source<T> | Source<readonly T[]>,
    options?: number | BatchStreamOptions<T, B>,
  ): ReadableStream<B> {
    return open(options, FLATTEN).from(source);
  }
}

function open<T, B>(
  options: number | BatchStreamOptions<T, B> | undefined,
  more?: typeof FLATTEN,
): StageController<T, B, BatchStage<T, B>> {
  const given = typeof options === "number" ? { maxItems: options } : options;
  const own = { linger: LINGER, onDiscard: FUNCTION, signal: SIGNAL, name: NAME };
  const values = readOptions("BatchStream", given, { ...LIMITS, ...own, ...more });
  const owner = titleOf("BatchStream", values.name);
  const limits = completeLimits(owner, values);
  const make = (controller: StageController<T, B>) =>
    new BatchStage(controller, limits, values.linger ?? Infinity);
  return new StageController(make, owner, values, discarding(values.onDiscard), openShort);
}
