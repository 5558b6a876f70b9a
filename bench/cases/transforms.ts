/**
 * Streams without batches: a function over a source, and bytes in new pieces. Also the cost of
 * making a stream.
 */

import { pooledMap } from "deno-std/async/pool.js";
import { pMapIterable } from "p-map";
import {
  Aggregator,
  BatchStream,
  ChunkStream,
  Fanout,
  FixedChunkStream,
  MapStream,
  Singleflight,
  ThrottleStream,
} from "../../mod.ts";
import {
  type Case,
  generate,
  type Group,
  pipeItems,
  repeat,
  source,
  type Way,
} from "../harness.ts";

/** The function that is called for an item. */
export type Mapping = (item: number) => Promise<number>;

/** A way to map `n` items and take each result. */
export interface Mapper extends Way {
  run(n: number, mapping: Mapping, take: (result: number) => Promise<void> | void): Promise<void>;
}

const SIXTEEN = { concurrency: 16 };

/** All ways. */
export const mappers: readonly Mapper[] = [
  {
    kind: "weir",
    name: "pipe, MapStream",
    run: (n, mapping, take) =>
      source(n).pipeThrough(new MapStream(mapping, SIXTEEN)).pipeTo(
        new WritableStream({ write: take }),
      ),
  },
  {
    kind: "weir",
    name: "MapStream.from, of a stream",
    run: (n, mapping, take) => read(MapStream.from(source(n), mapping, SIXTEEN), take),
  },
  {
    kind: "weir",
    name: "MapStream.from",
    run: (n, mapping, take) => iterate(MapStream.from(generate(n), mapping, SIXTEEN), take),
  },
  {
    kind: "weir",
    name: "MapStream.from, unordered",
    run: (n, mapping, take) =>
      iterate(MapStream.from(generate(n), mapping, { ...SIXTEEN, ordered: false }), take),
  },
  {
    kind: "peer",
    name: "p-map pMapIterable",
    // It reads a generator, because with a stream it loses items in Node, or hangs.
    run: (n, mapping, take) => iterate(pMapIterable(generate(n), mapping, SIXTEEN), take),
  },
  {
    kind: "unbounded",
    name: "@std/async pooledMap",
    run: (n, mapping, take) => iterate(pooledMap<number, number>(16, generate(n), mapping), take),
  },
];

const EIGHT = { concurrency: 8 };

const eights: readonly Mapper[] = [
  {
    kind: "weir",
    name: "MapStream.from, 8 at once",
    run: (n, mapping, take) => iterate(MapStream.from(generate(n), mapping, EIGHT), take),
  },
  {
    kind: "peer",
    name: "p-map pMapIterable, 8 at once",
    run: (n, mapping, take) => iterate(pMapIterable(generate(n), mapping, EIGHT), take),
  },
];

async function iterate(
  results: AsyncIterable<number>,
  take: (result: number) => Promise<void> | void,
): Promise<void> {
  for await (const result of results) {
    const taken = take(result);
    if (taken) await taken;
  }
}

async function read(
  results: ReadableStream<number>,
  take: (result: number) => Promise<void> | void,
): Promise<void> {
  const reader = results.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const taken = take(value);
    if (taken) await taken;
  }
}

/** Makes a case of a way to map items. It returns the number of results. */
export function counted({ run, ...way }: Mapper, mapping: Mapping): Case {
  return {
    ...way,
    run: async (n) => {
      let count = 0;
      await run(n, mapping, () => void count++);
      return count;
    },
  };
}

/** 16 calls at once. */
export const map: Group = {
  name: "map",
  n: 20_000,
  cases: [
    { kind: "floor", name: "pipeTo a no-op sink", run: (n) => pipeItems(source(n)) },
    {
      kind: "floor",
      name: "pipe through an identity TransformStream",
      run: (n) => pipeItems(source(n).pipeThrough(new TransformStream<number, number>())),
    },
    ...[...mappers, ...eights].map((mapper) => counted(mapper, (i) => Promise.resolve(i + 1))),
  ],
};

/** The bytes of one item of the group `chunks`. */
const PIECE = 1024;

const pieces = (n: number) => {
  const bytes = new Uint8Array(PIECE);
  return repeat(n, () => bytes);
};

async function cut(n: number, size: number): Promise<number> {
  let bytes = 0;
  await pieces(n).pipeThrough(new FixedChunkStream({ size })).pipeTo(
    new WritableStream({
      write(chunk) {
        bytes += chunk.byteLength;
      },
    }),
  );
  return bytes / PIECE;
}

/** 16 MiB as pieces of 1 KiB. */
export const chunks: Group = {
  name: "chunks",
  n: 16_384,
  cases: [
    { kind: "floor", name: "pipeTo a no-op sink", run: (n) => pipeItems(pieces(n)) },
    {
      kind: "floor",
      name: "pipe through an identity TransformStream",
      run: (n) => pipeItems(pieces(n).pipeThrough(new TransformStream<Uint8Array, Uint8Array>())),
    },
    weir("FixedChunkStream, into 512 B", (n) => cut(n, 512)),
    weir("FixedChunkStream, into 16 KiB", (n) => cut(n, 16 << 10)),
    weir("FixedChunkStream, into 4 MiB", (n) => cut(n, 4 << 20)),
  ],
};

function weir(name: string, run: Case["run"]): Case {
  return { kind: "weir", name, run };
}

/** After this many, their deferred work runs, as it would in a server. */
const AT_ONCE = 100;

const ignore = () => {};
const identity = (item: number) => item;

/** The unit is an unused stream. */
export const construction: Group = {
  name: "construction",
  n: 10_000,
  cases: [
    of("floor", "a ReadableStream and a WritableStream", pair),
    of("floor", "TransformStream", () => new TransformStream<number, number>()),
    of("weir", "BatchStream", () => new BatchStream<number>(100)),
    of("weir", "ChunkStream", () => new ChunkStream<string>({ maxBytes: 100 })),
    of("weir", "FixedChunkStream", () => new FixedChunkStream({ size: 100 })),
    of("weir", "MapStream", () => new MapStream<number, number>(identity)),
    of("weir", "ThrottleStream", () => new ThrottleStream<number>({ interval: 100 })),
    of("weir", "Fanout", () => new Fanout<number>(ignore)),
    of("weir", "Aggregator", () => new Aggregator<number>(ignore)),
    of("weir", "Singleflight", () => new Singleflight<number, number>()),
  ],
};

/** Two sides with all their callbacks, like ours, but without logic. */
function pair(): ReadableWritablePair<number, number> {
  return {
    readable: new ReadableStream<number>(
      { start: ignore, pull: ignore, cancel: ignore },
      { highWaterMark: 0 },
    ),
    writable: new WritableStream<number>(
      { start: ignore, write: ignore, close: ignore, abort: ignore },
      { highWaterMark: 1 },
    ),
  };
}

function of(kind: Case["kind"], name: string, make: () => unknown): Case {
  return {
    kind,
    name,
    async run(n) {
      let made = 0;
      while (made < n) {
        const most = Math.min(made + AT_ONCE, n);
        for (; made < most; made++) make();
        await undefined;
      }
      return made;
    },
  };
}
