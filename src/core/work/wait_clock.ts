import { FifoQueue } from "../shared/fifo_queue.ts";
import type { Job, Wait } from "./job.ts";

/** How long jobs wait for their start, and which one has waited too long. */
export class WaitClock<J extends Job<unknown, unknown>> {
  readonly #maxWait: number;
  /** The one that has waited longest first. */
  readonly #queue = new FifoQueue<Wait>();
  /** When it was asked who is late: nothing has happened since when a job starts. */
  #now = 0;

  constructor(maxWait: number) {
    this.#maxWait = maxWait;
  }

  /** The job waits from now on. */
  add(job: J): void {
    job.wait = { next: undefined, before: undefined, job, since: performance.now() };
    this.#queue.push(job.wait);
  }

  /** It waits no more. Returns how long it has, in milliseconds, if it starts. */
  remove(job: J): number {
    const { wait } = job;
    if (!wait) return 0;
    job.wait = undefined;
    this.#queue.remove(wait);
    return this.#now - wait.since;
  }

  /** One that has waited too long. */
  get late(): J | undefined {
    const wait = this.#queue.head;
    if (wait === undefined) return undefined;
    this.#now = performance.now();
    return this.#now - wait.since > this.#maxWait ? wait.job as J : undefined;
  }
}
