import { describe } from "../shared/describe.ts";
import { markHandled, reportUncaught } from "../shared/promises.ts";
import { type Abortable, offAbort, onAbort, type SinkController } from "../shared/signals.ts";
import { Pump, type PumpHost, type Source } from "../shared/source.ts";
import type { Consumer } from "./stage_iterator.ts";
import { deleteInlet, type Inlet, setInlet } from "../shared/inlets.ts";
import type { Outlet } from "./pipe.ts";
import { closeShort, type openShort } from "./short_ways.ts";

/**
 * What a transform does with its items, in the terms of the standard: an underlying sink and an
 * underlying source in one.
 */
export interface Stage<T> {
  /** Whether the stage must hand something over before it can take another item. */
  readonly full: boolean;
  /**
   * Takes `item` and returns true, or returns false because it has no room. After false, the stage
   * calls `ready` when it has room, and then gets the same item with `again`. If `write` throws, or
   * if user code in it ends the stream before the item is taken, the item is not taken.
   */
  write(item: T, again: boolean): boolean;
  /** Hands over what it can, because the consumer asks or because no more items come. May throw. */
  pull(): void;
  /**
   * No more items come. Returns whether the writable side closes now; if not, `ready` closes it.
   */
  close(): boolean;
  /**
   * The stream has ended with an error, which both sides have already. Discards the waiting items
   * and stops the running work.
   */
  abort(reason: unknown): void;
  /** Takes many items of a page at once: see `writeAll` of `PumpHost`. */
  readonly writeAll?: PumpHost<T>["writeAll"];
  /** Whether user code that the stage calls may cause a call of `pull`. */
  readonly reentrant?: true;
}

/** The options of every transform, checked. */
interface StageOptions {
  readonly signal?: AbortSignal | undefined;
  /** Only for `from`. */
  readonly flatten?: boolean | undefined;
}

/** Gets the discarded items and the reason. */
export type Discard<T> = (items: T[], reason: unknown) => void;

/** Calls `onDiscard`, if there is one. */
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
 * Drives a stage between its two sides. At most one write or close is pending at a time, chunks go
 * out on demand, and both sides end together. It is the underlying source of the readable side and
 * the underlying sink of the writable side: `start`, `pull`, `cancel`, `write`, `close` and `abort`
 * are those of the standard.
 */
export class StageController<T, R, S extends Stage<T> = Stage<T>>
  implements Abortable, PumpHost<T>, Inlet<T>, Outlet<R> {
  /** For both sides. Defined here, so that the platform doesn't read an inherited one. */
  readonly type!: never;
  readonly owner: string;
  readonly stage: S;
  readonly #signal: AbortSignal | undefined;
  readonly #flatten: boolean | undefined;
  readonly discard: Discard<T> | undefined;
  readonly #openShort: typeof openShort | undefined;
  readable!: ReadableStream<R>;
  writable!: WritableStream<T>;
  /** The consumer of the readable side. */
  consumer!: Consumer<R>;
  /** The object that writes: the writable side, or the pump of a source. */
  #producer!: Abortable;
  /** Only for `from`. */
  #pump: Pump<T> | undefined;
  /** Whether the consumer has asked for a chunk. */
  begun = false;

  /** Whether no more items come. The rest goes out on demand. */
  closeRequested = false;
  /** Whether everything has gone out. */
  closed = false;
  /**
   * Whether the stage has ended early, or is about to. After an abort of the producer, the stream
   * calls `abort` only when the write in flight is over. Once this is true, the stage takes, starts
   * and hands over nothing.
   */
  errored = false;
  #storedError: unknown;
  /** The error that comes after the rest, instead of the normal end. */
  #failure: { readonly error: unknown } | undefined;
  /** Whether the consumer has asked for a chunk and has not got one. */
  pullRequested = false;
  /** Settles the write or the close that waits for `ready`. */
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

  /**
   * Makes the two sides of a transform, and makes `console.log` show the transform without them.
   */
  open(transform: { readonly stats: object }): this {
    describe(transform, this.owner);
    // Without this, the platform would read a `size` that objects may inherit.
    const size = undefined as never;
    this.writable = new WritableStream<T>(this, { highWaterMark: 1, size });
    setInlet(this.writable, this);
    this.#openReadable();
    return this;
  }

  /** Makes a readable side from a source. It reads the source on demand only. */
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

  /**
   * Takes the item now, or returns a promise that settles when it has taken it or cannot take it.
   */
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

  /**
   * Waiting items go out in the next microtask, because the producer that has just written them may
   * abort.
   */
  pull(): void {
    queueMicrotask(this.advance);
    this.request();
  }

  /**
   * Whether waiting items may go out at once: they come from a source, so no producer can abort in
   * this turn.
   */
  get eager(): boolean {
    return this.#pump !== undefined && this.stage.reentrant === true;
  }

  /** An iterator asks for a chunk. */
  ask(): void {
    this.request();
    if (this.eager) this.advance();
    else queueMicrotask(this.advance);
  }

  /** The consumer asks for a chunk. */
  request(): void {
    this.pullRequested = true;
    if (this.begun) return;
    this.begun = true;
    if (!this.#pump) return;
    // Items that were read before the source failed go out before its error.
    markHandled(this.#pump.run().then(() => this.close(), (error) => this.close({ error })));
  }

  cancel(reason: unknown): Promise<void> | undefined {
    const cancelled = this.#pump?.cancel(reason);
    this.error(reason);
    return cancelled;
  }

  /** The state of the writable side, for a pipe. */
  get ending(): boolean {
    return this.errored || this.closeRequested;
  }

  /** No more items come. The rest goes out, and then the end or the failure. */
  close(failure?: { readonly error: unknown }): Promise<void> | undefined {
    if (this.errored) return;
    this.closeRequested = true;
    this.#failure = failure;
    const closed = this.stage.close();
    this.advance();
    if (!closed || this.errored) return this.#wait();
  }

  /**
   * The producer aborts. The stream calls `abort` only after a pending write or close, so this
   * rejects that now.
   */
  #onAbort(reason: unknown): void {
    const { closeRequested } = this;
    // Every written item is on its way: the writable side is just closing.
    if (this.errored || (closeRequested && !this.#pending)) return;
    this.#refuse(reason);
    // After a close, the stream doesn't call `abort`, so this does. It does so later, because Node
    // 22 fails if it happens inside its own abort.
    if (closeRequested) queueMicrotask(() => this.abort(reason));
  }

  /**
   * Ends both sides. The reason is the one that `#onAbort` got, except after an abort without a
   * reason.
   */
  abort(reason: unknown): void {
    this.#refuse(reason);
    this.#leave();
    this.consumer.error(reason);
    this.#producer.error(reason);
    // From here on user code runs: all the state that it can see is final.
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

  /** Settles the pending write or close, because there is room or because there never will be. */
  ready(): void {
    const settle = this.#pending;
    this.#pending = undefined;
    settle?.();
  }

  /** Everything has been handed over. */
  finish(): void {
    if (this.#failure) return this.error(this.#failure.error);
    this.closed = true;
    this.#leave();
    this.consumer.close();
  }

  /** Removes the references that other, longer-lived objects have to this one. */
  #leave(): void {
    offAbort(this.#signal, this);
    closeShort(this.readable);
    deleteInlet(this.writable);
  }

  /** Ends both sides with exactly this reason. The first reason counts. */
  error(reason: unknown): void {
    if (!this.errored && !this.closed) this.abort(reason);
  }

  /** From here on the stage takes nothing, and the pending write or close rejects. */
  #refuse(reason: unknown): void {
    this.errored = true;
    this.#storedError = reason;
    this.ready();
  }

  /**
   * Whether the stage has taken the item. If it has, the item is accepted, even if user code has
   * ended the stream.
   */
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

  /** Settles when `ready` is called. Rejects if the stream ends before, or has ended. */
  #wait(retry: () => boolean = () => true): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending = () => !this.errored && retry() ? resolve() : reject(this.#storedError);
      if (this.errored) this.ready();
    });
  }
}

// Every transform extends this, so that it is an instance of `TransformStream`. The two sides that
// it inherits are never used. It is a constant, because a bundler does not drop a class that
// extends a global.
export const /** @internal */ TransformBase: typeof TransformStream =
  /* @__PURE__ */ (() => TransformStream)();
