import { resolved } from "../shared/promises.ts";

/** Who is told of chunks, and of the end: as the controller of a stream. */
export type Consumer<R> = Pick<ReadableStreamDefaultController<R>, "enqueue" | "close" | "error">;

/** What fills a stream. */
export interface Filler<R> {
  /** What it gives the chunks: the controller of the stream. */
  consumer: Consumer<R>;
  /** The stream has asked it. */
  readonly begun: boolean;
  /** It is at its end, or that is under way. */
  readonly closed: boolean;
  readonly errored: boolean;
  /** Asks it for a chunk. */
  ask(): void;
}

/** What the standard's `values` takes. */
export type IteratorOptions = { readonly preventCancel?: boolean | undefined } | undefined;

/**
 * An iterator as the standard's, with fewer promises for a chunk: it holds the lock, and asks past the
 * stream where it may. There is no filler where that has ended.
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
  /** The filler has been asked, and not the stream. */
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
    // Which resolves no more.
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
  // Others may error it past the filler, as Node's `addAbortSignal` does.
  reader.closed.catch((reason) => {
    if (waiting && !over) error(reason);
  });
  const hold = (resolved: typeof resolve, rejected: typeof reject): void => {
    resolve = resolved;
    reject = rejected;
  };
  const ask = (): void => {
    if (over) close();
    // What a reader has left in the queue comes first. An end is told by the stream.
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
