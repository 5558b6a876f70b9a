import type { Rule } from "../shared/options.ts";
import { TimeoutEntry } from "../shared/timeout_queue.ts";

/**
 * Gathers items into batches of your own making: go-zero's `TaskContainer`.
 *
 * The library asks `fits` before each `add`, once unless the item had to wait for room, takes what is
 * held before an item that does not fit, and never takes from a collector of size 0. A throw in any
 * of these errors the stream or sink, but one in `fits` of a sink's collector is told to who brought the item.
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
  /**
   * Adds an item. What it does to its own sink meanwhile comes before that item, items that it pushes
   * or submits and a flush alike: do it before `item` is kept.
   */
  add(item: T): void;
  /** Hands over what is held, and is empty. */
  take(): B;
}

/** One that takes many at once. */
export interface BulkCollector<T> {
  /** Whoever gives them keeps no hold of the array. */
  addAll(items: T[]): void;
}

/** What a factory has to return. */
export const COLLECTOR: Rule = [
  "object",
  "be a function that returns a Collector",
  (made: Partial<Collector<never, unknown>> | null) =>
    typeof made?.add === "function" && typeof made.take === "function",
];

/** Calls `lingered` of a batch when it has lingered long enough. */
export interface LingerClock {
  /** How long the first item of a batch may wait, in milliseconds. */
  readonly duration: number;
  /** The time, in milliseconds. */
  readonly now: number;
  /** Starts, for a batch whose first item came at `openedAt`, by `now`. */
  add(batch: BatchBuffer<never, unknown>, openedAt: number): void;
  /** Stops, if it runs. */
  remove(batch: BatchBuffer<never, unknown>): void;
}

/** Nothing is added to it, and nothing taken. */
const EMPTY = { size: 0, full: false } as Collector<unknown, never>;

/** One open batch. It knows when it is full or due; whether anybody wants it now, its owner knows. */
export class BatchBuffer<T, B> extends TimeoutEntry {
  private collector: Collector<T, B>;
  private readonly clock: LingerClock;
  readonly #onDue: () => void;

  /** Items in the open batch. (A collector may count otherwise: it may merge them.) */
  held = 0;
  /** The batch has lingered long enough, is full, was flushed, or an item did not fit. */
  due = false;
  #openedAt = 0;
  #yielding = false;

  /** `onDue` is called when time has made the batch due. */
  constructor(collector: Collector<T, B>, clock: LingerClock, onDue: () => void) {
    super();
    this.collector = collector;
    this.clock = clock;
    this.#onDue = onDue;
  }

  get full(): boolean {
    return this.collector.full;
  }

  /** Whether there is no batch to take: a collector may have swallowed what was added. */
  get empty(): boolean {
    return this.collector.size === 0;
  }

  /** Whether `item` may join what is held. Asked once for each item, because a weight is taken here. */
  fits(item: T): boolean {
    return this.collector.fits?.(item) ?? true;
  }

  /** Whether what is held goes out before an item that fits, or does not. */
  goesBefore(fits: boolean): boolean {
    return this.held > 0 && (!fits || this.full);
  }

  add(item: T): void {
    this.collector.add(item);
    if (this.held++ === 0 && this.clock.duration < Infinity) this.#open();
  }

  /** Adds them all: they fit, and the collector is our own. */
  addAll(items: T[]): void {
    (this.collector as unknown as BulkCollector<T>).addAll(items);
    if (this.held === 0 && this.clock.duration < Infinity) this.#open();
    this.held += items.length;
  }

  /** The batch is due, whatever the clock says. */
  makeDue(): void {
    this.due = true;
    this.clock.remove(this);
  }

  /** The batch has lingered long enough. */
  lingered(): void {
    this.makeDue();
    this.#onDue();
  }

  /** Hands over the batch. If the collector throws, nothing has changed. */
  take(): B {
    const batch = this.collector.take();
    this.reset();
    return batch;
  }

  /** Forgets the batch and stops its clock. */
  reset(): void {
    this.held = 0;
    this.due = false;
    this.clock.remove(this);
  }

  /** As `reset`, for good: lets go of the collector, which still holds the items. */
  end(): void {
    this.collector = EMPTY;
    this.reset();
  }

  /** The clock starts when the code that adds items yields: a batch that fills at once never has a timer. */
  #open(): void {
    const { duration } = this.clock;
    if (duration > 0) this.#openedAt = this.clock.now;
    if (this.#yielding) return;
    this.#yielding = true;
    queueMicrotask(() => {
      this.#yielding = false;
      if (this.held === 0 || this.due) return;
      if (duration > 0) this.clock.add(this, this.#openedAt);
      else this.lingered();
    });
  }
}
