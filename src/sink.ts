/**
 * {@linkcode Sink}: the base of `Fanout` and `Aggregator`. Its methods give the sink items and end
 * the sink.
 *
 * @module
 */

import type { HandlerContext, SinkContext } from "./core/shared/call_context.ts";
import { describe } from "./core/shared/describe.ts";
import { setInlet } from "./core/shared/inlets.ts";
import { after } from "./core/shared/late.ts";
import { check, COUNT, DURATION, FLAG, readSignal } from "./core/shared/options.ts";
import { Deferred, resolved } from "./core/shared/promises.ts";
import { offAbort, onAbort } from "./core/shared/signals.ts";
import type { Source } from "./core/shared/source.ts";
import type { SinkStats } from "./core/work/counts.ts";
import { Caller } from "./core/work/caller.ts";
import type { Runner } from "./core/work/job.ts";
import type { WorkQueue } from "./core/work/work_queue.ts";
import type { RateLimit } from "./rate_limit.ts";

export type { HandlerContext, Runner, SinkContext, SinkStats, Source };

// A constant, because a bundler does not drop a class that extends a global.
const /** @internal */ SinkBase: typeof WritableStream = /* @__PURE__ */ (() => WritableStream)();

/** Options of a call. Any object will do, such as the context of a handler. */
export interface SinkCallOptions {
  /** Ends the call with the signal's reason when the signal aborts. */
  readonly signal?: AbortSignal | undefined;
}

/** Options that every sink has. */
export interface SinkOptions<T> {
  /**
   * The most handlers that run at once: an integer of at least 0. With 0, no handler starts until
   * you raise {@linkcode Sink.concurrency}. By default a handler that has timed out no longer
   * counts: if it runs on after its `timeout`, it counts only with `overrun: "hold"`.
   *
   * @default {1}
   */
  concurrency?: number | undefined;
  /**
   * Gives the key of an item. The sink handles the items of one key one at a time and in order, and
   * different keys at the same time. A key is any value, compared as a `Map` compares. If `key`
   * throws, the caller gets the error and the item is not accepted.
   */
  key?: ((item: T) => unknown) | undefined;
  /**
   * How long a handler may take, in milliseconds: more than 0 and at most 2147483647, or
   * `Infinity`. A handler that has not settled by then has failed with a `TimeoutError`. Its signal
   * aborts and its slot is free, as after any failure, and the sink ignores what the handler does
   * later. `overrun` can keep the slot taken.
   *
   * `onError` may take as long again. If it has not settled by then, the sink errors with a
   * `TimeoutError` whose `cause` is the failure that `onError` got.
   *
   * @default {Infinity}
   */
  timeout?: number | undefined;
  /**
   * When a handler that runs on after its `timeout` frees its slot and its key. With `"release"`,
   * at the timeout. With `"hold"`, when the handler has settled; in an `Aggregator`, the promises
   * in its result must settle too. Take `"hold"` where `concurrency`, or the order within a key,
   * must also hold on the other side, such as for open connections. With `"hold"`, a handler that
   * never settles keeps its slot: let it follow `context.signal`.
   *
   * In both cases the item fails, is reported and is counted at the timeout, and
   * `stats.overrunning` shows how many handlers run on. `close` and `flush` don't wait for them;
   * `idle` does with `"hold"`.
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
   *   await new Promise((resolve) => setTimeout(resolve, 30)); // ignores its signal
   *   open--;
   * }, { concurrency: 2, timeout: 10, overrun: "hold", onError: () => {} });
   * for (let n = 0; n < 4; n++) queries.tryPush(n);
   * await queries.idle();
   * assertEquals([most, queries.stats.failed], [2, 4]);
   * ```
   */
  overrun?: "release" | "hold" | undefined;
  /**
   * How long an item may wait for its handler, in milliseconds: more than 0 and at most 2147483647,
   * or `Infinity`. An item that has waited longer is discarded with a `TimeoutError`, either when
   * its turn comes or before the sink refuses an item for lack of room. Its `submit` gets that
   * error; if there is none, `onDiscard` gets the item. So **overload discards the oldest items**,
   * whose callers have given up, and not the newest. In an `Aggregator` this applies to batches,
   * from the moment when a batch is due. With `retry`, each attempt starts the time anew.
   *
   * With a `maxWait`, `context.waited` says how long the item has waited. With `Infinity`, it
   * measures and never discards. `maxWait` uses no timer.
   *
   * The `timeout` of a handler gives a `TimeoutError` as well, but that is a failure: it counts in
   * `failed` and goes to `onError`. This one counts in `discarded` and goes to `onDiscard`. If a
   * caller of `submit` must tell the two apart, record in the handler which items have started.
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
   * The most items of one key that may wait: an integer of at least 1, or `Infinity`. It needs
   * `key`. When a key is full, `tryPush` refuses items of that key only, and a `push` of that key
   * waits without delaying the others: **a slow key does not fill the queue for all**. Many slow
   * keys do, unless `capacity` has room for `keyCapacity` items of each; and each of them may take
   * a worker. When the key of an open batch of an `Aggregator` is full, that batch is due.
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
   * The most that all waiting items together may weigh, besides the limit on their number: a number
   * of more than 0. It needs `weigh`, which may return the bytes of an item, for example. If one
   * item alone is heavier, its caller gets a `RangeError`.
   *
   * @default {Infinity}
   *
   * @example Items differ much in size, and at most 1 MB of them waits
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
   * How many handlers may start in an interval, such as "10 calls a second". Several sinks and
   * streams may share one {@linkcode RateLimit}; they take turns. Items that may not start yet
   * wait.
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
   * Called when the sink is aborted or fails: with the accepted items that were waiting, and with
   * the reason. The items are in order; in an `Aggregator` with a `key`, in order within each key.
   *
   * Handlers that are running then learn of the end by `context.signal`. If such a handler fails
   * with an echo of the end, its items are discarded as well, and go to `onDiscard` at that time.
   * An echo is the reason itself, any `AbortError`, or an error whose `cause` is the reason. Any
   * other failure goes to `onError`, if there is one. So `onError` and `onDiscard` together get
   * every item that was not done, submitted items included.
   *
   * After that, `onDiscard` gets one by one the items that `consume` had read and could not bring
   * in. That also happens at a `close()`.
   *
   * If it throws, the error is uncaught.
   */
  onDiscard?: ((items: T[], reason: unknown) => unknown) | undefined;
  /**
   * Called for each item when it is pushed, submitted, consumed or written. It returns a function
   * that runs the handler for that item: `() => AsyncLocalStorage.snapshot()` carries the caller's
   * asynchronous context to the handler, and to `onError`. Through `pipeTo`, it carries the context
   * of the `pipeTo` call if the source is a stream of this library, and the context in which the
   * sink was constructed otherwise. If it throws, the caller gets the error and the item is not
   * accepted. Without `snapshot`, the handler and `onError` may run in any context.
   */
  snapshot?: (() => Runner) | undefined;
  /**
   * Aborts the sink with the signal's reason, even while the sink is locked. The signal keeps the
   * sink in memory, about 5 kB, until the sink has ended, because an abort must give the waiting
   * items to `onDiscard`. If the signal lives longer than the sink, close the sink, as
   * `await using` does.
   */
  signal?: AbortSignal | undefined;
  /** The name that messages and `console.log` show, such as `Fanout "mails"`. */
  name?: string | undefined;
}

/**
 * A `WritableStream` that runs at most a given number of handlers at once. It is the base of
 * `Fanout` and `Aggregator`; don't construct it.
 *
 * @typeParam T The type of the items.
 * @typeParam R The type of a handler's result for an item.
 */
export abstract class Sink<T, R = unknown> extends SinkBase<T> implements AsyncDisposable {
  readonly #queue: WorkQueue<T, unknown>;
  #aborting = false;

  /** @ignore The subclasses make sinks. */
  protected constructor(queue: unknown) {
    const work = queue as WorkQueue<T, unknown>;
    super(work, { highWaterMark: 1, size: undefined as never });
    this.#queue = work;
    work.locked = () => this.locked;
    setInlet(this, work);
    describe(this, work.owner);
  }

  /**
   * What has happened to the items so far.
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
   * The most handlers that run at once. You may set it at any time, also in a handler. With a
   * higher value, waiting items start at once. With a lower value, running handlers go on, and no
   * handler starts until fewer run.
   *
   * **0 pauses** the sink: no handler starts, and the sink accepts items while there is room.
   * `linger` keeps its clock, and a batch that is due grows until it is full. `flush`, `idle`,
   * `consume` and `close` wait until you raise the value: pass a `timeout` to `close`. After the
   * end of the sink, setting it has no effect.
   *
   * The default `capacity` of an `Aggregator` does not change with it.
   *
   * @throws {TypeError} If you set it to a value that is not a number.
   * @throws {RangeError} If you set it to a number that is not an integer of at least 0.
   *
   * @example Pause until the server is ready
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
    return this.#queue.concurrency;
  }

  set concurrency(value: number) {
    const queue = this.#queue;
    queue.concurrency = check(queue.owner, "concurrency", value, COUNT);
  }

  /**
   * The end of the sink, always as the same promise. It resolves when the sink has drained after a
   * `close()`, and rejects with the sink's error.
   *
   * **A failure that no caller hears of is an unhandled rejection** of this promise, with that same
   * error: no sink fails silently. A caller hears of it if another promise of the sink rejects with
   * it: a `push`, `submit`, `consume`, `flush` or `close`, or a write, that is pending or is called
   * in the same turn. The owner of the lock hears of it, even if its writer is idle. Code that has
   * read `closed` hears of it too. With `onError`, a handler's failure goes there instead; and an
   * abort is not a failure.
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
   * Gives the sink an item, now or never. It never waits, and never drops silently. If a `Fanout`
   * has a free slot, the handler has started when `tryPush` returns.
   *
   * To wait for room, use {@linkcode Sink.push}. To get the handler's result, use
   * {@linkcode Sink.submit}.
   *
   * @param item The item. Any value, also `undefined`.
   * @returns Whether the sink accepted the item: false when it is full.
   * @throws {TypeError} After `close()`.
   * @throws The sink's error, once it has one; and the errors that `key`, `snapshot`, `weigh` or
   * `fits` throw.
   *
   * @example Refuse items when the sink is full
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
    const queue = this.#queue;
    return queue.offer(item) || queue.push(item, true) === undefined;
  }

  /**
   * Gives the sink an item, and waits for room. Calls are served in order. Each waiting call keeps
   * its item and about 350 bytes, and their number has no bound: await your calls.
   *
   * If a handler awaits room in its own full sink, it may wait for itself; `timeout` ends that.
   *
   * @param item The item.
   * @param options A `signal` that ends the wait for room. It has no effect after that.
   * @returns Resolves when the item is accepted, not when it is handled. Rejects, and the item is
   * not accepted: after `close()`, with a `TypeError`; when the `signal` aborts, with its reason;
   * once the sink has an error, with that error; and with the errors that `key`, `snapshot`,
   * `weigh` or `fits` throw.
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
   * @example Wait for room for at most 10 ms
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
      if (queue.offer(item)) return resolved();
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
   * Gives the sink an item, now or never, and waits for the handler's result. This is load shedding
   * in one line. To wait for room, use {@linkcode Sink.submit}. To skip the result, use
   * {@linkcode Sink.tryPush}.
   *
   * @param item The item.
   * @param options A `signal` by which the caller leaves, as in {@linkcode Sink.submit}.
   * @returns `undefined` when the sink is full: it keeps nothing of the item, and `stats.refused`
   * counts the call. Otherwise a promise that resolves and rejects as the promise of `submit` does;
   * after `close()` it rejects with a `TypeError`. The promise is yours: if you don't handle its
   * rejection, that is unhandled.
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
   * **A caller may leave** by its `signal` at any time, and its promise rejects at once. If its
   * item still waits, the sink takes it out of the queue. If a `Fanout` runs its handler,
   * `context.signal` of that handler aborts. In the batch of an `Aggregator` the caller leaves, and
   * its item stays.
   *
   * @param item The item.
   * @param options A `signal` by which the caller leaves.
   * @returns Resolves with the result for this item. Rejects with the error that the handler
   * throws; that error reaches neither `onError` nor the sink, unless pushed items of the same
   * batch failed with it too. Rejects with a `TypeError` if the handler of an `Aggregator` returns
   * no array, or an array of the wrong length. Also rejects as {@linkcode Sink.push} does.
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
   * @example The user has gone: the running handler is aborted, and the waiting item is taken out
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
   * Gives the sink all items of a source, as fast as there is room. It costs less than `pipeTo`,
   * which also closes the sink at the end: `consume` leaves the sink open, and you may consume
   * several sources at once.
   *
   * If the source and the handler are both synchronous, `consume` takes all items in one go, and no
   * other code runs meanwhile.
   *
   * It waits for its own items only. When the source is over, an `Aggregator` hands over the open
   * batches that hold any of them. If the next item has no room because its key is full, the source
   * waits with it.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable`.
   * @param options A `signal` that ends the reading. Accepted items stay accepted.
   * @returns Resolves when all of the items have settled. If the sink fails, `consume` rejects with
   * the sink's error at once. Otherwise it rejects when its items have settled: with the reason of
   * the `signal`, with the error of the source, with the errors that `key`, `snapshot`, `weigh` or
   * `fits` throw, or with a `TypeError` at `close()`. Every rejection except with the error of the
   * source cancels the source. If the sink ends, an item that was read and could not be brought in
   * goes to `onDiscard`.
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
   * @example Stop reading, and keep the items that were read
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
   * Consumes a source of arrays, such as pages of rows, whose elements are the items. If the source
   * gives anything other than an array, `consume` stops reading it and rejects with a `TypeError`.
   * When the reading ends, the unused rest of a page goes to `onDiscard`.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of arrays. Promises of
   * arrays in an `Iterable` are awaited; the elements of an array are taken as they are.
   * @param options `flatten`, and a `signal` that ends the reading.
   * @returns The same promise as without `flatten`.
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
   * Waits for the items that were accepted before the call, and for the calls that are waiting for
   * room at that time. An `Aggregator` hands over its open batches at once. It hands over the
   * batches of those calls when the last of their items has come in.
   *
   * If a handler awaits `flush` on the sink that runs it, it waits for itself; `timeout` ends that.
   *
   * @returns Resolves when all of these items have settled; it does not wait for later ones.
   * Rejects with the sink's error, once it has one.
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
   * Waits until no accepted item is waiting or running; with `overrun: "hold"`, also until no
   * handler runs on after its timeout. It never rejects. After an abort, use it to wait for
   * handlers that still run. That may take long, because an abort also ends the timeouts.
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
   * Drains the sink: it accepts nothing more, and waits for the accepted items and for the `push`
   * calls that were waiting for room before it. It stops `consume` calls.
   *
   * If a handler awaits `close` on the sink that runs it, it waits for itself; a `timeout` ends
   * that.
   *
   * @param options How long the close may take. At the `timeout`, more than 0 and at most
   * 2147483647 milliseconds, or `Infinity`, the sink is aborted with a `TimeoutError`. When the
   * `signal` aborts, the sink is aborted with its reason.
   * At the `timeout`, `onDiscard` gets the waiting items at once. It gets the item of a running
   * handler when the handler ends because of the abort: await {@linkcode Sink.idle} for that.
   *
   * If the sink is closing or closed already, the call waits for the same end, and its own
   * `timeout` and `signal` apply. So a second signal to stop does no harm.
   *
   * @returns Resolves when everything has settled. Rejects with the sink's error if it has one, or
   * gets one meanwhile; with a `TypeError` if the sink is locked, or an option is of the wrong
   * kind; with a `RangeError` if the `timeout` is out of range.
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
   * @example A shutdown that waits for at most 10 ms
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
   * @example A shutdown of a sink that a pipe locks: end the pipe first, and let it leave the sink
   * open
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
    if (this.locked) throw this.#locked("close");
    const failure = queue.refuse();
    if (failure) throw failure.error;

    const end = { error: (reason: unknown) => queue.error(reason) };
    const stop = after(timeout, `${owner}: close() has not drained`, end.error);
    const closing = super.close().catch((error) => {
      // With a `TypeError` if the stream is closing or closed already, also by a writer. After an
      // abort without a reason, with `undefined`. The queue knows the outcome.
      if (!(error instanceof TypeError)) queue.error(error);
      return queue.whenClosed();
    });
    try {
      onAbort(signal, end);
      await closing;
    } finally {
      stop();
      offAbort(signal, end);
    }
  }

  /**
   * Stops at once, for good: it aborts `context.signal` of the running handlers, discards the
   * waiting items, and rejects every waiting call with the reason. If the sink is locked, abort it
   * by the writer or by `signal`. In a handler, or in another function that the sink calls, abort
   * it by `signal`.
   *
   * @param reason What every waiting call and every later call rejects with. Without one, that is
   * an `AbortError`; only `writer.closed` and the writes that a writer has queued reject with
   * `undefined` then, as the standard says.
   * @returns Resolves without waiting for handlers; to wait for them, use {@linkcode Sink.idle}. If
   * a `close()` is under way, that `close()` rejects with the reason. (`writer.abort()` also
   * rejects then, as the standard says.) Rejects with a `TypeError` if the sink is locked.
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
    // User code that an abort calls may call it again: the stream would take that later reason.
    if (this.#aborting) return resolved();
    if (this.locked) return Promise.reject(this.#locked("abort"));
    this.#aborting = true;
    try {
      return super.abort(reason).catch(() => {});
    } finally {
      this.#aborting = false;
    }
  }

  /**
   * Closes the sink if it is unlocked, and otherwise waits for it to settle.
   *
   * @returns The same as {@linkcode Sink.close}, also if the sink is closed already.
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
    return this.locked ? this.#queue.whenClosed() : this.close();
  }

  #locked(method: string): TypeError {
    const { owner } = this.#queue;
    return new TypeError(
      `${owner}: ${method}() while a pipe or a writer locks the sink; ` +
        `end that first, or abort by option "signal"`,
    );
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
