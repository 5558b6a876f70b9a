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
  /** When the interval that an item opened is over, by `performance.now()`. */
  #until = -Infinity;
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

  /** Whether an item would pass at once. */
  get quiet(): boolean {
    return this.#edge !== "trailing" && !this.#pending && performance.now() >= this.#until;
  }

  /** Takes an item; returns whether it has passed. */
  trigger(item: T): boolean {
    if (this.quiet) {
      this.#until = performance.now() + this.#interval;
      this.#pass(item);
      return true;
    }
    if (this.#edge === "leading") {
      this.dropped++;
      return false;
    }
    if (this.#pending) this.dropped++;
    else this.#open();
    this.#pending = { item };
    return false;
  }

  /** What waits passes now. */
  flush(): void {
    const pending = this.#pending;
    if (!pending) return;
    this.cancel();
    if (this.#edge === "both") this.#until = performance.now() + this.#interval;
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

  /** The first that waits: for the end of the interval that is open, or of one that opens here. */
  #open(): void {
    if (this.#edge === "trailing") this.#until = performance.now() + this.#interval;
    if (this.#until < Infinity) this.#arm();
  }

  #arm(): void {
    const delay = Math.ceil(this.#until - performance.now());
    // It may have closed since `trigger` looked, and Node warns of a delay below 0; and rounding must
    // not make it longer than platforms can wait.
    const most = Math.ceil(this.#interval);
    this.#timer = setTimeout(() => this.#fire(), Math.min(Math.max(delay, 0), most));
  }

  /** Platforms fire up to a millisecond early, and cut off what is no whole one. */
  #fire(): void {
    if (performance.now() < this.#until) this.#arm();
    else this.flush();
  }
}
