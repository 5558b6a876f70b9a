/**
 * Setting and clearing a timer costs more than handling a hundred items, and where a producer is
 * quick the next entry is there within a few microtasks.
 */
const PATIENCE = 8;

/** What can expire: a link of a ring that is in order. Alone it is a ring of its own. */
export class Expiring {
  /** That of the ring's own link stays before all others. */
  deadline = 0;
  before: Expiring = this;
  after: Expiring = this;
}

/**
 * One timer over many calls that all have the same time: the order of their starts is the order of
 * their deadlines. The timer lives only while something can expire.
 */
export class Deadlines<E extends Expiring> {
  readonly duration: number;
  readonly #expire: (entry: E) => void;
  #ring = new Expiring();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** How many microtasks are still waited for the next entry, while there is none. */
  #patience = 0;
  readonly #wait = (): void => {
    if (!this.#empty) this.#patience = 0;
    else if (--this.#patience === 0) this.clear();
    else queueMicrotask(this.#wait);
  };

  constructor(duration: number, expire: (entry: E) => void) {
    this.duration = duration;
    this.#expire = expire;
  }

  /** `start` is when the call started, by `performance.now()`. */
  add(entry: E, start: number): void {
    entry.deadline = start + this.duration;
    // Calls start inside one another, so the last to be added may be a little older than the last here.
    let { before } = this.#ring;
    while (before.deadline > entry.deadline) before = before.before;
    const { after } = before;
    entry.before = before;
    entry.after = after;
    before.after = after.before = entry;
    if (!this.#timer || (before === this.#ring && after !== this.#ring)) this.#arm();
  }

  /**
   * Does nothing for an entry that is not in the ring. Lets the timer go if nothing is left to
   * expire, and nothing is added within the same task of the event loop.
   */
  remove(entry: E): void {
    entry.before.after = entry.after;
    entry.after.before = entry.before;
    entry.before = entry.after = entry;
    this.#rest();
  }

  /** Lets go of the timer, and of all that could expire. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // Those that are in the old one may still leave it.
    this.#ring = new Expiring();
  }

  get #empty(): boolean {
    return this.#ring.after === this.#ring;
  }

  #rest(): void {
    if (!this.#empty || !this.#timer || this.#patience > 0) return;
    this.#patience = PATIENCE;
    queueMicrotask(this.#wait);
  }

  /** For the first to expire. It is not moved when that one settles: firing early only looks again. */
  #arm(): void {
    clearTimeout(this.#timer);
    const delay = Math.ceil(this.#ring.after.deadline - performance.now());
    // Rounding must not make it longer than platforms can wait.
    this.#timer = setTimeout(() => this.#fire(), Math.min(Math.max(delay, 0), this.duration));
    // Deno runs microtasks within the first call of a timer function: all may have settled in there.
    this.#rest();
  }

  #fire(): void {
    this.#timer = undefined;
    const now = performance.now();
    while (!this.#empty && this.#ring.after.deadline <= now) {
      const first = this.#ring.after as E;
      this.remove(first);
      this.#expire(first);
    }
    // What was started meanwhile armed a timer of its own, for later than the first.
    if (!this.#empty) this.#arm();
  }
}
