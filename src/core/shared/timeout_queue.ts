/**
 * Setting and clearing a timer costs more than handling a hundred items, and a quick producer brings
 * the next deadline within a few microtasks: the timer waits that long for it.
 */
const IDLE_TICKS = 8;

/** So many that start count from one look at the clock, which costs as much as handling an item. */
const ROUND = 16;

/** What can time out: a link of a ring that is in order. Alone it is a ring of its own. */
export class TimeoutEntry {
  /** That of the ring's own link stays before all others. */
  deadline = 0;
  before: TimeoutEntry = this;
  after: TimeoutEntry = this;
}

/**
 * One timer over many entries that all have the same time: the order of their starts is the order of
 * their deadlines. It lives only while there are some.
 */
export class TimeoutQueue<E extends TimeoutEntry> {
  readonly duration: number;
  readonly #onTimeout: (entry: E) => void;
  // No private names in what every item passes: some engines are slow with them.
  private ring = new TimeoutEntry();
  /** When those of this round of microtasks have started, at the earliest, and how many did. */
  private round = 0;
  private starts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The deadline that the timer is set for. */
  #setFor = Infinity;
  /** The deadline of the last timer that fired. */
  #fired = 0;
  /** How many microtasks the timer still waits for a deadline. */
  #ticks = 0;

  constructor(duration: number, onTimeout: (entry: E) => void) {
    this.duration = duration;
    this.#onTimeout = onTimeout;
  }

  /**
   * The time, for `add`: `performance.now()`, or the deadline of the last timer that fired, if that is
   * later: a test may have faked the timers and not the clock, and real ones fire up to a millisecond
   * early.
   */
  get now(): number {
    return Math.max(performance.now(), this.#fired);
  }

  /** The time from which what starts now counts, for `add`. */
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
    // One alone has started just when the clock was read.
    if (this.starts > 1) this.#postpone();
    this.starts = 0;
  };

  /** Those of this round may have started only now: nothing times out early. */
  #postpone(): void {
    const from = this.round + this.duration;
    const to = this.now + this.duration;
    for (let entry = this.ring.before; entry.deadline >= from; entry = entry.before) {
      entry.deadline = to;
    }
  }

  /** `start` is when its time began, by `now` or by `start`. */
  add(entry: E, start: number): void {
    // A round that has begun since is later than any start of one before: so they are in order.
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
    // While others are left the timer may fire early: it only looks again.
    if (this.#deadline() === Infinity) this.#update();
  }

  /** Lets go of the timer, and of all entries. */
  clear(): void {
    this.#clearTimer();
    // Those that are in the old one may still leave it.
    this.ring = new TimeoutEntry();
  }

  /** The first. */
  #deadline(): number {
    const { after } = this.ring;
    return after === this.ring ? Infinity : after.deadline;
  }

  /** The first deadline may have changed. */
  #update(): void {
    const deadline = this.#deadline();
    // It need not move when that one goes: firing early only looks again.
    if (deadline < this.#setFor) {
      this.#clearTimer();
      this.#setFor = deadline;
      const delay = Math.max(Math.ceil(deadline - this.now), 0);
      // Rounding must not make it longer than platforms can wait.
      this.#timer = setTimeout(this.#fire, Math.min(delay, Math.ceil(this.duration)));
    }
    // Asked again: Deno runs microtasks within the first call of a timer function.
    if (this.#idle() && !this.#ticks) {
      this.#ticks = IDLE_TICKS;
      queueMicrotask(this.#tick);
    }
  }

  #clearTimer(): void {
    // No timer does no harm; only the types of Workers refuse it.
    clearTimeout(this.#timer!);
    this.#setFor = Infinity;
  }

  /** Whether the timer is set, and there is no deadline. */
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
    // Timers count whole milliseconds: what belongs to this one goes with it.
    const until = this.#deadline() <= now ? now + 1 : 0;
    while (this.#deadline() < until) {
      const first = this.ring.after as E;
      this.remove(first);
      this.#onTimeout(first);
    }
    this.#update();
  };
}
