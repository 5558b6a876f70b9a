import { CallContext, type SinkContext } from "../shared/call_context.ts";
import { FifoQueue } from "../shared/fifo_queue.ts";
import { timeoutError } from "../shared/late.ts";
import { isThenable, whenSettled } from "../shared/promises.ts";
import { hasStack } from "../shared/stack.ts";
import { TimeoutEntry, TimeoutQueue } from "../shared/timeout_queue.ts";
import type { Group } from "./group.ts";
import { BLOCK, type Job, type Result } from "./job.ts";
import { KeyedQueue } from "./keyed_queue.ts";
import type { Retries } from "./retries.ts";
import type { StartLimit } from "./start_limit.ts";
import type { WaitClock } from "./wait_clock.ts";

/** Whose jobs these are. Nothing here may throw but what `run` has called of the user's. */
export interface PoolHost<P, W = Result> {
  /** The job has left the queue: calls the user's handler. */
  run(job: Job<P, W>, context: SinkContext): unknown;
  /**
   * What a handler has given, of so many items, stands for what is returned, or what comes of that.
   * Without a count where the job is over already.
   */
  readonly unwrap?: ((outcome: unknown, count: number | undefined) => unknown) | undefined;
  /**
   * The handler is over. Without a promise so is all that comes of the job; else `onRelease` is called
   * when that has settled. Its slot is kept until then.
   */
  onSettle(job: Job<P, W>, failed: boolean, outcome: unknown): Promise<void> | undefined;
  onRelease(job: Job<P, W>): void;
  /** The job has waited too long, and is out of the queue. Returns the error, which is given again. */
  onLate?(job: Job<P, W>, error: unknown): unknown;
  /** One handler more, or less, runs on after its time was up. */
  onOverrun(by: 1 | -1): void;
  /** As many jobs run as may: who waits for room may come in. */
  onIdle(): void;
}

/** How a {@linkcode Pool} works. Checked already. */
export interface PoolOptions {
  readonly owner: string;
  readonly concurrency: number;
  readonly timeout: number;
  /** `"hold"`: a slot, and a key, are not free before the handler has settled. */
  readonly overrun?: "release" | "hold" | undefined;
  /** Whether there are keys. */
  readonly key?: unknown;
  readonly rate?: StartLimit | undefined;
}

/** At most `concurrency` jobs run; the others wait in the order of acceptance, or of their key. */
export class Pool<P, W> {
  /** The most that run. What runs beyond a lower one goes on. */
  concurrency: number;

  // No private names in what every item passes: some engines are slow with them.
  private readonly host: PoolHost<P, W>;
  readonly #rate: StartLimit | undefined;
  private waits: WaitClock<Job<P, W>> | undefined;
  private readonly keyed: KeyedQueue<Job<P, W>> | undefined;
  /** Where there are no keys. */
  private readonly line = new FifoQueue<Job<P, W>>();
  /** Whether there is more to look at before a start than the queue. */
  private gated: boolean;
  private timeouts: TimeoutQueue<Worker<P, W>> | undefined = undefined;
  readonly #workers = new Set<Worker<P, W>>();
  /** A stack of those without a job. */
  private free: Worker<P, W> | undefined = undefined;
  private busy = 0;
  /** How many handlers have started inside one another. */
  private depth = 0;
  /** Jobs of one item that are over, to be used again: to make one costs as much as to handle it. */
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
      // Its handler may still be at it, so the worker is not used again.
      worker.dismissed = true;
      worker.holds = overrun === "hold";
      this.#workers.delete(worker);
      host.onOverrun(1);
      CallContext.abort(worker.context, reason);
      this.settle(worker, true, reason);
    });
  }

  /** Whether a worker is free: no code of the user's runs while something waits that it could start. */
  get idle(): boolean {
    return this.busy < this.concurrency;
  }

  /** Whether a job of this key would start at once: not where one that waits is about to. */
  canStart(key: unknown): boolean {
    return this.idle && !this.#head() && (!this.keyed || this.keyed.free(key)) &&
      (this.#rate?.ready(this) ?? true);
  }

  /** What waits outside could start, but for the rate: comes back when it may. */
  awaitRate(): void {
    if (this.idle && this.#rate && !this.#rate.ready(this)) this.#rate.wait(this);
  }

  /** It does not wait for that any more. */
  forgo(): void {
    this.#rate?.leave(this);
  }

  /** A job that is in no queue yet. */
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

  /** Queues an item that needs no job before its turn: where there are no keys, and no waits. */
  addItem(payload: P, epoch: number, own: Group | undefined): void {
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

  /** Gives up what has waited too long. Returns whether anything has. */
  shed(): boolean {
    // One for all: an error for each, with its stack, would cost more than a handler's call.
    let error: unknown;
    for (let job; (job = this.waits?.late);) {
      this.remove(job);
      error = this.host.onLate!(job, error);
    }
    return error !== undefined;
  }

  /** Takes out a job that waits. */
  remove(job: Job<P, W>): void {
    this.waits?.remove(job);
    if (job.retries === 0) (this.keyed ?? this.line).remove(job);
    else if (this.#retries!.remove(job)) this.keyed?.release(job);
  }

  /** Calls a function as the next job would, in its place: nothing waits, and a worker is free. */
  call<O>(fn: (payload: P, context: CallContext) => O, payload: P): O {
    if (this.free === undefined) this.#workers.add(this.free = new Worker(this));
    const worker = this.free;
    const outcome = fn(payload, worker.context);
    // Else it has that of its job.
    if (CallContext.isRead(worker.context) && !isThenable(outcome)) {
      worker.context = new CallContext();
    }
    return outcome;
  }

  /** Starts what can start. Also from inside a handler: it may have pushed to a free slot. */
  fill(): void {
    if (this.busy >= this.concurrency) return;
    // The loop that is further out starts it, where there is stack for what comes after a handler.
    if (this.depth > SHALLOW && !hasStack()) return;
    this.depth++;
    while (this.busy < this.concurrency) {
      const job = this.gated ? this.#next() : this.shift();
      if (job === undefined) break;
      this.start(job);
    }
    if (--this.depth === 0) this.host.onIdle();
  }

  /** Starts what can start. Where nothing can, others may move up all the same. */
  proceed(): void {
    if (this.busy < this.concurrency) this.fill();
    else this.host.onIdle();
  }

  /** Starts nothing more. Returns the jobs that waited. */
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

  /** Tells the handlers. */
  abort(reason: unknown): void {
    for (const { context } of this.#workers) CallContext.abort(context, reason);
  }

  /** The handler of this worker is over, by itself or by the clock. */
  settle(worker: Worker<P, W>, failed: boolean, outcome: unknown): void {
    const { job, context } = worker;
    // It was dismissed by the clock: what the handler does later is nobody's.
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
    if (this.host.unwrap === undefined) this.settle(worker, false, outcome);
    else this.#unwrap(worker, this.host.unwrap(outcome, worker.job?.count));
  }

  /** What starts next, as soon as it may. */
  #head(): Job<P, W> | undefined {
    return this.#retries?.head ?? (this.keyed ?? this.line).head;
  }

  /** What comes before the queue: first what has run, and nothing that has waited too long. */
  #next(): Job<P, W> | undefined {
    if (this.waits) this.shed();
    if (this.#rate && !(this.#head() && this.#rate.take(this))) return;
    return this.#retries?.shift() ?? this.shift();
  }

  /** Takes the first out of the queue. */
  private shift(): Job<P, W> | undefined {
    if (this.keyed !== undefined) return this.keyed.shift();
    const { head } = this.line;
    if (head === undefined) return undefined;
    const { block } = head;
    if (block === undefined) {
      this.line.remove(head);
      return head;
    }
    const { items, at } = block;
    const job = this.take(items[at] as P, undefined);
    job.epoch = head.epoch;
    job.own = head.own;
    // What has left is not held on to.
    items[at] = undefined;
    if (++block.at === block.end) {
      this.line.remove(head);
      head.block = undefined;
      this.#give(head);
    }
    return job;
  }

  private start(job: Job<P, W>): void {
    this.busy++;
    let worker = this.free;
    if (worker === undefined) this.#workers.add(worker = new Worker(this));
    else this.free = worker.next;
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

  // What is rare stands apart: a closure makes a whole call dearer, also where it is not made, and what
  // is long is not inlined.

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

  /** The slot is free, and so is the key, unless the job goes again. */
  private release(worker: Worker<P, W>, job: Job<P, W>): void {
    if (worker.holds) return this.#hold(worker, job);
    this.busy--;
    if (!worker.dismissed) {
      worker.next = this.free;
      this.free = worker;
    }
    if (job.delay !== undefined) this.#delay(job);
    else {
      if (this.keyed !== undefined) this.keyed.release(job);
      this.#give(job);
    }
    // Where a handler settles at once, the loop that started it goes on.
    if (this.depth === 0) this.proceed();
  }

  /** All is over but a handler that runs on after its time, and keeps slot and key. */
  #hold(worker: Worker<P, W>, job: Job<P, W>): void {
    worker.held = job;
    if (job.delay !== undefined) this.#retries!.hold(job);
    if (this.depth === 0) this.proceed();
  }

  /** A handler whose time was up has settled. */
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

  /** A job that goes again does so after its delay, before all that has not run. */
  #delay(job: Job<P, W>): void {
    this.gated = true;
    this.#retries!.delay(job, () => {
      this.waits?.add(job);
      this.fill();
    });
  }

  /** Nobody has it any more, and it holds on to nothing. */
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

/** Most that are kept. */
const SPARES = 64;

/** All have one shape, whatever they are for: code that meets many shapes is slow. */
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

/** So many handlers may start inside one another without a look at the stack, which takes its time. */
const SHALLOW = 16;

/** A slot, and the two functions that hear of its handler: made once, not for each item. */
class Worker<P, W> extends TimeoutEntry {
  /** The next without a job. */
  next: Worker<P, W> | undefined = undefined;
  job: Job<P, W> | undefined = undefined;
  context: CallContext = new CallContext();
  dismissed = false;
  /** Its handler runs on after its time was up, and keeps the slot. */
  holds = false;
  /** The job that keeps its slot meanwhile, when all else of it is over. */
  held: Job<P, W> | undefined = undefined;
  readonly fulfilled: (outcome: unknown) => void;
  readonly rejected: (error: unknown) => void;

  constructor(pool: Pool<P, W>) {
    super();
    this.fulfilled = (outcome) => pool.fulfil(this, outcome);
    this.rejected = (error) => pool.settle(this, true, error);
  }
}
