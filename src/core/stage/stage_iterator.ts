import { resolved } from "../shared/promises.ts";

/** What waits for a chunk, in place of the controller of a stream: it is told once. */
export type Asker<R> = Pick<ReadableStreamDefaultController<R>, "enqueue" | "close" | "error">;

/** What can be asked for a chunk past the queue of its stream. */
export interface Asked<R> {
  /** Has the asker be told of the next chunk, or of the end; or returns false. */
  ask(asker: Asker<R>): boolean;
}

/** What the standard's `values` takes. */
type Options = { readonly preventCancel?: boolean | undefined } | undefined;

/**
 * Has a stream be iterated as the standard does, with fewer promises for a chunk. Call what this returns
 * at the end of `source`: nobody who has the stream holds on to it then.
 */
export function iterable<R>(readable: ReadableStream<R>, source: Asked<R>): () => void {
  const link: Link<R> = { source };
  const values = { value: (options: Options) => iterate(readable, link, options) };
  // Properties of its own: it stays a plain stream, of whatever type that is.
  Object.defineProperties(readable, { values, [Symbol.asyncIterator]: values });
  return () => link.source = undefined;
}

/** What can be let go of. */
interface Link<R> {
  source: Asked<R> | undefined;
}

/** An iterator that holds the lock, and asks the source where nothing in the stream comes first. */
function iterate<R>(
  readable: ReadableStream<R>,
  link: Link<R>,
  options: Options,
): AsyncIterator<R> {
  const preventCancel = options?.preventCancel;
  const reader = readable.getReader();
  let over = false;
  /** How many calls have not settled. */
  let calls = 0;
  let last: Promise<IteratorResult<R>> = resolved() as never;
  let resolve: (result: IteratorResult<R>) => void;
  let reject: (reason: unknown) => void;

  const leave = (): void => {
    over = true;
    reader.releaseLock();
  };
  const asker = {
    enqueue(value: R): void {
      calls--;
      resolve({ value, done: false });
    },
    close(): void {
      calls--;
      leave();
      resolve({ value: undefined, done: true });
    },
    error(reason: unknown): void {
      reject(reason);
      // Which resolves no more.
      asker.close();
    },
  } as Asker<R>;
  const hold = (...ends: [typeof resolve, typeof reject]): void => void ([resolve, reject] = ends);
  const ask = (): void => {
    if (over) asker.close();
    else if (!link.source?.ask(asker)) {
      reader.read().then(
        ({ done, value }) => done ? asker.close() : asker.enqueue(value),
        asker.error,
      );
    }
  };
  const later = (): typeof last => {
    const result = new Promise(hold);
    ask();
    return result;
  };

  return {
    // With what every asynchronous iterator has.
    __proto__: Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}.prototype)),
    next() {
      if (calls++ > 0) return last = last.then(later, later);
      // Known before anybody is asked, whose code may call this.
      const result = last = new Promise(hold);
      ask();
      return result;
    },
    return(value: unknown) {
      const step = async (): Promise<IteratorResult<R>> => {
        const left = over || preventCancel ? undefined : reader.cancel(value);
        leave();
        try {
          await left;
        } finally {
          calls--;
        }
        return { value, done: true };
      };
      return last = calls++ > 0 ? last.then(step, step) : step();
    },
  } as AsyncIterator<R>;
}
