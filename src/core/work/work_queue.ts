import { CallContext, type SinkContext } from "../shared/call_context.ts";
import { Deferred, markHandled, reportUncaught } from "../shared/promises.ts";
import { timeoutError } from "../shared/late.ts";
import { type Abortable, offAbort, onAbort, type SinkController } from "../shared/signals.ts";
import { overweight, weightOf } from "../shared/options.ts";
import { hasStack, isOverflow, needStack } from "../shared/stack.ts";
import { Pump, type Source } from "../shared/source.ts";
import { settleEntries } from "./batch_results.ts";
import type { BatchHost, BatchTable } from "./batch_table.ts";
import type { Caller, CallerHost } from "./caller.ts";
import { Counts, type SinkStats } from "./counts.ts";
import { Group } from "./group.ts";
import { type FailureHost, Failures, runWithin } from "./failures.ts";
import { type Job, type Result, resultsOf, type Runner } from "./job.ts";
import { Pool, type PoolHost } from "./pool.ts";
import { Retries } from "./retries.ts";
import { Room } from "./room.ts";
import { WaitClock } from "./wait_clock.ts";
import type { WorkOptions } from "./work_options.ts";

/**
 * The single way into a sink, for items from every method and every pipe, and the single way out.
 * It enforces the bound, keeps the counts, and decides which error each caller gets when the sink
 * closes or fails. It is the underlying sink of the stream: `start`, `write` and `close` are the
 * methods of the standard.
 *
 * - `open`: the sink accepts every item for which there is room.
 * - `closing`: it accepts only items that were pushed or written before the `close()`.
 * - `draining`: the stream has written all its items. When all have settled, the sink is `closed`.
 * - `errored`: no more handlers start, and nothing waits for running handlers.
 */
export class WorkQueue<T, P>
  implements PoolHost<P>, BatchHost<P>, FailureHost, CallerHost, Abortable {
  // Fields of an underlying sink. They are defined here, so that the platform doesn't read
  // inherited ones.
  readonly type!: never;
  readonly abort!: never;
  readonly counts: Counts;
  readonly room: Room<P>;
  readonly pool: Pool<P, Result>;
  private readonly options: WorkOptions<T, P>;
  /** Where items gather before they are jobs. A `Fanout` has none, because each item is a job. */
  private readonly batches: BatchTable<T, P> | undefined;

  private state: "open" | "closing" | "draining" | "closed" | "errored" = "open";
  /** An object, because the error may be any value. */
  failure: { readonly error: unknown } | undefined;
  /**
   * The error of a stack overflow in this code. The sink errors with it in a microtask, or when the
   * next call comes, if that is earlier.
   */
  private overflow: { readonly error: unknown } | undefined;
  readonly #end = new Deferred<void>();
  /** Whether the stream is locked: then the owner of the lock hears of a failure. */
  locked!: () => boolean;
  /** The controller of the stream. */
  #controller!: SinkController;

  private moving = false;
  /** The `consume` calls that are under way. */
  readonly #consumers = new Set<Consumer>();
  readonly #failures: Failures<T, P>;
  /** Whether user code runs for an item before the item comes in. */
  private readonly asking: boolean;
  /** Whether an item needs no check except whether there is room. */
  private readonly plain: boolean;
  /** For the pool: turns the result of a batch handler into its entries. */
  readonly unwrap: PoolHost<P>["unwrap"] = undefined;

  constructor(options: WorkOptions<T, P>, batches?: (host: BatchHost<P>) => BatchTable<T, P>) {
    this.options = options;
    this.counts = new Counts(options.overrun === "hold");
    this.room = new Room(this.counts, options);
    const { maxWait } = options;
    const waits = maxWait === undefined ? undefined : new WaitClock<Job<P>>(maxWait);
    this.pool = new Pool(this, options, waits, new Retries());
    this.#failures = new Failures(this, options);
    this.batches = batches?.(this);
    this.asking = !!(options.key ?? options.weigh ?? options.snapshot);
    this.plain = !this.asking && waits === undefined && this.batches?.plainItems !== false;
    if (batches) this.unwrap = settleEntries;
  }

  /** The name of the sink in messages. */
  get owner(): string {
    return this.options.owner;
  }

  /** Always the same promise. Its rejection is unhandled unless a caller hears of the failure. */
  get closed(): Promise<void> {
    return this.#end.promise;
  }

  get stats(): SinkStats & { batches?: number } {
    return this.counts.stats;
  }

  start(controller: WritableStreamDefaultController): void {
    this.#controller = controller as SinkController;
    // This signal fires at once, even while a write waits for room. The stream would call `abort`
    // only after that write.
    onAbort(this.#controller.signal, this);
    onAbort(this.options.signal, this);
  }

  /**
   * Takes an item that carries nothing else, if there is room. Returns false if not: then `push`
   * must decide. A short function with few arguments, because some engines are slow with others.
   */
  offer(item: T, own?: Group): boolean {
    if (
      !this.plain || this.state !== "open" || this.overflow !== undefined ||
      !this.room.admits(undefined, 0)
    ) return false;
    try {
      this.put(item, own);
      return true;
    } catch (error) {
      if (this.overflow === undefined) this.#judge(this.overflow = { error });
      throw error;
    }
  }

  /**
   * The way in. If there is room, takes the item now and returns `undefined`. If there is no room,
   * returns false with `now`, and otherwise a promise that resolves when the item is taken.
   * `result` gets the result of the handler. `own` is the group of the `consume()` that brings the
   * item. With `written`, the stream wrote the item before a `close()`, so it may come in while
   * closing. Throws the error that the caller must get.
   */
  push(
    item: T,
    now: boolean,
    result?: Result,
    own?: Group,
    written = false,
    told: Result | undefined = result,
  ): Promise<void> | false | undefined {
    try {
      if (this.overflow !== undefined || this.state !== "open") this.check(written);
      return this.asking
        ? this.#ask(item, now, result, own, written, told)
        : this.enter(item, undefined, 0, undefined, now, result, own, written, told);
    } catch (error) {
      if (this.overflow === undefined) this.#judge(this.overflow = { error });
      throw error;
    }
  }

  /**
   * If the stack has overflowed in here, the state is unknown. The caller has set `overflow`,
   * before this call may overflow the stack too.
   */
  #judge({ error }: { error: unknown }): void {
    if (isOverflow(error)) queueMicrotask(() => this.error(error));
    else this.overflow = undefined;
  }

  /** Calls `key`, `weigh` and `snapshot`. They are user code, so the state may change meanwhile. */
  #ask(
    item: T,
    now: boolean,
    result: Result | undefined,
    own: Group | undefined,
    written: boolean,
    told: Result | undefined,
  ): Promise<void> | false | undefined {
    const { key, weigh, snapshot } = this.options;
    const itemKey = key?.(item);
    const weight = weigh ? this.#weigh(item) : 0;
    // A refused item needs no snapshot.
    const refused = now && !!snapshot && !this.mayEnter(itemKey, weight, written);
    const runner = refused ? undefined : snapshot?.();
    this.check(written);
    if (!refused) return this.enter(item, itemKey, weight, runner, now, result, own, written, told);
    this.counts.refused++;
    return false;
  }

  private enter(
    item: T,
    key: unknown,
    weight: number,
    runner: Runner | undefined,
    now: boolean,
    result: Result | undefined,
    own: Group | undefined,
    written: boolean,
    told: Result | undefined,
  ): Promise<void> | false | undefined {
    const { batches } = this;
    if (this.room.admits(key, weight) || this.mayEnter(key, weight, written)) {
      if (batches === undefined) {
        return void this.admit(this.#job(item, key, weight, runner, result, own), false);
      }
      if (batches.add(item, key, runner, result, own, weight)) return;
    }
    if (now) {
      this.counts.refused++;
      return false;
    }
    const waiter = this.#job(item, key, weight, runner, result, own);
    waiter.written = written;
    return this.#wait(waiter, told ?? new Deferred());
  }

  /** Accepts an item that needs no check and whose result no caller waits for. */
  private put(item: T, own: Group | undefined): void {
    const { batches, counts, pool } = this;
    if (batches !== undefined) return batches.put(item, own);
    counts.acceptNow(own);
    pool.enterItem(item as never, counts.epoch, own);
  }

  #job(
    item: T,
    key: unknown,
    weight: number,
    runner: Runner | undefined,
    result: Result | undefined,
    own: Group | undefined,
  ): Job<P> {
    const job = this.pool.take(item as never, key);
    job.weight = weight;
    job.snapshot = runner;
    job.result = result;
    job.own = own;
    job.epoch = this.counts.enter(own);
    return job;
  }

  #wait(waiter: Job<P>, told: Result): Promise<void> {
    waiter.told = told;
    this.room.wait(waiter);
    told.enter?.(waiter);
    // An item that is heavier than the remaining room makes the oldest batch due.
    if (this.options.weigh) this.proceed();
    else this.pool.awaitRate();
    return told.promise as Promise<void>;
  }

  /**
   * For a pipe, which ends as soon as the sink closes: no item that was written before a `close()`
   * comes through it.
   */
  get ending(): boolean {
    return this.state !== "open";
  }

  /** Takes an item that the stream writes. */
  write(item: T): Promise<void> | undefined {
    try {
      if (this.offer(item)) return;
      return this.push(item, false, undefined, undefined, true) || undefined;
    } catch (error) {
      // If a write fails, the stream errors, and does not tell its sink.
      this.error(error, true);
      throw error;
    }
  }

  async consume(
    source: Source<T> | Source<readonly T[]>,
    signal: AbortSignal | undefined,
    flatten: boolean | undefined,
  ): Promise<void> {
    this.check(false);
    const own = new Group();
    const pump = new Pump(`${this.options.owner}.consume`, source, {
      write: (item) => {
        if (this.offer(item, own)) return;
        return this.push(item, false, undefined, own) || undefined;
      },
      discard: (items, reason, behind) => {
        // User code has thrown for this item. It was never accepted, and this call rejects with the
        // error.
        if (!behind && this.state === "open" && !signal?.aborted) return;
        this.counts.lose(items.length);
        this.#discard(items, reason);
      },
    }, flatten);
    const stopped = new Deferred<never>();
    const stop = (reason: unknown): void => {
      pump.error(reason);
      stopped.reject(reason);
    };
    const consumer = { own, stop };
    this.#consumers.add(consumer);
    const leaver = {
      error: (reason: unknown): void => {
        stop(reason);
        this.#unblock(own, reason);
      },
    };
    // Opening a source runs user code, so the sink may have ended meanwhile.
    if (this.state !== "open") stop(this.#refusal());
    onAbort(signal, leaver);
    // A read may never settle, so `stopped` ends this too. Then this waits for its items, except
    // after a failure of the sink.
    await Promise.race([stopped.promise, pump.run()])
      .finally(() => {
        offAbort(signal, leaver);
        return this.flush(own);
      })
      .finally(() => this.#consumers.delete(consumer));
  }

  /** Ends the wait for room of a `consume` call. The items that it has brought in stay. */
  #unblock(own: Group, reason: unknown): void {
    for (const waiter of this.room) {
      if (waiter.own !== own) continue;
      const { told } = waiter;
      this.#remove(waiter);
      return told!.reject(reason);
    }
  }

  // Ways out.

  /**
   * Waits for all items that have come so far, including those that wait for room; or only for the
   * items of `own`.
   */
  flush(own?: Group): Promise<void> {
    try {
      needStack();
      this.#endOverflown();
      // This closes the batches first, so that no item joins them. It starts them last, because
      // that runs user code.
      this.batches?.closeAll(own && ((batch) => !!batch.owns?.includes(own)));
      if (this.failure) return Promise.reject(this.#refusal());
      const over = this.counts.whenFlushed(own);
      this.proceed();
      return over;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The most handlers that run. */
  get concurrency(): number {
    return this.pool.concurrency;
  }

  set concurrency(value: number) {
    needStack();
    this.pool.concurrency = value;
    this.proceed();
  }

  /** From here on the sink accepts no new items. Returns the sink's error, if it has one. */
  refuse(): { readonly error: unknown } | undefined {
    this.#hear();
    this.#endOverflown();
    if (this.state === "open") {
      this.state = "closing";
      this.#stopPumps(this.#refusal());
    }
    return this.failure;
  }

  /** The stream has written all its items. Resolves when all of them have settled. */
  close(): Promise<void> {
    this.refuse();
    this.state = "draining";
    this.onIdle();
    return this.whenClosed();
  }

  /** Settles when the sink is closed or errored. */
  whenClosed(): Promise<void> {
    // A new promise for each call, so that one caller does not handle the rejection for another.
    return this.#end.promise.then();
  }

  /**
   * Stops at once, for good. The first error wins. With `heard`, a caller gets the error in another
   * way.
   */
  error(error: unknown, heard = false): void {
    if (this.state === "closed" || this.failure) return;
    // If the stack overflowed halfway, this could not be resumed.
    if (!hasStack()) return queueMicrotask(() => this.error(error, heard));
    this.state = "errored";
    const { signal } = this.options;
    offAbort(signal, this);
    const aborted = signal?.aborted || this.#controller.signal.aborted;
    // In Workers, the signal of a stream has no reason if the abort had none.
    if (aborted && error === undefined) error = new DOMException("Aborted", "AbortError");
    this.failure = { error };

    const jobs = [...this.pool.stop(), ...this.batches?.abort() ?? []];
    this.counts.discard();
    if (
      this.counts.rejectFlushes(error) || heard || aborted || this.#consumers.size ||
      this.counts.blocked || this.locked()
    ) this.#hear();
    for (const job of [...jobs, ...this.pool.running()]) if (reject(job, error)) this.#hear();
    for (const { told } of this.room.removeAll()) {
      told!.reject(error);
      // The caller whose call has overflowed the stack has got the error by a throw.
      if (this.overflow) markHandled(told!.promise);
    }
    for (const { own } of this.#consumers) own.over?.reject(error);
    this.#failures.stop();
    this.#end.reject(error);
    // Code that locks the stream in this turn hears of the failure.
    queueMicrotask(() => this.locked() && this.#hear());
    // Erroring a stream inside its own abort would make that abort reject.
    if (!this.#controller.signal.aborted) this.#controller.error(error);

    // From here on user code runs: all the state that it can see is final.
    this.#stopPumps(error);
    this.pool.abort(error);
    this.#discard(jobs.flatMap(this.#itemsOf), error);
  }

  /** If the stack has overflowed in here, the sink errors now, and not only in a microtask. */
  #endOverflown(): void {
    if (this.overflow) this.error(this.overflow.error);
  }

  // For the batches, see `BatchHost`.

  /**
   * Throws if the sink accepts no more items. With `closing`, only if it does not even accept items
   * that came before a `close()`.
   */
  check(closing: boolean): void {
    this.#endOverflown();
    // Close to the end of the stack, the sink errors later.
    if (this.overflow && !this.failure && this.state !== "closed") throw this.overflow.error;
    if (closing ? this.failure || this.state === "closed" : this.state !== "open") {
      throw this.#refusal();
    }
  }

  /**
   * Starts the jobs that can start. Even if no worker is free, items that wait for room may come
   * in.
   */
  proceed(): void {
    this.pool.proceed();
  }

  // For the pool.

  run(job: Job<P>, context: SinkContext): unknown {
    const { handler } = this.options;
    if (job.count === 0) this.batches!.begin(job);
    // The batch was closed before its turn, or its collector has ended the sink.
    if (job.count === 0) return;
    this.counts.start(job.count);
    if (this.room.bounded) this.room.leave(job);
    if (job.batch) this.counts.batches!++;
    job.result?.run?.(context);
    return job.snapshot
      ? runWithin(job.snapshot, handler, job.payload, context)
      : handler(job.payload, context);
  }

  onSettle(job: Job<P>, failed: boolean, outcome: unknown): Promise<void> | undefined {
    if (failed || this.batches !== undefined) {
      const kept = this.#tell(job, failed, outcome);
      if (kept) return kept;
    } else if (job.result !== undefined) job.result.resolve(outcome);
    this.onRelease(job);
  }

  /**
   * Settles the callers that wait for a job. Resolves when the failures of the job are dealt with.
   */
  #tell(job: Job<P>, failed: boolean, outcome: unknown): Promise<void> | undefined {
    const { batches } = this;
    if (!batches) return this.#failures.settle(job, [{ error: outcome, places: [0] }], true);
    const failures = batches.settle(job, failed, outcome);
    // A batch that a collector has made cannot be split.
    return this.#failures.settle(job, failures, failed || batches.plain);
  }

  onDone({ result, epoch, own }: Job<P>, outcome: unknown): void {
    if (result !== undefined) result.resolve(outcome);
    this.counts.finishItem(epoch, own);
  }

  onRelease(job: Job<P>): void {
    this.counts.settle(job);
    const { outcome } = job;
    if (!outcome) return;
    job.outcome = undefined;
    this.#discard(outcome.returned as T[], this.failure?.error);
    if (outcome.again.size > 0) this.#retry(job, outcome.again);
  }

  /** The failed items of a job go again, unless the sink has ended meanwhile. */
  #retry(job: Job<P>, again: ReadonlySet<number>): void {
    this.batches?.shrink(job, again);
    this.room.enterAgain(job);
    job.retries++;
    const { failure } = this;
    if (!failure) return job.result?.enter?.(job);
    job.delay = undefined;
    reject(job, failure.error);
    this.counts.discard();
    this.#discard([...this.#itemsOf(job)], failure.error);
  }

  #itemsOf({ batch, payload }: Job<P>): readonly T[] {
    return (batch ? batch.items : [payload]) as readonly T[];
  }

  onLate(job: Job<P>, known: unknown): unknown {
    const { owner, maxWait } = this.options;
    // The job is a due batch that still gathers.
    if (job.count === 0) this.batches!.drop(job);
    const error = known ?? timeoutError(`${owner}: the handler has not started`, maxWait!);
    const results = resultsOf(job);
    const untold = this.#itemsOf(job).filter((_, place) => !results[place]);
    this.#drop(job);
    this.#forgo();
    reject(job, error);
    this.#discard(untold, error);
    return error;
  }

  /** Discards a job that waits. */
  #drop(job: Job<P>): void {
    this.counts.drop(job);
    this.room.leave(job);
  }

  onOverrun(by: 1 | -1): void {
    this.counts.overrun(by);
  }

  /**
   * Moves up what waits outside the pool: batches, and items that wait for room. Closes the sink at
   * the end.
   */
  onIdle(): void {
    // The usual case, which happens for each item.
    if (this.state === "open" && !this.room.head && !this.batches?.size) return;
    // A job that starts here may settle at once and call this again.
    if (this.moving) return;
    this.moving = true;
    while (this.batches?.dispatch(this.#ending()) || this.#admitWaiter());
    this.moving = false;
    if (this.#ending() && this.counts.idle) {
      this.state = "closed";
      offAbort(this.options.signal, this);
      this.#end.resolve();
    }
  }

  /** Whether no more items come. */
  #ending(): boolean {
    return this.state === "draining" && this.counts.blocked === 0;
  }

  /**
   * Whether an item may come in. It must not overtake items that wait for room. If there is no
   * room, this first discards items that have waited too long, and then lets waiting items in.
   */
  private mayEnter(key: unknown, weight: number, written: boolean): boolean {
    if (this.fits(key, weight)) return true;
    if (!this.pool.shed()) return false;
    this.proceed();
    this.check(written);
    return this.fits(key, weight);
  }

  private fits(key: unknown, weight: number): boolean {
    const { room } = this;
    return room.head === undefined && room.keyFits(key) &&
      (room.fits(weight) || this.#starts(key));
  }

  /** Whether an item of this key would start at once. */
  #starts(key: unknown): boolean {
    // Items that a retry has sent back may exceed the bounds. Then a free slot lets no item in.
    return !this.batches && !this.room.over && this.pool.canStart(key);
  }

  /** The weight of an item in the queue. */
  #weigh(item: T): number {
    const { owner, weigh, capacityWeight } = this.options;
    const weight = weightOf(owner, "weigh", weigh!, item);
    return weight <= capacityWeight
      ? weight
      : overweight(owner, weight, "capacityWeight", capacityWeight);
  }

  /** Accepts an item in a sink without batches. There must be room for it. */
  private admit(job: Job<P>, waited: boolean): void {
    const { counts, room, pool } = this;
    counts.accept();
    if (room.bounded) room.enter(job.key, job.weight, waited);
    if (job.result !== undefined) job.result.enter?.(job);
    pool.enter(job);
  }

  /**
   * Lets in the first item that waits for room, if there is room. Returns whether anything has
   * changed.
   */
  #admitWaiter(): boolean {
    const { room } = this;
    const { head } = room;
    if (!head || !(room.fits(head.weight) || this.#starts(head.key))) {
      if (head) this.pool.awaitRate();
      return false;
    }
    const waiter = room.shift();
    const { payload, key, snapshot, result, written, weight, epoch, own } = waiter;
    const told = waiter.told!;
    waiter.told = undefined;
    told.enter?.(undefined);
    try {
      if (!this.batches) this.admit(waiter, true);
      else if (!this.batches.add(payload as never, key, snapshot, result, own, weight, epoch)) {
        // The item stays the first: the batch that has used up the room may have to start before
        // it.
        room.unshift(waiter);
        waiter.told = told;
        told.enter?.(waiter);
        return true;
      }
      if (!result) told.resolve(undefined);
    } catch (error) {
      told.reject(error);
      this.counts.leave(epoch, 1, own);
      room.turnAway(waiter);
      if (written) this.error(error, true);
    }
    this.#passed(epoch);
    this.pool.fill();
    return true;
  }

  /**
   * Closes the batches of a flush when the last item that waited for room at its call has come in.
   */
  #passed(epoch: number): void {
    const { counts, room } = this;
    if (epoch === counts.epoch || epoch === room.head?.epoch) return;
    this.batches?.closeAll((batch) => batch.epoch === epoch);
    this.pool.fill();
  }

  /**
   * A caller leaves. Its waiting entry is taken out, or the handler that runs for it alone is
   * aborted.
   */
  leave({ entry, context, left }: Caller): void {
    if (context) CallContext.abort(context, left!.reason);
    else if (entry) this.#remove(entry as Job<P>);
  }

  #remove(entry: Job<P>): void {
    if (entry.told) {
      this.room.remove(entry);
      this.counts.leave(entry.epoch, 1, entry.own);
      this.#passed(entry.epoch);
    } else {
      this.pool.remove(entry);
      this.#drop(entry);
    }
    this.#forgo();
    this.proceed();
  }

  /** If no item is left that could start, the pool no longer waits for its rate limit. */
  #forgo(): void {
    if (this.counts.waiting + this.counts.blocked === 0) this.pool.forgo();
  }

  #discard(items: T[], reason: unknown): void {
    const { onDiscard } = this.options;
    try {
      if (items.length > 0) onDiscard?.(items, reason);
    } catch (thrown) {
      reportUncaught(thrown);
    }
  }

  /**
   * A caller hears of the failure, if there is one: the rejection of `closed` counts as handled.
   */
  #hear(): void {
    markHandled(this.closed);
  }

  #stopPumps(reason: unknown): void {
    for (const { stop } of this.#consumers) stop(reason);
  }

  #refusal(): unknown {
    this.#hear();
    if (this.failure) return this.failure.error;
    return new TypeError(`${this.options.owner}: nothing is accepted after close()`);
  }
}

/** A `consume` call that is under way: the items that it has brought in, and how to stop it. */
interface Consumer {
  readonly own: Group;
  readonly stop: (reason: unknown) => void;
}

/** Rejects the callers that wait for a job, and forgets them. Returns whether there were any. */
function reject(job: Job, error: unknown): boolean {
  const results = resultsOf(job);
  let told = false;
  results.forEach((each, place) => {
    if (!each || each.left) return;
    told = true;
    each.reject(error);
    // A later failure of the handler goes to `onError` or `onDiscard`.
    delete results[place];
  });
  if (!job.result?.left) job.result = undefined;
  return told;
}
