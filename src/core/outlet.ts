import { Batcher, type Collector } from "./batcher.ts";
import { Deferred } from "./promises.ts";
import { follow, type Follower, unfollow } from "./signals.ts";

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

/** Where batches go: the controller of a readable stream. */
export interface Target<B> {
  enqueue(batch: B): void;
  close(): void;
  error(reason: unknown): void;
}

/**
 * Hands batches to a consumer that asks for them. One batch is held at the most: an item that comes
 * while it is full waits outside.
 */
export class Outlet<T, B> implements Follower {
  readonly #batcher: Batcher<T, B>;
  #target: Target<B> | undefined;
  /** Tells whoever feeds this that it has failed. */
  #onErrored: ((reason: unknown) => void) | undefined;
  #signal: AbortSignal | undefined;

  #state: "open" | "closing" | "closed" | "errored" = "open";
  #error: unknown;
  /** The consumer waits for a batch. */
  #demand = false;
  /** The item that waits outside. */
  #parked: { readonly item: T } | undefined;
  /** Settles when the batch that is held has been handed over. */
  #taken: Deferred<void> | undefined;
  #done = 0;
  #discarded = 0;
  #batches = 0;

  constructor(collector: Collector<T, B>, linger: number) {
    this.#batcher = new Batcher(collector, linger, () => this.#emitIfReady());
  }

  /** Both ends are there. */
  connect(
    target: Target<B>,
    onErrored: (reason: unknown) => void,
    signal: AbortSignal | undefined,
  ): void {
    this.#target = target;
    this.#onErrored = onErrored;
    this.#signal = signal;
    if (signal?.aborted) this.fail(signal.reason);
    else if (signal) follow(signal, this);
  }

  get stats(): BatchStats {
    const waiting = this.#batcher.held;
    const [done, discarded, batches] = [this.#done, this.#discarded, this.#batches];
    return { accepted: waiting + done + discarded, waiting, done, discarded, batches };
  }

  /** Takes the item now, or returns when it will have been taken. Throws what the collector throws. */
  offer(item: T): Promise<void> | undefined {
    try {
      const fits = this.#batcher.fits(item);
      if (!fits && this.#state === "open") {
        this.#batcher.expire();
        if (!this.#demand) {
          this.#parked = { item };
          return this.#whenTaken();
        }
        this.#emit();
      }
      if (this.#state !== "errored") this.#add(item);
    } catch (error) {
      this.fail(error);
    }
    // Also where the collector, which is user code, has cancelled the stream.
    if (this.#state === "errored") throw this.#error;
  }

  /** Where a full batch is held: settles when it has been handed over. */
  room(): Promise<void> | undefined {
    return this.#batcher.full && !this.#batcher.empty ? this.#whenTaken() : undefined;
  }

  /** The consumer asks for a batch. */
  request(): void {
    this.#demand = true;
    this.#emitIfReady();
  }

  /** What is held is due now. */
  flush(): void {
    if (this.#batcher.held === 0) return;
    this.#batcher.expire();
    this.#emitIfReady();
  }

  /** Nothing more comes: the rest goes out, and then the end. */
  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#batcher.expire();
    if (this.#batcher.held === 0) this.#finish();
    else this.#emitIfReady();
  }

  /** Gives up what is held and errors both ends with the very reason. */
  fail(reason: unknown): void {
    if (this.#state === "closed" || this.#state === "errored") return;
    this.#state = "errored";
    this.#error = reason;
    this.dismiss(reason);
    this.#release();
    this.#target!.error(reason);
    this.#onErrored!(reason);
  }

  /** Turns away the item that waits outside. */
  dismiss(reason: unknown): void {
    this.#parked = undefined;
    this.#taken?.reject(reason);
    this.#taken = undefined;
  }

  signalAborted(reason: unknown): void {
    this.fail(reason);
  }

  #add(item: T): void {
    this.#batcher.add(item);
    // Cancelled by the collector: the item is turned away, and was not accepted.
    if (this.#state === "errored") this.#batcher.reset();
    else if (this.#batcher.full) {
      this.#batcher.expire();
      if (this.#demand) this.#emit();
    }
  }

  #emitIfReady(): void {
    if (!this.#demand || !this.#batcher.due) return;
    try {
      this.#emit();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Hands over the batch, and lets in the item that waits outside. */
  #emit(): void {
    // In this order: the collector may cancel the stream when it is asked, and then nothing is held.
    const { empty, held } = this.#batcher;
    if (empty) {
      // The collector has swallowed everything: there is no batch to hand over.
      this.#done += this.#batcher.reset();
    } else {
      const batch = this.#take(held);
      if (this.#state === "errored") return;
      this.#done += held;
      this.#batches++;
      this.#demand = false;
      this.#target!.enqueue(batch);
    }
    if (this.#state === "closing") this.#finish();
    const parked = this.#parked;
    this.#parked = undefined;
    if (parked) this.#add(parked.item);
    this.#taken?.resolve();
    this.#taken = undefined;
  }

  #take(held: number): B {
    let taken = false;
    try {
      const batch = this.#batcher.take();
      taken = this.#state !== "errored";
      return batch;
    } finally {
      if (!taken) this.#discarded += held;
    }
  }

  #finish(): void {
    this.#state = "closed";
    this.#release();
    this.#target!.close();
  }

  #release(): void {
    this.#discarded += this.#batcher.reset();
    if (this.#signal) unfollow(this.#signal, this);
  }

  #whenTaken(): Promise<void> {
    return (this.#taken ??= new Deferred()).promise;
  }
}
