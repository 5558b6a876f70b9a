import { show } from "./options.ts";
import { Deferred, DONE, isThenable, markHandled } from "./promises.ts";

/** What items can be read from. */
export type Source<T> = ReadableStream<T> | AsyncIterable<T> | Iterable<T>;

/** One item, or the end. */
export interface Step<T> {
  readonly done?: boolean | undefined;
  readonly value?: T | undefined;
}

/** Any source, read item by item. */
export interface SourceReader<T> {
  /** Synchronous where the source is. */
  read(): Step<T> | PromiseLike<Step<T>>;
  /** The source has ended or failed by itself. */
  release(): void;
  /**
   * Nobody wants more. Does not wait for a generator, which may be at work and hang: what that
   * throws at its end goes to `late`.
   */
  cancel(reason: unknown, late: (error: unknown) => void): Promise<void>;
}

/** Throws a `TypeError` unless `source` can be read from. */
export function checkSource<T>(owner: string, source: Source<T>): Source<T> {
  const readable = Object(source ?? {});
  if (
    typeof readable.getReader !== "function" && !readable[Symbol.asyncIterator] &&
    !readable[Symbol.iterator]
  ) {
    const rule = "a ReadableStream, an AsyncIterable or an Iterable";
    throw new TypeError(`${owner}: source must be ${rule}; got ${show(source)}`);
  }
  return source;
}

/** Opens a source that was checked. */
export function openSource<T>(source: Source<T>): SourceReader<T> {
  if ("getReader" in Object(source)) return readStream(source as ReadableStream<T>);
  const iterable = source as Partial<AsyncIterable<T>> & Iterable<T>;
  return readIterator(iterable[Symbol.asyncIterator]?.() ?? iterable[Symbol.iterator]());
}

function readStream<T>(stream: ReadableStream<T>): SourceReader<T> {
  const reader = stream.getReader();
  return {
    read: () => reader.read(),
    release: () => reader.releaseLock(),
    cancel(reason) {
      const cancelled = reader.cancel(reason);
      reader.releaseLock();
      return cancelled;
    },
  };
}

function readIterator<T>(iterator: Iterator<T> | AsyncIterator<T>): SourceReader<T> {
  return {
    read: () => iterator.next(),
    release() {},
    cancel(_reason, late) {
      try {
        const returned = iterator.return?.();
        if (isThenable(returned)) returned.then(undefined, late);
        return DONE;
      } catch (error) {
        return Promise.reject(error);
      }
    },
  };
}

/** Reads a source to its end and offers each item, waiting where it is told to. */
export class Consumer<T> {
  readonly #reader: SourceReader<T>;
  readonly #offer: (item: T) => Promise<void> | undefined;
  readonly #stopped = new Deferred<never>();
  #over = false;

  constructor(reader: SourceReader<T>, offer: (item: T) => Promise<void> | undefined) {
    this.#reader = reader;
    this.#offer = offer;
    // It may be stopped before it was run.
    markHandled(this.#stopped.promise);
  }

  /** Call it once. Resolves when everything was offered; rejects with the source's error, the offer's, or that of `stop`. */
  run(): Promise<void> {
    // Raced once and not at each item: a read may never come back.
    return Promise.race([this.#stopped.promise, this.#read()]);
  }

  /** Lets go of the source. */
  stop(reason: unknown, late: (error: unknown) => void): Promise<void> {
    if (this.#over) return DONE;
    this.#over = true;
    this.#stopped.reject(reason);
    return this.#reader.cancel(reason, late);
  }

  /** As `stop`, where an error has been told already: what the source says to it comes second. */
  abandon(error: unknown): void {
    markHandled(this.stop(error, () => {}));
  }

  async #read(): Promise<void> {
    while (!this.#over) {
      let step: Step<T>;
      try {
        const read = this.#reader.read();
        step = isThenable(read) ? await read : read;
        if (this.#over) return;
        if (step.done) this.#end();
      } catch (error) {
        this.#end();
        throw error;
      }
      if (step.done) return;
      try {
        const accepted = this.#offer(step.value as T);
        if (accepted) await accepted;
      } catch (error) {
        this.abandon(error);
      }
    }
  }

  #end(): void {
    this.#over = true;
    this.#reader.release();
  }
}
