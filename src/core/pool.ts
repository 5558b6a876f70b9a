import { CallContext, type HandlerContext } from "./call_context.ts";
import { Deadlines, Expiring } from "./deadlines.ts";
import { type JobQueue, type Keyed, Lanes, Line } from "./lanes.ts";
import { isThenable, whenSettled } from "./promises.ts";

/** Runs a handler in the asynchronous context that its item came from. */
export type Runner = <R>(run: () => R) => R;

/** What the pool needs to know of a job. */
export interface Job extends Keyed {
  /** `undefined` for the pool's own context. */
  readonly run: Runner | undefined;
}

/** Whose jobs these are. Nothing here may throw but `call`. */
export interface PoolHost<J> {
  /** The job leaves the queue. */
  starting(job: J): void;
  /** Calls the user's handler. */
  call(job: J, context: HandlerContext): unknown;
  /** The handler is over; its slot is kept until the promise, if there is one, settles. */
  settled(job: J, failed: boolean, outcome: unknown): Promise<void> | undefined;
  /** The slot is free again. */
  released(job: J): void;
  /** As many jobs run as can: whoever waits for room may come in. */
  rested(): void;
}

/** At most `concurrency` jobs run; the others wait in the order of acceptance, or of their key. */
export class Pool<J extends Job> {
  readonly #host: PoolHost<J>;
  readonly #concurrency: number;
  readonly #queue: JobQueue<J>;
  readonly #timed: boolean;
  #deadlines: Deadlines<Worker<J>> | undefined;
  readonly #workers = new Set<Worker<J>>();
  /** A stack of those without a job. */
  #free: Worker<J> | undefined;
  #running = 0;
  #draining = false;

  constructor(
    host: PoolHost<J>,
    options: { owner: string; concurrency: number; timeout: number; key: unknown },
  ) {
    const { owner, timeout } = options;
    this.#host = host;
    this.#concurrency = options.concurrency;
    this.#queue = options.key ? new Lanes<J>() : new Line<J>();
    this.#timed = timeout !== Infinity;
    if (this.#timed) {
      this.#deadlines = new Deadlines(timeout, (worker) => {
        const message = `${owner}: the handler has not settled within ${timeout} ms`;
        this.#expire(worker, new DOMException(message, "TimeoutError"));
      });
    }
  }

  /** Whether a worker is free: no code of the user's runs while something waits that it could start. */
  get idle(): boolean {
    return this.#running < this.#concurrency;
  }

  /** Whether a job of this key would start at once. */
  canStart(key: unknown): boolean {
    return this.idle && this.#queue.free(key);
  }

  /** Has the job wait for `drain`. */
  add(job: J): void {
    this.#queue.push(job);
  }

  /** Starts what can start. Also from inside a handler: it may have pushed to a free slot. */
  drain(): void {
    if (this.#running >= this.#concurrency) return;
    const outermost = !this.#draining;
    this.#draining = true;
    while (this.#running < this.#concurrency) {
      const job = this.#queue.shift();
      if (job === undefined) break;
      this.#start(job);
    }
    if (!outermost) return;
    this.#draining = false;
    this.#host.rested();
  }

  /** Starts nothing more. Returns the jobs that waited and those that run. */
  stop(): { waiting: J[]; running: J[] } {
    this.#deadlines?.clear();
    this.#deadlines = undefined;
    const running: J[] = [];
    for (const { job } of this.#workers) if (job) running.push(job);
    return { waiting: this.#queue.drain(), running };
  }

  /** Tells the handlers. */
  abort(reason: unknown): void {
    for (const { job, context } of this.#workers) {
      // What has settled is over, unless its signal is the next one's too.
      if (job || !this.#timed) CallContext.abort(context, reason);
    }
  }

  /** The handler of this worker is over, by itself or by the clock. */
  settle(worker: Worker<J>, failed: boolean, outcome: unknown): void {
    const job = worker.job!;
    worker.job = undefined;
    this.#deadlines?.remove(worker);
    const kept = this.#host.settled(job, failed, outcome);
    if (kept) this.#releaseAfter(kept, worker, job);
    else this.#release(worker, job);
  }

  #start(job: J): void {
    this.#running++;
    this.#host.starting(job);
    const worker = this.#free ?? this.#hire();
    this.#free = worker.next;
    worker.next = undefined;
    worker.job = job;
    // Of the worker: with all handlers on one signal, sixteen listeners would be a leak to Node. With
    // a timeout, of the call.
    if (this.#deadlines) worker.context = new CallContext();
    const { context } = worker;
    const start = this.#deadlines ? performance.now() : 0;
    let outcome: unknown;
    try {
      outcome = job.run ? this.#callWithin(job.run, job, context) : this.#host.call(job, context);
      if (isThenable(outcome)) {
        whenSettled(outcome, worker.fulfilled, worker.rejected);
        this.#deadlines?.add(worker, start);
        return;
      }
    } catch (error) {
      this.settle(worker, true, error);
      return;
    }
    this.settle(worker, false, outcome);
  }

  /** Apart, because a closure over the job would be paid for by every job. */
  #callWithin(run: Runner, job: J, context: HandlerContext): unknown {
    return run(() => this.#host.call(job, context));
  }

  #hire(): Worker<J> {
    const worker = new Worker(this);
    this.#workers.add(worker);
    return worker;
  }

  #expire(worker: Worker<J>, reason: unknown): void {
    // Its handler may still be at it: what that does later is nobody's, so neither is the worker.
    worker.dismissed = true;
    this.#workers.delete(worker);
    CallContext.abort(worker.context, reason);
    this.settle(worker, true, reason);
  }

  #releaseAfter(kept: Promise<void>, worker: Worker<J>, job: J): void {
    kept.then(() => this.#release(worker, job));
  }

  #release(worker: Worker<J>, job: J): void {
    this.#running--;
    if (!worker.dismissed) {
      worker.next = this.#free;
      this.#free = worker;
    }
    this.#queue.settled(job);
    this.#host.released(job);
    // Where a handler settles at once, the loop that started it goes on.
    if (!this.#draining) this.drain();
  }
}

/** A slot, and the two functions that hear of its handler: made once, not for each item. */
class Worker<J extends Job> extends Expiring {
  /** The next without a job. */
  next: Worker<J> | undefined;
  job: J | undefined;
  context: CallContext = new CallContext();
  dismissed = false;
  readonly fulfilled: (outcome: unknown) => void;
  readonly rejected: (error: unknown) => void;

  constructor(pool: Pool<J>) {
    super();
    this.fulfilled = (outcome) => {
      if (!this.dismissed) pool.settle(this, false, outcome);
    };
    this.rejected = (error) => {
      if (!this.dismissed) pool.settle(this, true, error);
    };
  }
}
