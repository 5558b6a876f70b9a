import { show } from "./options.ts";
import { isThenable, markHandled } from "./promises.ts";

/** What items can be read from. Promises in an `Iterable` are awaited. */
export type Source<T> = ReadableStream<T> | AsyncIterable<T> | Iterable<T | PromiseLike<T>>;

/** One item, or the end. */
interface Step<T> {
  readonly done?: boolean | undefined;
  readonly value?: T | undefined;
}

/** How many items are read in one go. */
const SPELL = 1024;

/** What becomes of the items. */
export interface PumpHost<T> {
  /** Takes the item, or returns when that is over. */
  write(item: T): Promise<void> | undefined;
  /** Returns when there is room for the next one, if there is none. */
  room?(): Promise<void> | undefined;
  /** What was read could not be written. */
  readonly discard?: ((items: T[], reason: unknown) => void) | undefined;
}

/** Reads a source to its end and writes each item, waiting when told to. */
export class Pump<T> {
  readonly #owner: string;
  readonly #host: PumpHost<T>;
  /** One of the two. */
  readonly #reader: ReadableStreamDefaultReader<T> | undefined;
  readonly #iterator: Iterator<T | PromiseLike<T>> | AsyncIterator<T> | undefined;
  /** What the iterator gives may be a promise of the item. */
  readonly #sync: boolean = false;
  #over = false;
  #reason: unknown;
  /** The source is at work, or at its end. */
  #inside = false;
  /** It has been asked for an item, and has not given one yet. */
  #reading = false;

  /** Throws a `TypeError` if the source is none, or is locked. */
  constructor(owner: string, source: Source<T>, host: PumpHost<T>) {
    this.#owner = owner;
    this.#host = host;
    const given = Object(source);
    if (typeof given.getReader === "function") {
      this.#reader = given.getReader();
      return;
    }
    const asynchronous = given[Symbol.asyncIterator];
    const iterate = asynchronous ?? given[Symbol.iterator];
    // A string would give its letters.
    if (typeof source === "string" || !iterate) {
      throw new TypeError(
        `${owner}: source must be a ReadableStream, an AsyncIterable or an Iterable, ` +
          `and no string; got ${show(source)}`,
      );
    }
    this.#sync = !asynchronous;
    this.#iterator = iterate.call(source);
  }

  /**
   * Call it once. Resolves when all was written; rejects with the error of the source, or that with which
   * it was left. A read may never come back.
   */
  async run(): Promise<void> {
    try {
      for (let count = 1; !this.#over; count++) {
        this.#inside = this.#reading = true;
        const read = this.#reader ? this.#reader.read() : this.#iterator!.next();
        this.#inside = (read as Step<T> | undefined)?.done === true;
        const step = (isThenable(read) ? await read : read) as Step<T>;
        this.#reading = false;
        if (Object(step) !== step) {
          throw new TypeError(`${this.#owner}: next() must give an object; got ${show(step)}`);
        }
        if (step.done) return;
        let item = step.value as T;
        if (this.#sync && isThenable(item)) {
          try {
            item = await item as T;
          } catch (error) {
            this.error(error);
            continue;
          }
        }
        try {
          if (this.#over) throw this.#reason;
          const written = this.#host.write(item);
          if (written) await written;
        } catch (error) {
          this.error(error);
          this.#host.discard?.([item], error);
        }
        const room = this.#host.room?.();
        // Where nothing is ever waited for, others have their turn now and then.
        if (room || count % SPELL === 0) await room;
      }
      throw this.#reason;
    } finally {
      this.#over = true;
      this.#reader?.releaseLock();
    }
  }

  /** Lets go of the source, and waits for it, but for a generator that is at work: it may hang. */
  cancel(reason: unknown): Promise<void> | undefined {
    const left = this.#leave(reason);
    if (this.#reader || !this.#reading) return left;
  }

  /** As `cancel`, when an error has been told already: what the source says to it comes second. */
  error(reason: unknown): void {
    markHandled(this.#leave(reason));
  }

  async #leave(reason: unknown): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#reason = reason;
    // A generator cannot be left from within: it has to come back first.
    if (this.#inside) {
      await undefined;
      if (this.#inside) return;
    }
    const reader = this.#reader;
    const left: unknown = reader ? reader.cancel(reason) : this.#iterator!.return?.();
    reader?.releaseLock();
    await left;
  }
}
