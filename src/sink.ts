/**
 * {@linkcode Sink}: what `Fanout` and `Aggregator` share: the ways in, and the ways to an end.
 *
 * @module
 */

import type { HandlerContext, SinkContext } from "./core/shared/call_context.ts";
import { describe } from "./core/shared/describe.ts";
import { setInlet } from "./core/shared/inlets.ts";
import { after } from "./core/shared/late.ts";
import { check, COUNT, DURATION, FLAG, readSignal } from "./core/shared/options.ts";
import { Deferred, markHandled, resolved } from "./core/shared/promises.ts";
import { offAbort, onAbort } from "./core/shared/signals.ts";
import type { Source } from "./core/shared/source.ts";
import type { SinkStats } from "./core/work/counts.ts";
import { Caller } from "./core/work/caller.ts";
import type { Runner } from "./core/work/job.ts";
import type { WorkQueue } from "./core/work/work_queue.ts";
import type { RateLimit } from "./rate_limit.ts";

export type { HandlerContext, Runner, SinkContext, SinkStats, Source };

// A constant, since a bundler keeps a class that extends a global.
const /** @internal */ SinkBase: typeof WritableStream = /* @__PURE__ */ (() => WritableStream)();

/** Options of a call. Any object may be those, such as the context of a handler. */
export interface SinkCallOptions {
  /** Ends the call with its reason when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/** Options that every sink has. */
export interface SinkOptions<T> {
  /**
   * The most handlers that run at once: an integer of at least 0. With 0 nothing starts until
   * {@linkcode Sink.concurrency} is raised. By default only handlers that have not timed out count: one
   * that runs on after its `timeout` counts with `overrun: "hold"` only.
   *
   * @default {1}
   */
  concurrency?: number | undefined;
  /**
   * Items of one key are handled one at a time and in order; keys run beside each other. Any value,
   * compared as a `Map` compares. A throw goes to the caller, and nothing is accepted.
   */
  key?: ((item: T) => unknown) | undefined;
  /**
   * How long a handler may take, in milliseconds: more than 0 and at most 2147483647, or `Infinity`.
   * One that has not settled by then has failed with a `TimeoutError`, its signal is aborted and its
   * slot is free, as after any failure; what it does later is ignored. `overrun` may keep the slot.
   *
   * `onError` may take as long again. One that has not settled by then errors the sink with a
   * `TimeoutError` whose `cause` is the failure that it was told of.
   *
   * @default {Infinity}
   */
  timeout?: number | undefined;
  /**
   * When the slot, and the key, of a handler that runs on after its `timeout` are free: with `"release"`
   * at the timeout, with `"hold"` when the handler has settled, and with it the promises in what it
   * returns to an `Aggregator`. Take `"hold"` where `concurrency`, or the order of a key, must be true of
   * the other side: of the connections that are open. A handler that never settles keeps its slot then:
   * have it heed `context.signal`.
   *
   * Either way the item has failed at the timeout, and is told and counted then, and `stats.overrunning`
   * shows how many handlers run on. `close` and `flush` don't wait for them; `idle` does with `"hold"`.
   *
   * @default {"release"}
   *
   * @example A handler that does not stop at its timeout keeps its connection
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * let open = 0;
   * let most = 0;
   * const queries = new Fanout(async () => {
   *   most = Math.max(most, ++open);
   *   await new Promise((resolve) => setTimeout(resolve, 30)); // heeds no signal
   *   open--;
   * }, { concurrency: 2, timeout: 10, overrun: "hold", onError: () => {} });
   * for (let n = 0; n < 4; n++) queries.tryPush(n);
   * await queries.idle();
   * assertEquals([most, queries.stats.failed], [2, 4]);
   * ```
   */
  overrun?: "release" | "hold" | undefined;
  /**
   * How long an item may wait for its handler, in milliseconds: more than 0 and at most 2147483647, or
   * `Infinity`. One that has waited longer is discarded with a `TimeoutError`, which its `submit` is
   * told, or else `onDiscard`: when its turn comes, and before anything is refused for want of room. So
   * **overload sheds the oldest**, whose callers have given up, and not the newest. Of an `Aggregator` it
   * is the batch, from the moment when it is due. Time starts anew with each attempt of a `retry`.
   *
   * Where it is given, `context.waited` says how long; `Infinity` measures and sheds nothing. It has no
   * timer.
   *
   * A handler's `timeout` is a `TimeoutError` as well, but a failure: counted in `failed`, and told to
   * `onError` where this one is told to `onDiscard`. A caller of `submit` who must tell them apart may note
   * in the handler what has started.
   *
   * @example An answer after 20 ms is of no use
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const started: number[] = [];
   * const late: number[] = [];
   * const work = new Fanout(async (n: number) => {
   *   started.push(n);
   *   await new Promise((resolve) => setTimeout(resolve, n === 1 ? 50 : 0));
   * }, { maxWait: 20, onDiscard: (items) => late.push(...items) });
   * for (const n of [1, 2, 3]) work.tryPush(n);
   * await work.idle();
   * await work.submit(4);
   * assertEquals([started, late], [[1, 4], [2, 3]]);
   * ```
   */
  maxWait?: number | undefined;
  /**
   * The most items that wait for one key: an integer of at least 1, or `Infinity`. Needs `key`. `tryPush`
   * refuses that key only, and a `push` of it waits without holding up the others: **a key that is slow
   * does not fill the queue for everybody**. At it the open batch of an `Aggregator` is due.
   *
   * @default {Infinity}
   *
   * @example One customer floods the queue
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const jobs = new Fanout(() => new Promise(() => {}), {
   *   concurrency: 16,
   *   capacity: 100,
   *   key: (customer: string) => customer,
   *   keyCapacity: 2,
   * });
   * const ada = Array.from({ length: 200 }, () => jobs.tryPush("ada"));
   * assertEquals(ada.filter(Boolean).length, 3); // one runs, two wait
   * assertEquals(jobs.tryPush("lin"), true);
   * ```
   */
  keyCapacity?: number | undefined;
  /**
   * The most that all that waits may weigh, beside their count: a number of more than 0. Needs `weigh`: the
   * bytes of the items, say. An item that alone is heavier is a `RangeError` of its caller.
   *
   * @default {Infinity}
   *
   * @example Items are of very different sizes, and at most 1 MB of them waits
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals, assertThrows } from "@std/assert";
   *
   * const uploads = new Fanout(() => new Promise(() => {}), {
   *   weigh: (file: Uint8Array) => file.byteLength,
   *   capacityWeight: 1_000_000,
   * });
   * const sizes = [1, 900_000, 200_000, 100_000];
   * const accepted = sizes.map((size) => uploads.tryPush(new Uint8Array(size)));
   * assertEquals(accepted, [true, true, false, true]); // the first runs
   * assertThrows(() => uploads.tryPush(new Uint8Array(2_000_000)), RangeError);
   * ```
   */
  capacityWeight?: number | undefined;
  /**
   * How many may start in an interval: "10 calls a second". A {@linkcode RateLimit} may be that of
   * several sinks and streams, which take turns. What may not start yet waits.
   *
   * @example My API allows 10 calls a second
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { RateLimit } from "@weir/streams/rate-limit";
   * import { assertEquals } from "@std/assert";
   *
   * const calls = new Fanout((id: number) => Promise.resolve(id), {
   *   concurrency: 16,
   *   rate: new RateLimit({ limit: 10, interval: 1000 }),
   * });
   * for (let id = 0; id < 12; id++) calls.tryPush(id);
   * assertEquals(calls.stats.waiting, 2); // for a second
   * await calls.abort();
   * ```
   */
  rate?: RateLimit | undefined;
  /**
   * Is given the accepted items that an abort or a failure of the sink found waiting, with its reason:
   * in order, and in an `Aggregator` with a `key` in the order of each key.
   *
   * A handler that was running then knows by `context.signal`. If it ends with the echo of it, its items
   * are given up as well, and given to `onDiscard` then: an echo is the reason itself, any `AbortError`,
   * and an error whose `cause` is the reason. Any other failure goes to `onError`, if there is one. So
   * these two know each item that was not done, submitted ones among them.
   *
   * After that, one by one, the items that `consume` had read and could not bring in, also at a `close()`.
   *
   * A throw in it surfaces as an uncaught error.
   */
  onDiscard?: ((items: T[], reason: unknown) => unknown) | undefined;
  /**
   * Called for each item when it is pushed, submitted, consumed or written; what it returns runs the handler for that item:
   * `() => AsyncLocalStorage.snapshot()` carries the caller's asynchronous context, to `onError` as
   * well. Through `pipeTo`, the context is that of the call where the source is a stream of this library,
   * and else that of the sink's construction. A throw goes to the caller, and nothing is accepted.
   * Without it the handler and `onError` run in any context.
   */
  snapshot?: (() => Runner) | undefined;
  /**
   * Aborts the sink with its reason, also while the sink is locked. It keeps the sink until that has ended,
   * about 5 kB, because `onDiscard` is told what an abort finds there: close each sink on a signal that
   * lives longer, as `await using` does.
   */
  signal?: AbortSignal | undefined;
  /** What it is called in messages and by `console.log`, such as `Fanout "mails"`. */
  name?: string | undefined;
}

/**
 * A `WritableStream` whose handlers run concurrently and within a bound. The base of `Fanout` and
 * `Aggregator`; not to be constructed.
 *
 * @typeParam T The type of the items.
 * @typeParam R The type of a handler's result for an item.
 */
export abstract class Sink<T, R = unknown> extends SinkBase<T> implements AsyncDisposable {
  readonly #queue: WorkQueue<T, unknown>;
  #aborting = false;

  /** @ignore Sinks are made by their subclasses. */
  protected constructor(queue: unknown) {
    const work = queue as WorkQueue<T, unknown>;
    super(work, { highWaterMark: 1, size: undefined as never });
    this.#queue = work;
    work.locked = () => this.locked;
    setInlet(this, work);
    describe(this, work.owner);
  }

  /**
   * What has become of the items, at this moment.
   *
   * **Conservation**: `accepted = waiting + running + done + failed + discarded`, always.
   *
   * @example
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const fanout = new Fanout((word: string) => word.length);
   * fanout.tryPush("weir");
   * const { accepted, waiting, running, done, failed, discarded } = fanout.stats;
   * assertEquals([accepted, done], [1, 1]);
   * assertEquals(accepted, waiting + running + done + failed + discarded);
   * ```
   */
  get stats(): SinkStats {
    return this.#queue.stats;
  }

  /**
   * The most handlers that run at once. You may set it at any time, also in a handler: a higher value
   * starts what waits at once; with a lower one what runs goes on, and nothing starts until fewer run.
   *
   * **0 pauses** the sink: nothing starts, and items are accepted while there is room. A `linger` keeps
   * its clock, and a batch that is due grows until it is full. `flush`, `idle`, `consume` and `close` wait
   * until you raise it: bound a close with its `timeout`. After the end of the sink it has no effect.
   *
   * The default `capacity` of an `Aggregator` stays what it was at its construction.
   *
   * @throws {TypeError} If it is set to what is no number.
   * @throws {RangeError} If it is set to what is no integer of at least 0.
   *
   * @example Pause until the other side is there
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const sent: string[] = [];
   * const mails = new Fanout((to: string) => void sent.push(to), { concurrency: 0 });
   * mails.tryPush("ada@example.org");
   * assertEquals(sent, []);
   * mails.concurrency = 8;
   * assertEquals(sent, ["ada@example.org"]);
   * ```
   */
  get concurrency(): number {
    return this.#queue.pool.concurrency;
  }

  set concurrency(value: number) {
    const queue = this.#queue;
    queue.pool.concurrency = check(queue.owner, "concurrency", value, COUNT);
    queue.proceed();
  }

  /**
   * The end of the sink: always the same promise. Resolves when it has drained after a `close()`, and
   * rejects with its error.
   *
   * **A failure that nobody hears is an unhandled rejection** of it, with the very error: no sink
   * fails in silence. It is heard once another promise of the sink rejects with it, be it pending or
   * called in the same turn: that of a `push`, `submit`, `consume`, `flush` or `close`, or a write; by
   * who has the lock, also where a writer is idle; and by who has taken `closed`. With `onError` a
   * failure of the handler goes there, and an abort is no failure.
   *
   * @example
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const fanout = new Fanout(() => Promise.reject(new Error("no connection")));
   * const ended = fanout.closed.catch((error) => error.message);
   * fanout.tryPush(1);
   * assertEquals(await ended, "no connection");
   * ```
   */
  get closed(): Promise<void> {
    return this.#queue.closed;
  }

  /**
   * Gives the sink an item, now or never. It never waits, and never drops silently. A `Fanout` with a
   * free slot has started the handler when it returns.
   *
   * To wait for room use {@linkcode Sink.push}; for the handler's result, {@linkcode Sink.submit}.
   *
   * @param item The item. Any value, `undefined` too.
   * @returns Whether it was accepted: false when the sink is full.
   * @throws {TypeError} After `close()`.
   * @throws The sink's error, once it has one; what `key`, `snapshot`, `weigh` or `fits` throws.
   *
   * @example Shed load when full
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const fanout = new Fanout(() => new Promise(() => {}), { concurrency: 2, capacity: 3 });
   * const accepted = [1, 2, 3, 4, 5, 6].map((item) => fanout.tryPush(item));
   * assertEquals(accepted, [true, true, true, true, true, false]);
   * ```
   */
  tryPush(item: T): boolean {
    return this.#queue.push(item, true) === undefined;
  }

  /**
   * Gives the sink an item, and waits for room. Calls are served in order. Each that waits holds its
   * item and about 350 bytes, without bound: await them.
   *
   * A handler that awaits room in its own full sink may wait for itself; `timeout` ends that.
   *
   * @param item The item.
   * @param options A `signal` that ends the waiting for room. It has no say afterwards.
   * @returns Resolves when the item is accepted, not when it is handled. Rejects after `close()`
   * with a `TypeError`, with the reason of the `signal`, with the sink's error once it has one, and with what `key`, `snapshot`,
   * `weigh` or `fits` throws; the item was not accepted then.
   *
   * @example
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const seen: number[] = [];
   * await using fanout = new Fanout((n: number) => void seen.push(n), { concurrency: 4 });
   * for (const n of [1, 2, 3]) await fanout.push(n);
   * await fanout.idle();
   * assertEquals(seen, [1, 2, 3]);
   * ```
   *
   * @example Wait for room, but for 10 ms at most
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * const fanout = new Fanout(() => new Promise(() => {}), { capacity: 0 });
   * fanout.tryPush(1);
   * await assertRejects(() => fanout.push(2, { signal: AbortSignal.timeout(10) }), DOMException);
   * assertEquals([fanout.stats.accepted, fanout.stats.blocked], [1, 0]);
   * ```
   */
  push(item: T, options?: SinkCallOptions): Promise<void> {
    const queue = this.#queue;
    try {
      const signal = readSignal(queue.owner, options, ".push");
      signal?.throwIfAborted();
      const caller = signal && new Caller(queue, signal);
      const pushed = queue.push(item, false, undefined, undefined, false, caller);
      if (!pushed) return resolved();
      caller?.listen();
      return pushed;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Gives the sink an item, now or never, and waits for the handler's result: load shedding in one line.
   * {@linkcode Sink.submit} waits for room instead, {@linkcode Sink.tryPush} for no result.
   *
   * @param item The item.
   * @param options A `signal` by which the caller leaves, as of {@linkcode Sink.submit}.
   * @returns `undefined` when the sink is full: nothing is left behind, and `stats.refused` counts it. Else
   * a promise that resolves and rejects as that of `submit` does, also after `close()`, when it rejects
   * with a `TypeError`. It is yours: its rejection is unhandled if you don't take it.
   *
   * @example A server that says no at once when it has too much to do
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const pages = new Fanout((path: string) => Promise.resolve(`<h1>${path}</h1>`), {
   *   concurrency: 1,
   *   capacity: 0,
   * });
   * const serve = async (path: string) => {
   *   const page = pages.trySubmit(path);
   *   return page ? new Response(await page) : new Response("Busy", { status: 503 });
   * };
   * const responses = await Promise.all(["/", "/about"].map(serve));
   * assertEquals(responses.map(({ status }) => status), [200, 503]);
   * ```
   */
  trySubmit(item: T, options?: SinkCallOptions): Promise<R> | undefined {
    return this.#submit(".trySubmit", item, true, options);
  }

  /**
   * Gives the sink an item, waits for room, and then for the handler's result.
   *
   * **A caller may leave** by its `signal`, at any time, and is told at once. An item that still waits is
   * taken out of the queue. Where a `Fanout` runs the handler, its `context.signal` aborts. In the batch
   * of an `Aggregator` the caller leaves, and his item stays.
   *
   * @param item The item.
   * @param options A `signal` by which the caller leaves.
   * @returns Resolves with the result for this item. Rejects with the very error of the handler,
   * which then reaches neither `onError` nor the sink, unless it failed pushed items of the batch, too;
   * with a `TypeError` where the handler of an `Aggregator` gives no array, or one of a wrong count; and
   * as {@linkcode Sink.push} does.
   *
   * @example
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const lengths = new Fanout((word: string) => word.length, { concurrency: 4 });
   * assertEquals(await Promise.all(["a", "bb"].map((word) => lengths.submit(word))), [1, 2]);
   * ```
   *
   * @example The user has gone away: what runs is told, what waits is taken out
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const told: unknown[] = [];
   * const pages = new Fanout((path: string, { signal }) =>
   *   new Promise((_resolve, reject) => // fetch, with this signal
   *     signal.addEventListener("abort", () => (told.push(path), reject(signal.reason)))
   *   ));
   * const user = new AbortController();
   * const asked = ["/", "/about"].map((path) => pages.submit(path, { signal: user.signal }));
   * user.abort("gone");
   * const answers = await Promise.allSettled(asked);
   * await pages.idle();
   * assertEquals(answers.map(({ status }) => status), ["rejected", "rejected"]);
   * assertEquals([told, pages.stats.discarded], [["/"], 2]);
   * ```
   */
  submit(item: T, options?: SinkCallOptions): Promise<R> {
    return this.#submit(".submit", item, false, options)!;
  }

  /**
   * Gives the sink all items of a source, as fast as there is room. Cheaper than `pipeTo`, which
   * closes the sink at the end: this leaves it open, and several sources may be consumed at once.
   *
   * A synchronous source whose handler is synchronous too is consumed in one go, and nothing else runs
   * meanwhile.
   *
   * It waits for its own items, and no others; an `Aggregator` hands over the open batches that hold one
   * of them when the source is over.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable`.
   * @param options A `signal` that ends the reading. What was accepted stays.
   * @returns Resolves when all of it has settled. Rejects with the sink's error, at once; and when its
   * items have settled, with the reason of the `signal`, with the error of the source, with what `key`, `snapshot`, `weigh` or `fits`
   * throws, or with a `TypeError` at `close()`. All but the second cancel the source. An item that was
   * read and could not be brought in at an end of the sink goes to `onDiscard`.
   *
   * @example
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * let sum = 0;
   * const fanout = new Fanout((n: number) => void (sum += n), { concurrency: 4 });
   * await fanout.consume([1, 2, 3]);
   * assertEquals(sum, 6);
   * ```
   *
   * @example Stop reading, and keep what was read
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assert, assertEquals, assertRejects } from "@std/assert";
   *
   * const stop = new AbortController();
   * const jobs = new Fanout(async (n: number) => {
   *   await Promise.resolve();
   *   if (n === 3) stop.abort(new Error("SIGTERM"));
   * });
   * async function* endless() {
   *   for (let n = 1;; n++) yield n;
   * }
   * await assertRejects(() => jobs.consume(endless(), { signal: stop.signal }), Error, "SIGTERM");
   * assert(jobs.stats.done >= 3); // all but the item that was read too late is done
   * assertEquals(jobs.stats.accepted, jobs.stats.done + jobs.stats.discarded);
   * ```
   */
  consume(
    source: Source<T>,
    options?: SinkCallOptions & { flatten?: false | undefined },
  ): Promise<void>;
  /**
   * The same for a source of arrays, such as pages of rows, whose elements are the items. What else the
   * source gives is a `TypeError`, by which it is left. The rest of a page that was read when the reading
   * ends goes to `onDiscard`.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of arrays. Promises of arrays in
   * an `Iterable` are awaited; what is in an array is taken as it is.
   * @param options `flatten`, and a `signal` that ends the reading.
   * @returns As without `flatten`.
   *
   * @example
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * let sum = 0;
   * const fanout = new Fanout((n: number) => void (sum += n));
   * await fanout.consume([[1, 2], [3]], { flatten: true });
   * assertEquals(sum, 6);
   * ```
   */
  consume(
    source: Source<readonly T[]>,
    options: SinkCallOptions & { flatten: true },
  ): Promise<void>;
  async consume(
    source: Source<T> | Source<readonly T[]>,
    options?: SinkCallOptions & { flatten?: boolean | undefined },
  ): Promise<void> {
    const { owner } = this.#queue;
    const signal = readSignal(owner, options, ".consume");
    const flatten = options?.flatten;
    if (flatten !== undefined) check(`${owner}.consume`, "flatten", flatten, FLAG);
    await this.#queue.consume(source, signal, flatten);
  }

  /**
   * Waits for what was accepted before the call, and for the calls that wait for room then. An
   * `Aggregator` hands its open batches over at once, and theirs when the last of them has come in.
   *
   * A handler that awaits it waits for itself; `timeout` ends that.
   *
   * @returns Resolves when all of that has settled, whatever came after. Rejects with the sink's
   * error, once it has one.
   *
   * @example
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const fanout = new Fanout((n: number) => Promise.resolve(n));
   * fanout.tryPush(1);
   * await fanout.flush();
   * assertEquals(fanout.stats.done, 1);
   * ```
   */
  flush(): Promise<void> {
    return this.#queue.flush();
  }

  /**
   * Waits until no accepted item is waiting or running, and with `overrun: "hold"` until no handler runs
   * on after its timeout. It never rejects: after an abort it is the way to wait for handlers that are
   * still at it, however long: an abort ends the timeouts too.
   *
   * @returns Resolves at the first such moment.
   *
   * @example
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const fanout = new Fanout(() => Promise.resolve());
   * for (const n of [1, 2, 3]) fanout.tryPush(n);
   * await fanout.idle();
   * assertEquals(fanout.stats.running + fanout.stats.waiting, 0);
   * ```
   */
  idle(): Promise<void> {
    return this.#queue.counts.whenIdle();
  }

  /**
   * Drains: accepts nothing more, and waits for what was accepted, and for the `push` calls that
   * waited for room before it. `consume` calls are stopped.
   *
   * A handler that awaits it waits for itself; a `timeout` ends that.
   *
   * @param options How long that may take: at the `timeout`, more than 0 and at most 2147483647
   * milliseconds, or `Infinity`, the sink is aborted with a `TimeoutError`, and when the `signal`
   * aborts, with its reason.
   * @returns Resolves when all of it has settled. Rejects with the sink's error if it has one, or
   * comes by one meanwhile; with a `TypeError` where the sink is locked or closed already, or an option
   * is of the wrong kind; with a `RangeError` where the `timeout` is out of range.
   *
   * @example
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals, assertThrows } from "@std/assert";
   *
   * const fanout = new Fanout((n: number) => Promise.resolve(n));
   * fanout.tryPush(1);
   * const closed = fanout.close();
   * assertThrows(() => fanout.tryPush(2), TypeError);
   * await closed;
   * assertEquals(fanout.stats.done, 1);
   * ```
   *
   * @example A shutdown that waits for ten milliseconds at most
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * const fanout = new Fanout(() => new Promise(() => {}));
   * fanout.tryPush(1);
   * fanout.tryPush(2);
   * await assertRejects(() => fanout.close({ timeout: 10 }), DOMException, "within 10 ms");
   * assertEquals(fanout.stats.discarded, 1);
   * ```
   *
   * @example A shutdown of a sink that a pipe locks: end the pipe first, and let it leave the sink open
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * const stop = new AbortController();
   * const source = new ReadableStream<number>({ start: (controller) => controller.enqueue(1) });
   * const jobs = new Fanout((n: number) => Promise.resolve(n));
   * const piped = source.pipeTo(jobs, {
   *   signal: stop.signal,
   *   preventClose: true,
   *   preventAbort: true,
   * }).catch(() => {});
   * while (jobs.stats.done < 1) await new Promise((resolve) => setTimeout(resolve));
   * await assertRejects(() => jobs.close(), TypeError); // locked
   *
   * stop.abort();
   * await piped; // once what it has read is accepted
   * await jobs.close({ timeout: 10_000 });
   * assertEquals(jobs.stats.done, 1);
   * ```
   */
  override async close(
    options?: { timeout?: number | undefined; signal?: AbortSignal | undefined },
  ): Promise<void> {
    const queue = this.#queue;
    const { owner } = queue;
    const signal = readSignal(owner, options);
    const given = options?.timeout;
    const timeout = check(owner, "timeout", given === undefined ? Infinity : given, DURATION);
    if (this.locked) return super.close();
    const failure = queue.refuse();
    if (failure) throw failure.error;

    const end = { error: (reason: unknown) => queue.error(reason) };
    const stop = after(timeout, `${owner}: close() has not drained`, end.error);
    try {
      const closing = super.close();
      onAbort(signal, end);
      await closing;
    } catch (error) {
      // Where an abort had no reason, the stream has none.
      throw (queue.refuse() ?? { error }).error;
    } finally {
      stop();
      offAbort(signal, end);
    }
  }

  /**
   * Stops at once, for good: handlers are told by `context.signal`, what waits is discarded, and
   * every call that waits rejects with the reason. Where the sink is locked, abort it by the writer
   * or by `signal`; in a handler or a hook, by `signal`.
   *
   * @param reason What every call that waits, and every later one, rejects with. Without one, an
   * `AbortError`; only `writer.closed` and the writes that a writer has queued reject with `undefined`
   * then, as the standard has it.
   * @returns Resolves without waiting for handlers; {@linkcode Sink.idle} does. Where a `close()` is
   * under way, that rejects with the reason. (`writer.abort()` rejects then, too, as the standard has
   * it.) Rejects with a `TypeError` where the sink is locked.
   *
   * @example
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const fanout = new Fanout(() => new Promise(() => {}));
   * fanout.tryPush(1);
   * fanout.tryPush(2);
   * await fanout.abort(new Error("shutdown"));
   * assertEquals([fanout.stats.running, fanout.stats.discarded], [1, 1]);
   * ```
   */
  override abort(reason?: unknown): Promise<void> {
    // By user code that an abort calls: the stream would take this reason.
    if (this.#aborting) return resolved();
    this.#aborting = true;
    const { locked } = this;
    try {
      const aborted = super.abort(reason);
      return locked ? aborted : aborted.catch(() => {});
    } finally {
      this.#aborting = false;
    }
  }

  /**
   * Closes the sink if it is unlocked, and else waits for it to settle.
   *
   * @returns As {@linkcode Sink.close}, also where the sink is closed already.
   *
   * @example
   * ```ts
   * import { Fanout } from "@weir/streams/fanout";
   * import { assertEquals } from "@std/assert";
   *
   * const done: number[] = [];
   * {
   *   await using fanout = new Fanout(async (n: number) => {
   *     await Promise.resolve();
   *     done.push(n);
   *   });
   *   fanout.tryPush(1);
   *   fanout.tryPush(2);
   * }
   * assertEquals(done, [1, 2]);
   * ```
   */
  [Symbol.asyncDispose](): Promise<void> {
    // It rejects where a writer has called it, too.
    if (!this.locked) markHandled(this.close());
    return this.#queue.whenClosed();
  }

  #submit(
    method: string,
    item: T,
    now: boolean,
    options: SinkCallOptions | undefined,
  ): Promise<R> | undefined {
    const queue = this.#queue;
    try {
      const signal = readSignal(queue.owner, options, method);
      signal?.throwIfAborted();
      const result = signal ? new Caller(queue, signal) : new Deferred<unknown>();
      if (queue.push(item, now, result) === false) return;
      if (signal) (result as Caller).listen();
      return result.promise as Promise<R>;
    } catch (error) {
      return Promise.reject(error);
    }
  }
}
