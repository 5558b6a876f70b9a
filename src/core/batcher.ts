/**
 * Gathers items into batches of your own making: go-zero's `TaskContainer`.
 *
 * The library asks `fits` once before each `add`, takes what is held before an item that does not
 * fit, and never takes from a collector of size 0. A throw in any of these errors the stream or sink.
 *
 * @typeParam T The type of the items.
 * @typeParam B The type of the batches.
 */
export interface Collector<T, B> {
  /** How many items are held now. */
  readonly size: number;
  /** Whether what is held must be taken before another item is added. */
  readonly full: boolean;
  /** Whether `item` may join what is held. Without it, everything fits. */
  fits?(item: T): boolean;
  /** Adds an item. */
  add(item: T): void;
  /** Hands over what is held, and is empty. */
  take(): B;
}

/**
 * One open batch and the clock of its linger. It knows when the batch is full or due; whether
 * anybody wants it now, its owner knows.
 */
export class Batcher<T, B> {
  readonly #collector: Collector<T, B>;
  readonly #linger: number;
  readonly #onDue: () => void;

  /** Items in the open batch. (A collector may count otherwise: it may merge them.) */
  held = 0;
  /** The batch has lingered long enough, is full, was flushed, or an item did not fit. */
  due = false;
  #openedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #yielding = false;

  constructor(collector: Collector<T, B>, linger: number, onDue: () => void) {
    this.#collector = collector;
    this.#linger = linger;
    this.#onDue = onDue;
  }

  get full(): boolean {
    return this.#collector.full;
  }

  /** Whether a batch could be taken: a collector may have swallowed what was added. */
  get empty(): boolean {
    return this.#collector.size === 0;
  }

  /** Whether `item` may be added to the open batch. Asked once for each item, also when nothing is held. */
  fits(item: T): boolean {
    // Always asked, because a weight is taken here, and once.
    const fits = this.#collector.fits?.(item) ?? true;
    return this.held === 0 || (fits && !this.#collector.full);
  }

  add(item: T): void {
    this.#collector.add(item);
    if (this.held++ === 0 && this.#linger !== Infinity) this.#open();
  }

  /** The batch is due, whatever the clock says. */
  expire(): void {
    this.due = true;
    this.#stopClock();
  }

  /** Hands over the batch. */
  take(): B {
    this.reset();
    return this.#collector.take();
  }

  /** Forgets the batch and stops its clock; returns how many items that were. */
  reset(): number {
    const { held } = this;
    this.held = 0;
    this.due = false;
    this.#stopClock();
    return held;
  }

  /** The clock starts when the code that adds items yields: a batch that fills at once never has a timer. */
  #open(): void {
    if (this.#linger > 0) this.#openedAt = performance.now();
    if (this.#yielding) return;
    this.#yielding = true;
    queueMicrotask(() => {
      this.#yielding = false;
      if (this.held === 0 || this.due || this.#timer !== undefined) return;
      const left = Math.ceil(this.#linger - (performance.now() - this.#openedAt));
      if (this.#linger === 0) this.#ring();
      else this.#timer = setTimeout(() => this.#ring(), Math.max(left, 0));
    });
  }

  #ring(): void {
    this.#timer = undefined;
    this.due = true;
    this.#onDue();
  }

  #stopClock(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
