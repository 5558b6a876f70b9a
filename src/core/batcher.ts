import { Deadlines, type Expiring } from "./deadlines.ts";
import { complaint } from "./options.ts";

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

/** Calls the factory, and checks what it returns. */
export function makeCollector<T, B>(
  owner: string,
  factory: () => Collector<T, B>,
): Collector<T, B> {
  const made = factory();
  if (typeof made?.add !== "function" || typeof made.take !== "function") {
    throw new TypeError(complaint(owner, "collector", "a function that returns a Collector", made));
  }
  return made;
}

/** The linger of batches: one timer over all of them, and none where nothing is waited for. */
export class Linger {
  readonly duration: number;
  readonly #deadlines: Deadlines<Batcher<never, unknown>> | undefined;

  constructor(duration: number) {
    this.duration = duration;
    if (duration > 0 && duration < Infinity) {
      this.#deadlines = new Deadlines(duration, (batcher) => batcher.ring());
    }
  }

  start(batcher: Batcher<never, unknown>, openedAt: number): void {
    if (this.#deadlines) this.#deadlines.add(batcher, openedAt);
    else batcher.ring();
  }

  stop(batcher: Batcher<never, unknown>): void {
    this.#deadlines?.remove(batcher);
    this.#deadlines?.rest();
  }

  /** For good. */
  end(): void {
    this.#deadlines?.clear();
  }
}

/** Nothing is added to it, and nothing taken. */
const EMPTY = { size: 0, full: false } as Collector<unknown, never>;

/**
 * One open batch. It knows when it is full or due; whether anybody wants it now, its owner knows.
 */
export class Batcher<T, B> implements Expiring {
  deadline = 0;
  before: Expiring | undefined;
  after: Expiring | undefined;

  #collector: Collector<T, B>;
  readonly #linger: Linger;
  readonly #onDue: () => void;

  /** Items in the open batch. (A collector may count otherwise: it may merge them.) */
  held = 0;
  /** The batch has lingered long enough, is full, was flushed, or an item did not fit. */
  due = false;
  #openedAt = 0;
  #yielding = false;

  constructor(collector: Collector<T, B>, linger: Linger, onDue: () => void) {
    this.#collector = collector;
    this.#linger = linger;
    this.#onDue = onDue;
  }

  get full(): boolean {
    return this.#collector.full;
  }

  /** Whether there is no batch to take: a collector may have swallowed what was added. */
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
    if (this.held++ === 0 && this.#linger.duration !== Infinity) this.#open();
  }

  /** The batch is due, whatever the clock says. */
  expire(): void {
    this.due = true;
    this.#linger.stop(this);
  }

  /** The batch has lingered long enough. */
  ring(): void {
    this.due = true;
    this.#onDue();
  }

  /** Hands over the batch. Where the collector throws, nothing has changed. */
  take(): B {
    const batch = this.#collector.take();
    this.reset();
    return batch;
  }

  /** Forgets the batch and stops its clock; returns how many items that were. */
  reset(): number {
    const { held } = this;
    this.held = 0;
    this.due = false;
    this.#linger.stop(this);
    return held;
  }

  /** As `reset`, for good: lets go of the collector, which still holds the items. */
  end(): number {
    this.#collector = EMPTY;
    const held = this.reset();
    this.#linger.end();
    return held;
  }

  /** The clock starts when the code that adds items yields: a batch that fills at once never has a timer. */
  #open(): void {
    if (this.#linger.duration > 0) this.#openedAt = performance.now();
    if (this.#yielding) return;
    this.#yielding = true;
    queueMicrotask(() => {
      this.#yielding = false;
      if (this.held > 0 && !this.due) this.#linger.start(this, this.#openedAt);
    });
  }
}
