import { resolved } from "../shared/promises.ts";

/** Gets the chunks and the end, as the controller of a stream does. */
export type Consumer<R> = Pick<ReadableStreamDefaultController<R>, "enqueue" | "close" | "error">;

/** The object that fills a stream. */
export interface Filler<R> {
  /** Where its chunks go: the controller of the stream. */
  consumer: Consumer<R>;
  /** Whether the stream has asked it for a chunk. */
  readonly begun: boolean;
  /** Whether it has ended, or is about to end. */
  readonly closed: boolean;
  readonly errored: boolean;
  /** Asks it for a chunk. */
  ask(): void;
}

/** What `values` of the standard takes. */
export type IteratorOptions = { readonly preventCancel?: boolean | undefined } | undefined;

/**
 * Makes an iterator like that of the standard, with fewer promises for each chunk. It holds the
 * lock, and where it may, it asks the filler directly, past the stream. If the stream has ended,
 * there is no filler.
 */
export function iterate<R>(
  readable: ReadableStream<R>,
  filler: Filler<R> | undefined,
  options: IteratorOptions,
): AsyncIterator<R> {
  const preventCancel = options?.preventCancel;
  const reader = readable.getReader();
  const stream = filler?.consumer as ReadableStreamDefaultController<R>;
  let over = false;
  /** Whether the filler was asked, and not the stream. */
  let waiting = false;
  /** How many calls have not settled. */
  let calls = 0;
  let last: Promise<IteratorResult<R>> = resolved() as never;
  let resolve: (result: IteratorResult<R>) => void;
  let reject: (reason: unknown) => void;

  const leave = (): void => {
    over = true;
    if (filler) filler.consumer = stream;
    filler = undefined;
    reader.releaseLock();
  };
  const enqueue = (value: R): void => {
    calls--;
    waiting = false;
    resolve({ value, done: false });
  };
  const close = (): void => {
    calls--;
    leave();
    resolve({ value: undefined, done: true });
  };
  const error = (reason: unknown): void => {
    reject(reason);
    // `close` resolves too, which has no effect after the rejection.
    close();
  };
  if (filler) {
    filler.consumer = {
      enqueue: (chunk) => waiting ? enqueue(chunk!) : stream.enqueue(chunk),
      close() {
        filler = undefined;
        stream.close();
        if (waiting) close();
      },
      error(reason) {
        filler = undefined;
        stream.error(reason);
        if (waiting) error(reason);
      },
    };
  }
  // Other code may error the stream past the filler, as Node's `addAbortSignal` does.
  reader.closed.catch((reason) => {
    if (waiting && !over) error(reason);
  });
  const hold = (resolved: typeof resolve, rejected: typeof reject): void => {
    resolve = resolved;
    reject = rejected;
  };
  const ask = (): void => {
    if (over) close();
    // Chunks that a reader has left in the queue come first. The stream reports its own end.
    else if (
      filler?.begun && !filler.closed && !filler.errored && stream.desiredSize === 0
    ) {
      waiting = true;
      filler.ask();
    } else reader.read().then(({ done, value }) => done ? close() : enqueue(value!), error);
  };
  const later = (): typeof last => {
    const result = new Promise(hold);
    ask();
    return result;
  };

  return {
    // Inherits what every asynchronous iterator has.
    __proto__: Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}.prototype)),
    next() {
      if (calls++ > 0) return last = last.then(later, later);
      // This is set before `ask`, because code that `ask` calls may call `next`.
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
