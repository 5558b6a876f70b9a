/** Batches of 100, by pipe and by `from`. */

import { bufferTime, from } from "rxjs";
import { batch, batchWithTimeout } from "streaming-iterables";
import { BatchStream, type BatchStreamOptions, ChunkStream } from "../../mod.ts";
import type { Group } from "../harness.ts";
import {
  iterateBatches,
  pipeBatches,
  pipeItems,
  readBatches,
  readItems,
  repeat,
  source,
} from "../loads.ts";

const COUNT = { maxItems: 100 };
const LINGER = { maxItems: 100, linger: 1000 };
const WEIGHT = { maxWeight: 100, weigh: () => 1, linger: 1000 };
const BYTES = { maxBytes: 6400, linger: 1000 };
const LINE = new Uint8Array(64);

const pipe = (n: number, options: BatchStreamOptions<number>) =>
  pipeBatches(source(n).pipeThrough(new BatchStream<number>(options)));
const read = (n: number, options: BatchStreamOptions<number>) =>
  readBatches(BatchStream.from(source(n), options));
const lines = (n: number) => repeat(n, () => LINE);

export const batching: Group = {
  name: "batching",
  unit: "item",
  n: 50_000,
  cases: [
    { kind: "floor", name: "pipeTo a no-op sink", run: (n) => pipeItems(source(n)) },
    {
      kind: "floor",
      name: "pipe through an identity TransformStream",
      run: (n) => pipeItems(source(n).pipeThrough(new TransformStream<number, number>())),
    },
    { kind: "floor", name: "bare reader loop", run: (n) => readItems(source(n)) },

    { kind: "weir", name: "pipe, BatchStream, no linger", run: (n) => pipe(n, COUNT) },
    { kind: "weir", name: "pipe, BatchStream", run: (n) => pipe(n, LINGER) },
    { kind: "weir", name: "pipe, BatchStream, by weight", run: (n) => pipe(n, WEIGHT) },
    {
      kind: "weir",
      name: "pipe, ChunkStream, by bytes",
      run: (n) => pipeBatches(lines(n).pipeThrough(new ChunkStream<Uint8Array>(BYTES))),
    },

    { kind: "weir", name: "BatchStream.from, no linger", run: (n) => read(n, COUNT) },
    { kind: "weir", name: "BatchStream.from", run: (n) => read(n, LINGER) },
    { kind: "weir", name: "BatchStream.from, by weight", run: (n) => read(n, WEIGHT) },
    {
      kind: "weir",
      name: "ChunkStream.from, by bytes",
      run: (n) => readBatches(ChunkStream.from(lines(n), BYTES)),
    },

    {
      kind: "peer",
      name: "streaming-iterables batch (no timer)",
      run: (n) => iterateBatches(batch(100, source(n))),
    },
    {
      kind: "peer",
      name: "streaming-iterables batchWithTimeout",
      run: (n) => iterateBatches(batchWithTimeout(100, 1000, source(n))),
    },
    {
      kind: "peer",
      name: "rxjs from, bufferTime",
      run: (n) =>
        new Promise((resolve, reject) => {
          let count = 0;
          from(source(n)).pipe(bufferTime(1000, null, 100)).subscribe({
            next: (items) => count += items.length,
            error: reject,
            complete: () => resolve(count),
          });
        }),
    },
  ],
};
