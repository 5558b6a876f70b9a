/**
 * {@linkcode Aggregator}: batches and N workers in one.
 *
 * Runs in Deno, Bun, Node, edge runtimes and browsers.
 *
 * @module
 */

import type { Collector } from "./core/batch/batch_buffer.ts";
import { completeLimits, LIMITS } from "./core/batch/item_collector.ts";
import { titleOf } from "./core/shared/describe.ts";
import { check, LINGER, readOptions } from "./core/shared/options.ts";
import { BatchTable } from "./core/work/batch_table.ts";
import { completeOptions, SINK } from "./core/work/work_options.ts";
import { WorkQueue } from "./core/work/work_queue.ts";
import {
  type HandlerContext,
  type Runner,
  Sink,
  type SinkCallOptions,
  type SinkContext,
  type SinkOptions,
  type SinkStats,
  type Source,
} from "./sink.ts";

export { Sink };
export type {
  Collector,
  HandlerContext,
  Runner,
  SinkCallOptions,
  SinkContext,
  SinkOptions,
  SinkStats,
  Source,
};

/**
 * What an {@linkcode Aggregator} does with a batch. It may be asynchronous. To throw or reject fails
 * all items of the batch.
 *
 * It may return an array with one entry for each item, in order: the results of those that were
 * submitted. An entry may be a promise. An `Error`, of any realm, or a promise that rejects or resolves
 * to one is the failure of that item alone, pushed or submitted.
 *
 * An array of a wrong count fails the batch with a `TypeError`, if an item was submitted or an entry is
 * an `Error`; else it is not looked at, nor are the promises in it. What is no array gives no results: a
 * `submit` rejects with a `TypeError`, and pushed items are done.
 */
export type AggregatorHandler<B, H = unknown> = (batch: B, context: SinkContext) => H;

/**
 * An `Error` is a failure, and no result.
 *
 * @internal
 */
type Value<E> = E extends Error ? "stack" extends keyof E ? never : E : E;

/**
 * What `submit` gives, of what the handler returns: the type of an element, without errors. There is
 * none where the handler returns no array.
 *
 * @typeParam H What the handler returns.
 */
export type AggregatorResult<H, A = Awaited<H>> = unknown extends A ? A
  : A extends readonly (infer E)[] ? Value<Awaited<E>>
  : never;

/** What `stats` shows of an {@linkcode Aggregator}. */
export interface AggregatorStats extends SinkStats {
  /** Batches that were handed to the handler. */
  readonly batches: number;
}

/** Options of {@linkcode Aggregator}. */
export interface AggregatorOptions<T, B = T[]> extends SinkOptions<T> {
  /**
   * Is told of each failure, once for each distinct error of a batch, with the items that no `submit`
   * waits for, in order and as they came, and with the batch that the handler was given, as it has
   * left it; the sink goes on. It may be asynchronous: the slot is kept until it has settled. A throw
   * in it errors the sink; so does a push in it that is refused, as every push is after `close()`: to
   * try again use `retry`. Without it, the first such failure errors the sink.
   */
  onError?: ((error: unknown, items: T[], batch: B) => unknown) | undefined;
  /**
   * Asked when items of a batch have failed, once for each distinct error: in how many milliseconds what has failed goes to the handler again, 0 to
   * 2147483647, or `undefined` to give up, which is told as it is without a `retry`. {@linkcode backoff}
   * makes one. `attempt` is how often the handler was called, from 1.
   *
   * They are still accepted meanwhile, and count as waiting: **the slot is free**, the key stays taken, so
   * that order holds, and a `submit` goes on waiting. They go before what comes later, and are never refused,
   * so that `waiting` may be over `capacity`, and nothing new enters then. `close` and `flush` wait for
   * them; an end of the sink discards them. `timeout` is for each attempt.
   *
   * Only the items that have failed go again, as a batch of their own. What a collector has made goes
   * as it was, and only where all of it has failed.
   *
   * It is not asked after an end of the sink. A throw in it errors the sink, and so does a result that
   * is no such time.
   *
   * @example Only what has failed goes again
   * ```ts
   * import { Aggregator } from "@weir/streams/aggregator";
   * import { assertEquals } from "@std/assert";
   *
   * const sent: number[][] = [];
   * const bulk = new Aggregator((ids: number[], { attempt }) => {
   *   sent.push(ids);
   *   return ids.map((id) => id === 2 && attempt === 1 ? new Error("409") : id);
   * }, { maxItems: 3, retry: (_error, attempt) => attempt < 5 ? 5 : undefined });
   * await bulk.consume([1, 2, 3]);
   * assertEquals([sent, bulk.stats.done], [[[1, 2, 3], [2]], 3]);
   * ```
   */
  retry?: ((error: unknown, attempt: number, items: T[]) => number | undefined) | undefined;
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
  /**
   * What an item weighs: a finite number of at least 0. Needs `maxWeight` or `capacityWeight`. A throw goes
   * to the caller, and nothing is accepted.
   */
  weigh?: ((item: T) => number) | undefined;
  /**
   * What happens to an item that alone is heavier than `maxWeight`: it goes `"alone"`, or the caller
   * is told a `RangeError`, and nothing is accepted.
   *
   * @default {"alone"}
   */
  oversize?: "alone" | "error" | undefined;
  /**
   * Makes a collector of your own, instead of the four options above: one at a time, or one for each
   * open batch where there is a `key`. A throw in it, or in `fits` of the collector, goes to the caller,
   * and nothing is accepted; a throw in the other methods errors the sink.
   */
  collector?: (() => Collector<T, B>) | undefined;
  /**
   * How long the first item of a batch may wait before the batch is due, in milliseconds: 0 to
   * 2147483647, or `Infinity` for never. A batch that is due goes to a free worker; where there is
   * none it goes on growing. 0 is adaptive: a batch is due as soon as the code that adds items yields,
   * in a microtask. Where callers `await` something of their own before they submit, as those of a
   * data loader do, take 1: it gathers them all the same.
   *
   * @default {1000}
   */
  linger?: number | undefined;
  /**
   * The most items in batches that gather or wait for a worker: an integer of at least `maxItems`, or
   * `Infinity`, where the producer is the only bound. A key whose items come faster than they are handled
   * may fill it.
   *
   * @default `maxItems * (concurrency + 1)`, with 1000 for a `maxItems` that is infinite, and the
   * `concurrency` of the construction
   */
  capacity?: number | undefined;
}

/**
 * Gathers items into batches and has N workers handle them, as a `WritableStream`.
 *
 * It is a {@linkcode BatchStream} and a {@linkcode Fanout} fused: an item is accounted for from the
 * push until its batch has settled, and a batch grows while all workers are busy. Where batches are
 * wanted as a stream, use the first; where items are handled one by one, the second.
 *
 * - **Bound**: at most `concurrency` handlers run, and at most `capacity` items are in batches that
 *   gather or wait, at every moment and by whichever way they came.
 * - **When**: a batch goes to a worker when it is full, or due and a worker is free, or at `flush`
 *   and `close`. Never earlier. At capacity the oldest batch is due, so that none waits for another.
 * - **Conservation**: every accepted item ends as done, failed or discarded, and `stats` counts it:
 *   `accepted = waiting + running + done + failed + discarded`.
 * - **Order**: items are in a batch, and batches start, in the order of acceptance. With `key` there
 *   is a batch for each key, with a linger of its own, and those of one key are handled one at a time.
 *   The batch whose first item is older starts first, so no key starves another.
 * - **Failure** of a batch, or of single items in it, goes to the `submit` calls that wait for them; of
 *   the others to `onError(error, items, batch)`, else it errors the sink, and is an unhandled rejection
 *   of `closed` if nobody hears of it. No worker stops.
 * - **Close** drains: partial batches go out, and it resolves when everything accepted has settled.
 * - **Abort** is prompt: handlers are told by `context.signal`, the items that wait go to
 *   `onDiscard`, and nobody waits for a handler.
 * - **Asynchronous context**: none is promised without `snapshot: () => AsyncLocalStorage.snapshot()`.
 * - **Cloudflare Workers**: make one in each request, or in a Durable Object. Requests cannot share
 *   it: one of them fails once an item has to wait.
 *
 * Choosing the numbers: `maxItems` is what the other side takes best at once, `concurrency` how many
 * such calls it bears, `linger` the delay that the first item of a quiet minute can bear. `capacity`
 * is how much of a burst is kept.
 *
 * It is channelx's `Aggregator`, and go-zero's executors with workers.
 *
 * @example Log lines in batches of a hundred, or after half a second, to two writers
 * ```ts
 * import { Aggregator } from "@weir/streams/aggregator";
 * import { assertEquals } from "@std/assert";
 *
 * let written = 0;
 * const log = new Aggregator(async (lines: string[]) => {
 *   await Promise.resolve();
 *   written += lines.length;
 * }, { maxItems: 100, linger: 500, concurrency: 2 });
 *
 * for (let line = 1; line <= 250; line++) await log.push(`line ${line}`);
 * await log.close();
 *
 * assertEquals(written, 250);
 * assertEquals(log.stats.batches, 3);
 * ```
 *
 * @example A data loader: callers ask for one, the store is asked for many
 * ```ts
 * import { Aggregator } from "@weir/streams/aggregator";
 * import { assertEquals } from "@std/assert";
 *
 * const queries: number[][] = [];
 * const users = new Aggregator((ids: number[]) => {
 *   queries.push(ids);
 *   return ids.map((id) => id > 0 ? `user ${id}` : new Error(`no user ${id}`));
 * }, { linger: 0 });
 *
 * const asked = await Promise.allSettled([1, 2, -3].map((id) => users.submit(id)));
 * assertEquals(asked.map((answer) => answer.status), ["fulfilled", "fulfilled", "rejected"]);
 * assertEquals(queries, [[1, 2, -3]]);
 * ```
 *
 * @typeParam T The type of the items.
 * @typeParam R The type of the result for an item.
 * @typeParam B The type of the batches.
 */
export interface Aggregator<T, R = unknown, B = T[]> extends Sink<T, R> {
  /**
   * What has become of the items, at this moment, and how many batches there were.
   *
   * **Conservation**: `accepted = waiting + running + done + failed + discarded`, always.
   *
   * @example
   * ```ts
   * import { Aggregator } from "@weir/streams/aggregator";
   * import { assertEquals } from "@std/assert";
   *
   * const sums = new Aggregator((batch: number[]) => batch.length, { maxItems: 2 });
   * for (const n of [1, 2, 3]) sums.tryPush(n);
   * assertEquals([sums.stats.done, sums.stats.waiting, sums.stats.batches], [2, 1, 1]);
   * await sums.close();
   * ```
   */
  readonly stats: AggregatorStats;
}

/**
 * Makes an {@linkcode Aggregator}: `new Aggregator(handler, options)`. What `submit` gives is inferred
 * from the handler. Where types are given, the second is that of what the handler returns.
 *
 * @throws {TypeError} If the handler is no function, an option is of the wrong kind or unknown, or a
 * `collector` is given beside the limits that it replaces.
 * @throws {RangeError} If an option is out of range, or no limit is finite.
 */
// A class cannot have its constructor infer what it is a class of. The last one is told in messages.
export const Aggregator: {
  /**
   * Makes a sink whose batches are made by a collector of your own.
   *
   * @param handler What is done with each batch.
   * @param options The collector, the bounds, and who is told what.
   */
  new <T, H, B>(
    handler: AggregatorHandler<B, H>,
    options: AggregatorOptions<T, B> & { collector: () => Collector<T, B> },
  ): Aggregator<T, AggregatorResult<H>, B>;
  /**
   * Makes a sink.
   *
   * @param handler What is done with each batch.
   * @param options The limits of a batch, the bounds, and who is told what.
   */
  new <T, H = unknown>(
    handler: AggregatorHandler<T[], H>,
    options?: AggregatorOptions<T>,
  ): Aggregator<T, AggregatorResult<H>>;
} = class<T, B> extends Sink<T> {
  constructor(handler: AggregatorHandler<B>, options?: AggregatorOptions<T, B>) {
    super(open(handler, options));
  }
} as never;

function open<T, B>(
  handler: AggregatorHandler<B>,
  options: AggregatorOptions<T, B> | undefined,
): WorkQueue<T, B> {
  const rules = { ...LIMITS, ...SINK, linger: LINGER };
  const values = readOptions<AggregatorOptions<T, B>>("Aggregator", options, rules);
  const owner = titleOf("Aggregator", values.name);
  const complete = completeOptions(owner, handler, values);
  const { linger = 1000, collector, weigh, key, onError, onDiscard, retry } = values;
  // Where its queue asks what an item weighs, it tells the batch.
  const weighed = complete.weigh && { weight: 0 };
  const told = weighed ? () => weighed.weight : weigh;
  const own = values.maxWeight === undefined && values.capacityWeight !== undefined
    ? undefined
    : told;
  const { maxItems, collect } = completeLimits(
    owner,
    own === weigh ? values : { ...values, weigh: own },
  );
  // A batch that knows no count is full some time all the same: when it has filled the capacity.
  const counted = maxItems < Infinity;
  const batch = counted ? maxItems : 1000;
  const usual = Math.min(batch * (complete.concurrency + 1), Number.MAX_SAFE_INTEGER);
  const { capacity = usual } = values;
  const rule = `be at least "maxItems", ${batch}`;
  check(owner, "capacity", capacity, ["number", rule, () => !counted || capacity >= batch]);
  complete.capacity = capacity;
  const gather = {
    owner,
    collect,
    linger,
    keyed: !!key,
    plain: !collector,
    asking: !!(collector ?? own),
    weighed,
    keeping: !!(onError ?? onDiscard ?? retry),
  };
  return new WorkQueue<T, B>(complete, (queue) => new BatchTable(queue, gather));
}
