/**
 * {@linkcode Aggregator}: gathers items into batches and runs at most N handlers on them at once.
 *
 * It runs in Deno, Bun, Node, edge runtimes and browsers.
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
 * What an {@linkcode Aggregator} does with a batch. It may be asynchronous. If it throws or
 * rejects, all items of the batch fail.
 *
 * It may return an array with one entry for each item, in order. The entries are the results of the
 * items that were submitted. An entry may be a promise. If an entry is an `Error`, of any realm, or
 * a promise that rejects or that resolves to an `Error`, that item alone fails, whether it was
 * pushed or submitted.
 *
 * If the array has the wrong length, the batch fails with a `TypeError` if an item was submitted or
 * an entry is an `Error`. Otherwise the sink doesn't look at the array, nor at the promises in it.
 * If the handler returns anything but an array, there are no results: a `submit` rejects with a
 * `TypeError`, and pushed items are done.
 */
export type AggregatorHandler<B, H = unknown> = (batch: B, context: SinkContext) => H;

/**
 * Leaves errors out of a type, because an `Error` is a failure and not a result.
 *
 * @internal
 */
type Value<E> = E extends Error ? "stack" extends keyof E ? never : E : E;

/**
 * The type of the result of `submit`, derived from what the handler returns: the type of an array
 * element, without errors. It is `undefined` if the handler returns no array, so that compilers
 * complain of code that uses the result: such a `submit` rejects.
 *
 * @typeParam H What the handler returns.
 */
export type AggregatorResult<H, A = Awaited<H>> = unknown extends A ? A
  : [Extract<A, readonly unknown[]>] extends [never] ? undefined
  : A extends readonly (infer E)[] ? Value<Awaited<E>>
  : never;

/** What `stats` of an {@linkcode Aggregator} shows. */
export interface AggregatorStats extends SinkStats {
  /** Batches that went to the handler. */
  readonly batches: number;
}

/** Options of {@linkcode Aggregator}. */
export interface AggregatorOptions<T, B = T[]> extends SinkOptions<T> {
  /**
   * Called with each failure, once for each distinct error of a batch. It gets the items that no
   * `submit` waits for, in order and as they came, and the batch as the handler has left it. The
   * sink goes on. It may be asynchronous: the slot stays taken until it has settled. If it throws,
   * the sink errors. So don't push the item to the sink again in `onError`: a `push` that it awaits
   * may wait for itself, and after `close()` its rejection errors the sink. To try again, use
   * `retry`. Without `onError`, the first such failure errors the sink.
   */
  onError?: ((error: unknown, items: T[], batch: B) => unknown) | undefined;
  /**
   * Called when items of a batch have failed, once for each distinct error. It returns in how many
   * milliseconds the failed items go to the handler again, 0 to 2147483647. It returns `undefined`
   * to give up; then the failure is reported as it is without a `retry`. {@linkcode backoff} makes
   * such a function. `attempt` is how often the handler was called, from 1.
   *
   * Meanwhile the items stay accepted and count as waiting. **Their slot is free**, so other
   * batches run. Their key stays taken, so the order within the key holds. A `submit` keeps
   * waiting. The items go before items that came later, and are never refused, so `waiting` may
   * exceed `capacity`; no new item enters then. `close` and `flush` wait for the items. If the sink
   * ends, the items are discarded. `timeout` applies to each attempt.
   *
   * Only the failed items go again, together in one new batch. A batch that a collector has made
   * goes again unchanged, and only if all of its items have failed.
   *
   * It is not called after the sink has ended. If it throws, or returns anything else, the sink
   * errors.
   *
   * @example Only the failed items go again
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
  /**
   * What an item weighs: a finite number of at least 0. It needs `maxWeight` or `capacityWeight`.
   * If it throws, the caller gets the error and the item is not accepted.
   */
  weigh?: ((item: T) => number) | undefined;
  /**
   * What happens to an item that alone is heavier than `maxWeight`. With `"alone"`, it goes alone.
   * With `"error"`, the caller gets a `RangeError` and the item is not accepted.
   *
   * @default {"alone"}
   */
  oversize?: "alone" | "error" | undefined;
  /**
   * Makes your own collector, instead of the four options above. There is one collector at a time,
   * or one for each open batch if there is a `key`. If this function or `fits` of the collector
   * throws, the caller gets the error and the item is not accepted. If another method of the
   * collector throws, the sink errors.
   */
  collector?: (() => Collector<T, B>) | undefined;
  /**
   * How long the first item of a batch may wait before the batch is due, in milliseconds: 0 to
   * 2147483647, or `Infinity` for never. A due batch goes to a free worker; while all workers are
   * busy, it goes on growing. 0 is adaptive: a batch is due as soon as the code that adds items
   * yields, in a microtask. If callers `await` something else before they submit, as the callers of
   * a data loader do, take 1: it still gathers their items into one batch.
   *
   * @default {1000}
   */
  linger?: number | undefined;
  /**
   * The most items in batches that gather or wait for a worker: an integer of at least `maxItems`,
   * or `Infinity`, with which only the producer sets a bound. If the items of one key come faster
   * than they are handled, that key may fill the capacity.
   *
   * @default `maxItems * (concurrency + 1)`, with 1000 for an infinite `maxItems`, and with the
   * `concurrency` that the constructor got
   */
  capacity?: number | undefined;
}

/**
 * Gathers items into batches and runs a handler on each batch, at most `concurrency` at once. It is
 * a `WritableStream`.
 *
 * It combines a {@linkcode BatchStream} and a {@linkcode Fanout}: the sink counts an item from the
 * push until its batch has settled, and a batch grows while all workers are busy. To get batches as
 * a stream, use a `BatchStream`. To handle items one by one, use a `Fanout`.
 *
 * - **Bound**: at every moment at most `concurrency` handlers run, and at most `capacity` items are
 *   in batches that gather or wait, whichever way the items came in.
 * - **When**: a batch goes to a worker when it is full, when it is due and a worker is free, or at
 *   `flush` and `close`. It never goes earlier. At capacity the oldest batch is due, so no batch
 *   waits for another.
 * - **Conservation**: every accepted item ends as done, failed or discarded, and `stats` counts it:
 *   `accepted = waiting + running + done + failed + discarded`.
 * - **Order**: items stand in their batch in the order of acceptance, and batches start in that
 *   order. With `key`, each key has its own batch with its own linger, and the batches of one key
 *   are handled one at a time. The batch whose first item is older starts first, so no key starves
 *   another.
 * - **Failure** of a batch, or of single items in it, goes to the `submit` calls that wait for
 *   them. For the other items it goes to `onError(error, items, batch)`. Without `onError` it
 *   errors the sink, and if no caller hears of it, it is an unhandled rejection of `closed`. No
 *   worker stops.
 * - **Close** drains: partial batches go out, and it resolves when everything accepted has settled.
 * - **Abort** is prompt: it aborts `context.signal` of the running handlers, gives the waiting
 *   items to `onDiscard`, and does not wait for handlers.
 * - **Asynchronous context**: the sink promises none, unless you give
 *   `snapshot: () => AsyncLocalStorage.snapshot()`.
 * - **Cloudflare Workers**: make one in each request, or in a Durable Object. Requests cannot share
 *   one: as soon as an item has to wait, one of the requests fails.
 *
 * How to choose the numbers: `maxItems` is the size of batch that the other side handles best.
 * `concurrency` is how many such calls it can take at once. `linger` is the longest time an item
 * may wait when traffic is low. `capacity` is how much of a burst the sink keeps.
 *
 * It does what `Aggregator` of channelx does, and what the executors of go-zero with workers do.
 *
 * @example Log lines go to two writers, in batches of a hundred or after half a second
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
 * @example A data loader: each caller asks for one user, the database gets one query
 * ```ts
 * import { Aggregator } from "@weir/streams/aggregator";
 * import { assertEquals } from "@std/assert";
 *
 * const queries: number[][] = [];
 * const users = new Aggregator((ids: number[]) => {
 *   queries.push(ids);
 *   return ids.map((id) => id > 0 ? `user ${id}` : new Error(`no user ${id}`));
 * }, { linger: 0, concurrency: 8 }); // equal ids are not merged: put a Singleflight in front
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
   * What has happened to the items so far, and how many batches there were.
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
 * Makes an {@linkcode Aggregator}: `new Aggregator(handler, options)`. TypeScript infers the result
 * of `submit` from the handler. If you give types explicitly, the second is the type that the
 * handler returns.
 *
 * @throws {TypeError} If the handler is not a function, an option is of the wrong kind or unknown,
 * or a `collector` is given together with the limits that it replaces.
 * @throws {RangeError} If an option is out of range, or no limit is finite.
 */
// A class cannot infer its type parameters from its constructor. Messages of TypeScript show the
// last signature.
export const Aggregator: {
  /**
   * Makes a sink with your own collector for the batches.
   *
   * @param handler What to do with each batch.
   * @param options The collector, the bounds, and the functions that hear of failures and discarded
   * items.
   */
  new <T, H, B>(
    handler: AggregatorHandler<B, H>,
    options: AggregatorOptions<T, B> & { collector: () => Collector<T, B> },
  ): Aggregator<T, AggregatorResult<H>, B>;
  /**
   * Makes a sink.
   *
   * @param handler What to do with each batch.
   * @param options The limits of a batch, the bounds, and the functions that hear of failures and
   * discarded items.
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
  // The queue weighs each item already; then it passes the weight on to the batch.
  const weighed = complete.weigh && { weight: 0 };
  const told = weighed ? () => weighed.weight : weigh;
  const own = values.maxWeight === undefined && values.capacityWeight !== undefined
    ? undefined
    : told;
  const { maxItems, collect } = completeLimits(
    owner,
    own === weigh ? values : { ...values, weigh: own },
  );
  // A batch without a limit on its count still gets full: when it has filled the capacity.
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
