import { type DeadlineHost, DeadlineTimer } from "./deadline_timer.ts";

/** What can time out: a link of a ring that is in order. Alone it is a ring of its own. */
export class TimeoutEntry {
  /** That of the ring's own link stays before all others. */
  deadline = 0;
  before: TimeoutEntry = this;
  after: TimeoutEntry = this;
}

/**
 * One timer over many entries that all have the same time: the order of their starts is the order of
 * their deadlines.
 */
export class TimeoutQueue<E extends TimeoutEntry> implements DeadlineHost {
  readonly duration: number;
  readonly #onTimeout: (entry: E) => void;
  readonly #timer: DeadlineTimer = new DeadlineTimer(this);
  #ring = new TimeoutEntry();

  constructor(duration: number, onTimeout: (entry: E) => void) {
    this.duration = duration;
    this.#onTimeout = onTimeout;
  }

  get deadline(): number {
    const { after } = this.#ring;
    return after === this.#ring ? Infinity : after.deadline;
  }

  /** The time, for `add`. */
  get now(): number {
    return this.#timer.now;
  }

  /** `start` is when its time began, by `now`. */
  add(entry: E, start: number): void {
    entry.deadline = start + this.duration;
    // Calls start inside one another, so the last to be added may be a little older than the last here.
    let { before } = this.#ring;
    while (before.deadline > entry.deadline) before = before.before;
    const { after } = before;
    entry.before = before;
    entry.after = after;
    before.after = after.before = entry;
    if (before === this.#ring) this.#timer.update();
  }

  /** Does nothing for an entry that is not in the ring. */
  remove(entry: E): void {
    entry.before.after = entry.after;
    entry.after.before = entry.before;
    entry.before = entry.after = entry;
    // While others are left the timer may fire early: it only looks again.
    if (this.#ring.after === this.#ring) this.#timer.update();
  }

  /** Lets go of the timer, and of all entries. */
  clear(): void {
    this.#timer.clear();
    // Those that are in the old one may still leave it.
    this.#ring = new TimeoutEntry();
  }

  onDeadline(now: number): void {
    // Timers count whole milliseconds: what belongs to this one goes with it.
    while (this.deadline < now + 1) {
      const first = this.#ring.after as E;
      this.remove(first);
      this.#onTimeout(first);
    }
  }
}
