/**
 * Setting and clearing a timer costs more than handling a hundred items, and where a producer is
 * quick the next entry is there within a few microtasks.
 */
const PATIENCE = 8;

/** What can expire. The fields belong to `Deadlines`. */
export interface Expiring {
  deadline: number;
  before: Expiring | undefined;
  after: Expiring | undefined;
}

/**
 * One timer over many calls that all have the same time: the order of their starts is the order of
 * their deadlines. The timer lives only while something can expire.
 */
export class Deadlines<E extends Expiring> {
  readonly #duration: number;
  readonly #expire: (entry: E) => void;
  #first: Expiring | undefined;
  #last: Expiring | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** How many microtasks are still waited for the next entry, while there is none. */
  #patience = 0;
  readonly #wait = (): void => {
    if (this.#first) this.#patience = 0;
    else if (--this.#patience === 0) this.clear();
    else queueMicrotask(this.#wait);
  };

  constructor(duration: number, expire: (entry: E) => void) {
    this.#duration = duration;
    this.#expire = expire;
  }

  /** `start` is when the call started, by `performance.now()`. */
  add(entry: E, start: number): void {
    entry.deadline = start + this.#duration;
    // Calls start inside one another, so the last to be added may be a little older than the last here.
    let before = this.#last;
    while (before && before.deadline > entry.deadline) before = before.before;
    const after = before ? before.after : this.#first;
    entry.before = before;
    entry.after = after;
    if (before) before.after = entry;
    else this.#first = entry;
    if (after) after.before = entry;
    else this.#last = entry;
    if (this.#timer === undefined || (after && !before)) this.#arm();
  }

  /** Does nothing for an entry that is not in the list. */
  remove(entry: E): void {
    const { before, after } = entry;
    if (before) before.after = after;
    else if (this.#first === entry) this.#first = after;
    else return;
    if (after) after.before = before;
    else this.#last = before;
    entry.before = entry.after = undefined;
  }

  /**
   * Lets the timer go if nothing is left to expire, and nothing is added within the same task of the
   * event loop. Called when the caller is done adding.
   */
  rest(): void {
    if (this.#first || this.#timer === undefined || this.#patience > 0) return;
    this.#patience = PATIENCE;
    queueMicrotask(this.#wait);
  }

  clear(): void {
    this.#disarm();
    this.#first = this.#last = undefined;
  }

  /** For the first to expire. It is not moved when that one settles: firing early only looks again. */
  #arm(): void {
    this.#disarm();
    const delay = Math.ceil(this.#first!.deadline - performance.now());
    // Rounding must not make it longer than platforms can wait.
    this.#timer = setTimeout(() => this.#fire(), Math.min(Math.max(delay, 0), this.#duration));
    // Deno runs microtasks within the first call of a timer function: all may have settled in there.
    this.rest();
  }

  #disarm(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #fire(): void {
    this.#timer = undefined;
    const now = performance.now();
    while (this.#first && this.#first.deadline <= now) {
      const entry = this.#first as E;
      this.remove(entry);
      this.#expire(entry);
    }
    // What was started meanwhile armed a timer of its own, for later than the first.
    if (this.#first) this.#arm();
    else this.clear();
  }
}
