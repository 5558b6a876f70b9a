import { FifoQueue } from "../shared/fifo_queue.ts";
import type { Job, Wait } from "./job.ts";

/** Measures how long jobs wait for their start, and finds jobs that have waited too long. */
export class WaitClock<J extends Job<unknown, unknown>> {
  readonly #maxWait: number;
  /** The job that has waited longest comes first. */
  readonly #queue = new FifoQueue<Wait>();
  /**
   * The time of the last look for late jobs. No time passes between that and the start of a job.
   */
  #now = 0;

  constructor(maxWait: number) {
    this.#maxWait = maxWait;
  }

  /** The job waits from now on. */
  add(job: J): void {
    job.wait = { next: undefined, before: undefined, job, since: performance.now() };
    this.#queue.push(job.wait);
  }

  /** The job no longer waits. If it starts, returns how long it has waited, in milliseconds. */
  remove(job: J): number {
    const { wait } = job;
    if (!wait) return 0;
    job.wait = undefined;
    this.#queue.remove(wait);
    return this.#now - wait.since;
  }

  /** A job that has waited too long. */
  get late(): J | undefined {
    const wait = this.#queue.head;
    if (wait === undefined) return undefined;
    this.#now = performance.now();
    return this.#now - wait.since > this.#maxWait ? wait.job as J : undefined;
  }
}
