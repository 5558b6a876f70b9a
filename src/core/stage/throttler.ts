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

/** Decides which item passes, and when. One timer at most, and only while an item waits for it. */
export class Throttler<T> {
  readonly #interval: number;
  readonly #edge: ThrottleEdge;
  readonly #pass: (item: T) => void;
  /** When the interval that an item opened is over. */
  #until = -Infinity;
  /** The last such end that a timer has told. */
  #told = 0;
  #pending: { readonly item: T } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  dropped = 0;

  constructor(interval: number, edge: ThrottleEdge, pass: (item: T) => void) {
    this.#interval = interval;
    this.#edge = edge;
    this.#pass = pass;
  }

  get waiting(): number {
    return this.#pending ? 1 : 0;
  }

  /** The clock, or what a timer has told: a test may have faked the timers and not the clock. */
  get #now(): number {
    return Math.max(performance.now(), this.#told);
  }

  /** Whether an item would pass at once. */
  get quiet(): boolean {
    return this.#edge !== "trailing" && !this.#pending && this.#now >= this.#until;
  }

  /** Takes an item; returns whether it has passed. */
  trigger(item: T): boolean {
    if (this.quiet) {
      this.#until = this.#now + this.#interval;
      this.#pass(item);
      return true;
    }
    if (this.#edge === "leading") {
      this.dropped++;
      return false;
    }
    const pending = this.#pending;
    // A busy producer lets no timer have its turn: what has waited long enough passes here.
    const over = pending && this.#now >= this.#until;
    if (over) this.#end();
    if (this.#pending) this.dropped++;
    else this.#open();
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

  /** Gives up what waits; returns how many items that is. */
  cancel(): number {
    const { waiting } = this;
    // No timer does no harm; only the types of Workers refuse it.
    clearTimeout(this.#timer!);
    this.#pending = this.#timer = undefined;
    return waiting;
  }

  /** The interval is over, and what waited is to pass. */
  #end(): void {
    this.cancel();
    if (this.#edge === "both") this.#until = this.#now + this.#interval;
  }

  /** The first that waits: for the end of the interval that is open, or of one that opens here. */
  #open(): void {
    if (this.#edge === "trailing") this.#until = this.#now + this.#interval;
    if (this.#until === Infinity) return;
    const delay = Math.ceil(this.#until - this.#now);
    // It may have closed since `trigger` looked, and Node warns of a delay below 0; and rounding must
    // not make it longer than platforms can wait.
    const most = Math.ceil(this.#interval);
    this.#timer = setTimeout(() => this.#fire(), Math.min(Math.max(delay, 0), most));
  }

  /** Platforms fire up to a millisecond early: then for one more. What is earlier is no real timer. */
  #fire(): void {
    const early = this.#until - performance.now();
    if (early > 0 && early <= 1) this.#timer = setTimeout(() => this.#tell(), 1);
    else this.#tell();
  }

  #tell(): void {
    this.#told = this.#until;
    this.flush();
  }
}
