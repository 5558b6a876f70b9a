/** Scheduled calls: a clock, a heap and one timer. */

/** The longest wait that a timer can have, in milliseconds. */
export const LONGEST: number = 2 ** 31 - 1;

interface Entry {
  readonly due: number;
  /** Entries for the same time run in the order in which they were made. */
  readonly order: number;
  readonly run: () => void;
}

/**
 * Runs functions when they are due. It looks up the timer and the clock at each use, so that fake
 * ones work. If a timer fires before the clock shows its time, the timer is right: only the timers
 * are fake then.
 */
export class Timeline {
  readonly #origin = performance.now();
  #skew = 0;
  #now = 0;
  #made = 0;
  #heap: Entry[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #armed = Infinity;

  /** The time since it was made, in milliseconds. It never goes back. */
  get now(): number {
    this.#now = Math.max(this.#now, performance.now() - this.#origin + this.#skew);
    return this.#now;
  }

  /**
   * Runs a function after a time in milliseconds: at most `LONGEST`, or never if it is `Infinity`.
   */
  in(delay: number, run: () => void): void {
    if (delay === Infinity) return;
    this.#add({ due: this.now + delay, order: this.#made++, run });
    this.#arm();
  }

  /** Forgets all scheduled calls. */
  clear(): void {
    this.#heap = [];
    this.#disarm();
  }

  #fire(): void {
    const due = this.#armed;
    this.#disarm();
    this.#skew += Math.max(0, due - this.now);
    for (let [first] = this.#heap; first && first.due <= this.now; [first] = this.#heap) {
      this.#removeFirst();
      first.run();
    }
    this.#arm();
  }

  #arm(): void {
    const due = this.#heap[0]?.due ?? Infinity;
    if (due >= this.#armed) return;
    this.#disarm();
    this.#armed = due;
    this.#timer = setTimeout(() => this.#fire(), Math.ceil(Math.max(0, due - this.now)));
  }

  #disarm(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#armed = Infinity;
  }

  #add(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    for (let above = (at - 1) >> 1; at > 0 && before(entry, heap[above]!); above = (at - 1) >> 1) {
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = entry;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below + 1 < heap.length && before(heap[below + 1]!, heap[below]!)) below++;
      if (below >= heap.length || !before(heap[below]!, last)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
