import { resolved } from "../shared/promises.ts";

/** Who is told of chunks, and of the end: as the controller of a stream. */
export type Consumer<R> = Pick<ReadableStreamDefaultController<R>, "enqueue" | "close" | "error">;

/** What fills a stream. */
export interface Filler<R> {
  /** What it gives the chunks: the controller of the stream. */
  consumer: Consumer<R>;
  /** The stream has asked it. */
  readonly begun: boolean;
  /** Its end is under way. */
  readonly errored: boolean;
  /** Asks it for a chunk. */
  ask(): void;
}

/** What the standard's `values` takes. */
type Options = { readonly preventCancel?: boolean | undefined } | undefined;

/** Has a stream be iterated as the standard does, with fewer promises for a chunk. */
export function iterable<R>(readable: ReadableStream<R>, filler: Filler<R>): void {
  const stream = filler.consumer as ReadableStreamDefaultController<R>;
  /** Nobody who has the stream holds on to it when it has ended. */
  let live: Filler<R> | undefined = filler;
  /** The iterator that waits. */
  let waiting: Consumer<R> | undefined;
  const answered = (): Consumer<R> | undefined => {
    const consumer = waiting;
    waiting = undefined;
    return consumer;
  };
  filler.consumer = {
    enqueue: (chunk) => (answered() ?? stream).enqueue(chunk),
    close() {
      live = undefined;
      stream.close();
      answered()?.close();
    },
    error(reason) {
      live = undefined;
      stream.error(reason);
      answered()?.error(reason);
    },
  };
  /** Has it be told of the next chunk, or of the end; or returns false: the stream has to be asked. */
  const ask = (consumer: Consumer<R>): boolean => {
    // What a reader has left in the queue comes first.
    if (!live?.begun || live.errored || stream.desiredSize !== 0) return false;
    waiting = consumer;
    live.ask();
    return true;
  };
  const values = { value: (options: Options) => iterate(readable, ask, options) };
  // Properties of its own: it stays a plain stream, of whatever type that is.
  Object.defineProperties(readable, { values, [Symbol.asyncIterator]: values });
}

/** An iterator that holds the lock, and asks past the stream where it may. */
function iterate<R>(
  readable: ReadableStream<R>,
  askPast: (consumer: Consumer<R>) => boolean,
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
  const self = {
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
      self.close();
    },
  } as Consumer<R>;
  const hold = (resolved: typeof resolve, rejected: typeof reject): void => {
    resolve = resolved;
    reject = rejected;
  };
  const ask = (): void => {
    if (over) self.close();
    else if (!askPast(self)) {
      reader.read().then(
        ({ done, value }) => done ? self.close() : self.enqueue(value),
        self.error,
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
