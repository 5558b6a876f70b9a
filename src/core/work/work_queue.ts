import type { HandlerContext } from "../shared/call_context.ts";
import { FifoQueue } from "../shared/fifo_queue.ts";
import { Deferred, isThenable, markHandled, reportUncaught } from "../shared/promises.ts";
import { type Abortable, offAbort, onAbort, type SinkController } from "../shared/signals.ts";
import { hasStack } from "../shared/stack.ts";
import { openSource, Pump, type Source } from "../shared/source.ts";
import type { BatchHost, BatchTable } from "./batch_table.ts";
import { Counts, Group, type SinkStats } from "./counts.ts";
import { type FailureHost, Failures, runWithin } from "./failures.ts";
import type { Runner, Waiter, WorkJob } from "./job.ts";
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
export class WorkQueue<T, P>
  implements PoolHost<WorkJob<T, P>>, BatchHost<T, P>, FailureHost, Abortable {
  // Of an underlying sink: not what every object may inherit.
  readonly type!: never;
  readonly abort!: never;
  readonly counts: Counts;
  /** The most items that may wait now. */
  limit: number;
  readonly pool: Pool<WorkJob<T, P>>;
  readonly #options: WorkOptions<T, P>;
  /** Where items gather before they are jobs. A `Fanout` has none: each item is a job. */
  readonly #batches: BatchTable<T, P> | undefined;

  #state: "open" | "closing" | "draining" | "closed" | "errored" = "open";
  /** A box: the error may be any value. */
  failure: { readonly error: unknown } | undefined;
  /** The stack has ended in here: told to who comes next, if to nobody sooner. */
  #overflow: { readonly error: unknown } | undefined;
  readonly #closed = new Deferred<void>();
  /** Whether somebody has the lock of the stream, and is told by it. */
  locked!: () => boolean;
  /** Of the stream. */
  #controller!: SinkController;

  /** Those who wait for room, in the order in which they came: nobody overtakes. */
  readonly #waiters = new FifoQueue<Waiter<T>>();
  #moving = false;
  /** The `consume` calls that are under way. */
  readonly #consumers = new Set<{ readonly pump: Pump<T>; readonly own: Group }>();
  readonly #failures: Failures<T, P>;

  constructor(options: WorkOptions<T, P>, batches?: (host: BatchHost<T, P>) => BatchTable<T, P>) {
    this.#options = options;
    this.limit = options.capacity;
    this.counts = new Counts(options.overrun === "hold");
    this.pool = new Pool(this, options);
    this.#failures = new Failures(this, options);
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

  /**
   * The way in. Takes the item now, and returns nothing; where there is no room, returns false if it
   * has to be `now`, else when it has been taken. Who waits for a `result` is told by that. `own` is of
   * the `consume()` that brings it. What the stream had `written` before a `close()` comes while
   * closing. Throws what the caller is to be told.
   */
  push(
    item: T,
    now: boolean,
    result?: Deferred<unknown>,
    own?: Group,
    written = false,
  ): Promise<void> | false | undefined {
    try {
      return this.#push(item, now, result, own, written);
    } catch (error) {
      // Where the stack has ended in here, nobody knows what was done. Set before another call ends it.
      this.#overflow = { error };
      if (hasStack(64)) this.#overflow = undefined;
      else queueMicrotask(() => this.error(error));
      throw error;
    }
  }

  #push(
    item: T,
    now: boolean,
    result: Deferred<unknown> | undefined,
    own: Group | undefined,
    written: boolean,
  ): Promise<void> | false | undefined {
    const { key, snapshot } = this.#options;
    this.check(written);
    const itemKey = key?.(item);
    // No snapshot is taken for an item that is refused.
    const refused = now && !!snapshot && !this.#mayEnter(itemKey);
    const runner = refused ? undefined : snapshot?.();
    // The hooks are user code: things may be otherwise now.
    if (key ?? snapshot) this.check(written);
    if (
      !refused && this.#mayEnter(itemKey) && this.#admit(item, itemKey, runner, result, own)
    ) {
      return;
    }
    if (now) {
      this.counts.refused++;
      return false;
    }
    this.counts.blocked++;
    const told = result ?? new Deferred<unknown>();
    this.#waiters.push({
      next: undefined,
      item,
      key: itemKey,
      snapshot: runner,
      result,
      told,
      epoch: this.counts.enter(own),
      own,
      written,
    });
    return told.promise as Promise<void>;
  }

  /** Takes what the stream writes. */
  write(item: T): Promise<void> | undefined {
    try {
      return this.push(item, false, undefined, undefined, true) || undefined;
    } catch (error) {
      // A stream whose write fails is errored, and its sink is not told.
      this.error(error, true);
      throw error;
    }
  }

  async consume(source: Source<T>): Promise<void> {
    this.check(false);
    const reader = openSource(`${this.#options.owner}.consume`, source);
    const own = new Group();
    const pump = new Pump(
      reader,
      (item) => this.push(item, false, undefined, own) || undefined,
      (item, reason) => {
        // Or a hook has thrown, which this call is told.
        if (this.#state === "open") return;
        this.counts.lose();
        this.#discard([item], reason);
      },
    );
    const consumer = { pump, own };
    this.#consumers.add(consumer);
    // To open a source is user code, too: the sink may be at its end by now.
    if (this.#state !== "open") pump.error(this.#refusal());
    // However it ends, its items come first; only a failure of the sink does not wait for them.
    await pump.run().finally(() => this.flush(own)).finally(() => this.#consumers.delete(consumer));
  }

  // Ways out.

  /** Waits for what has come so far, those who wait for room among it; or for what is of `own`. */
  flush(own?: Group): Promise<void> {
    // Closed first, so that nothing joins them; started last, because that is user code.
    this.#batches?.closeAll(own && ((batch) => !!batch.owns?.includes(own)));
    if (this.failure) return Promise.reject(this.#refusal());
    const over = this.counts.whenFlushed(own);
    this.proceed();
    return over;
  }

  /** From here on nothing new is accepted. Returns the error that the sink has, if it has one. */
  refuse(): { readonly error: unknown } | undefined {
    this.#hear();
    if (this.#overflow) this.error(this.#overflow.error);
    if (this.#state === "open") {
      this.#state = "closing";
      this.#stopPumps(this.#refusal());
    }
    return this.failure;
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
    if (this.#state === "closed" || this.failure) return;
    // Cut short it could not be taken up again.
    if (!hasStack()) return queueMicrotask(() => this.error(error, heard));
    this.#state = "errored";
    const { signal } = this.#options;
    offAbort(signal, this);
    const aborted = signal?.aborted || this.#controller.signal.aborted;
    // In Workers the signal of a stream has no reason where none was given.
    if (aborted && error === undefined) error = new DOMException("Aborted", "AbortError");
    this.failure = { error };

    const jobs = [...this.pool.stop(), ...this.#batches?.abort() ?? []];
    this.counts.discard();
    if (
      this.counts.rejectFlushes(error) || heard || aborted || this.#consumers.size ||
      this.#waiters.head || this.locked()
    ) this.#hear();
    for (const job of [...jobs, ...this.pool.running()]) if (reject(job, error)) this.#hear();
    for (const { told } of this.#waiters.removeAll()) told.reject(error);
    this.counts.blocked = 0;
    for (const { own } of this.#consumers) own.over?.reject(error);
    this.#failures.stop();
    this.#closed.reject(error);
    // Who takes the lock in this turn is told.
    queueMicrotask(() => this.locked() && this.#hear());
    // To error a stream from its own abort would make that abort reject.
    if (!this.#controller.signal.aborted) this.#controller.error(error);

    // User code from here on: all that it can see is as it will be.
    this.#stopPumps(error);
    this.pool.abort(error);
    this.#discard(jobs.flatMap((job) => job.items ?? [job.payload as unknown as T]), error);
  }

  // For the batches, as `BatchHost` says.

  hasRoom(key: unknown): boolean {
    return this.counts.waiting < this.limit || (!this.#batches && this.pool.canStart(key));
  }

  /** Throws if nothing can be accepted any more, or not even what came before a `close()`. */
  check(closing: boolean): void {
    if (this.#overflow) this.error(this.#overflow.error);
    if (closing ? this.failure || this.#state === "closed" : this.#state !== "open") {
      throw this.#refusal();
    }
  }

  /** Starts what can start. Even if no worker is free, those who wait for room may come in. */
  proceed(): void {
    this.pool.proceed();
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
    if (this.#batches) {
      return this.#failures.settle(job, this.#batches.settle(job, failed, outcome));
    }
    if (!failed) return void result?.resolve(outcome);
    result?.reject(outcome);
    const untold = result ? [] : [payload as unknown as T];
    return this.#failures.settle(job, [{ error: outcome, count: 1, untold }]);
  }

  onRelease(job: WorkJob<T, P>): void {
    this.counts.settle(job);
    if (job.returned) this.#discard(job.returned, this.failure!.error);
  }

  onOverrun(by: 1 | -1): void {
    this.counts.overrun(by);
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
    own: Group | undefined,
    epoch?: number,
  ): boolean {
    const { counts, pool } = this;
    if (this.#batches) return this.#batches.add(item, key, snapshot, result, own, epoch);
    counts.accept();
    epoch ??= counts.enter(own);
    pool.add({
      next: undefined,
      payload: item as unknown as P,
      key,
      snapshot,
      result,
      epoch,
      own,
    });
    pool.fill();
    return true;
  }

  /** Lets in the first of those who wait for room, if there is some; returns whether anything has changed. */
  #admitWaiter(): boolean {
    const waiter = this.#waiters.head;
    if (!waiter || !this.hasRoom(waiter.key)) return false;
    this.#waiters.shift();
    this.counts.blocked--;
    const { item, key, snapshot, result, told, written, epoch, own } = waiter;
    try {
      if (!this.#admit(item, key, snapshot, result, own, epoch)) {
        // It is still the first: what has used the room up may have to start before it.
        this.#waiters.unshift(waiter);
        this.counts.blocked++;
        return true;
      }
      if (!result) told.resolve(undefined);
    } catch (error) {
      told.reject(error);
      this.counts.leave(epoch, 1, own);
      if (written) this.error(error, true);
    }
    // The last of those whom a flush has found waiting: their batches wait for nobody else.
    const { epoch: next } = this.#waiters.head ?? this.counts;
    if (next !== epoch) {
      this.#batches?.closeAll((batch) => batch.epoch === epoch);
      this.pool.fill();
    }
    return true;
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
    for (const { pump } of this.#consumers) pump.error(reason);
  }

  #refusal(): unknown {
    this.#hear();
    if (this.failure) return this.failure.error;
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
