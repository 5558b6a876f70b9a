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

/** Items accepted between two `flush()` calls; it is over when all before it and all of its own have settled. */
export interface Epoch {
  outstanding: number;
  flushed: Deferred<void> | undefined;
  next: Epoch | undefined;
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

  #epoch: Epoch = { outstanding: 0, flushed: undefined, next: undefined };
  /** The oldest epoch that somebody may still wait for, and the youngest. */
  #oldest: Epoch = this.#epoch;
  #flushed: Epoch = this.#epoch;
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

  /** `count` waiting items are handed to a handler. */
  start(count: number): void {
    this.waiting -= count;
    this.running += count;
  }

  /** `count` running items of `epoch` have settled. Settles the promises that waited for it. */
  settle(count: number, failures: number, epoch: Epoch): void {
    this.running -= count;
    this.done += count - failures;
    this.failed += failures;
    this.#leave(count, epoch);
  }

  /** `count` waiting items of `epoch` are given up. */
  discard(count: number, epoch: Epoch): void {
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
    // Nothing was accepted since the last flush: wait for the same.
    if (this.#epoch.outstanding > 0) {
      this.#flushed = this.#epoch;
      this.#flushed.flushed = new Deferred();
      this.#epoch = this.#flushed.next = { outstanding: 0, flushed: undefined, next: undefined };
    }
    return this.#flushed.flushed!.promise;
  }

  /** The sink has failed: nobody waits for a flush any more. */
  rejectFlushes(reason: unknown): void {
    for (let epoch: Epoch | undefined = this.#oldest; epoch; epoch = epoch.next) {
      epoch.flushed?.reject(reason);
    }
  }

  /** A copy. Nothing else here is public and a field. */
  get stats(): SinkStats {
    return { ...this };
  }

  #leave(count: number, epoch: Epoch): void {
    epoch.outstanding -= count;
    while (this.#oldest.outstanding === 0 && this.#oldest.next) {
      this.#oldest.flushed!.resolve();
      this.#oldest = this.#oldest.next;
    }
    if (this.#idle && this.idle) {
      this.#idle.resolve();
      this.#idle = undefined;
    }
  }
}
