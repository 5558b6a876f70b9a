import { Deferred, resolved } from "../shared/promises.ts";

/** What `stats` shows of a sink: every accepted item is in exactly one of the other five. */
export interface SinkStats {
  /** Items that the sink has taken responsibility for. */
  readonly accepted: number;
  /** Accepted, the handler not started. */
  readonly waiting: number;
  /** The handler has started and not settled. */
  readonly running: number;
  /** The handler succeeded. */
  readonly done: number;
  /** The handler threw, rejected or timed out. */
  readonly failed: number;
  /** Given up before the handler started. */
  readonly discarded: number;
}

/** Items accepted between two `flush()` calls; over when all before it and all of its own have settled. */
export class Epoch {
  outstanding = 0;
  flushed: Deferred<void> | undefined;
  next: Epoch | undefined;
}

/** What is counted of a job. */
export interface Counted {
  readonly epoch: Epoch;
  /** How many items that is, if it is not one. What is not there costs nothing. */
  readonly count?: number;
  /** How many of them have failed, if any. */
  failures?: number;
}

/**
 * What is counted of a sink: `accepted = waiting + running + done + failed + discarded` after every
 * call of a method here, and the promises that wait for the counts to reach a state.
 */
export class Counts implements SinkStats {
  accepted = 0;
  waiting = 0;
  running = 0;
  done = 0;
  failed = 0;
  discarded = 0;
  /** Batches that were handed to the handler. Not there if there are none. */
  declare batches?: number;

  /** The epoch that accepts now, and the oldest that has not settled. */
  #epoch = new Epoch();
  #oldest = this.#epoch;
  #idle: Deferred<void> | undefined;

  /** The epoch that accepts now. */
  get epoch(): Epoch {
    return this.#epoch;
  }

  /** One item is accepted, and waits. */
  accept(): void {
    this.accepted++;
    this.waiting++;
    this.#epoch.outstanding++;
  }

  /** The items of a job are handed to a handler. */
  start({ count = 1 }: Counted): void {
    this.waiting -= count;
    this.running += count;
  }

  /** The running items of a job have settled. Settles the promises that waited for it. */
  settle({ count = 1, failures = 0, epoch }: Counted): void {
    this.running -= count;
    this.done += count - failures;
    this.failed += failures;
    this.#leave(count, epoch);
  }

  /** The waiting items of a job are given up. */
  discard({ count = 1, epoch }: Counted): void {
    this.waiting -= count;
    this.discarded += count;
    this.#leave(count, epoch);
  }

  get idle(): boolean {
    return this.waiting === 0 && this.running === 0;
  }

  whenIdle(): Promise<void> {
    return this.idle ? resolved() : (this.#idle ??= new Deferred()).promise;
  }

  /** Resolves when everything accepted so far has settled; starts a new epoch. */
  whenFlushed(): Promise<void> {
    if (this.idle) return resolved();
    const flushed = this.#epoch.flushed = new Deferred<void>();
    this.#epoch = this.#epoch.next = new Epoch();
    return flushed.promise;
  }

  /** The sink has failed: nobody waits for a flush any more. Returns whether anybody did. */
  rejectFlushes(reason: unknown): boolean {
    let told = false;
    for (let epoch = this.#oldest; epoch.flushed; epoch = epoch.next!) {
      epoch.flushed.reject(reason);
      told = true;
    }
    return told;
  }

  #leave(count: number, epoch: Epoch): void {
    epoch.outstanding -= count;
    while (!this.#oldest.outstanding && this.#oldest.flushed) {
      this.#oldest.flushed.resolve();
      this.#oldest = this.#oldest.next!;
    }
    if (this.#idle && this.idle) {
      this.#idle.resolve();
      this.#idle = undefined;
    }
  }
}
