/** Which items or calls of an interval pass. */
export type ThrottleEdge = "leading" | "trailing" | "both";

/**
 * What `stats` of a throttle shows. Every accepted item or call is in exactly one of the other
 * four.
 */
export interface ThrottleStats {
  /** Items that were written, or calls that were made. */
  readonly accepted: number;
  /**
   * Items or calls that will pass, and items that have passed before the consumer asked for them.
   */
  readonly waiting: number;
  /** Calls that have run, or items that the consumer has got. */
  readonly done: number;
  /** Items or calls that an interval or a busy consumer has dropped. */
  readonly dropped: number;
  /** Items or calls that a cancel, an abort or an error has discarded. */
  readonly discarded: number;
}

/** Which items or calls pass, and how soon after one the next may pass. Checked already. */
export interface ThrottleRule {
  readonly interval: number;
  readonly edge?: ThrottleEdge | undefined;
}

/**
 * Decides which item passes, and when. It has at most one timer, and only while an item waits for
 * it.
 */
export class Throttler<T> {
  readonly #interval: number;
  readonly #leading: boolean;
  /** Whether the latest item passes at the end of an interval. */
  readonly trailing: boolean;
  readonly #pass: (item: T) => void;
  /** When the interval that an item has opened is over. */
  #until = -Infinity;
  /** The end of the last interval for which a timer has fired. */
  #told = 0;
  #pending: { readonly item: T } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #accepted = 0;
  #discarded = 0;
  // The owner counts the items that pass, and the items that it drops after that.
  done = 0;
  dropped = 0;

  constructor({ interval, edge = "leading" }: ThrottleRule, pass: (item: T) => void) {
    this.#interval = interval;
    this.#leading = edge !== "trailing";
    this.trailing = edge !== "leading";
    this.#pass = pass;
  }

  get stats(): ThrottleStats {
    const [accepted, discarded] = [this.#accepted, this.#discarded];
    const { done, dropped } = this;
    return { accepted, waiting: accepted - done - dropped - discarded, done, dropped, discarded };
  }

  /**
   * The clock, or the end for which a timer has fired: a test may fake the timers and not the
   * clock.
   */
  #now(): number {
    return Math.max(performance.now(), this.#told);
  }

  /** Whether an item would pass at once. */
  get quiet(): boolean {
    return this.#leading && !this.#pending && this.#now() >= this.#until;
  }

  /** Takes an item, and returns whether it has passed. No item passes while the owner is `busy`. */
  trigger(item: T, busy = false): boolean {
    this.#accepted++;
    if (!busy && this.quiet) {
      this.#open();
      this.#pass(item);
      return true;
    }
    if (!this.trailing) {
      this.dropped++;
      return false;
    }
    const pending = this.#pending;
    // A busy producer lets no timer run, so an item that has waited long enough passes here.
    const over = pending && this.#now() >= this.#until;
    if (over) this.#end();
    if (this.#pending) this.dropped++;
    else {
      if (!this.#leading) this.#open();
      // The interval may have closed meanwhile, and Node warns of a delay below 0. Rounding must
      // not make the delay longer than platforms can wait.
      const delay = Math.ceil(Math.min(this.#until - this.#now(), this.#interval));
      if (delay < Infinity) this.#wait(Math.max(delay, 0), 1);
    }
    this.#pending = { item };
    if (over) this.#pass(pending.item);
    return false;
  }

  /** Passes the waiting item now. */
  flush(): void {
    const pending = this.#pending;
    if (!pending) return;
    this.#end();
    this.#pass(pending.item);
  }

  /** Discards the waiting item, and the item that has passed and was not taken. */
  cancel(): void {
    this.#clear();
    this.#discarded = this.#accepted - this.done - this.dropped;
  }

  /** Opens an interval. */
  #open(): void {
    this.#until = this.#now() + this.#interval;
  }

  /** The interval is over, and the waiting item is about to pass. */
  #end(): void {
    this.#clear();
    if (this.#leading) this.#open();
  }

  #clear(): void {
    // `clearTimeout(undefined)` is harmless; only the types of Workers refuse it.
    clearTimeout(this.#timer!);
    this.#pending = undefined;
  }

  /**
   * Platforms fire up to a millisecond `early`: then waits one more. A timer that fires earlier is
   * fake.
   */
  #wait(delay: number, early: number): void {
    this.#timer = setTimeout(() => {
      const left = this.#until - performance.now();
      if (left > 0 && left <= early) return this.#wait(1, 0);
      this.#told = this.#until;
      this.flush();
    }, delay);
  }
}
