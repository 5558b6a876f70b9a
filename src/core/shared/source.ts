import { show } from "./options.ts";
import { Deferred, isThenable, markHandled } from "./promises.ts";

/** What items can be read from. Promises in an `Iterable` are awaited. */
export type Source<T> = ReadableStream<T> | AsyncIterable<T> | Iterable<T | PromiseLike<T>>;

/** One item, or the end. */
interface Step<T> {
  readonly done?: boolean | undefined;
  readonly value?: T | undefined;
}

/** How many items are read in one go. */
const SPELL = 1024;

/** Any source, read item by item: what the reader of a stream has. */
export interface SourceReader<T> {
  /** Whose source it is, for messages. */
  readonly owner?: string;
  /** What it gives may be a promise of the item. */
  readonly sync?: boolean;
  /** Synchronous if the source is. */
  read(): Step<T> | PromiseLike<Step<T>>;
  /**
   * Nobody wants more. What comes too late to be waited for goes to `late`: that of a generator that
   * is `reading`, and may hang.
   */
  cancel(
    reason: unknown,
    late: (error: unknown) => void,
    reading: boolean,
  ): PromiseLike<unknown> | void;
  /** The source is over, or let go of. */
  releaseLock(): void;
}

/** Opens a source; throws a `TypeError` if it is none, or is locked. */
export function openSource<T>(owner: string, source: Source<T>): SourceReader<T> {
  const given = Object(source ?? {});
  if (typeof given.getReader === "function") return given.getReader();
  const asynchronous = given[Symbol.asyncIterator];
  const iterate = asynchronous ?? given[Symbol.iterator];
  // A string would give its letters.
  if (typeof source === "string" || !iterate) {
    const rule = "a ReadableStream, an AsyncIterable or an Iterable, and no string";
    throw new TypeError(`${owner}: source must be ${rule}; got ${show(source)}`);
  }
  const iterator: Iterator<T> | AsyncIterator<T> = iterate.call(source);
  return {
    owner,
    sync: !asynchronous,
    read: () => iterator.next(),
    cancel(_reason, late, reading) {
      const returned: unknown = iterator.return?.();
      if (!isThenable(returned)) return;
      if (!reading) return returned;
      returned.then(undefined, late);
    },
    releaseLock() {},
  };
}

/** Reads a source to its end and writes each item, waiting when told to. */
export class Pump<T> {
  readonly #reader: SourceReader<T>;
  readonly #write: (item: T) => Promise<void> | undefined;
  readonly #lost: ((item: T, reason: unknown) => void) | undefined;
  readonly #room: (() => Promise<void> | undefined) | undefined;
  readonly #stopped = new Deferred<never>();
  #over = false;
  #reason: unknown;
  /** The source is at work, or at its end. */
  #inside = false;
  /** It has been asked for an item, and has not given one yet. */
  #reading = false;

  /** What was read and could not be written is given to `lost`. Each read waits for `room`. */
  constructor(
    reader: SourceReader<T>,
    write: (item: T) => Promise<void> | undefined,
    lost?: (item: T, reason: unknown) => void,
    room?: () => Promise<void> | undefined,
  ) {
    this.#reader = reader;
    this.#write = write;
    this.#lost = lost;
    this.#room = room;
    // It may be cancelled before it was run.
    markHandled(this.#stopped.promise);
  }

  /** Call it once. Resolves when all was written; rejects with the error of the source, of `write` or of `cancel`. */
  run(): Promise<void> {
    // Raced once and not at each item: a read may never come back.
    return Promise.race([this.#stopped.promise, this.#read()]);
  }

  /** Lets go of the source. */
  async cancel(reason: unknown, late: (error: unknown) => void): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#reason = reason;
    this.#stopped.reject(reason);
    // A generator cannot be left from within: it has to come back first.
    if (this.#inside) {
      await undefined;
      if (this.#inside) return;
    }
    const cancelled = this.#reader.cancel(reason, late, this.#reading);
    this.#reader.releaseLock();
    await cancelled;
  }

  /** As `cancel`, when an error has been told already: what the source says to it comes second. */
  error(reason: unknown): void {
    markHandled(this.cancel(reason, () => {}));
  }

  async #read(): Promise<void> {
    const { owner, sync } = this.#reader;
    try {
      for (let count = 1; !this.#over; count++) {
        this.#inside = true;
        const read = this.#reader.read();
        this.#inside = (read as Step<T> | undefined)?.done === true;
        this.#reading = isThenable(read);
        const step = this.#reading ? await read : read as Step<T>;
        this.#reading = false;
        if (step?.value === undefined && Object(step) !== step) {
          throw new TypeError(`${owner}: next() must give an object; got ${show(step)}`);
        }
        if (step.done) return;
        let item = step.value as T;
        if (sync && isThenable(item)) {
          try {
            item = await item as T;
          } catch (error) {
            this.error(error);
            return;
          }
        }
        try {
          if (this.#over) throw this.#reason;
          const written = this.#write(item);
          if (written) await written;
        } catch (error) {
          this.error(error);
          this.#lost?.(item, error);
        }
        const room = this.#room?.();
        // Where nothing is ever waited for, others have their turn now and then.
        if (room || count % SPELL === 0) await room;
      }
    } finally {
      this.#over = true;
      this.#reader.releaseLock();
    }
  }
}
