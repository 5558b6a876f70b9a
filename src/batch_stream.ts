/**
 * {@linkcode BatchStream}: gathers items into arrays, by count, weight and time.
 *
 * It runs in Deno, Bun, Node, edge runtimes and browsers.
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
   * The most items in a batch: an integer of at least 1, or `Infinity` if `maxWeight` is finite.
   *
   * @default {1000}, or `Infinity` if `maxWeight` is finite
   */
  maxItems?: number | undefined;
  /**
   * The most that a batch may weigh: a number of more than 0. It needs `weigh`.
   *
   * @default {Infinity}
   */
  maxWeight?: number | undefined;
  /** What an item weighs: a finite number of at least 0. Called once for each item. */
  weigh?: ((item: T) => number) | undefined;
  /**
   * What happens to an item that alone is heavier than `maxWeight`. With `"alone"`, it goes out
   * alone. With `"error"`, it errors the stream.
   *
   * @default {"alone"}
   */
  oversize?: "alone" | "error" | undefined;
  /**
   * Makes your own collector, instead of the four options above. The constructor calls it once, and
   * throws the error that it throws. If the collector throws later, the stream errors.
   */
  collector?: (() => Collector<T, B>) | undefined;
  /**
   * How long the first item of a batch may wait before the batch is due, in milliseconds: 0 to
   * 2147483647, or `Infinity` for never. 0 is adaptive: single items go out while the consumer
   * keeps up, and larger batches while it is busy.
   *
   * @default {Infinity}
   */
  linger?: number | undefined;
  /**
   * Called when the stream ends early, with the discarded items and the reason. `from` also calls
   * it with an item that it has read and can no longer use. If it throws, the error is uncaught.
   */
  onDiscard?: ((items: T[], reason: unknown) => unknown) | undefined;
  /** Errors both sides with the signal's reason when the signal aborts. */
  signal?: AbortSignal | undefined;
  /** The name that messages and `console.log` show, such as `BatchStream "mails"`. */
  name?: string | undefined;
}

/**
 * A transform stream that gathers items into batches: arrays, or batches that your own collector
 * makes.
 *
 * `new BatchStream(100)` does what `BatchStream` of `@std/streams` does. This one also knows
 * weights and a linger. To process batches concurrently, pipe it to a {@linkcode Fanout}. To limit
 * batches by bytes, use {@linkcode ChunkStream}. To make batches that are not arrays, give a
 * `collector`.
 *
 * - **Order** is kept. No batch is empty, and the stream never touches a batch again after handing
 *   it over.
 * - **When**: a batch goes out when it is full, when it is due and the consumer asks for one, or at
 *   close. It never goes out earlier: a timer that was set for one batch never flushes the next.
 * - **Weight**: a batch never exceeds `maxWeight`. The item that would exceed it starts the next
 *   batch. An item that alone is heavier goes out alone, or errors the stream.
 * - **Bound**: the stream holds at most one batch. While that batch is full and the consumer
 *   doesn't ask for it, writes wait.
 * - **Linger** runs from the first item of a batch and is never extended. If a batch is due while
 *   the consumer is busy, it keeps growing until it is full.
 * - **Close** hands over the rest, and then closes.
 * - **Failure**: a cancel, an abort, the signal, or a throw in `weigh` or the collector errors both
 *   sides with that same reason. The waiting items count as discarded and go to `onDiscard`. No
 *   timer is left.
 *
 * How to choose the numbers: `maxItems` (or `maxWeight`) is the size of batch that the consumer
 * handles best, such as the rows of one insert. `linger` is the longest time an item may wait when
 * traffic is low. With 0 no item waits for others, and batches form only while the consumer is
 * busy.
 *
 * It does what `BulkExecutor` of go-zero does, as a stream; with your own collector, what its
 * `PeriodicalExecutor` over a `TaskContainer` does.
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
 * @example Your own collector: the latest reading of each sensor
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
   * @throws {TypeError} If an option is of the wrong kind or unknown, `collector` does not return a
   * collector, or it is given together with the limits that it replaces.
   * @throws {RangeError} If an option is out of range, or no limit is finite.
   */
  constructor(options?: number | BatchStreamOptions<T, B>) {
    const controller = open(options);
    super();
    super.readable.getReader(); // A transfer would move this side. The lock refuses that.
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
   * What has happened to the items so far: `accepted = waiting + done + discarded`.
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
   * Makes the waiting items due now: they go out as soon as the consumer asks. If no item waits, it
   * does nothing.
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
   * Makes batches from a source of arrays, such as pages of rows, whose elements are the items. If
   * the source gives anything other than an array, the stream stops reading it and errors with a
   * `TypeError`. At an early end, the unused rest of a page counts as items that were read and
   * could not be used, and goes to `onDiscard` like them.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of arrays. Promises of
   * arrays in an `Iterable` are awaited; the elements of an array are taken as they are.
   * @param options The options of the constructor, and `flatten`.
   * @returns The batches.
   * @throws {TypeError} If the source is not one of these, or is locked. Also as the constructor
   * does.
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
   * Makes batches from a source that you already have. It reads the source in a plain loop, which
   * costs about half as much as a pipe and follows the same rules.
   *
   * **Reading** begins with the first demand, and goes on until the stream holds one full batch.
   * **Cancelling** cancels the source, and waits for that unless a read is pending, because a
   * generator may hang. If the source fails, the stream hands over the batch of the items that came
   * before, and then errors with that same error.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable`, but not a string.
   * Promises in an `Iterable` are awaited.
   * @param options The options of the constructor.
   * @returns The batches. `for await` is the fastest way to read them.
   * @throws {TypeError} If the source is not one of these, or is locked. Also as the constructor
   * does.
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
