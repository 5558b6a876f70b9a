/** Which triggers of an interval pass. */
export type ThrottleEdge = "leading" | "trailing" | "both";

/** What `stats` shows of a throttle: every accepted item is in exactly one of the other four. */
export interface ThrottleStats {
  /** Items written, or calls made. */
  readonly accepted: number;
  /** Those that are to pass, or have passed and are not asked for yet. */
  readonly waiting: number;
  /** Those that passed, and were asked for. */
  readonly done: number;
  /** Those that an interval, or a consumer that was busy, left out. */
  readonly dropped: number;
  /** What was given up by a cancel, an abort or an error. */
  readonly discarded: number;
}

/** Which triggers pass, and how long after one the next may. Checked already. */
export interface ThrottleRule {
  readonly interval: number;
  readonly edge?: ThrottleEdge | undefined;
}

/** Decides which item passes, and when. One timer at most, and only while an item waits for it. */
export class Throttler<T> {
  readonly #interval: number;
  readonly #leading: boolean;
  /** Whether the latest passes at the end of an interval. */
  readonly trailing: boolean;
  readonly #pass: (item: T) => void;
  /** When the interval that an item opened is over. */
  #until = -Infinity;
  /** The last such end that a timer has told. */
  #told = 0;
  #pending: { readonly item: T } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #accepted = 0;
  #discarded = 0;
  // What passes, and what is left out after that, is counted by who takes it.
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

  /** The clock, or what a timer has told: a test may have faked the timers and not the clock. */
  #now(): number {
    return Math.max(performance.now(), this.#told);
  }

  /** Whether an item would pass at once. */
  get quiet(): boolean {
    return this.#leading && !this.#pending && this.#now() >= this.#until;
  }

  /** Takes an item; returns whether it has passed. None does while whoever takes it is `busy`. */
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
    // A busy producer lets no timer have its turn: what has waited long enough passes here.
    const over = pending && this.#now() >= this.#until;
    if (over) this.#end();
    if (this.#pending) this.dropped++;
    else {
      if (!this.#leading) this.#open();
      // The interval may have closed since, and Node warns of a delay below 0; and rounding must not
      // make it longer than platforms can wait.
      const delay = Math.ceil(Math.min(this.#until - this.#now(), this.#interval));
      if (delay < Infinity) this.#wait(Math.max(delay, 0), 1);
    }
    this.#pending = { item };
    if (over) this.#pass(pending.item);
    return false;
  }

  /** What waits passes now. */
  flush(): void {
    const pending = this.#pending;
    if (!pending) return;
    this.#end();
    this.#pass(pending.item);
  }

  /** Gives up what waits, and what has passed and was not taken. */
  cancel(): void {
    this.#clear();
    this.#discarded = this.#accepted - this.done - this.dropped;
  }

  /** An interval opens. */
  #open(): void {
    this.#until = this.#now() + this.#interval;
  }

  /** The interval is over, and what waited is to pass. */
  #end(): void {
    this.#clear();
    if (this.#leading) this.#open();
  }

  #clear(): void {
    // No timer does no harm; only the types of Workers refuse it.
    clearTimeout(this.#timer!);
    this.#pending = undefined;
  }

  /** Platforms fire up to a millisecond `early`: then for one more. What is earlier is no real timer. */
  #wait(delay: number, early: number): void {
    this.#timer = setTimeout(() => {
      const left = this.#until - performance.now();
      if (left > 0 && left <= early) return this.#wait(1, 0);
      this.#told = this.#until;
      this.flush();
    }, delay);
  }
}
