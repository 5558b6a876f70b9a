import { describe } from "../shared/describe.ts";
import { Deferred, reportUncaught } from "../shared/promises.ts";
import { type Abortable, offAbort, onAbort, type SinkController } from "../shared/signals.ts";

/**
 * What a transform makes of its items, in the verbs of the standard: an underlying sink and an
 * underlying source in one.
 */
export interface Stage<T> {
  /** Whether nothing more can be taken before something has been handed over. */
  readonly full: boolean;
  /**
   * Takes `item`; or returns false, and is given it again, with `pendingWrite` set, when it has called
   * `ready`. Then it has room. Where it throws, or user code in it ends the stream before the item is
   * taken, it has not taken it.
   */
  write(item: T): boolean;
  /** Hands over what it can: the consumer asks, or nothing more comes. May throw. */
  pull(): void;
  /** Nothing more comes. Returns whether the writable side closes now; else `ready` closes it. */
  close(): boolean;
  /** The end with an error, which both sides have by now: lets go of what is held and at work. */
  abort(reason: unknown): void;
}

/** Who is told of items that are given up, and why they are. */
export type OnDiscard<T> = (items: T[], reason: unknown) => unknown;

/**
 * Drives a stage between its two sides: one write or close is pending at a time, chunks go out on
 * demand, and both sides end at once. It is the underlying source of the readable side: `start`,
 * `pull` and `cancel` are the standard's.
 *
 * - `open`: items are written.
 * - `closing`: the rest goes out, on demand.
 * - `aborting`: the producer aborts, and that is the reason, whatever comes now. The stream says so
 *   when the write in flight is over. Until then nothing goes out, and what runs may end.
 * - `closed`, `errored`: nothing goes in or out.
 */
export class StageController<T, R, S extends Stage<T> = Stage<T>> implements Abortable {
  /** Of an underlying source: not what every object may inherit. */
  readonly type: undefined;
  readonly owner: string;
  readonly stage: S;
  readonly #signal: AbortSignal | undefined;
  /** Who is told of items that are given up. */
  readonly onDiscard: OnDiscard<T> | undefined;
  /** Of the readable side. */
  #controller!: ReadableStreamDefaultController<R>;
  /** Tells whoever writes that this has failed. */
  onError!: (reason: unknown) => void;

  #state: "open" | "closing" | "aborting" | "closed" | "errored" = "open";
  #storedError: unknown;
  /** What comes after the rest, instead of the end. */
  #failure: { readonly error: unknown } | undefined;
  /** The consumer asks for a chunk, and has not been given one. */
  pullRequested = false;
  /** The write, or the close, that waits for `ready`. */
  #pending: Deferred<void> | undefined;
  /** The item of that write. */
  #item: { readonly item: T } | undefined;
  /** Whether the item of a `write` has been offered before: nothing else is written meanwhile. */
  pendingWrite = false;

  constructor(
    make: (controller: StageController<T, R>) => S,
    signal: AbortSignal | undefined,
    owner: string,
    onDiscard?: OnDiscard<T>,
  ) {
    this.owner = owner;
    this.#signal = signal;
    this.onDiscard = onDiscard;
    this.stage = make(this as never);
  }

  // For the two sides.

  start(controller: ReadableStreamDefaultController<R>): void {
    this.#controller = controller;
    onAbort(this.#signal, this);
  }

  /** Takes the item now, or returns when it will have been taken. Throws where it cannot be. */
  write(item: T): Promise<void> | undefined {
    if (this.#take(item)) return;
    this.#rethrow();
    this.#item = { item };
    return this.#whenReady();
  }

  /** Settles when there is room, if there is none. */
  room(): Promise<void> | undefined {
    return this.stage.full && !this.errored ? this.#whenReady() : undefined;
  }

  /** What is held goes out in the next microtask: the producer that has just written it may abort. */
  pull(): void {
    this.pullRequested = true;
    queueMicrotask(this.advance);
  }

  cancel(reason: unknown): void {
    this.error(reason);
  }

  /** Nothing more comes: the rest goes out, and then the end, or the failure. */
  close(failure?: { readonly error: unknown }): Promise<void> | undefined {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#failure = failure;
    const closed = this.stage.close();
    this.advance();
    this.#rethrow();
    return closed ? undefined : this.#whenReady();
  }

  /** The producer aborts. What is pending would hold that up: the stream calls `abort` only after it. */
  onAbort(reason: unknown): void {
    const { closeRequested } = this;
    if (closeRequested ? !this.#pending : this.#state !== "open") return;
    this.#state = "aborting";
    this.#storedError = reason;
    this.#rejectPending(reason);
    // After a close it does not. Not at once: Node 22 does not bear it inside its own abort.
    if (closeRequested) queueMicrotask(() => this.abort(reason));
  }

  /** The abort itself. The reason of before will not do: where there is none it is an `AbortError`. */
  abort(reason: unknown): void {
    this.#state = "open";
    this.error(reason);
  }

  // For the stage.

  get closeRequested(): boolean {
    return this.#state === "closing";
  }

  /** It has ended early, or is about to: nothing more is taken or begun. */
  get errored(): boolean {
    return this.aborting || this.#state === "errored";
  }

  get aborting(): boolean {
    return this.#state === "aborting";
  }

  /** Something has changed: the stage hands over what it can. */
  readonly advance = (): void => {
    if (this.aborting) return;
    try {
      this.stage.pull();
    } catch (error) {
      this.error(error);
    }
  };

  /** Hands over a chunk. The consumer may ask for the next one before this returns. */
  enqueue(chunk: R): void {
    this.pullRequested = false;
    this.#controller.enqueue(chunk);
  }

  /** There is room: what is pending goes in. */
  ready(): void {
    const pending = this.#pending;
    const item = this.#item;
    this.#pending = this.#item = undefined;
    this.pendingWrite = item !== undefined;
    const taken = !item || this.#take(item.item);
    this.pendingWrite = false;
    if (taken) pending?.resolve();
    else pending!.reject(this.#storedError);
  }

  /** Tells of items that are given up. */
  discard(items: T[] | undefined, reason: unknown): void {
    const { onDiscard } = this;
    try {
      if (items?.length) onDiscard?.(items, reason);
    } catch (thrown) {
      reportUncaught(thrown);
    }
  }

  /** All has been handed over. */
  finish(): void {
    if (this.#failure) return this.error(this.#failure.error);
    this.#state = "closed";
    offAbort(this.#signal, this);
    this.#controller.close();
  }

  /** Ends both sides with the very reason. The first one counts. */
  error(reason: unknown): void {
    if (this.#state !== "open" && !this.closeRequested) return;
    this.#state = "errored";
    this.#storedError = reason;
    offAbort(this.#signal, this);
    this.#rejectPending(reason);
    this.#controller.error(reason);
    this.onError(reason);
    // User code from here on: all that it can see is as it will be.
    this.stage.abort(reason);
  }

  /** Whether the stage has taken the item: then it is accepted, even if user code has ended the stream. */
  #take(item: T): boolean {
    try {
      return this.stage.write(item);
    } catch (error) {
      this.error(error);
      return false;
    }
  }

  #rejectPending(reason: unknown): void {
    this.#item = undefined;
    this.#pending?.reject(reason);
    this.#pending = undefined;
  }

  #rethrow(): void {
    if (this.errored) throw this.#storedError;
  }

  #whenReady(): Promise<void> {
    return (this.#pending ??= new Deferred()).promise;
  }
}

// What every transform extends, so that it is an instance; the two sides that it inherits are never
// used. A constant, since a bundler keeps a class that extends a global.
export const /** @internal */ TransformBase: typeof TransformStream =
  /* @__PURE__ */ (() => TransformStream)();

/** A stage between its two sides. */
export interface Pair<T, R, S> {
  readonly stage: S;
  readonly readable: ReadableStream<R>;
  readonly writable: WritableStream<T>;
}

/** Makes the two sides that a transform gives, and has it shown without them. */
export function openPair<T, R, S extends Stage<T>>(
  controller: StageController<T, R, S>,
  transform: { readonly stats: object },
): Pair<T, R, S> {
  describe(transform, controller.owner);
  // Else the platform would read what every object may inherit.
  const size = undefined as never;
  const writable = new WritableStream<T>({
    start(writer) {
      controller.onError = (reason) => writer.error(reason);
      const { signal } = writer as SinkController;
      signal.addEventListener("abort", () => controller.onAbort(signal.reason));
    },
    write: (item) => controller.write(item),
    close: () => controller.close(),
    abort: (reason) => controller.abort(reason),
    type: undefined as never,
  }, { highWaterMark: 1, size });
  const readable = new ReadableStream<R>(controller, { highWaterMark: 0, size });
  return { stage: controller.stage, readable, writable };
}
