/**
 * {@linkcode Fanout}: N workers on a bounded queue.
 *
 * Runs in Deno, Bun, Node, edge runtimes and browsers.
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

/** What a {@linkcode Fanout} does with an item. It may be asynchronous; what it returns goes to `submit`. */
export type FanoutHandler<T, R> = (item: T, context: SinkContext) => R | PromiseLike<R>;

/** Options of {@linkcode Fanout}. */
export interface FanoutOptions<T> extends SinkOptions<T> {
  /**
   * Is told of each failure that no `submit` waits for, and of its item; the sink goes on. It may be
   * asynchronous: the slot is kept until it has settled. A throw in it errors the sink; so does a push
   * in it that is refused, as every push is after `close()`: to try again use `retry`. Without it, the
   * first such failure errors the sink.
   */
  onError?: ((error: unknown, item: T) => unknown) | undefined;
  /**
   * Asked when a handler has failed: in how many milliseconds its item goes to the handler again, 0 to
   * 2147483647, or `undefined` to give up, which is told as it is without a `retry`. {@linkcode backoff}
   * makes one. `attempt` is how often the handler was called, from 1.
   *
   * The item is still accepted meanwhile, and counts as waiting: **the slot is free**, the key stays taken, so
   * that order holds, and a `submit` goes on waiting. It goes before what comes later, and is never refused,
   * so that `waiting` may be over `capacity`, and nothing new enters then. `close` and `flush` wait for
   * it; an end of the sink discards it. `timeout` is for each attempt.
   *
   * It is not asked after an end of the sink. A throw in it errors the sink, and so does a result that
   * is no such time.
   *
   * @example The other side is busy for a moment
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
   * What an item weighs: a finite number of at least 0. Needs `capacityWeight`. A throw goes to the caller,
   * and nothing is accepted.
   */
  weigh?: ((item: T) => number) | undefined;
  /**
   * The most items that wait for a worker: an integer of at least 0, or `Infinity`. With 0 an item is
   * accepted only if its handler starts at once. With `Infinity` the producer is the only bound: for a
   * handler that pushes to its own sink, as that of a crawler does. A key whose items come faster than
   * they are handled may fill it.
   *
   * @default {1024}
   */
  capacity?: number | undefined;
}

/**
 * N workers on a bounded queue, as a `WritableStream`: pipe to it, push to it, or have it consume a
 * source.
 *
 * To handle items in batches use an `Aggregator`. To have results as a stream, in order, use a
 * `MapStream`.
 *
 * - **Bound**: at most `concurrency` handlers run and at most `capacity` items wait, at every moment
 *   and by whichever way they came. A write resolves when its item is accepted, so a pipe slows down.
 * - **Conservation**: every accepted item ends as done, failed or discarded, and `stats` counts it:
 *   `accepted = waiting + running + done + failed + discarded`.
 * - **Order**: handlers start in the order of acceptance; with `key`, items of one key are handled
 *   one at a time, and keys run beside each other.
 * - **Failure**: a throw, a rejection and a timeout are the same. It goes to the `submit` that waits
 *   for it, else to `onError`, else it errors the sink, and is an unhandled rejection of `closed` if
 *   nobody hears of it. No worker stops.
 * - **Close** drains: it resolves when everything accepted has settled, and rejects if the sink has
 *   errored.
 * - **Abort** is prompt: handlers are told by `context.signal`, what waits goes to `onDiscard`, and
 *   nobody waits for a handler. Where a pipe holds the lock, abort by `signal`.
 * - **Asynchronous context**: none is promised without `snapshot: () => AsyncLocalStorage.snapshot()`.
 * - **Cloudflare Workers**: make one in each request, or in a Durable Object. Requests cannot share
 *   it: one of them fails once an item has to wait.
 *
 * Choosing the numbers: `concurrency` is what the other side bears, such as the connections of a
 * pool. `capacity` is how much of a burst is kept: at a full queue an item waits about
 * `capacity / concurrency` handler times, so keep it small where a late answer is a wrong one; where
 * there is a `key`, allow for the busiest one.
 *
 * What fails for a while is tried again by `retry: backoff()`, with its slot free meanwhile.
 *
 * It is Kratos' `fanout` as a stream; `tryPush` is its `Do`.
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
 * await mails.consume(["ada@example.org", "nobody", "lin@example.org"]);
 * await mails.close();
 *
 * assertEquals(sent, ["ada@example.org", "lin@example.org"]);
 * assertEquals(failed, ["nobody"]);
 * ```
 *
 * @typeParam T The type of the items.
 * @typeParam R The type of the handler's result.
 */
export interface Fanout<T, R = unknown> extends Sink<T, R> {}

/**
 * Makes a {@linkcode Fanout}: `new Fanout(handler, options)`.
 *
 * @throws {TypeError} If the handler is no function, or an option of the wrong kind or unknown.
 * @throws {RangeError} If an option is out of range.
 */
// The types of a class could not infer the result of a handler that is asynchronous for some items.
export const Fanout: {
  /**
   * Makes a sink.
   *
   * @param handler What is done with each item.
   * @param options The bounds, and who is told what.
   */
  new <T, R = unknown>(handler: FanoutHandler<T, R>, options?: FanoutOptions<T>): Fanout<T, R>;
  /**
   * Makes a sink whose handler is asynchronous for some items.
   *
   * @param handler What is done with each item.
   * @param options The bounds, and who is told what.
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
