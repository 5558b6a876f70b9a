import { show } from "./options.ts";
import { Deferred, isThenable, markHandled } from "./promises.ts";

/** What items can be read from. */
export type Source<T> = ReadableStream<T> | AsyncIterable<T> | Iterable<T>;

/** One item, or the end. */
interface Step<T> {
  readonly done?: boolean | undefined;
  readonly value?: T | undefined;
}

/** Any source, read item by item: what the reader of a stream has. */
export interface SourceReader<T> {
  /** Synchronous if the source is. */
  read(): Step<T> | PromiseLike<Step<T>>;
  /** Nobody wants more. What comes too late to be waited for goes to `late`. */
  cancel(reason: unknown, late: (error: unknown) => void): Promise<void> | void;
  /** The source is over, or let go of. */
  releaseLock(): void;
}

/** Opens a source; throws a `TypeError` if it is none, or is locked. */
export function openSource<T>(owner: string, source: Source<T>): SourceReader<T> {
  const given = Object(source ?? {});
  if (typeof given.getReader === "function") return given.getReader();
  const iterate = given[Symbol.asyncIterator] ?? given[Symbol.iterator];
  if (!iterate) {
    const rule = "a ReadableStream, an AsyncIterable or an Iterable";
    throw new TypeError(`${owner}: source must be ${rule}; got ${show(source)}`);
  }
  const iterator: Iterator<T> | AsyncIterator<T> = iterate.call(source);
  return {
    read: () => iterator.next(),
    cancel(_reason, late) {
      // Not waited for: a generator may be at work, and hang.
      const returned = iterator.return?.();
      if (isThenable(returned)) returned.then(undefined, late);
    },
    releaseLock() {},
  };
}

/** Reads a source to its end and writes each item, waiting when told to. */
export class Pump<T> {
  readonly #reader: SourceReader<T>;
  readonly #write: (item: T) => Promise<void> | undefined;
  readonly #lost: ((item: T, reason: unknown) => void) | undefined;
  readonly #stopped = new Deferred<never>();
  #over = false;
  #reason: unknown;
  /** The source is at work, or at its end. */
  #inside = false;

  /** What was read and could not be written is given to `lost`. */
  constructor(
    reader: SourceReader<T>,
    write: (item: T) => Promise<void> | undefined,
    lost?: (item: T, reason: unknown) => void,
  ) {
    this.#reader = reader;
    this.#write = write;
    this.#lost = lost;
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
    const cancelled = this.#reader.cancel(reason, late);
    this.#reader.releaseLock();
    await cancelled;
  }

  /** As `cancel`, when an error has been told already: what the source says to it comes second. */
  error(reason: unknown): void {
    markHandled(this.cancel(reason, () => {}));
  }

  async #read(): Promise<void> {
    try {
      while (!this.#over) {
        this.#inside = true;
        const read = this.#reader.read();
        this.#inside = (read as Step<T>).done === true;
        const step = isThenable(read) ? await read : read;
        if (step.done) return;
        try {
          if (this.#over) throw this.#reason;
          const written = this.#write(step.value as T);
          if (written) await written;
        } catch (error) {
          this.error(error);
          this.#lost?.(step.value as T, error);
        }
      }
    } finally {
      this.#over = true;
      this.#reader.releaseLock();
    }
  }
}
