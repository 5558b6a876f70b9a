import { FifoQueue, type Linked } from "../shared/fifo_queue.ts";

/** Since when a job waits. */
interface Wait<J> extends Linked {
  readonly job: J;
  readonly since: number;
}

/** How long jobs wait for their start, and which one has waited too long. */
export class WaitClock<J> {
  readonly #maxWait: number;
  readonly #waits = new Map<J, Wait<J>>();
  /** The same, the one that has waited longest first. */
  readonly #queue = new FifoQueue<Wait<J>>();

  constructor(maxWait: number) {
    this.#maxWait = maxWait;
  }

  /** The job waits from now on. */
  add(job: J): void {
    const wait = { next: undefined, before: undefined, job, since: performance.now() };
    this.#waits.set(job, wait);
    this.#queue.push(wait);
  }

  /** It waits no more. Returns how long it has, in milliseconds. */
  remove(job: J): number {
    const wait = this.#waits.get(job);
    if (!wait) return 0;
    this.#waits.delete(job);
    this.#queue.remove(wait);
    return performance.now() - wait.since;
  }

  /** One that has waited too long. */
  get late(): J | undefined {
    const wait = this.#queue.head;
    return wait && performance.now() - wait.since > this.#maxWait ? wait.job : undefined;
  }
}
