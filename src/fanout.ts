/**
 * {@linkcode Fanout}: a bounded worker queue. It runs at most N handlers at once, and each item
 * goes to one handler; it does not broadcast.
 *
 * It runs in Deno, Bun, Node, edge runtimes and browsers.
 *
 * @module
 */

import { titleOf } from "./core/shared/describe.ts";
import { LIMIT_OR_ZERO, needs, readOptions } from "./core/shared/options.ts";
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
  HandlerContext,
  Runner,
  SinkCallOptions,
  SinkContext,
  SinkOptions,
  SinkStats,
  Source,
};

/**
 * What a {@linkcode Fanout} does with an item. It may be asynchronous. `submit` gets its result.
 */
export type FanoutHandler<T, R> = (item: T, context: SinkContext) => R | PromiseLike<R>;

/** Options of {@linkcode Fanout}. */
export interface FanoutOptions<T> extends SinkOptions<T> {
  /**
   * Called with each failure that no `submit` waits for, and with the failed item. The sink goes
   * on. It may be asynchronous: the slot stays taken until it has settled. If it throws, the sink
   * errors. So don't push the item to the sink again in `onError`: a `push` that it awaits may wait
   * for itself, and after `close()` its rejection errors the sink. To try again, use `retry`.
   * Without `onError`, the first such failure errors the sink.
   */
  onError?: ((error: unknown, item: T) => unknown) | undefined;
  /**
   * Called when a handler has failed. It returns in how many milliseconds the item goes to the
   * handler again, 0 to 2147483647. It returns `undefined` to give up; then the failure is reported
   * as it is without a `retry`. {@linkcode backoff} makes such a function. `attempt` is how often
   * the handler was called, from 1.
   *
   * Meanwhile the item stays accepted and counts as waiting. **Its slot is free**, so other items
   * run. Its key stays taken, so the order within the key holds. A `submit` keeps waiting. The item
   * goes before items that came later, and is never refused, so `waiting` may exceed `capacity`; no
   * new item enters then. `close` and `flush` wait for the item. If the sink ends, the item is
   * discarded. `timeout` applies to each attempt.
   *
   * It is not called after the sink has ended. If it throws, or returns anything else, the sink
   * errors.
   *
   * @example The server is busy for a moment
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const sent: string[] = [];
   * const mails = new Fanout((to: string, { attempt }) => {
   *   if (to === "ada" && attempt < 3) throw new Error("busy");
   *   sent.push(to);
   * }, {
   *   retry: (_error, attempt) => attempt < 5 ? 5 * attempt : undefined, // or backoff()
   * });
   * await mails.consume(["ada", "lin"]);
   * assertEquals([sent, mails.stats.retried], [["lin", "ada"], 2]);
   * ```
   */
  retry?: ((error: unknown, attempt: number, item: T) => number | undefined) | undefined;
  /**
   * What an item weighs: a finite number of at least 0. It needs `capacityWeight`. If it throws,
   * the caller gets the error and the item is not accepted.
   */
  weigh?: ((item: T) => number) | undefined;
  /**
   * The most items that may wait for a worker: an integer of at least 0, or `Infinity`. With 0, an
   * item is accepted only if its handler starts at once. With `Infinity`, only the producer sets a
   * bound: use it for a handler that pushes to its own sink, as a crawler's does. If the items of
   * one key come faster than they are handled, that key may fill the queue.
   *
   * @default {1024}
   */
  capacity?: number | undefined;
}

/**
 * A bounded worker queue: it runs a handler on each item, at most `concurrency` at once. Each item
 * goes to one handler; it does not broadcast. It is a `WritableStream`: pipe to it, push to it, or
 * let it consume a source.
 *
 * To handle items in batches, use an `Aggregator`. To get results as a stream, in order, use a
 * `MapStream`.
 *
 * - **Bound**: at every moment at most `concurrency` handlers run and at most `capacity` items
 *   wait, whichever way the items came in. A write resolves when its item is accepted, so a pipe
 *   slows down.
 * - **Conservation**: every accepted item ends as done, failed or discarded, and `stats` counts it:
 *   `accepted = waiting + running + done + failed + discarded`.
 * - **Order**: handlers start in the order of acceptance. With `key`, the sink handles the items of
 *   one key one at a time, and different keys at the same time.
 * - **Failure**: a throw, a rejection and a timeout count the same. The failure goes to the
 *   `submit` that waits for the item. If there is none, it goes to `onError`. Without `onError` it
 *   errors the sink, and if no caller hears of it, it is an unhandled rejection of `closed`. No
 *   worker stops.
 * - **Close** drains: it resolves when everything accepted has settled, and rejects if the sink has
 *   errored.
 * - **Abort** is prompt: it aborts `context.signal` of the running handlers, gives the waiting
 *   items to `onDiscard`, and does not wait for handlers. Where a pipe holds the lock, abort by
 *   `signal`.
 * - **Asynchronous context**: the sink promises none, unless you give
 *   `snapshot: () => AsyncLocalStorage.snapshot()`.
 * - **Cloudflare Workers**: make one in each request, or in a Durable Object. Requests cannot share
 *   one: as soon as an item has to wait, one of the requests fails.
 *
 * How to choose the numbers: `concurrency` is how many calls the other side can take at once, such
 * as the connections of a pool. `capacity` is how much of a burst the sink keeps. When the queue is
 * full, an item waits for about `capacity / concurrency` handler times, so keep `capacity` small
 * where a late answer is of no use. With a `key`, leave enough capacity for the busiest key.
 *
 * For failures that pass after a while, use `retry: backoff()`: the slot is free until the next
 * attempt.
 *
 * It does what `fanout` of Kratos does, as a stream; `tryPush` is its `Do`.
 *
 * @example
 * ```ts
 * import { Fanout } from "@weir/streams/fanout";
 * import { assertEquals } from "@std/assert";
 *
 * const sent: string[] = [];
 * const failed: string[] = [];
 *
 * const mails = new Fanout(async (to: string, { signal }) => {
 *   signal.throwIfAborted();
 *   await Promise.resolve();
 *   if (!to.includes("@")) throw new Error(`no address: ${to}`);
 *   sent.push(to);
 * }, {
 *   concurrency: 16,
 *   timeout: 10_000,
 *   onError: (_error, to) => failed.push(to),
 * });
 *
 * await mails.consume(["ada@example.org", "no address", "lin@example.org"]);
 * await mails.close();
 *
 * assertEquals(sent, ["ada@example.org", "lin@example.org"]);
 * assertEquals(failed, ["no address"]);
 * ```
 *
 * @typeParam T The type of the items.
 * @typeParam R The type of the handler's result.
 */
export interface Fanout<T, R = unknown> extends Sink<T, R> {}

/**
 * Makes a {@linkcode Fanout}: `new Fanout(handler, options)`.
 *
 * @throws {TypeError} If the handler is not a function, or an option is of the wrong kind or
 * unknown.
 * @throws {RangeError} If an option is out of range.
 */
// A class can't infer the result of a handler that is asynchronous for some items only; these types
// can.
export const Fanout: {
  /**
   * Makes a sink.
   *
   * @param handler What to do with each item.
   * @param options The bounds, and the functions that hear of failures and discarded items.
   */
  new <T, R = unknown>(handler: FanoutHandler<T, R>, options?: FanoutOptions<T>): Fanout<T, R>;
  /**
   * Makes a sink whose handler is asynchronous for some items only.
   *
   * @param handler What to do with each item.
   * @param options The bounds, and the functions that hear of failures and discarded items.
   */
  new <T, H>(
    handler: (item: T, context: SinkContext) => H,
    options?: FanoutOptions<T>,
  ): Fanout<T, Awaited<H>>;
} = class<T> extends Sink<T> {
  constructor(handler: FanoutHandler<T, unknown>, options?: FanoutOptions<T>) {
    super(open(handler, options));
  }
} as never;

function open<T>(
  handler: FanoutHandler<T, unknown>,
  options: FanoutOptions<T> | undefined,
): WorkQueue<T, T> {
  const rules = { ...SINK, capacity: LIMIT_OR_ZERO };
  const values = readOptions<FanoutOptions<T>>("Fanout", options, rules);
  const owner = titleOf("Fanout", values.name);
  needs(owner, values, "weigh", "capacityWeight");
  return new WorkQueue(completeOptions(owner, handler, values));
}
