/** Batches of 100, by pipe and by `from`, compared with other libraries. */

import { Effect, Stream } from "effect";
import { bufferTime, concatMap, from } from "rxjs";
import { batch, batchWithTimeout } from "streaming-iterables";
import { BatchStream, type BatchStreamOptions, ChunkStream, Fanout, MapStream } from "../../mod.ts";
import { idealBatches, idealChain } from "../ideal.ts";
import {
  bursts,
  type Case,
  type Group,
  pipeBatches,
  pipeItems,
  readBatches,
  readItems,
  repeat,
  source,
  type Way,
} from "../harness.ts";

/** Takes a batch. A promise slows the producer down, if it can be slowed down. */
type Take = (batch: readonly number[]) => Promise<void> | void;

/** A way to make batches, each of which waits at most `linger` milliseconds. */
export interface Batcher extends Way {
  readonly lingers: boolean;
  run(source: ReadableStream<number>, linger: number, take: Take): Promise<void>;
}

const SIZE = 100;

/** All ways, except `BatchStream` of `@std/streams`, which `deno-std` does not have yet. */
export const batchers: readonly Batcher[] = [
  {
    kind: "weir",
    name: "pipe, BatchStream",
    lingers: true,
    run: (source, linger, take) =>
      source
        .pipeThrough(new BatchStream<number>({ maxItems: SIZE, linger }))
        .pipeTo(new WritableStream({ write: take })),
  },
  {
    kind: "weir",
    name: "BatchStream.from",
    lingers: true,
    run: async (source, linger, take) => {
      const reader = BatchStream.from(source, { maxItems: SIZE, linger }).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const taken = take(value);
        if (taken) await taken;
      }
    },
  },

  {
    kind: "peer",
    name: "streaming-iterables batch (no timer)",
    lingers: false,
    run: (source, _, take) => iterate(batch(SIZE, source), take),
  },
  {
    kind: "peer",
    name: "streaming-iterables batchWithTimeout",
    lingers: true,
    run: (source, linger, take) => iterate(batchWithTimeout(SIZE, linger, source), take),
  },
  {
    kind: "peer",
    name: "effect groupedWithin",
    n: 5000,
    lingers: true,
    run: (source, linger, take) =>
      Effect.runPromise(
        Stream.fromReadableStream({ evaluate: () => source, onError: (error) => error }).pipe(
          Stream.groupedWithin(SIZE, linger),
          Stream.runForEach((batch) => Effect.promise(async () => await take(batch))),
        ),
      ),
  },
  {
    kind: "unbounded",
    name: "rxjs from, bufferTime",
    lingers: true,
    run: (source, linger, take) =>
      new Promise((resolve, reject) => {
        from(source as AsyncIterable<number>)
          .pipe(bufferTime(linger, null, SIZE), concatMap(async (batch) => await take(batch)))
          .subscribe({ error: reject, complete: resolve });
      }),
  },
];

async function iterate(
  batches: AsyncIterable<readonly number[]>,
  take: Take,
): Promise<void> {
  for await (const batch of batches) {
    const taken = take(batch);
    if (taken) await taken;
  }
}

const COUNT = { maxItems: 100 };
const WEIGHT = { maxWeight: 100, weigh: () => 1, linger: 1000 };
const BYTES = { maxBytes: 6400, linger: 1000 };
const LINE = new Uint8Array(64);

const pipe = (n: number, options: BatchStreamOptions<number>) =>
  pipeBatches(source(n).pipeThrough(new BatchStream<number>(options)));
const read = (n: number, options: BatchStreamOptions<number>) =>
  readBatches(BatchStream.from(source(n), options));
const lines = (n: number) => repeat(n, () => LINE);

const N = 50_000;
const ITEMS = Array.from({ length: N }, (_, i) => i);

/** `n` items as ready arrays: one, unless there are more than the group has. */
function* arrays(n: number): Generator<number[]> {
  for (const [from, to] of bursts(n, N)) yield to - from === N ? ITEMS : ITEMS.slice(0, to - from);
}

/** A second is longer than a batch takes: the linger has its cost, but never ends. */
function counted({ run, lingers: _, ...way }: Batcher): Case {
  return {
    ...way,
    run: async (n) => {
      let count = 0;
      await run(source(n), 1000, (batch) => void (count += batch.length));
      return count;
    },
  };
}

export const batching: Group = {
  name: "batching",
  n: N,
  cases: [
    floor("pipeTo a no-op sink", (n) => pipeItems(source(n))),
    floor(
      "pipe through an identity TransformStream",
      (n) => pipeItems(source(n).pipeThrough(new TransformStream<number, number>())),
    ),
    floor("bare reader loop", (n) => readItems(source(n))),
    {
      kind: "ideal",
      name: "array, a loop that awaits each batch",
      run: async (n) => {
        let count = 0;
        for (const items of arrays(n)) {
          await idealBatches(items, 100, (batch) => void (count += batch.length));
        }
        return count;
      },
    },

    weir("pipe, BatchStream, no linger", (n) => pipe(n, COUNT)),
    weir("pipe, BatchStream, by weight", (n) => pipe(n, WEIGHT)),
    weir(
      "pipe, ChunkStream, by bytes",
      (n) => pipeBatches(lines(n).pipeThrough(new ChunkStream<Uint8Array>(BYTES))),
    ),
    weir("BatchStream.from, no linger", (n) => read(n, COUNT)),
    weir("BatchStream.from, by weight", (n) => read(n, WEIGHT)),
    weir("BatchStream.from, of an array", async (n) => {
      let count = 0;
      for (const items of arrays(n)) {
        for await (const batch of BatchStream.from(items, COUNT)) count += batch.length;
      }
      return count;
    }),
    weir("ChunkStream.from, by bytes", (n) => readBatches(ChunkStream.from(lines(n), BYTES))),
    ...batchers.map(counted),
  ],
};

function floor(name: string, run: Case["run"]): Case {
  return { kind: "floor", name, run };
}

function weir(name: string, run: Case["run"]): Case {
  return { kind: "weir", name, run };
}

const PAGE = 100;
const ROWS = Array.from({ length: PAGE }, (_, i) => i);

async function* pages(n: number): AsyncGenerator<number[]> {
  for (const [from, to] of bursts(n, PAGE)) {
    yield to - from === PAGE ? ROWS : ROWS.slice(0, to - from);
  }
}

/** Rows, mapped 32 at once and written in batches of 500: by hand, and ours. */
function chained(
  what: string,
  mapping: (row: number) => number | Promise<number>,
  byHand: (rows: readonly number[]) => number[] | Promise<number[]>,
): Case[] {
  return [
    {
      kind: "ideal",
      name: `by hand over arrays, ${what}`,
      run: async (n) => {
        let count = 0;
        await idealChain(pages(n), byHand, 32, 500, (batch) => void (count += batch.length));
        return count;
      },
    },
    {
      kind: "weir",
      name: `MapStream.from to Fanout, ${what}`,
      run: async (n) => {
        let count = 0;
        const fanout = new Fanout<number[]>((batch) => void (count += batch.length));
        await MapStream.from(pages(n), mapping, { concurrency: 32, flatten: true })
          .pipeThrough(new BatchStream<number>({ maxItems: 500 }))
          .pipeTo(fanout);
        return count;
      },
    },
  ];
}

const next = (row: number) => row + 1;
/**
 * It awaits something, like a call of a service. A function without an await should be synchronous.
 */
const later = async (row: number) => {
  await undefined;
  return row + 1;
};

/** A whole pipeline: pages of 100 rows, the rows, a map, batches, and their handler. */
export const chain: Group = {
  name: "chain",
  n: 20_000,
  cases: [
    ...chained("asynchronous map", later, (rows) => Promise.all(rows.map(later))),
    ...chained("synchronous map", next, (rows) => rows.map(next)),
  ],
};
