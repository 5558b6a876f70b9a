import type { HandlerContext } from "../shared/call_context.ts";
import { FifoQueue } from "../shared/fifo_queue.ts";
import { after } from "../shared/late.ts";
import {
  Deferred,
  isThenable,
  markHandled,
  reportUncaught,
  whenSettled,
} from "../shared/promises.ts";
import { type Abortable, offAbort, onAbort, type SinkController } from "../shared/signals.ts";
import { Pump, type Source } from "../shared/source.ts";
import type { BatchHost, BatchTable } from "./batch_table.ts";
import { Counts, type SinkStats, Tally } from "./counts.ts";
import type { Failure, Runner, Waiter, WorkJob } from "./job.ts";
import { Pool, type PoolHost } from "./pool.ts";
import type { WorkOptions } from "./work_options.ts";

/**
 * The one way into a sink, by whichever front an item comes, and the one way out: it holds the
 * bound, keeps the counts, and says who is told what when the sink closes or fails. It is the
 * underlying sink of the stream: `start`, `write` and `close` are the standard's.
 *
 * - `open`: everything is accepted for which there is room.
 * - `closing`: only what was pushed or written before is.
 * - `draining`: the stream has written all it had; the sink is `closed` when all has settled.
 * - `errored`: nothing more starts, and handlers that run are let go.
 */
export class WorkQueue<T, P> implements PoolHost<WorkJob<T, P>>, BatchHost<T, P>, Abortable {
  // Of an underlying sink: not what every object may inherit.
  readonly type!: never;
  readonly abort!: never;
  readonly counts: Counts = new Counts();
  /** The most items that may wait now. */
  limit: number;
  readonly pool: Pool<WorkJob<T, P>>;
  readonly #options: WorkOptions<T, P>;
  /** Where items gather before they are jobs. A `Fanout` has none: each item is a job. */
  readonly #batches: BatchTable<T, P> | undefined;

  #state: "open" | "closing" | "draining" | "closed" | "errored" = "open";
  /** A box: the error may be any value. */
  #failure: { readonly error: unknown } | undefined;
  readonly #closed = new Deferred<void>();
  /** Whether somebody has the lock of the stream, and is told by it. */
  locked!: () => boolean;
  /** Of the stream. */
  #controller!: SinkController;

  /** Those who wait for room, in the order in which they came: nobody overtakes. */
  readonly #waiters = new FifoQueue<Waiter<T>>();
  #moving = false;
  /** Stop the `consume` calls that are under way. */
  readonly #pumps = new Set<(reason: unknown) => void>();
  /** Stop the clock of each `onError` that is at it. */
  readonly #clocks = new Set<() => void>();

  constructor(options: WorkOptions<T, P>, batches?: (host: BatchHost<T, P>) => BatchTable<T, P>) {
    this.#options = options;
    this.limit = options.capacity;
    this.pool = new Pool(this, options);
    this.#batches = batches?.(this);
  }

  /** Who it is, in messages. */
  get owner(): string {
    return this.#options.owner;
  }

  /** One promise. A rejection of it is unhandled unless somebody hears of the failure. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  get stats(): SinkStats & { batches?: number } {
    // Nothing else there is public and a field.
    return { ...this.counts };
  }

  start(controller: WritableStreamDefaultController): void {
    this.#controller = controller as SinkController;
    // Fires at once, also while a write waits for room: `abort` comes only after that.
    onAbort(this.#controller.signal, this);
    onAbort(this.#options.signal, this);
  }

  // Ways in. They throw what the caller is to be told.

  /** Accepts the item if there is room now. */
  tryPush(item: T): boolean {
    this.#checkOpen();
    const { key, snapshot } = this.#options;
    const itemKey = key?.(item);
    // The hooks are user code: things may be otherwise now.
    if (key) this.#checkOpen();
    if (!this.#mayEnter(itemKey)) return false;
    const runner = snapshot?.();
    if (snapshot) {
      this.#checkOpen();
      if (!this.#mayEnter(itemKey)) return false;
    }
    return this.#admit(item, itemKey, runner, undefined, this.counts.tallies());
  }

  /**
   * Accepts the item now, or returns when that is over. If a result is waited for, that says it. `own`
   * is of the `consume()` that brings it.
   */
  push(item: T, result?: Deferred<unknown>, own?: Tally): Promise<void> | undefined {
    this.#checkOpen();
    return this.#offer(item, result, own);
  }

  /** Takes what the stream writes; what was written before a `close()` comes while closing. */
  write(item: T): Promise<void> | undefined {
    try {
      return this.#offer(item, undefined, undefined, true);
    } catch (error) {
      // A stream whose write fails is errored, and its sink is not told.
      this.error(error, true);
      throw error;
    }
  }

  async consume(source: Source<T>): Promise<void> {
    this.#checkOpen();
    const own = new Tally();
    const pump = new Pump(`${this.#options.owner}.consume`, source, {
      write: (item) => this.push(item, undefined, own),
      discard: (items, reason) => {
        // Or a hook has thrown, which this call is told.
        if (this.#state === "open") return;
        this.counts.lose();
        this.#discard(items, reason);
      },
    });
    const stopped = new Deferred<never>();
    const stop = (reason: unknown): void => {
      pump.error(reason);
      stopped.reject(reason);
    };
    this.#pumps.add(stop);
    // To open a source is user code, too: the sink may be at its end by now.
    if (this.#state !== "open") stop(this.#refusal());
    try {
      // A read may never come back.
      await Promise.race([stopped.promise, pump.run()]);
    } finally {
      this.#pumps.delete(stop);
      // However it ends, its items come first; only a failure of the sink does not wait for them.
      await this.flush(own);
    }
  }

  // Ways out.

  /** Waits for what has come so far, those who wait for room among it; or for what is of `own`. */
  flush(own?: Tally): Promise<void> {
    // Closed first, so that nothing joins them; started last, because that is user code.
    this.#batches?.closeAll(own);
    if (this.#failure) return Promise.reject(this.#refusal());
    const over = this.counts.whenOver(own);
    this.proceed();
    return over;
  }

  /** From here on nothing new is accepted. Returns the error that the sink has, if it has one. */
  refuse(): { readonly error: unknown } | undefined {
    this.#hear();
    if (this.#state === "open") {
      this.#state = "closing";
      this.#stopPumps(this.#refusal());
    }
    return this.#failure;
  }

  /** Everything the stream had has been written: resolves when all of it has settled. */
  close(): Promise<void> {
    this.refuse();
    this.#state = "draining";
    this.onIdle();
    return this.whenClosed();
  }

  /** Settles when the sink is closed or errored. */
  whenClosed(): Promise<void> {
    // One for each who asks, so that nobody's rejection counts as handled by another.
    return this.#closed.promise.then();
  }

  /** Stops at once, for good. The first error wins. `heard`: somebody is told of it otherwise. */
  error(error: unknown, heard = false): void {
    if (this.#state === "closed" || this.#failure) return;
    this.#state = "errored";
    const { signal } = this.#options;
    offAbort(signal, this);
    const aborted = signal?.aborted || this.#controller.signal.aborted;
    // In Workers the signal of a stream has no reason where none was given.
    if (aborted && error === undefined) error = new DOMException("Aborted", "AbortError");
    this.#failure = { error };

    const items: T[] = [];
    if (
      this.counts.rejectFlushes(error) || aborted || this.#pumps.size || this.#waiters.head ||
      this.locked()
    ) heard = true;
    for (const job of [...this.pool.stop(), ...this.#batches?.abort() ?? []]) {
      this.counts.discard(job);
      if (reject(job, error)) heard = true;
      for (const item of job.items ?? [job.payload as unknown as T]) items.push(item);
    }
    for (const job of this.pool.running()) if (reject(job, error)) heard = true;
    for (const { told } of this.#waiters.removeAll()) told.reject(error);
    for (const stop of this.#clocks) stop();
    this.#closed.reject(error);
    if (heard) this.#hear();
    // Who takes the lock in this turn is told.
    else queueMicrotask(() => this.locked() && this.#hear());
    // To error a stream from its own abort would make that abort reject.
    if (!this.#controller.signal.aborted) this.#controller.error(error);

    // User code from here on: all that it can see is as it will be.
    this.#stopPumps(error);
    this.pool.abort(error);
    this.#discard(items, error);
  }

  // For the batches, as `BatchHost` says.

  hasRoom(key: unknown): boolean {
    return this.counts.waiting < this.limit || (!this.#batches && this.pool.canStart(key));
  }

  /** Throws if nothing can be accepted any more, not even what was pushed before `close()`. */
  checkUsable(): void {
    if (this.#failure || this.#state === "closed") throw this.#refusal();
  }

  /** Starts what can start. Even if no worker is free, those who wait for room may come in. */
  proceed(): void {
    if (this.pool.idle) this.pool.fill();
    else this.onIdle();
  }

  // For the pool.

  run(job: WorkJob<T, P>, context: HandlerContext): unknown {
    const { handler } = this.#options;
    if (job.count === 0) this.#batches!.open(job);
    // The batch was closed before its turn, or its collector has ended the sink.
    if (job.count === 0) return;
    this.counts.start(job);
    if (job.items) this.counts.batches!++;
    const outcome = job.snapshot
      ? runWithin(job.snapshot, handler, job.payload, context)
      : handler(job.payload, context);
    return isThenable(outcome) ? outcome : this.unwrap(job, outcome);
  }

  unwrap(job: WorkJob<T, P> | undefined, outcome: unknown): unknown {
    return this.#batches ? this.#batches.unwrap(job?.count, outcome) : outcome;
  }

  onSettle(job: WorkJob<T, P>, failed: boolean, outcome: unknown): Promise<void> | undefined {
    const { result, payload } = job;
    let failures: Iterable<Failure<T>>;
    if (this.#batches) failures = this.#batches.settle(job, failed, outcome);
    else if (failed) {
      result?.reject(outcome);
      const untold = result ? [] : [payload as unknown as T];
      failures = [{ error: outcome, count: 1, untold }];
    } else return void result?.resolve(outcome);
    let kept: Promise<void> | undefined;
    for (const { error, count, untold } of failures) {
      if (this.#failure && isEcho(error, this.#failure.error)) {
        job.returned = (job.returned ?? 0) + count;
        job.given = job.given?.concat(untold) ?? untold;
        continue;
      }
      job.failures = (job.failures ?? 0) + count;
      if (untold.length === 0) continue;
      const told = this.#batches ? [untold, payload] : untold;
      const reported = this.#report(job, error, told, count > untold.length);
      kept = kept?.then(() => reported) ?? reported;
    }
    return kept;
  }

  /** Tells `onError`; without one it is the end. Resolves when that has been taken care of. */
  #report(
    job: WorkJob<T, P>,
    error: unknown,
    told: readonly unknown[],
    heard: boolean,
  ): Promise<void> | undefined {
    const { onError } = this.#options;
    if (!onError) return void this.error(error, heard);
    try {
      const handled = job.snapshot
        ? runWithin(job.snapshot, onError as (...args: unknown[]) => unknown, error, ...told)
        : onError(error, ...told as never[]);
      if (isThenable(handled)) return this.#bounded(handled, error);
    } catch (thrown) {
      this.error(thrown);
    }
  }

  /** Resolves when that `onError` is over, by itself or by the clock: then the sink is errored. */
  #bounded(handled: PromiseLike<unknown>, failure: unknown): Promise<void> {
    const { owner, timeout } = this.#options;
    return new Promise((release) => {
      const over = (): void => {
        stop();
        this.#clocks.delete(stop);
        release();
      };
      // An end ends the timeouts, too.
      const limit = this.#failure ? Infinity : timeout;
      const stop = after(limit, `${owner}: onError has not settled`, (late) => {
        this.error(Object.defineProperty(late, "cause", { value: failure }));
        over();
      });
      this.#clocks.add(stop);
      whenSettled(handled, over, (thrown) => {
        this.error(thrown);
        over();
      });
    });
  }

  onRelease(job: WorkJob<T, P>): void {
    this.counts.settle(job);
    if (job.given) this.#discard(job.given, this.#failure!.error);
  }

  /** What waits outside the pool moves up: batches, and those who wait for room. Closes at the end. */
  onIdle(): void {
    // The usual case, for each item.
    if (this.#state === "open" && !this.#waiters.head && !this.#batches?.size) return;
    // What is started here may settle at once, and come by here again.
    if (this.#moving) return;
    this.#moving = true;
    while (this.#batches?.dispatch(this.#ending) || this.#admitWaiter());
    this.#moving = false;
    if (this.#ending && this.counts.idle) {
      this.#state = "closed";
      offAbort(this.#options.signal, this);
      this.#closed.resolve();
    }
  }

  /** Nothing more comes. */
  get #ending(): boolean {
    return this.#state === "draining" && !this.#waiters.head;
  }

  /** Nobody overtakes those who wait for room. */
  #mayEnter(key: unknown): boolean {
    return !this.#waiters.head && this.hasRoom(key);
  }

  /** Accepts an item, for which there is room; false if user code in there has used it up. May throw. */
  #admit(
    item: T,
    key: unknown,
    snapshot: Runner | undefined,
    result: Deferred<unknown> | undefined,
    tallies: readonly Tally[],
  ): boolean {
    const { counts, pool } = this;
    if (this.#batches) return this.#batches.add(item, key, snapshot, result, tallies);
    counts.accept();
    counts.hold(tallies);
    pool.add({
      next: undefined,
      payload: item as unknown as P,
      key,
      snapshot,
      result,
      tallies,
    });
    pool.fill();
    return true;
  }

  /** Lets in the first of those who wait for room, if there is some; returns whether anything has changed. */
  #admitWaiter(): boolean {
    const waiter = this.#waiters.head;
    if (!waiter || !this.hasRoom(waiter.key)) return false;
    this.#waiters.shift();
    const { item, key, snapshot, told, submitted, written, tallies } = waiter;
    try {
      if (!this.#admit(item, key, snapshot, submitted ? told : undefined, tallies)) {
        // It is still the first: what has used the room up may have to start before it.
        this.#waiters.unshift(waiter);
        return true;
      }
      if (!submitted) told.resolve(undefined);
    } catch (error) {
      told.reject(error);
      if (written) this.error(error, true);
    }
    this.counts.release(tallies);
    // The last of those whom a flush has found waiting: their batches wait for nobody else.
    const next = this.#waiters.head?.tallies ?? this.counts.tallies();
    if (next[0] !== tallies[0]) {
      this.#batches?.closeAll(tallies[0]);
      this.pool.fill();
    }
    return true;
  }

  /** Accepts the item now, or has it wait for room and returns when that is over. */
  #offer(
    item: T,
    result: Deferred<unknown> | undefined,
    own?: Tally,
    written = false,
  ): Promise<void> | undefined {
    const { key, snapshot } = this.#options;
    const itemKey = key?.(item);
    const runner = snapshot?.();
    if (written) this.checkUsable();
    else this.#checkOpen();
    const tallies = this.counts.tallies(own);
    if (this.#mayEnter(itemKey) && this.#admit(item, itemKey, runner, result, tallies)) return;
    const told = result ?? new Deferred<unknown>();
    const submitted = result !== undefined;
    this.#waiters.push({
      next: undefined,
      item,
      key: itemKey,
      snapshot: runner,
      told,
      tallies,
      submitted,
      written,
    });
    this.counts.hold(tallies);
    return submitted ? undefined : told.promise as Promise<void>;
  }

  #discard(items: T[], reason: unknown): void {
    const { onDiscard } = this.#options;
    try {
      if (items.length > 0) onDiscard?.(items, reason);
    } catch (thrown) {
      reportUncaught(thrown);
    }
  }

  /** Somebody is told of the failure, if there is one: nobody need look at `closed`. */
  #hear(): void {
    markHandled(this.closed);
  }

  #stopPumps(reason: unknown): void {
    for (const stop of this.#pumps) stop(reason);
  }

  #checkOpen(): void {
    if (this.#state !== "open") throw this.#refusal();
  }

  #refusal(): unknown {
    this.#hear();
    if (this.#failure) return this.#failure.error;
    return new TypeError(`${this.#options.owner}: nothing is accepted after close()`);
  }
}

/** Tells those who wait for what comes of a job. Returns whether anybody did; nobody does after that. */
function reject<T, P>(job: WorkJob<T, P>, error: unknown): boolean {
  const { result, results } = job;
  result?.reject(error);
  results?.forEach((result) => result.reject(error));
  // What its handler does after that is told to others.
  job.result = job.results = undefined;
  return !!(result ?? results);
}

/** Whether a handler that fails with this has only done as the end for this reason told it to. */
function isEcho(error: unknown, reason: unknown): boolean {
  try {
    const { name, cause } = Object(error ?? {});
    return error === reason || name === "AbortError" || (cause !== undefined && cause === reason);
  } catch {
    return false;
  }
}

/** Apart, because a closure over the job would be paid for by every job. */
function runWithin<A extends unknown[]>(
  snapshot: Runner,
  call: (...args: A) => unknown,
  ...args: A
): unknown {
  return snapshot(() => call(...args));
}
