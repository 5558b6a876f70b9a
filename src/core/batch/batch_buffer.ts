import type { Rule } from "../shared/options.ts";
import { TimeoutEntry } from "../shared/timeout_queue.ts";

/**
 * Gathers items into batches of any kind that you make: it is what go-zero calls a `TaskContainer`.
 *
 * The library calls `fits` before each `add`, once unless the item had to wait for room. If an item
 * does not fit, it calls `take` first. It never calls `take` on a collector of size 0. If one of
 * these throws, the stream or sink errors. There is one exception: if `fits` throws in a sink, the
 * caller that brought the item gets the error.
 *
 * @typeParam T The type of the items.
 * @typeParam B The type of the batches.
 */
export interface Collector<T, B> {
  /** How many items the collector holds now. */
  readonly size: number;
  /** Whether the library must call `take` before it adds another item. */
  readonly full: boolean;
  /**
   * Whether `item` may join the items that the collector holds. Without `fits`, every item does.
   */
  fits?(item: T): boolean;
  /**
   * Adds an item. If `add` uses its own sink, the effects come before `item`: items that it pushes
   * or submits, and also a flush. Do that before you store `item`.
   */
  add(item: T): void;
  /** Returns the batch, and leaves the collector empty. */
  take(): B;
}

/** A collector that takes many items at once. */
export interface BulkCollector<T> {
  /** The caller does not keep the array. */
  addAll(items: T[]): void;
}

/** The rule for the result of a collector factory. */
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
  /** Starts the clock of a batch whose first item came at `openedAt`, by `now`. */
  add(batch: BatchBuffer<never, unknown>, openedAt: number): void;
  /** Stops the clock of a batch, if it runs. */
  remove(batch: BatchBuffer<never, unknown>): void;
}

/** Gets no items, and is never asked for a batch. */
const EMPTY = { size: 0, full: false } as Collector<unknown, never>;

/**
 * One open batch. It knows whether it is full or due. Its owner knows whether the batch may go out
 * now: to a consumer, or to a free worker.
 */
export class BatchBuffer<T, B> extends TimeoutEntry {
  private collector: Collector<T, B>;
  private readonly clock: LingerClock;
  readonly #onDue: () => void;

  /**
   * Items in the open batch. (The `size` of a collector may differ, because it may merge items.)
   */
  held = 0;
  /** Whether the batch has lingered long enough, is full, was flushed, or an item did not fit. */
  due = false;
  #openedAt = 0;
  #yielding = false;

  /** The batch calls `onDue` when time has made it due. */
  constructor(collector: Collector<T, B>, clock: LingerClock, onDue: () => void) {
    super();
    this.collector = collector;
    this.clock = clock;
    this.#onDue = onDue;
  }

  get full(): boolean {
    return this.collector.full;
  }

  /** Whether there is no batch to take, because the collector has swallowed the items. */
  get empty(): boolean {
    return this.collector.size === 0;
  }

  /** Whether `item` may join the batch. Called once for each item, because it weighs the item. */
  fits(item: T): boolean {
    return this.collector.fits?.(item) ?? true;
  }

  /** Whether the batch goes out before an item; `fits` says whether that item fits. */
  goesBefore(fits: boolean): boolean {
    return this.held > 0 && (!fits || this.full);
  }

  add(item: T): void {
    this.collector.add(item);
    if (this.held++ === 0 && this.clock.duration < Infinity) this.#open();
  }

  /** Adds an item to a batch that has some. */
  append(item: T): void {
    this.collector.add(item);
    this.held++;
  }

  /** Adds all items, which fit. The collector must be one of ours. */
  addAll(items: T[]): void {
    (this.collector as unknown as BulkCollector<T>).addAll(items);
    if (this.held === 0 && this.clock.duration < Infinity) this.#open();
    this.held += items.length;
  }

  /** Makes the batch due, regardless of the clock. */
  makeDue(): void {
    this.due = true;
    this.clock.remove(this);
  }

  /** The batch has lingered long enough. */
  lingered(): void {
    this.makeDue();
    this.#onDue();
  }

  /** Takes the batch. If the collector throws, nothing has changed. */
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

  /** Does a last `reset`, and drops the collector, which still holds the items. */
  end(): void {
    this.collector = EMPTY;
    this.reset();
  }

  /**
   * The clock starts when the code that adds items yields: a batch that fills at once never has a
   * timer.
   */
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
