import { CallContext, type SinkContext } from "../shared/call_context.ts";
import { FifoQueue } from "../shared/fifo_queue.ts";
import { timeoutError } from "../shared/late.ts";
import { isThenable, whenSettled } from "../shared/promises.ts";
import { hasStack } from "../shared/stack.ts";
import { TimeoutEntry, TimeoutQueue } from "../shared/timeout_queue.ts";
import { type Keyed, KeyedQueue } from "./keyed_queue.ts";
import type { StartLimit } from "./start_limit.ts";
import { WaitClock } from "./wait_clock.ts";

/** Whose jobs these are. Nothing here may throw but what `run` has called of the user's. */
export interface PoolHost<J> {
  /** The job has left the queue: calls the user's handler. */
  run(job: J, context: SinkContext): unknown;
  /**
   * The promise of the handler is fulfilled: with what is returned, or what comes of that. Without the
   * job where it is over already.
   */
  unwrap?(job: J | undefined, outcome: unknown): unknown;
  /** The handler is over; its slot is kept until the promise, if there is one, settles. */
  onSettle(job: J, failed: boolean, outcome: unknown): Promise<void> | undefined;
  /** All that comes of the job is over, and so is its slot, unless it is held. */
  onRelease(job: J): void;
  /** The job has waited too long, and is out of the queue. Returns the error, which is given again. */
  onLate?(job: J, error: unknown): unknown;
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
  /** How long a job may wait; none is measured where it is not given. */
  readonly maxWait?: number | undefined;
}

/** At most `concurrency` jobs run; the others wait in the order of acceptance, or of their key. */
export class Pool<J extends Keyed> {
  readonly #host: PoolHost<J>;
  /** The most that run. What runs beyond a lower one goes on. */
  concurrency: number;
  readonly #rate: StartLimit | undefined;
  #waits: WaitClock<J> | undefined;
  readonly #keyed: KeyedQueue<J> | undefined;
  readonly #queue: FifoQueue<J> | KeyedQueue<J>;
  #timeouts: TimeoutQueue<Worker<J>> | undefined;
  readonly #workers = new Set<Worker<J>>();
  /** A stack of those without a job. */
  #free: Worker<J> | undefined;
  #running = 0;
  /** Jobs that go again when their time comes, and those whose time has come. */
  readonly #delayed = new Map<J, ReturnType<typeof setTimeout> | undefined>();
  readonly #again = new FifoQueue<J>();
  /** How many handlers have started inside one another. */
  #depth = 0;

  constructor(
    host: PoolHost<J>,
    { owner, concurrency, timeout, overrun, key, rate, maxWait }: PoolOptions,
  ) {
    this.#host = host;
    this.concurrency = concurrency;
    this.#rate = rate;
    if (maxWait !== undefined) this.#waits = new WaitClock(maxWait);
    if (key) this.#keyed = new KeyedQueue();
    this.#queue = this.#keyed ?? new FifoQueue();
    if (timeout === Infinity) return;
    this.#timeouts = new TimeoutQueue(timeout, (worker) => {
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
    return this.#running < this.concurrency;
  }

  /** Whether a job of this key would start at once. */
  canStart(key: unknown): boolean {
    return this.idle && (!this.#keyed || this.#keyed.free(key)) &&
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

  /** Queues the job until `fill` runs. */
  add(job: J): void {
    this.#queue.push(job);
    this.#waits?.add(job);
  }

  /** Gives up what has waited too long. Returns whether anything has. */
  shed(): boolean {
    // One for all: an error for each, with its stack, would cost more than a handler's call.
    let error: unknown;
    for (let job; (job = this.#waits?.late);) {
      this.remove(job);
      error = this.#host.onLate!(job, error);
    }
    return error !== undefined;
  }

  /** Takes out a job that waits. */
  remove(job: J): void {
    this.#waits?.remove(job);
    const timer = this.#delayed.get(job);
    if (this.#delayed.delete(job)) {
      clearTimeout(timer!);
      job.delay = undefined;
      // Or its handler runs on, and keeps the key.
      if (timer !== undefined) this.#keyed?.release(job);
    } else if (job.retries) {
      this.#again.remove(job);
      this.#keyed?.release(job);
    } else this.#queue.remove(job);
  }

  /** Starts what can start. Also from inside a handler: it may have pushed to a free slot. */
  fill(): void {
    if (this.#running >= this.concurrency) return;
    // The loop that is further out starts it, where there is stack for what comes after a handler.
    if (this.#depth > SHALLOW && !hasStack()) return;
    this.#depth++;
    while (this.#running < this.concurrency) {
      if (this.#waits) this.shed();
      if (this.#rate && !((this.#again.head ?? this.#queue.head) && this.#rate.take(this))) break;
      const job = this.#again.shift() ?? this.#queue.shift();
      if (job === undefined) break;
      this.#start(job);
    }
    if (--this.#depth === 0) this.#host.onIdle();
  }

  /** Starts what can start. Where nothing can, others may move up all the same. */
  proceed(): void {
    if (this.idle) this.fill();
    else this.#host.onIdle();
  }

  /** Starts nothing more. Returns the jobs that waited. */
  stop(): J[] {
    this.#timeouts?.clear();
    this.#timeouts = this.#waits = undefined;
    this.forgo();
    for (const timer of this.#delayed.values()) clearTimeout(timer!);
    const jobs = [...this.#delayed.keys(), ...this.#again.removeAll(), ...this.#queue.removeAll()];
    this.#delayed.clear();
    return jobs;
  }

  /** The jobs that run. */
  *running(): Iterable<J> {
    for (const { job } of this.#workers) if (job) yield job;
  }

  /** Tells the handlers. */
  abort(reason: unknown): void {
    for (const { context } of this.#workers) CallContext.abort(context, reason);
  }

  /** The handler of this worker is over, by itself or by the clock. */
  settle(worker: Worker<J>, failed: boolean, outcome: unknown): void {
    const { job } = worker;
    // It was dismissed by the clock: what the handler does later is nobody's.
    if (!job) return this.#end(worker);
    worker.job = undefined;
    this.#timeouts?.remove(worker);
    const kept = this.#host.onSettle(job, failed, outcome);
    worker.context = CallContext.next(worker.context);
    if (kept) this.#releaseAfter(kept, worker, job);
    else this.#release(worker, job);
  }

  /** The promise of this worker's handler is fulfilled. */
  fulfil(worker: Worker<J>, outcome: unknown): void {
    const value = this.#host.unwrap ? this.#host.unwrap(worker.job, outcome) : outcome;
    if (isThenable(value)) this.#settleAfter(value, worker);
    else this.settle(worker, false, value);
  }

  #start(job: J): void {
    this.#running++;
    let worker = this.#free;
    if (worker) this.#free = worker.next;
    else this.#workers.add(worker = new Worker(this));
    worker.job = job;
    const { context } = worker;
    context.attempt = (job.retries ?? 0) + 1;
    context.waited = this.#waits?.remove(job);
    const start = this.#timeouts?.now ?? 0;
    let outcome: unknown;
    try {
      outcome = this.#host.run(job, context);
      if (isThenable(outcome)) {
        whenSettled(outcome, worker.fulfilled, worker.rejected);
        this.#timeouts?.add(worker, start);
        return;
      }
    } catch (error) {
      this.settle(worker, true, error);
      return;
    }
    this.settle(worker, false, outcome);
  }

  // These two apart: a closure makes the whole call dearer, also where it is not made.

  #settleAfter(value: PromiseLike<unknown>, worker: Worker<J>): void {
    whenSettled(value, (entries) => this.settle(worker, false, entries), worker.rejected);
  }

  #releaseAfter(kept: Promise<void>, worker: Worker<J>, job: J): void {
    kept.then(() => this.#release(worker, job));
  }

  #release(worker: Worker<J>, job: J): void {
    const held = worker.holds;
    if (!held) this.#vacate(worker, job);
    this.#host.onRelease(job);
    if (held) {
      worker.held = job;
      if (job.delay !== undefined) this.#delayed.set(job, undefined);
    } else this.#delay(job);
    // Where a handler settles at once, the loop that started it goes on.
    if (this.#depth === 0) this.proceed();
  }

  /** The slot is free, and so is the key, unless the job goes again. */
  #vacate(worker: Worker<J>, job: J): void {
    this.#running--;
    if (!worker.dismissed) {
      worker.next = this.#free;
      this.#free = worker;
    }
    if (job.delay === undefined) this.#keyed?.release(job);
  }

  /** A handler whose time was up has settled. */
  #end(worker: Worker<J>): void {
    const { held } = worker;
    worker.holds = false;
    worker.held = undefined;
    this.#host.onOverrun(-1);
    if (!held) return;
    this.#vacate(worker, held);
    if (this.#delayed.has(held)) this.#delay(held);
    this.fill();
  }

  /** A job that goes again does so after its delay, before all that has not run. */
  #delay(job: J): void {
    const { delay } = job;
    if (delay === undefined) return;
    const timer = setTimeout(() => {
      this.#delayed.delete(job);
      job.delay = undefined;
      this.#again.push(job);
      this.#waits?.add(job);
      this.fill();
    }, delay);
    this.#delayed.set(job, timer);
  }
}

/** So many handlers may start inside one another without a look at the stack, which takes its time. */
const SHALLOW = 16;

/** A slot, and the two functions that hear of its handler: made once, not for each item. */
class Worker<J extends Keyed> extends TimeoutEntry {
  /** The next without a job. */
  next: Worker<J> | undefined;
  job: J | undefined;
  context: CallContext = new CallContext();
  dismissed = false;
  /** Its handler runs on after its time was up, and keeps the slot. */
  holds = false;
  /** The job that keeps its slot meanwhile, when all else of it is over. */
  held: J | undefined;
  readonly fulfilled: (outcome: unknown) => void;
  readonly rejected: (error: unknown) => void;

  constructor(pool: Pool<J>) {
    super();
    this.fulfilled = (outcome) => pool.fulfil(this, outcome);
    this.rejected = (error) => pool.settle(this, true, error);
  }
}
