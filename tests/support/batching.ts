/** The batching streams as one table, so that a test runs on each of them. */

import {
  type BatchStats,
  BatchStream,
  ChunkStream,
  type Collector,
  type Source,
} from "../../mod.ts";
import { gate, turn } from "./gate.ts";

/** Options with the same meaning for all. */
interface Shared {
  readonly linger?: number;
  readonly onDiscard?: (items: unknown[], reason: unknown) => unknown;
  readonly signal?: AbortSignal;
}

/** One of the streams, with at most `max` items in a batch. */
export interface Kind {
  readonly name: string;
  make(
    max: number,
    options?: Shared,
  ): TransformStream<unknown, unknown[]> & { readonly stats: BatchStats; flush(): void };
  from<T>(source: Source<T>, max: number, options?: Shared): ReadableStream<unknown[]>;
}

/** Items in an array, up to `max`. */
export class ArrayCollector implements Collector<unknown, unknown[]> {
  readonly #max: number;
  #items: unknown[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#items.length;
  }

  get full(): boolean {
    return this.#items.length >= this.#max;
  }

  add(item: unknown): void {
    this.#items.push(item);
  }

  take(): unknown[] {
    return this.#items.splice(0);
  }
}

const chunked = (max: number) => ({ maxBytes: max, byteLength: () => 1 });
const collected = (max: number) => ({ collector: () => new ArrayCollector(max) });

/** The three streams. */
export const kinds: readonly Kind[] = [
  {
    name: "BatchStream",
    make: (maxItems, options) => new BatchStream({ maxItems, ...options }),
    from: (source, maxItems, options) => BatchStream.from(source, { maxItems, ...options }),
  },
  {
    name: "ChunkStream",
    make: (max, options) => new ChunkStream({ ...chunked(max), ...options }),
    from: (source, max, options) => ChunkStream.from(source, { ...chunked(max), ...options }),
  },
  {
    name: "BatchStream with a collector",
    make: (max, options) => new BatchStream({ ...collected(max), ...options }),
    from: (source, max, options) => BatchStream.from(source, { ...collected(max), ...options }),
  },
];

/** A stream with a hand at each end. */
export interface Opened<B = unknown[], S = BatchStats> {
  readonly reader: ReadableStreamDefaultReader<B>;
  /** The counts of the items; `from` has none. */
  readonly stats?: S;
  /** Resolves with the reason that the producer gets when the stream ends early. */
  readonly told: Promise<unknown>;
  /** Writes items, and lets the stream go as far as it can. */
  add(...items: unknown[]): Promise<void>;
  /** Closes the writer. */
  close(): Promise<void>;
  /** The producer fails. */
  abort(reason: unknown): Promise<void>;
}

/** A way to make a batching stream: `new` and a pipe, or `from`. */
export interface Way {
  readonly name: string;
  open(max: number, options?: Shared): Opened;
}

/** The three streams, both ways. */
export const ways: readonly Way[] = kinds.flatMap(({ name, make, from }) => [
  { name: `${name}()`, open: (max, options) => written(make(max, options)) },
  { name: `${name}.from()`, open: (max, options) => read((source) => from(source, max, options)) },
]);

/** Both ends of a transform stream. */
export function written<B, S>(stream: {
  readonly readable: ReadableStream<B>;
  readonly writable: WritableStream<unknown>;
  readonly stats?: S;
}): Opened<B, S> {
  const writer = stream.writable.getWriter();
  writer.ready.catch(() => {});
  const told = gate<unknown>();
  writer.closed.catch(told.resolve);
  return {
    reader: readerOf(stream.readable),
    told: told.promise,
    get stats() {
      return stream.stats!;
    },
    add(...items) {
      for (const item of items) writer.write(item).catch(() => {});
      return turn();
    },
    close() {
      writer.close().catch(() => {});
      return turn();
    },
    abort(reason) {
      writer.abort(reason);
      return turn();
    },
  };
}

/** A source, and the stream that `from` makes of it. */
export function read<B, S>(
  from: (source: ReadableStream<unknown>) => ReadableStream<B>,
): Opened<B, S> {
  let controller!: ReadableStreamDefaultController<unknown>;
  const told = gate<unknown>();
  const source = new ReadableStream<unknown>({
    start: (given) => void (controller = given),
    cancel: (reason) => told.resolve(reason),
  });
  return {
    reader: readerOf(from(source)),
    told: told.promise,
    add(...items) {
      for (const item of items) controller.enqueue(item);
      return turn();
    },
    close() {
      controller.close();
      return turn();
    },
    abort(reason) {
      controller.error(reason);
      return turn();
    },
  };
}

function readerOf<T>(readable: ReadableStream<T>): ReadableStreamDefaultReader<T> {
  const reader = readable.getReader();
  reader.closed.catch(() => {});
  return reader;
}

/**
 * Reads one full batch. From here on both ways gather items without demand. (`from` reads nothing
 * before the first demand.)
 */
export async function begin(opened: Opened, max: number): Promise<void> {
  const first = opened.reader.read();
  await opened.add(...Array.from({ length: max }, () => "first"));
  if ((await first).value?.length !== max) throw new Error("the first batch is another");
}

/** The reason with which a promise rejects. */
export async function reasonOf(promise: PromiseLike<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (reason) {
    return reason;
  }
  throw new Error(`not rejected, but fulfilled with ${JSON.stringify(value)}`);
}
