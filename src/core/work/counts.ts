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
  /** Given up: before the handler started, or by a handler that ended as an abort had told it to. */
  readonly discarded: number;
}

/** Work that is waited for together: what comes between two `flush()` calls, or by one `consume()`. */
export class Tally {
  /** Jobs, open batches and items without room that have not settled, and the tally before this one. */
  outstanding = 0;
  /** Somebody waits for it. */
  over: Deferred<void> | undefined;
  next: Tally | undefined;
  /** Of a `consume()`: this one, and that of the flush to come. */
  both: readonly Tally[] = [];
}

/** What is counted of a job. */
export interface Counted {
  readonly tallies: readonly Tally[];
  /** How many items that is, if it is not one. What is not there costs nothing. */
  readonly count?: number;
  /** How many of them have failed, and those that a handler has given up after the end, if any. */
  failures?: number;
  returned?: readonly unknown[];
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

  /** What comes now counts there, until the next flush. */
  #tallies: readonly [Tally] = [new Tally()];
  readonly #awaited = new Set<Tally>();
  #idle: Deferred<void> | undefined;

  /** Where an item that comes now counts; `own` is that of the `consume()` that brings it. */
  tallies(own?: Tally): readonly Tally[] {
    if (!own) return this.#tallies;
    const [flush] = this.#tallies;
    if (own.both[0] !== flush) own.both = [flush, own];
    return own.both;
  }

  /** One item is accepted, and waits. */
  accept(): void {
    this.accepted++;
    this.waiting++;
  }

  /** An item could not be brought in, and nobody else would hear of it. */
  lose(): void {
    this.accepted++;
    this.discarded++;
  }

  /** One more has to settle. */
  hold(tallies: readonly Tally[]): void {
    for (const tally of tallies) tally.outstanding++;
  }

  /** The same, where one counts already for some of them. Returns all. */
  join(held: readonly Tally[], tallies: readonly Tally[]): readonly Tally[] {
    const others = tallies.filter((tally) => !held.includes(tally));
    this.hold(others);
    return held.length > 0 ? [...held, ...others] : tallies;
  }

  /** One of them has settled. */
  release(tallies: readonly Tally[]): void {
    for (const tally of tallies) if (--tally.outstanding === 0 && tally.over) this.#end(tally);
  }

  /** The items of a job are handed to a handler. */
  start({ count = 1 }: Counted): void {
    this.waiting -= count;
    this.running += count;
  }

  /** The running items of a job have settled. Settles the promises that waited for it. */
  settle({ count = 1, failures = 0, returned: { length } = [], tallies }: Counted): void {
    this.running -= count;
    this.done += count - failures - length;
    this.failed += failures;
    this.discarded += length;
    this.release(tallies);
    this.#leave();
  }

  /** All that waits is given up. */
  discard(): void {
    this.discarded += this.waiting;
    this.waiting = 0;
    this.#leave();
  }

  get idle(): boolean {
    return this.waiting === 0 && this.running === 0;
  }

  whenIdle(): Promise<void> {
    return this.idle ? resolved() : (this.#idle ??= new Deferred()).promise;
  }

  /** Resolves when all of `own` has settled, or else all that has come so far. */
  whenOver(own?: Tally): Promise<void> {
    const [tally = own!] = own ? [] : this.#tallies;
    if (tally.outstanding === 0) return resolved();
    if (!own) {
      const next = tally.next = new Tally();
      next.outstanding = 1;
      this.#tallies = [next];
    }
    this.#awaited.add(tally);
    return (tally.over = new Deferred()).promise;
  }

  /** The sink has failed: nobody waits for that any more. Returns whether anybody did. */
  rejectFlushes(reason: unknown): boolean {
    const told = this.#awaited.size > 0;
    for (const { over } of this.#awaited) over!.reject(reason);
    this.#awaited.clear();
    return told;
  }

  #end(tally: Tally): void {
    tally.over!.resolve();
    this.#awaited.delete(tally);
    const { next } = tally;
    if (next && --next.outstanding === 0 && next.over) this.#end(next);
  }

  #leave(): void {
    if (this.#idle && this.idle) {
      this.#idle.resolve();
      this.#idle = undefined;
    }
  }
}
