/** Batches of 100, by pipe and by `from`. */

import { BatchStream, type BatchStreamOptions, ChunkStream } from "../../mod.ts";
import type { Case, Group } from "../harness.ts";
import { idealBatches } from "../ideal.ts";
import {
  bursts,
  pipeBatches,
  pipeItems,
  readBatches,
  readItems,
  repeat,
  source,
} from "../loads.ts";
import { type Batcher, batchers } from "../ways/batchers.ts";

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

/** `n` items as arrays that are at hand: one, unless there are more than the group has. */
function* arrays(n: number): Generator<number[]> {
  for (const [from, to] of bursts(n, N)) yield to - from === N ? ITEMS : ITEMS.slice(0, to - from);
}

/** A second is longer than a batch takes: the linger costs, and never ends. */
function counted({ kind, name, bounded, run }: Batcher): Case {
  return {
    kind,
    name,
    bounded,
    run: async (n) => {
      let count = 0;
      await run(source(n), 1000, (batch) => void (count += batch.length));
      return count;
    },
  };
}

export const batching: Group = {
  name: "batching",
  unit: "item",
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
      bounded: true,
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
  return { kind: "floor", name, bounded: true, run };
}

function weir(name: string, run: Case["run"]): Case {
  return { kind: "weir", name, bounded: true, run };
}
