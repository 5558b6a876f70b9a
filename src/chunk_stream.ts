/**
 * {@linkcode ChunkStream}: gathers items into arrays, by bytes and time.
 *
 * It runs in Deno, Bun, Node, edge runtimes and browsers.
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
  /** The most bytes in a batch: an integer of at least 1, or `Infinity` if `maxItems` is finite. */
  maxBytes: number;
  /**
   * The most items in a batch: an integer of at least 1, or `Infinity`. Set it if items may be
   * empty, because empty items add no bytes.
   *
   * @default {Infinity}
   */
  maxItems?: number | undefined;
  /**
   * How many bytes an item has: a finite number of at least 0. Called once for each item.
   *
   * @default {byteLength}
   */
  byteLength?: ((item: T) => number) | undefined;
  /**
   * How long the first item of a batch may wait before the batch is due, in milliseconds: 0 to
   * 2147483647, or `Infinity` for never. 0 is adaptive: single items go out while the consumer
   * keeps up, and larger batches while it is busy.
   *
   * @default {Infinity}
   */
  linger?: number | undefined;
  /**
   * What happens to an item that alone has more than `maxBytes`. With `"alone"`, it goes out alone.
   * With `"error"`, it errors the stream.
   *
   * @default {"alone"}
   */
  oversize?: "alone" | "error" | undefined;
  /**
   * Called when the stream ends early, with the discarded items and the reason. `from` also calls
   * it with an item that it has read and can no longer use. If it throws, the error is uncaught.
   */
  onDiscard?: ((items: T[], reason: unknown) => unknown) | undefined;
  /** Errors both sides with the signal's reason when the signal aborts. */
  signal?: AbortSignal | undefined;
  /** The name that messages and `console.log` show, such as `ChunkStream "mails"`. */
  name?: string | undefined;
}

/**
 * A transform stream that gathers items into arrays of a limited size in bytes.
 *
 * It is a {@linkcode BatchStream} whose weight is the length in bytes, and makes the same promises.
 * Items stay whole: to cut a byte stream into pieces of an exact size, use `FixedChunkStream`.
 *
 * - **Bytes**: a batch never exceeds `maxBytes`. The item that would exceed it starts the next
 *   batch. An item that alone is larger goes out alone, or errors the stream.
 * - **Items** are handed over as they are. If a producer reuses a buffer, it must write a copy of
 *   it.
 *
 * How to choose the number: `maxBytes` is what the receiver takes in one request, such as 1 MiB for
 * many message brokers, minus the size of its envelope.
 *
 * It does what `ChunkExecutor` of go-zero does, as a stream.
 *
 * @example Messages for a broker that takes 8 bytes in one request
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
    super.readable.getReader(); // A transfer would move this side. The lock refuses that.
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
   * What has happened to the items so far: `accepted = waiting + done + discarded`.
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
   * Makes the waiting items due now: they go out as soon as the consumer asks. If no item waits, it
   * does nothing.
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

/** The core knows bytes as weight. */
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
