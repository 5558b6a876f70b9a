import { BatchBuffer, type LingerClock } from "../batch/batch_buffer.ts";
import type { BatchLimits } from "../batch/item_collector.ts";
import { isThenable } from "../shared/promises.ts";
import type { Stage, StageController } from "./stage.ts";

/**
 * What `stats` of a batching stream shows. Every accepted item is in exactly one of the next three.
 */
export interface BatchStats {
  /** Items that were written and taken. */
  readonly accepted: number;
  /** Items in the open batch. */
  readonly waiting: number;
  /** Items handed to the consumer. */
  readonly done: number;
  /** Items that a cancel, an abort or an error has discarded. */
  readonly discarded: number;
  /** Batches handed to the consumer. */
  readonly batches: number;
}

/**
 * Setting and clearing a timer costs more than handling a hundred items, and a fast producer opens
 * the next batch within a few microtasks. So an idle timer waits for that many microtasks before it
 * is cleared.
 */
const IDLE_TICKS = 8;

/**
 * Gathers items into batches, and hands one over when the consumer asks. It holds at most one
 * batch.
 */
export class BatchStage<T, B> implements Stage<T>, LingerClock {
  readonly duration: number;
  readonly #controller: StageController<T, B>;
  readonly #buffer: BatchBuffer<T, B>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the open batch is due; `Infinity` while its clock does not run. */
  #deadline = Infinity;
  /** The deadline that the timer is set for, and the deadline of the last timer that fired. */
  #setFor = Infinity;
  #fired = 0;
  /** For how many more microtasks the idle timer waits for a batch. */
  #ticks = 0;
  #accepted = 0;
  #done = 0;
  #discarded = 0;
  #batches = 0;
  /**
   * Whether the collector is making its batch. What it does to this stream meanwhile comes after
   * that.
   */
  #taking = false;
  /** The items of the open batch, if `onDiscard` must get the discarded ones. */
  #items: T[] | undefined;

  readonly #bulk: number;

  constructor(controller: StageController<T, B>, limits: BatchLimits<T, B>, linger: number) {
    this.duration = linger;
    this.#bulk = limits.bulk;
    this.#controller = controller;
    if (controller.discard) this.#items = [];
    this.#buffer = new BatchBuffer(limits.collect(), this, controller.advance);
  }

  get stats(): BatchStats {
    const [accepted, done, discarded] = [this.#accepted, this.#done, this.#discarded];
    const waiting = accepted - done - discarded;
    return { accepted, waiting, done, discarded, batches: this.#batches };
  }

  /** Makes the waiting items due now. */
  flush(): void {
    if (this.#buffer.held > 0) this.#buffer.lingered();
  }

  get full(): boolean {
    return this.#buffer.full && !this.#buffer.empty;
  }

  write(item: T, again: boolean): boolean {
    const controller = this.#controller;
    const buffer = this.#buffer;
    if (!again && buffer.goesBefore(buffer.fits(item))) {
      // The collector is user code, and may have cancelled the stream.
      if (controller.errored) return false;
      buffer.makeDue();
      if (!controller.pullRequested) return false;
      this.#handOver();
    }
    if (controller.errored) return false;
    buffer.add(item);
    // The collector has cancelled the stream: the item is refused and was not accepted.
    if (controller.errored) {
      buffer.reset();
      return false;
    }
    this.#accepted++;
    this.#items?.push(item);
    if (buffer.full) buffer.lingered();
    return true;
  }

  writeAll(page: readonly T[], from: number, raw: boolean): number {
    const buffer = this.#buffer;
    const most = Math.min(from + this.#bulk - buffer.held, page.length);
    let to = from;
    while (to < most && !(raw && isThenable(page[to]))) to++;
    const count = to - from;
    if (count > 0) {
      const items = page.slice(from, to);
      this.#accepted += count;
      if (this.#items) { for (const item of items) this.#items.push(item); }
      buffer.addAll(items);
      if (buffer.full) buffer.lingered();
    }
    return count;
  }

  pull(): void {
    if (this.#taking) return;
    const controller = this.#controller;
    if (this.#buffer.held > 0) {
      if (controller.pullRequested && this.#buffer.due) this.#handOver();
    } else if (controller.closeRequested) controller.finish();
  }

  close(): boolean {
    this.#buffer.makeDue();
    this.#clear();
    return true;
  }

  abort(reason: unknown): void {
    this.#buffer.end();
    this.#clear();
    this.#discarded = this.#accepted - this.#done;
    const items = this.#items;
    this.#items = undefined;
    if (items) this.#controller.discard!(items, reason);
  }

  // For the batch: one timer, for each open batch in turn.

  /**
   * `performance.now()`, or the deadline of the last timer that fired, if that is later. A test may
   * fake the timers and not the clock, and real timers fire up to a millisecond early.
   */
  get now(): number {
    return Math.max(performance.now(), this.#fired);
  }

  add(_batch: unknown, openedAt: number): void {
    this.#deadline = openedAt + this.duration;
    this.#update();
  }

  remove(): void {
    this.#deadline = Infinity;
    this.#update();
  }

  #update(): void {
    // A timer that is set for an earlier batch fires early, and looks again.
    if (this.#deadline < this.#setFor) {
      this.#setFor = this.#deadline;
      // Rounding must not make it longer than platforms can wait.
      const delay = Math.ceil(Math.min(this.#deadline - this.now, this.duration));
      this.#timer = setTimeout(this.#fire, Math.max(delay, 0));
    }
    // This asks again, because some hosts run microtasks during the first call of a timer function.
    if (this.#setFor < this.#deadline && !this.#ticks) {
      this.#ticks = IDLE_TICKS;
      queueMicrotask(this.#tick);
    }
  }

  readonly #fire = (): void => {
    this.#fired = this.#setFor;
    this.#setFor = Infinity;
    if (this.#deadline <= this.now) this.#buffer.lingered();
    this.#update();
  };

  readonly #tick = (): void => {
    if (this.#deadline < Infinity) this.#ticks = 0;
    else if (--this.#ticks) queueMicrotask(this.#tick);
    else this.#clear();
  };

  #clear(): void {
    // `clearTimeout(undefined)` is harmless; only the types of Workers refuse it.
    clearTimeout(this.#timer!);
    this.#setFor = Infinity;
  }

  #handOver(): void {
    const controller = this.#controller;
    const buffer = this.#buffer;
    // Read first, because `take` may cancel the stream, and then the buffer is empty.
    const { empty, held } = buffer;
    let batch: B | undefined;
    if (empty) {
      // The collector has swallowed all items: there is no batch to hand over.
      buffer.reset();
    } else {
      this.#taking = true;
      batch = buffer.take();
      this.#taking = false;
      if (controller.errored) return;
      this.#batches++;
    }
    this.#done += held;
    this.#items &&= [];
    if (!empty) controller.enqueue(batch as B);
    if (controller.closeRequested) controller.finish();
    else controller.ready();
  }
}
