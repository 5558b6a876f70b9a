import { CallContext, type SinkContext } from "../shared/call_context.ts";
import { Deferred, markHandled, reportUncaught } from "../shared/promises.ts";
import { timeoutError } from "../shared/late.ts";
import { type Abortable, offAbort, onAbort, type SinkController } from "../shared/signals.ts";
import { overweight, weightOf } from "../shared/options.ts";
import { hasStack } from "../shared/stack.ts";
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
  implements PoolHost<P>, BatchHost<P>, FailureHost, CallerHost, Abortable {
  // Of an underlying sink: not what every object may inherit.
  readonly type!: never;
  readonly abort!: never;
  readonly counts: Counts;
  readonly room: Room<P>;
  readonly pool: Pool<P, Result>;
  private readonly options: WorkOptions<T, P>;
  /** Where items gather before they are jobs. A `Fanout` has none: an item is a job by itself. */
  private readonly batches: BatchTable<T, P> | undefined;

  private state: "open" | "closing" | "draining" | "closed" | "errored" = "open";
  /** A box: the error may be any value. */
  failure: { readonly error: unknown } | undefined;
  /** The stack has ended in here: told to who comes next, if to nobody sooner. */
  private overflow: { readonly error: unknown } | undefined;
  readonly #end = new Deferred<void>();
  /** Whether somebody has the lock of the stream, and is told by it. */
  locked!: () => boolean;
  /** Of the stream. */
  #controller!: SinkController;

  private moving = false;
  /** The `consume` calls that are under way. */
  readonly #consumers = new Set<Consumer>();
  readonly #failures: Failures<T, P>;
  /** Whether user code is asked about an item before it comes in. */
  private readonly asking: boolean;
  /** Whether nothing need be known of an item but whether there is room. */
  private readonly plain: boolean;
  /** For the pool: what the handler of a batch has given stands for what is in it. */
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

  /** Who it is, in messages. */
  get owner(): string {
    return this.options.owner;
  }

  /** One promise. A rejection of it is unhandled unless somebody hears of the failure. */
  get closed(): Promise<void> {
    return this.#end.promise;
  }

  get stats(): SinkStats & { batches?: number } {
    return this.counts.stats;
  }

  start(controller: WritableStreamDefaultController): void {
    this.#controller = controller as SinkController;
    // Fires at once, also while a write waits for room: `abort` comes only after that.
    onAbort(this.#controller.signal, this);
    onAbort(this.options.signal, this);
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
    result?: Result,
    own?: Group,
    written = false,
    told: Result | undefined = result,
  ): Promise<void> | false | undefined {
    try {
      if (this.overflow !== undefined || this.state !== "open") this.check(written);
      // Few arguments: some engines are slow with many.
      if (this.plain && result === undefined && this.room.admits(undefined, 0)) {
        return void this.put(item, own);
      }
      return this.asking
        ? this.#ask(item, now, result, own, written, told)
        : this.enter(item, undefined, 0, undefined, now, result, own, written, told);
    } catch (error) {
      // Where the stack has ended in here, nobody knows what was done. Set before another call ends it.
      this.overflow = { error };
      if (hasStack(64)) this.overflow = undefined;
      else queueMicrotask(() => this.error(error));
      throw error;
    }
  }

  /** Asks the hooks about an item. They are user code: things may be otherwise then. */
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
    // No snapshot is taken for an item that is refused.
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

  /** Accepts an item of which nothing need be known, and for whose result nobody waits. */
  private put(item: T, own: Group | undefined): void {
    const { batches, counts, pool } = this;
    if (batches !== undefined) return batches.put(item, own);
    if (pool.idle) {
      return this.admit(this.#job(item, undefined, 0, undefined, undefined, own), false);
    }
    counts.accept();
    pool.addItem(item as never, counts.enter(own), own);
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
    // One that is heavier than what is left makes the oldest batch due.
    if (this.options.weigh) this.proceed();
    else this.pool.awaitRate();
    return told.promise as Promise<void>;
  }

  /** For a pipe, by which what was written before a `close()` does not come. */
  get ending(): boolean {
    return this.state !== "open";
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

  async consume(
    source: Source<T> | Source<readonly T[]>,
    signal: AbortSignal | undefined,
    flatten: boolean | undefined,
  ): Promise<void> {
    this.check(false);
    const own = new Group();
    const pump = new Pump(`${this.options.owner}.consume`, source, {
      write: (item) => this.push(item, false, undefined, own) || undefined,
      discard: (items, reason, behind) => {
        // Or a hook has thrown, which this call is told.
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
    // To open a source is user code, too: the sink may be at its end by now.
    if (this.state !== "open") stop(this.#refusal());
    onAbort(signal, leaver);
    // A read may never come back. However it ends, its items come first; only a failure of the sink does
    // not wait for them.
    await Promise.race([stopped.promise, pump.run()])
      .finally(() => {
        offAbort(signal, leaver);
        return this.flush(own);
      })
      .finally(() => this.#consumers.delete(consumer));
  }

  /** What a `consume` call has brought in stays, but for what waits for room. */
  #unblock(own: Group, reason: unknown): void {
    for (const waiter of this.room) {
      if (waiter.own !== own) continue;
      const { told } = waiter;
      this.#remove(waiter);
      return told!.reject(reason);
    }
  }

  // Ways out.

  /** Waits for what has come so far, those who wait for room among it; or for what is of `own`. */
  flush(own?: Group): Promise<void> {
    // Closed first, so that nothing joins them; started last, because that is user code.
    this.batches?.closeAll(own && ((batch) => !!batch.owns?.includes(own)));
    if (this.failure) return Promise.reject(this.#refusal());
    const over = this.counts.whenFlushed(own);
    this.proceed();
    return over;
  }

  /** From here on nothing new is accepted. Returns the error that the sink has, if it has one. */
  refuse(): { readonly error: unknown } | undefined {
    this.#hear();
    if (this.overflow) this.error(this.overflow.error);
    if (this.state === "open") {
      this.state = "closing";
      this.#stopPumps(this.#refusal());
    }
    return this.failure;
  }

  /** Everything the stream had has been written: resolves when all of it has settled. */
  close(): Promise<void> {
    this.refuse();
    this.state = "draining";
    this.onIdle();
    return this.whenClosed();
  }

  /** Settles when the sink is closed or errored. */
  whenClosed(): Promise<void> {
    // One for each who asks, so that nobody's rejection counts as handled by another.
    return this.#end.promise.then();
  }

  /** Stops at once, for good. The first error wins. `heard`: somebody is told of it otherwise. */
  error(error: unknown, heard = false): void {
    if (this.state === "closed" || this.failure) return;
    // Cut short it could not be taken up again.
    if (!hasStack()) return queueMicrotask(() => this.error(error, heard));
    this.state = "errored";
    const { signal } = this.options;
    offAbort(signal, this);
    const aborted = signal?.aborted || this.#controller.signal.aborted;
    // In Workers the signal of a stream has no reason where none was given.
    if (aborted && error === undefined) error = new DOMException("Aborted", "AbortError");
    this.failure = { error };

    const jobs = [...this.pool.stop(), ...this.batches?.abort() ?? []];
    this.counts.discard();
    if (
      this.counts.rejectFlushes(error) || heard || aborted || this.#consumers.size ||
      this.counts.blocked || this.locked()
    ) this.#hear();
    for (const job of [...jobs, ...this.pool.running()]) if (reject(job, error)) this.#hear();
    for (const { told } of this.room.removeAll()) told!.reject(error);
    for (const { own } of this.#consumers) own.over?.reject(error);
    this.#failures.stop();
    this.#end.reject(error);
    // Who takes the lock in this turn is told.
    queueMicrotask(() => this.locked() && this.#hear());
    // To error a stream from its own abort would make that abort reject.
    if (!this.#controller.signal.aborted) this.#controller.error(error);

    // User code from here on: all that it can see is as it will be.
    this.#stopPumps(error);
    this.pool.abort(error);
    this.#discard(jobs.flatMap(this.#itemsOf), error);
  }

  // For the batches, as `BatchHost` says.

  /** Throws if nothing can be accepted any more, or not even what came before a `close()`. */
  check(closing: boolean): void {
    if (this.overflow) this.error(this.overflow.error);
    if (closing ? this.failure || this.state === "closed" : this.state !== "open") {
      throw this.#refusal();
    }
  }

  /** Starts what can start. Even if no worker is free, those who wait for room may come in. */
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

  /** Tells who waits what has come of a job; resolves when what has failed of it is taken care of. */
  #tell(job: Job<P>, failed: boolean, outcome: unknown): Promise<void> | undefined {
    const { batches } = this;
    if (!batches) return this.#failures.settle(job, [{ error: outcome, places: [0] }], true);
    const failures = batches.settle(job, failed, outcome);
    // What a collector has made cannot be split.
    return this.#failures.settle(job, failures, failed || batches.plain);
  }

  onRelease(job: Job<P>): void {
    this.counts.settle(job);
    const { outcome } = job;
    if (!outcome) return;
    job.outcome = undefined;
    this.#discard(outcome.returned as T[], this.failure?.error);
    if (outcome.again.size > 0) this.#retry(job, outcome.again);
  }

  /** What has failed of a job goes again, unless all has come to an end meanwhile. */
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
    // A batch that is due, and gathers.
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

  /** What waits is given up. */
  #drop(job: Job<P>): void {
    this.counts.drop(job);
    this.room.leave(job);
  }

  onOverrun(by: 1 | -1): void {
    this.counts.overrun(by);
  }

  /** What waits outside the pool moves up: batches, and those who wait for room. Closes at the end. */
  onIdle(): void {
    // The usual case, for each item.
    if (this.state === "open" && !this.room.head && !this.batches?.size) return;
    // What is started here may settle at once, and come by here again.
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

  /** Nothing more comes. */
  #ending(): boolean {
    return this.state === "draining" && this.counts.blocked === 0;
  }

  /** Nobody overtakes those who wait for room. What has waited too long goes first, and then they come in. */
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

  /** Whether an item of this key need not wait at all. */
  #starts(key: unknown): boolean {
    // What a retry has sent back may be over the bounds: a free slot lets nothing in then.
    return !this.batches && !this.room.over && this.pool.canStart(key);
  }

  /** What an item weighs in the queue. */
  #weigh(item: T): number {
    const { owner, weigh, capacityWeight } = this.options;
    const weight = weightOf(owner, "weigh", weigh!, item);
    return weight <= capacityWeight
      ? weight
      : overweight(owner, weight, "capacityWeight", capacityWeight);
  }

  /** Accepts an item of a sink without batches, for which there is room. */
  private admit(job: Job<P>, waited: boolean): void {
    const { counts, room, pool } = this;
    counts.accept();
    if (room.bounded) room.enter(job.key, job.weight, waited);
    if (job.result !== undefined) job.result.enter?.(job);
    pool.add(job);
    pool.fill();
  }

  /** Lets in the first of those who wait for room, if there is some; returns whether anything has changed. */
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
        // It is still the first: what has used the room up may have to start before it.
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

  /** The last of those whom a flush has found waiting: their batches wait for nobody else. */
  #passed(epoch: number): void {
    const { counts, room } = this;
    if (epoch === counts.epoch || epoch === room.head?.epoch) return;
    this.batches?.closeAll((batch) => batch.epoch === epoch);
    this.pool.fill();
  }

  /** A caller leaves: what waits for him alone is taken out, and what runs for him alone is told. */
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

  /** Where nothing is left that could start, a rate need not tell when it may. */
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

  /** Somebody is told of the failure, if there is one: nobody need look at `closed`. */
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

/** A `consume` call that is under way: what it has brought in, and how it is stopped. */
interface Consumer {
  readonly own: Group;
  readonly stop: (reason: unknown) => void;
}

/** Tells those who wait for what comes of a job. Returns whether anybody did; nobody does after that. */
function reject(job: Job, error: unknown): boolean {
  const results = resultsOf(job);
  let told = false;
  results.forEach((each, place) => {
    if (!each || each.left) return;
    told = true;
    each.reject(error);
    // What its handler does after that is told to others.
    delete results[place];
  });
  if (!job.result?.left) job.result = undefined;
  return told;
}
