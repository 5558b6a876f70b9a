import { describe } from "../shared/describe.ts";
import { markHandled, reportUncaught } from "../shared/promises.ts";
import { type Abortable, offAbort, onAbort, type SinkController } from "../shared/signals.ts";
import { Pump, type PumpHost, type Source } from "../shared/source.ts";
import type { Consumer } from "./stage_iterator.ts";
import { deleteInlet, type Inlet, setInlet } from "../shared/inlets.ts";
import type { Outlet } from "./pipe.ts";
import { closeShort, type openShort } from "./short_ways.ts";

/**
 * What a transform makes of its items, in the verbs of the standard: an underlying sink and an
 * underlying source in one.
 */
export interface Stage<T> {
  /** Whether nothing more can be taken before something has been handed over. */
  readonly full: boolean;
  /**
   * Takes `item`; or returns false, and is given it `again` when it has called `ready`. Then it has
   * room. Where it throws, or user code in it ends the stream before the item is taken, it has not
   * taken it.
   */
  write(item: T, again: boolean): boolean;
  /** Hands over what it can: the consumer asks, or nothing more comes. May throw. */
  pull(): void;
  /** Nothing more comes. Returns whether the writable side closes now; else `ready` closes it. */
  close(): boolean;
  /** The end with an error, which both sides have by now: lets go of what is held and at work. */
  abort(reason: unknown): void;
  /** As that of a host of a pump. */
  readonly writeAll?: PumpHost<T>["writeAll"];
  /** Whether `pull` may be called inside of user code that the stage has called. */
  readonly reentrant?: true;
}

/** Options of all, checked. */
interface StageOptions {
  readonly signal?: AbortSignal | undefined;
  /** Of `from`. */
  readonly flatten?: boolean | undefined;
}

/** Tells of items that are given up, and why they are. */
export type Discard<T> = (items: T[], reason: unknown) => void;

/** Tells `onDiscard`, if there is one. */
export function discarding<T>(
  onDiscard: ((items: T[], reason: unknown) => unknown) | undefined,
): Discard<T> | undefined {
  return onDiscard && ((items, reason) => {
    try {
      if (items.length > 0) onDiscard(items, reason);
    } catch (thrown) {
      reportUncaught(thrown);
    }
  });
}

/**
 * Drives a stage between its two sides: one write or close is pending at a time, chunks go out on
 * demand, and both sides end at once. It is the underlying source of the readable side and the
 * underlying sink of the writable one: `start`, `pull`, `cancel`, `write`, `close` and `abort` are the
 * standard's.
 */
export class StageController<T, R, S extends Stage<T> = Stage<T>>
  implements Abortable, PumpHost<T>, Inlet<T>, Outlet<R> {
  /** Of both: not what every object may inherit. */
  readonly type!: never;
  readonly owner: string;
  readonly stage: S;
  readonly #signal: AbortSignal | undefined;
  readonly #flatten: boolean | undefined;
  readonly discard: Discard<T> | undefined;
  readonly #openShort: typeof openShort | undefined;
  readable!: ReadableStream<R>;
  writable!: WritableStream<T>;
  /** Of the readable side. */
  consumer!: Consumer<R>;
  /** Who writes: the writable side, or what reads a source. */
  #producer!: Abortable;
  /** Of `from`. */
  #pump: Pump<T> | undefined;
  /** The consumer has asked. */
  begun = false;

  /** Nothing more is written: the rest goes out, on demand. */
  closeRequested = false;
  /** All has gone out. */
  closed = false;
  /**
   * It has ended early, or is about to: when the producer aborts, the stream says so only when the write
   * in flight is over. Nothing more is taken, begun or handed over, whatever comes.
   */
  errored = false;
  #storedError: unknown;
  /** What comes after the rest, instead of the end. */
  #failure: { readonly error: unknown } | undefined;
  /** The consumer asks for a chunk, and has not been given one. */
  pullRequested = false;
  /** Settles the write, or the close, that waits for `ready`. */
  #pending: (() => void) | undefined;

  constructor(
    make: (controller: StageController<T, R>) => S,
    owner: string,
    { signal, flatten }: StageOptions,
    discard?: Discard<T> | undefined,
    short?: typeof openShort,
  ) {
    this.owner = owner;
    this.#signal = signal;
    this.#flatten = flatten;
    this.discard = discard;
    this.#openShort = short;
    this.stage = make(this as never);
  }

  /** Makes the two sides that a transform gives, and has it shown without them. */
  open(transform: { readonly stats: object }): this {
    describe(transform, this.owner);
    // Else the platform would read what every object may inherit.
    const size = undefined as never;
    this.writable = new WritableStream<T>(this, { highWaterMark: 1, size });
    setInlet(this.writable, this);
    this.#openReadable();
    return this;
  }

  /** Makes a readable side of what comes of a source; it is read on demand only. */
  from(source: Source<T> | Source<readonly T[]>): ReadableStream<R> {
    this.#producer = this.#pump = new Pump(`${this.owner}.from`, source, this, this.#flatten);
    return this.#openReadable();
  }

  #openReadable(): ReadableStream<R> {
    const strategy = { highWaterMark: 0, size: undefined as never };
    return this.readable = this.#openShort?.(this, strategy) ??
      new ReadableStream<R>(this, strategy);
  }

  // For the sides.

  start(side: ReadableStreamDefaultController<R> | WritableStreamDefaultController): void {
    if ("enqueue" in side) {
      this.consumer = side;
      onAbort(this.#signal, this);
    } else {
      const { signal } = this.#producer = side as SinkController;
      signal.addEventListener("abort", () => this.#onAbort(signal.reason));
    }
  }

  /** Takes the item now, or returns when it will have been taken, or cannot be. */
  write(item: T): Promise<void> | undefined {
    if (!this.#take(item, false)) return this.#takeLater(item);
  }

  writeAll(page: readonly T[], from: number, raw: boolean): number | undefined {
    return this.stage.writeAll?.(page, from, raw);
  }

  get full(): boolean {
    try {
      return this.stage.full;
    } catch (error) {
      this.error(error);
      return false;
    }
  }

  whenRoom(resume: () => void): void {
    this.#pending = resume;
  }

  /** What is held goes out in the next microtask: the producer that has just written it may abort. */
  pull(): void {
    queueMicrotask(this.advance);
    this.request();
  }

  /** What is held may go out at once: no producer writes it, who may abort in this turn. */
  get eager(): boolean {
    return this.#pump !== undefined && this.stage.reentrant === true;
  }

  /** An iterator asks. */
  ask(): void {
    this.request();
    if (this.eager) this.advance();
    else queueMicrotask(this.advance);
  }

  /** A chunk is wanted. */
  request(): void {
    this.pullRequested = true;
    if (this.begun) return;
    this.begun = true;
    if (!this.#pump) return;
    // What was read before the source failed goes out before its error.
    markHandled(this.#pump.run().then(() => this.close(), (error) => this.close({ error })));
  }

  cancel(reason: unknown): Promise<void> | undefined {
    const cancelled = this.#pump?.cancel(reason);
    this.error(reason);
    return cancelled;
  }

  /** Of the writable side, for a pipe. */
  get ending(): boolean {
    return this.errored || this.closeRequested;
  }

  /** Nothing more comes: the rest goes out, and then the end, or the failure. */
  close(failure?: { readonly error: unknown }): Promise<void> | undefined {
    if (this.errored) return;
    this.closeRequested = true;
    this.#failure = failure;
    const closed = this.stage.close();
    this.advance();
    if (!closed || this.errored) return this.#wait();
  }

  /** The producer aborts. What is pending would hold that up: the stream calls `abort` only after it. */
  #onAbort(reason: unknown): void {
    const { closeRequested } = this;
    // All that was written is on its way: the writable side closes just now.
    if (this.errored || (closeRequested && !this.#pending)) return;
    this.#refuse(reason);
    // After a close it does not. Not at once: Node 22 does not bear it inside its own abort.
    if (closeRequested) queueMicrotask(() => this.abort(reason));
  }

  /** The end of both sides. Its reason is that of before, but for an abort without one. */
  abort(reason: unknown): void {
    this.#refuse(reason);
    this.#leave();
    this.consumer.error(reason);
    this.#producer.error(reason);
    // User code from here on: all that it can see is as it will be.
    this.stage.abort(reason);
  }

  // For the stage.

  /** Something has changed: the stage hands over what it can. */
  readonly advance = (): void => {
    if (this.errored) return;
    try {
      this.stage.pull();
    } catch (error) {
      this.error(error);
    }
  };

  /** Hands over a chunk. The consumer may ask for the next one before this returns. */
  enqueue(chunk: R): void {
    this.pullRequested = false;
    this.consumer.enqueue(chunk);
  }

  /** There is room: what is pending goes in. Or it never will be. */
  ready(): void {
    const settle = this.#pending;
    this.#pending = undefined;
    settle?.();
  }

  /** All has been handed over. */
  finish(): void {
    if (this.#failure) return this.error(this.#failure.error);
    this.closed = true;
    this.#leave();
    this.consumer.close();
  }

  /** Nothing refers to it that outlives it. */
  #leave(): void {
    offAbort(this.#signal, this);
    closeShort(this.readable);
    deleteInlet(this.writable);
  }

  /** Ends both sides with the very reason. The first one counts. */
  error(reason: unknown): void {
    if (!this.errored && !this.closed) this.abort(reason);
  }

  /** From here on nothing is taken: what is pending is told. */
  #refuse(reason: unknown): void {
    this.errored = true;
    this.#storedError = reason;
    this.ready();
  }

  /** Whether the stage has taken the item: then it is accepted, even if user code has ended the stream. */
  #take(item: T, again: boolean): boolean {
    try {
      return this.stage.write(item, again);
    } catch (error) {
      this.error(error);
      return false;
    }
  }

  #takeLater(item: T): Promise<void> {
    return this.#wait(() => this.#take(item, true));
  }

  /** Settles when `ready` is called; rejects at an end that comes before, or has come. */
  #wait(retry: () => boolean = () => true): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending = () => !this.errored && retry() ? resolve() : reject(this.#storedError);
      if (this.errored) this.ready();
    });
  }
}

// What every transform extends, so that it is an instance; the two sides that it inherits are never
// used. A constant, since a bundler keeps a class that extends a global.
export const /** @internal */ TransformBase: typeof TransformStream =
  /* @__PURE__ */ (() => TransformStream)();
