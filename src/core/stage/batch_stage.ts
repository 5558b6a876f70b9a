import { BatchBuffer, type Collector, type LingerClock } from "../batch/batch_buffer.ts";
import { type DeadlineHost, DeadlineTimer } from "../shared/deadline_timer.ts";
import type { Stage, StageController } from "./stage.ts";

/** What `stats` shows of a batching stream: every accepted item is in exactly one of the next three. */
export interface BatchStats {
  /** Items that were written and taken. */
  readonly accepted: number;
  /** Items held in the open batch. */
  readonly waiting: number;
  /** Items handed to the consumer. */
  readonly done: number;
  /** Items given up by a cancel, an abort or an error. */
  readonly discarded: number;
  /** Batches handed to the consumer. */
  readonly batches: number;
}

/** Gathers items into batches, hands one over when the consumer asks, and holds one at the most. */
export class BatchStage<T, B> implements Stage<T>, LingerClock, DeadlineHost {
  readonly duration: number;
  readonly #controller: StageController<T, B>;
  readonly #buffer: BatchBuffer<T, B>;
  readonly #timer: DeadlineTimer = new DeadlineTimer(this);
  /** When the open batch is due; `Infinity` while its clock does not run. */
  deadline: number = Infinity;
  #accepted = 0;
  #done = 0;
  #discarded = 0;
  #batches = 0;
  /** The collector is asked for its batch: what it does to this stream meanwhile comes after. */
  #taking = false;
  /** The items of the open batch, if somebody is told of those that are given up. */
  #items: T[] | undefined;

  constructor(controller: StageController<T, B>, collector: Collector<T, B>, linger: number) {
    this.duration = linger;
    this.#controller = controller;
    if (controller.discard) this.#items = [];
    this.#buffer = new BatchBuffer(collector, this, controller.advance);
  }

  get stats(): BatchStats {
    const [accepted, done, discarded] = [this.#accepted, this.#done, this.#discarded];
    const waiting = accepted - done - discarded;
    return { accepted, waiting, done, discarded, batches: this.#batches };
  }

  /** What is held is due now. */
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
    // Cancelled by the collector: the item is turned away, and was not accepted.
    if (controller.errored) {
      buffer.reset();
      return false;
    }
    this.#accepted++;
    this.#items?.push(item);
    if (buffer.full) buffer.lingered();
    return true;
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
    this.#timer.clear();
    return true;
  }

  abort(reason: unknown): void {
    this.#buffer.end();
    this.#timer.clear();
    this.#discarded = this.#accepted - this.#done;
    const items = this.#items;
    this.#items = undefined;
    if (items) this.#controller.discard!(items, reason);
  }

  // For the batch, and for the timer.

  get now(): number {
    return this.#timer.now;
  }

  add(_batch: unknown, openedAt: number): void {
    this.deadline = openedAt + this.duration;
    this.#timer.update();
  }

  remove(): void {
    this.deadline = Infinity;
    this.#timer.update();
  }

  onDeadline(): void {
    this.#buffer.lingered();
  }

  #handOver(): void {
    const controller = this.#controller;
    const buffer = this.#buffer;
    // In this order: the collector may cancel the stream when it is asked, and then nothing is held.
    const { empty, held } = buffer;
    let batch: B | undefined;
    if (empty) {
      // The collector has swallowed everything: there is no batch to hand over.
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
