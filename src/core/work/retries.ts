import { FifoQueue } from "../shared/fifo_queue.ts";
import type { Job } from "./job.ts";

/** Jobs that go again: first while their delay runs, and then until they start. */
export class Retries<J extends Job<unknown, unknown>> {
  /**
   * The jobs whose delay has not ended. A job without a timer has a handler that runs on after its
   * timeout, and keeps its slot and key.
   */
  readonly #delayed = new Map<J, ReturnType<typeof setTimeout> | undefined>();
  /** The jobs whose delay has ended. */
  readonly #due = new FifoQueue<J>();
  /** The first job whose delay has ended. */
  get head(): J | undefined {
    return this.#due.head;
  }

  shift(): J | undefined {
    return this.#due.shift();
  }

  /** The delay of the job starts now. After it, the job may start. */
  delay(job: J, onDue: () => void): void {
    const timer = setTimeout(() => {
      this.#delayed.delete(job);
      job.delay = undefined;
      this.#due.push(job);
      onDue();
    }, job.delay);
    this.#delayed.set(job, timer);
  }

  /** The delay of the job does not run yet. */
  hold(job: J): void {
    this.#delayed.set(job, undefined);
  }

  has(job: J): boolean {
    return this.#delayed.has(job);
  }

  /**
   * Removes a job, which must be in here. Returns whether only the job kept its key, not a handler
   * that runs on.
   */
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
