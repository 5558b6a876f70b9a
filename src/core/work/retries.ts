import { FifoQueue } from "../shared/fifo_queue.ts";
import type { Job } from "./job.ts";

/** Jobs that go again: while their delay runs, and then until they start. */
export class Retries<J extends Job<unknown, unknown>> {
  /** Without a timer: its handler runs on after its time was up, and keeps slot and key. */
  readonly #delayed = new Map<J, ReturnType<typeof setTimeout> | undefined>();
  /** Those whose time has come. */
  readonly #due = new FifoQueue<J>();
  /** The first of those whose time has come. */
  get head(): J | undefined {
    return this.#due.head;
  }

  shift(): J | undefined {
    return this.#due.shift();
  }

  /** The job goes again after its delay, from now on: then it may start. */
  delay(job: J, onDue: () => void): void {
    const timer = setTimeout(() => {
      this.#delayed.delete(job);
      job.delay = undefined;
      this.#due.push(job);
      onDue();
    }, job.delay);
    this.#delayed.set(job, timer);
  }

  /** The delay does not run yet. */
  hold(job: J): void {
    this.#delayed.set(job, undefined);
  }

  has(job: J): boolean {
    return this.#delayed.has(job);
  }

  /** Takes out a job, which must be in here. Returns whether it kept its key alone. */
  remove(job: J): boolean {
    const timer = this.#delayed.get(job);
    const held = this.has(job) && timer === undefined;
    if (this.#delayed.delete(job)) {
      clearTimeout(timer!);
      job.delay = undefined;
    } else this.#due.remove(job);
    return !held;
  }

  removeAll(): J[] {
    for (const timer of this.#delayed.values()) clearTimeout(timer!);
    const jobs = [...this.#delayed.keys(), ...this.#due.removeAll()];
    this.#delayed.clear();
    return jobs;
  }
}
