import { CallContext, type SinkContext } from "../shared/call_context.ts";
import { FifoQueue } from "../shared/fifo_queue.ts";
import { timeoutError } from "../shared/late.ts";
import { isThenable, whenSettled } from "../shared/promises.ts";
import { hasStack } from "../shared/stack.ts";
import { TimeoutEntry, TimeoutQueue } from "../shared/timeout_queue.ts";
import type { Group } from "./group.ts";
import { BLOCK, type Block, type Job, type Result } from "./job.ts";
import { KeyedQueue } from "./keyed_queue.ts";
import type { Retries } from "./retries.ts";
import type { StartLimit } from "./start_limit.ts";
import type { WaitClock } from "./wait_clock.ts";

/** The owner of the jobs. No method may throw, except `run` when user code throws. */
export interface PoolHost<P, W = Result> {
  /** The job has left the queue: calls the user's handler. */
  run(job: Job<P, W>, context: SinkContext): unknown;
  /**
   * Turns the result of a handler into the outcome of its job, or into a promise of that. `count`
   * is the number of items; it is `undefined` if the job is over already.
   */
  readonly unwrap?: ((outcome: unknown, count: number | undefined) => unknown) | undefined;
  /**
   * The handler has settled. If this returns a promise, the slot stays taken until that has
   * settled, and then the pool calls `onRelease`. Otherwise the job is over.
   */
  onSettle(job: Job<P, W>, failed: boolean, outcome: unknown): Promise<void> | undefined;
  onRelease(job: Job<P, W>): void;
  /** The handler of a single item has succeeded: the job is over. */
  onDone?(job: Job<P, W>, outcome: unknown): void;
  /**
   * The job has waited too long, and is out of the queue. Returns the error, which the next call
   * gets.
   */
  onLate?(job: Job<P, W>, error: unknown): unknown;
  /** One more handler runs on after its timeout (1), or one fewer (-1). */
  onOverrun(by: 1 | -1): void;
  /** No more jobs can start now: items that wait for room may come in. */
  onIdle(): void;
}

/** How a {@linkcode Pool} works. Checked already. */
export interface PoolOptions {
  readonly owner: string;
  readonly concurrency: number;
  readonly timeout: number;
  /** With `"hold"`, a slot and a key are not free before the handler has settled. */
  readonly overrun?: "release" | "hold" | undefined;
  /** Set if there are keys. */
  readonly key?: unknown;
  readonly rate?: StartLimit | undefined;
}

/** Runs at most `concurrency` jobs. The others wait in the order of acceptance, or of their key. */
export class Pool<P, W> {
  /** The most jobs that run. If it gets lower, running jobs go on. */
  concurrency: number;

  // No private names in what every item passes: some engines are slow with them.
  private readonly host: PoolHost<P, W>;
  readonly #rate: StartLimit | undefined;
  private waits: WaitClock<Job<P, W>> | undefined;
  private readonly keyed: KeyedQueue<Job<P, W>> | undefined;
  /** The queue, if there are no keys. */
  private readonly line = new FifoQueue<Job<P, W>>();
  /** Whether a start needs more checks than the queue. */
  private gated: boolean;
  private timeouts: TimeoutQueue<Worker<P, W>> | undefined = undefined;
  readonly #workers = new Set<Worker<P, W>>();
  /** A stack of the workers without a job. */
  private free: Worker<P, W> | undefined = undefined;
  private busy = 0;
  /** How many handlers have started inside one another. */
  private depth = 0;
  /** Jobs of one item that are over, for reuse: making one costs as much as handling it. */
  private spare: Job<P, W> | undefined = undefined;
  private spares = 0;
  readonly #retries: Retries<Job<P, W>> | undefined;

  constructor(
    host: PoolHost<P, W>,
    { owner, concurrency, timeout, overrun, key, rate }: PoolOptions,
    waits?: WaitClock<Job<P, W>>,
    retries?: Retries<Job<P, W>>,
  ) {
    this.host = host;
    this.concurrency = concurrency;
    this.#rate = rate;
    this.waits = waits;
    this.#retries = retries;
    this.gated = !!(rate ?? waits);
    this.keyed = key ? new KeyedQueue() : undefined;
    if (timeout === Infinity) return;
    this.timeouts = new TimeoutQueue(timeout, (worker) => {
      const reason = timeoutError(`${owner}: the handler has not settled`, timeout);
      // The handler may still be running, so the worker is not used again.
      worker.dismissed = true;
      worker.holds = overrun === "hold";
      this.#workers.delete(worker);
      host.onOverrun(1);
      CallContext.abort(worker.context, reason);
      this.settle(worker, true, reason);
    });
  }

  /**
   * Whether a worker is free. If a worker is free and a waiting job can start, the pool starts it
   * before any other user code runs.
   */
  get idle(): boolean {
    return this.busy < this.concurrency;
  }

  /**
   * Whether a new job of this key would start at once. It would not if another job waits that may
   * start: that one is first.
   */
  canStart(key: unknown): boolean {
    return this.idle && !this.#head() && (!this.keyed || this.keyed.free(key)) &&
      (this.#rate?.ready(this) ?? true);
  }

  /**
   * An item that waits outside could start, except for the rate limit: waits until the limit allows
   * it.
   */
  awaitRate(): void {
    if (this.idle && this.#rate && !this.#rate.ready(this)) this.#rate.wait(this);
  }

  /** Stops waiting for the rate limit. */
  forgo(): void {
    this.#rate?.leave(this);
  }

  /** Makes a job that is in no queue yet. */
  take(payload: P, key: unknown): Job<P, W> {
    const job = this.spare;
    if (job === undefined) return makeJob(payload, key);
    this.spares--;
    this.spare = job.next as Job<P, W> | undefined;
    job.next = undefined;
    job.payload = payload;
    job.key = key;
    return job;
  }

  /** Queues the job until `fill` runs. */
  add(job: Job<P, W>): void {
    (this.keyed ?? this.line).push(job);
    if (this.waits !== undefined) this.waits.add(job);
  }

  /** Queues the job, or starts it if it need not wait. */
  enter(job: Job<P, W>): void {
    if (this.keyed === undefined && this.startsNow()) return this.startFirst(job);
    this.add(job);
    this.fill();
  }

  /** Does the same for an item. It waits without a job. Only if there are no keys and no waits. */
  enterItem(payload: P, epoch: number, own: Group | undefined): void {
    if (this.startsNow()) {
      const job = this.take(payload, undefined);
      job.epoch = epoch;
      job.own = own;
      return this.startFirst(job);
    }
    this.addItem(payload, epoch, own);
    if (this.busy < this.concurrency) this.fill();
  }

  /** Whether a job without a key that comes now is the next to start. */
  private startsNow(): boolean {
    return this.line.head === undefined && this.busy < this.concurrency && !this.gated &&
      this.depth <= SHALLOW;
  }

  /** Starts a job that was never in the queue, and then others. */
  private startFirst(job: Job<P, W>): void {
    this.depth++;
    this.start(job);
    this.startMore();
  }

  /** Queues an item in the last block, or opens another one if it came in another way. */
  private addItem(payload: P, epoch: number, own: Group | undefined): void {
    const { tail } = this.line;
    let block = tail?.block;
    if (block === undefined || block.end === BLOCK || tail!.epoch !== epoch || tail!.own !== own) {
      const job = this.take(undefined as never, undefined);
      job.epoch = epoch;
      job.own = own;
      job.block = block = { items: [], at: 0, end: 0 };
      this.line.push(job);
    }
    block.items[block.end++] = payload;
  }

  /** Discards the jobs that have waited too long. Returns whether there were any. */
  shed(): boolean {
    // One error for all of them: an error for each, with its stack, would cost more than a
    // handler's call.
    let error: unknown;
    for (let job; (job = this.waits?.late);) {
      this.remove(job);
      error = this.host.onLate!(job, error);
    }
    return error !== undefined;
  }

  /** Removes a job that waits. */
  remove(job: Job<P, W>): void {
    this.waits?.remove(job);
    if (job.retries === 0) (this.keyed ?? this.line).remove(job);
    else if (this.#retries!.remove(job)) this.keyed?.release(job);
  }

  /** Calls a function instead of starting a job. No job may wait, and a worker must be free. */
  call<O>(fn: (payload: P, context: CallContext) => O, payload: P): O {
    if (this.free === undefined) this.#workers.add(this.free = new Worker(this));
    const worker = this.free;
    const outcome = fn(payload, worker.context);
    // Without this, the next job would get the same context.
    if (CallContext.isRead(worker.context) && !isThenable(outcome)) {
      worker.context = new CallContext();
    }
    return outcome;
  }

  /** Starts the jobs that can start. Handlers call this too, when they push to a free slot. */
  fill(): void {
    if (this.busy >= this.concurrency) return;
    // If the stack has too little room for what follows a handler, an outer loop starts the job.
    if (this.depth > SHALLOW && !hasStack()) return;
    this.depth++;
    this.startMore();
  }

  /** Starts the jobs that can start, inside a call that has raised the depth. */
  private startMore(): void {
    while (this.busy < this.concurrency) {
      const job = this.gated ? this.#next() : this.shift();
      if (job === undefined) break;
      this.start(job);
    }
    if (--this.depth === 0) this.host.onIdle();
  }

  /** Starts the jobs that can start. Even if none can, items outside the pool may move up. */
  proceed(): void {
    if (this.busy < this.concurrency) this.fill();
    else this.host.onIdle();
  }

  /** No more jobs start. Returns the jobs that waited. */
  stop(): Job<P, W>[] {
    this.timeouts?.clear();
    this.timeouts = this.waits = undefined;
    this.forgo();
    const jobs = [...this.#retries?.removeAll() ?? [], ...this.keyed?.removeAll() ?? []];
    for (let job; (job = this.shift());) jobs.push(job);
    return jobs;
  }

  /** The jobs that run. */
  *running(): Iterable<Job<P, W>> {
    for (const { job } of this.#workers) if (job) yield job;
  }

  /** Aborts the contexts of the handlers. */
  abort(reason: unknown): void {
    for (const { context } of this.#workers) CallContext.abort(context, reason);
  }

  /** The handler of this worker has settled or timed out. */
  settle(worker: Worker<P, W>, failed: boolean, outcome: unknown): void {
    const { job, context } = worker;
    // The handler has timed out before: its result is ignored.
    if (job === undefined) return this.#end(worker);
    worker.job = undefined;
    if (this.timeouts !== undefined) this.timeouts.remove(worker);
    const kept = this.host.onSettle(job, failed, outcome);
    if (CallContext.isRead(context)) worker.context = new CallContext();
    if (kept === undefined) this.release(worker, job);
    else this.#releaseAfter(kept, worker, job);
  }

  /** The promise of this worker's handler is fulfilled. */
  fulfil(worker: Worker<P, W>, outcome: unknown): void {
    if (this.pass(worker, outcome)) return;
    if (this.host.unwrap === undefined) this.settle(worker, false, outcome);
    else this.#unwrap(worker, this.host.unwrap(outcome, worker.job?.count));
  }

  /**
   * The handler of an item has succeeded. Does all that `settle` does then, in the same order, and
   * the worker goes on with the next job if it may. Returns false if there is more to do.
   */
  private pass(worker: Worker<P, W>, outcome: unknown): boolean {
    const { host } = this;
    const { job } = worker;
    if (
      job === undefined || host.onDone === undefined || host.unwrap !== undefined ||
      this.gated || this.keyed !== undefined
    ) return false;
    worker.job = undefined;
    if (this.timeouts !== undefined) this.timeouts.remove(worker);
    host.onDone(job, outcome);
    if (CallContext.isRead(worker.context)) worker.context = new CallContext();
    // Read only now, because the promise of a caller may have run user code.
    const { head } = this.line;
    if (this.gated || this.busy > this.concurrency || this.depth > 0) this.release(worker, job);
    else if (head === undefined) {
      this.busy--;
      this.rest(worker);
      this.#give(job);
      host.onIdle();
    } else {
      this.depth++;
      this.run(worker, this.follow(head, job));
      this.startMore();
    }
    return true;
  }

  /** Takes the next job out of the line. A plain item gets the job that is over. */
  private follow(head: Job<P, W>, over: Job<P, W>): Job<P, W> {
    const { block } = head;
    if (block === undefined) {
      this.line.remove(head);
      this.#give(over);
      return head;
    }
    over.result = undefined;
    this.unpack(head, block, over);
    return over;
  }

  /** The next job, as soon as it may start. */
  #head(): Job<P, W> | undefined {
    return this.#retries?.head ?? (this.keyed ?? this.line).head;
  }

  /** Takes the next job: first jobs that have run before, and none that has waited too long. */
  #next(): Job<P, W> | undefined {
    if (this.waits) this.shed();
    if (this.#rate && !(this.#head() && this.#rate.take(this))) return;
    return this.#retries?.shift() ?? this.shift();
  }

  /** Takes the first job out of the queue. */
  private shift(): Job<P, W> | undefined {
    if (this.keyed !== undefined) return this.keyed.shift();
    const { head } = this.line;
    if (head === undefined) return undefined;
    const { block } = head;
    if (block === undefined) {
      this.line.remove(head);
      return head;
    }
    const job = this.take(undefined as never, undefined);
    this.unpack(head, block, job);
    return job;
  }

  /** Moves the first item of a block, which is the head of the queue, into a job. */
  private unpack(head: Job<P, W>, block: Block, job: Job<P, W>): void {
    const { items, at } = block;
    job.payload = items[at] as P;
    job.epoch = head.epoch;
    job.own = head.own;
    // The block drops its reference to the item.
    items[at] = undefined;
    if (++block.at === block.end) {
      this.line.remove(head);
      head.block = undefined;
      this.#give(head);
    }
  }

  private start(job: Job<P, W>): void {
    this.busy++;
    let worker = this.free;
    if (worker === undefined) this.#workers.add(worker = new Worker(this));
    else this.free = worker.next;
    this.run(worker, job);
  }

  /** Calls the handler. The worker settles when that does. */
  private run(worker: Worker<P, W>, job: Job<P, W>): void {
    const { context } = worker;
    const { host } = this;
    worker.job = job;
    context.attempt = job.retries + 1;
    if (this.waits !== undefined) context.waited = this.waits.remove(job);
    const start = this.timeouts === undefined ? 0 : this.timeouts.start();
    let outcome: unknown;
    try {
      outcome = host.run(job, context);
      if (host.unwrap !== undefined && !isThenable(outcome)) {
        outcome = host.unwrap(outcome, job.count);
      }
      if (isThenable(outcome)) {
        whenSettled(outcome, worker.fulfilled, worker.rejected);
        if (this.timeouts !== undefined) this.timeouts.add(worker, start);
        return;
      }
    } catch (error) {
      return this.settle(worker, true, error);
    }
    this.settle(worker, false, outcome);
  }

  // Rare cases are in separate functions: a closure makes the whole function slower, even when it
  // is not made, and engines do not inline long functions.

  #unwrap(worker: Worker<P, W>, value: unknown): void {
    if (!isThenable(value)) return this.settle(worker, false, value);
    whenSettled(value, (entries) => this.settle(worker, false, entries), worker.rejected);
  }

  #releaseAfter(kept: Promise<void>, worker: Worker<P, W>, job: Job<P, W>): void {
    kept.then(() => {
      this.host.onRelease(job);
      this.release(worker, job);
    });
  }

  /** Frees the slot, and the key too, unless the job goes again. */
  private release(worker: Worker<P, W>, job: Job<P, W>): void {
    if (worker.holds) return this.#hold(worker, job);
    this.busy--;
    if (!worker.dismissed) this.rest(worker);
    if (job.delay !== undefined) this.#delay(job);
    else {
      if (this.keyed !== undefined) this.keyed.release(job);
      this.#give(job);
    }
    // If the handler has settled at once, the loop that started it goes on.
    if (this.depth === 0) this.proceed();
  }

  /** The worker waits for another job. */
  private rest(worker: Worker<P, W>): void {
    worker.next = this.free;
    this.free = worker;
  }

  /** The job is over, but its handler runs on after its timeout, and keeps the slot and the key. */
  #hold(worker: Worker<P, W>, job: Job<P, W>): void {
    worker.held = job;
    if (job.delay !== undefined) this.#retries!.hold(job);
    if (this.depth === 0) this.proceed();
  }

  /** A handler that had timed out has settled. */
  #end(worker: Worker<P, W>): void {
    const { held } = worker;
    worker.holds = false;
    worker.held = undefined;
    this.host.onOverrun(-1);
    if (!held) return;
    this.busy--;
    if (this.#retries?.has(held)) this.#delay(held);
    else if (held.delay === undefined) this.keyed?.release(held);
    this.fill();
  }

  /** The job goes again after its delay, before all jobs that have not run. */
  #delay(job: Job<P, W>): void {
    this.gated = true;
    this.#retries!.delay(job, () => {
      this.waits?.add(job);
      this.fill();
    });
  }

  /** Keeps a job for reuse, without any references. */
  #give(job: Job<P, W>): void {
    if (this.spares === SPARES || job.batch !== undefined) return;
    job.payload =
      job.key =
      job.snapshot =
      job.result =
      job.own =
        undefined as never;
    job.order = job.line = undefined;
    job.retries = 0;
    job.next = this.spare;
    this.spare = job;
    this.spares++;
  }
}

/** The most jobs that are kept for reuse. */
const SPARES = 64;

/** All jobs have the same shape, for every use: code that meets many shapes is slow. */
function makeJob<P, W>(payload: P, key: unknown): Job<P, W> {
  return {
    next: undefined,
    before: undefined,
    payload,
    key,
    count: 1,
    weight: 0,
    snapshot: undefined,
    result: undefined,
    own: undefined,
    epoch: 0,
    batch: undefined,
    block: undefined,
    outcome: undefined,
    told: undefined,
    written: false,
    queued: false,
    wait: undefined,
    retries: 0,
    delay: undefined,
    order: undefined,
    line: undefined,
    place: undefined,
  };
}

/**
 * This many handlers may start inside one another before the stack is checked, because a check
 * takes time.
 */
const SHALLOW = 16;

/**
 * A slot, and the two functions that its handler's promise calls. They are made once, not for each
 * item.
 */
class Worker<P, W> extends TimeoutEntry {
  /** The next worker without a job. */
  next: Worker<P, W> | undefined = undefined;
  job: Job<P, W> | undefined = undefined;
  context: CallContext = new CallContext();
  dismissed = false;
  /** Whether its handler runs on after its timeout, and keeps the slot. */
  holds = false;
  /** The job that keeps the slot meanwhile, when everything else of it is over. */
  held: Job<P, W> | undefined = undefined;
  readonly fulfilled: (outcome: unknown) => void;
  readonly rejected: (error: unknown) => void;

  constructor(pool: Pool<P, W>) {
    super();
    this.fulfilled = (outcome) => pool.fulfil(this, outcome);
    this.rejected = (error) => pool.settle(this, true, error);
  }
}
