/**
 * Setting and clearing a timer costs more than handling a hundred items, and a fast producer brings
 * the next deadline within a few microtasks. So an idle timer waits for that many microtasks before
 * it is cleared.
 */
const IDLE_TICKS = 8;

/** This many entries share one look at the clock, which costs as much as handling an item. */
const ROUND = 16;

/** An entry that can time out: a link of an ordered ring. When it is alone, it is its own ring. */
export class TimeoutEntry {
  /** The ring's own link has deadline 0, so it stays before all others. */
  deadline = 0;
  before: TimeoutEntry = this;
  after: TimeoutEntry = this;
}

/**
 * One timer for many entries that all have the same duration: they start in the order of their
 * deadlines. The timer exists only while there are entries.
 */
export class TimeoutQueue<E extends TimeoutEntry> {
  readonly duration: number;
  readonly #onTimeout: (entry: E) => void;
  // No private names in what every item passes: some engines are slow with them.
  private ring = new TimeoutEntry();
  /**
   * The time at which the entries of this round of microtasks started at the earliest, and their
   * number.
   */
  private round = 0;
  private starts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The deadline that the timer is set for. */
  #setFor = Infinity;
  /** The deadline of the last timer that fired. */
  #fired = 0;
  /** For how many more microtasks the idle timer waits for a deadline. */
  #ticks = 0;

  constructor(duration: number, onTimeout: (entry: E) => void) {
    this.duration = duration;
    this.#onTimeout = onTimeout;
  }

  /**
   * The time, for `add`: `performance.now()`, or the deadline of the last timer that fired, if that
   * is later. A test may fake the timers and not the clock, and real timers fire up to a
   * millisecond early.
   */
  get now(): number {
    return Math.max(performance.now(), this.#fired);
  }

  /** The time at which an entry that starts now starts to count, for `add`. */
  start(): number {
    if (this.starts === 0 || this.starts === ROUND) this.#startRound();
    this.starts++;
    return this.round;
  }

  #startRound(): void {
    if (this.starts === 0) queueMicrotask(this.#endRound);
    else this.#postpone();
    this.starts = 0;
    this.round = this.now;
  }

  readonly #endRound = (): void => {
    // If only one entry has started, it started just when the clock was read.
    if (this.starts > 1) this.#postpone();
    this.starts = 0;
  };

  /** The entries of this round may have started only now: none may time out early. */
  #postpone(): void {
    const from = this.round + this.duration;
    const to = this.now + this.duration;
    for (let entry = this.ring.before; entry.deadline >= from; entry = entry.before) {
      entry.deadline = to;
    }
  }

  /** `start` is when the time of the entry began, from `now` or from `start`. */
  add(entry: E, start: number): void {
    // A round that has begun since then is later than any start before it, so the ring stays in
    // order.
    entry.deadline = Math.max(start, this.round) + this.duration;
    const { before } = this.ring;
    const { after } = before;
    entry.before = before;
    entry.after = after;
    before.after = after.before = entry;
    if (before === this.ring) this.#update();
  }

  /** Does nothing for an entry that is not in the ring. */
  remove(entry: E): void {
    entry.before.after = entry.after;
    entry.after.before = entry.before;
    entry.before = entry.after = entry;
    // While other entries are left, the timer may fire early: then it only looks again.
    if (this.#deadline() === Infinity) this.#update();
  }

  /** Drops the timer and all entries. */
  clear(): void {
    this.#clearTimer();
    // Entries that are in the old ring may still leave it.
    this.ring = new TimeoutEntry();
  }

  /** The first deadline. */
  #deadline(): number {
    const { after } = this.ring;
    return after === this.ring ? Infinity : after.deadline;
  }

  /** The first deadline may have changed. */
  #update(): void {
    const deadline = this.#deadline();
    // The timer need not move when its entry leaves: if it fires early, it only looks again.
    if (deadline < this.#setFor) {
      this.#clearTimer();
      this.#setFor = deadline;
      const delay = Math.max(Math.ceil(deadline - this.now), 0);
      // Rounding must not make it longer than platforms can wait.
      this.#timer = setTimeout(this.#fire, Math.min(delay, Math.ceil(this.duration)));
    }
    // This asks again, because Deno runs microtasks during the first call of a timer function.
    if (this.#idle() && !this.#ticks) {
      this.#ticks = IDLE_TICKS;
      queueMicrotask(this.#tick);
    }
  }

  #clearTimer(): void {
    // `clearTimeout(undefined)` is harmless; only the types of Workers refuse it.
    clearTimeout(this.#timer!);
    this.#setFor = Infinity;
  }

  /** Whether the timer is set although there is no deadline. */
  #idle(): boolean {
    return this.#setFor < Infinity && this.#deadline() === Infinity;
  }

  readonly #tick = (): void => {
    if (!this.#idle()) this.#ticks = 0;
    else if (--this.#ticks) queueMicrotask(this.#tick);
    else this.#clearTimer();
  };

  readonly #fire = (): void => {
    this.#fired = this.#setFor;
    this.#setFor = Infinity;
    const { now } = this;
    // Timers count whole milliseconds, so all entries of the same millisecond go together.
    const until = this.#deadline() <= now ? now + 1 : 0;
    while (this.#deadline() < until) {
      const first = this.ring.after as E;
      this.remove(first);
      this.#onTimeout(first);
    }
    this.#update();
  };
}
