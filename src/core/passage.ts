import { Deferred } from "./promises.ts";
import { follow, type Follower, unfollow } from "./signals.ts";

/** Where the output goes: the controller of a readable stream. */
export interface Target<R> {
  enqueue(chunk: R): void;
  close(): void;
  error(reason: unknown): void;
}

/**
 * What every transform here does between its two sides: it takes items while there is room, keeps
 * one more waiting outside, hands over on demand, and ends for both sides at once.
 */
export abstract class Passage<T, R> implements Follower {
  #target: Target<R> | undefined;
  /** Tells whoever feeds this that it has failed. */
  #onErrored: ((reason: unknown) => void) | undefined;
  #signal: AbortSignal | undefined;

  #state: "open" | "closing" | "closed" | "errored" = "open";
  #error: unknown;
  #demand = false;
  /** The item that waits outside. */
  #parked: { readonly item: T } | undefined;
  #room: Deferred<void> | undefined;

  /** Puts `item`, or returns false if it cannot be put now. Called once for each item; may throw. */
  protected abstract take(item: T): boolean;
  /** Takes an item for which there is room; may throw. */
  protected abstract put(item: T): void;
  /** Whether nothing more can be put before something has been handed over. */
  protected abstract readonly full: boolean;
  /** Hands over what can be: the consumer asks, or nothing more comes. May throw. */
  protected abstract advance(): void;
  /** The end, of either kind: lets go of timers, and of what is held. */
  protected abstract release(): void;
  /** The end by `reason`, when everybody has been told: aborts user code that is at work. */
  protected abandon(_reason: unknown): void {}

  /** Both ends are there. */
  connect(
    target: Target<R>,
    onErrored: (reason: unknown) => void,
    signal: AbortSignal | undefined,
  ): void {
    this.#target = target;
    this.#onErrored = onErrored;
    this.#signal = signal;
    follow(signal, this);
  }

  /** Takes the item now, or returns when it will have been taken. Throws where this has failed. */
  offer(item: T): Promise<void> | undefined {
    try {
      // That is user code, in part: it may have cancelled the stream.
      if (!this.take(item) && !this.errored) {
        this.#parked = { item };
        return this.#whenRoom();
      }
    } catch (error) {
      this.fail(error);
    }
    if (this.#state === "errored") throw this.#error;
  }

  /** Where there is no room: settles when there is. */
  room(): Promise<void> | undefined {
    return this.full ? this.#whenRoom() : undefined;
  }

  /** The consumer asks for a chunk. */
  request(): void {
    this.#demand = true;
    this.step();
  }

  /** Nothing more comes: the rest goes out, and then the end. */
  close(): Promise<void> | undefined {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.step();
  }

  /** Gives up what is held and errors both ends with the very reason. */
  fail(reason: unknown): void {
    if (this.#state === "closed" || this.#state === "errored") return;
    this.#state = "errored";
    this.#error = reason;
    this.dismiss(reason);
    this.#end();
    this.#target!.error(reason);
    this.#onErrored!(reason);
    this.abandon(reason);
  }

  /** The producer aborts: turns away the item that waits outside, which would hold that up. */
  dismiss(reason: unknown): void {
    this.#parked = undefined;
    this.#room?.reject(reason);
    this.#room = undefined;
  }

  protected get demand(): boolean {
    return this.#demand;
  }

  protected get closing(): boolean {
    return this.#state === "closing";
  }

  protected get errored(): boolean {
    return this.#state === "errored";
  }

  /** `advance`, from where nobody could be given what it throws. */
  protected step(): void {
    try {
      this.advance();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Hands over a chunk. The consumer may ask for the next one before this returns. */
  protected emit(chunk: R): void {
    this.#demand = false;
    this.#target!.enqueue(chunk);
  }

  /** There is room: the item that waits outside comes in. */
  protected admit(): void {
    const parked = this.#parked;
    this.#parked = undefined;
    if (parked) this.put(parked.item);
    this.#room?.resolve();
    this.#room = undefined;
  }

  protected finish(): void {
    this.#state = "closed";
    this.#end();
    this.#target!.close();
  }

  #end(): void {
    this.release();
    unfollow(this.#signal, this);
  }

  #whenRoom(): Promise<void> {
    return (this.#room ??= new Deferred()).promise;
  }
}
