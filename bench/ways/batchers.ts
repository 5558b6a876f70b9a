/** Ways to make batches of 100 of a stream. */

import { Effect, Stream } from "effect";
import { bufferTime, concatMap, from } from "rxjs";
import { batch, batchWithTimeout } from "streaming-iterables";
import { BatchStream } from "../../mod.ts";
import type { Way } from "./way.ts";

/** Takes a batch; a promise holds back what can be held back. */
export type Take = (batch: readonly number[]) => Promise<void> | void;

/** A way to make batches, each of which waits at most `linger` milliseconds. */
export interface Batcher extends Way {
  readonly lingers: boolean;
  run(source: ReadableStream<number>, linger: number, take: Take): Promise<void>;
}

const SIZE = 100;

/** All of them but `BatchStream` of `@std/streams`, which `deno-std` does not have yet. */
export const batchers: readonly Batcher[] = [
  {
    kind: "weir",
    name: "pipe, BatchStream",
    bounded: true,
    lingers: true,
    run: (source, linger, take) =>
      source
        .pipeThrough(new BatchStream<number>({ maxItems: SIZE, linger }))
        .pipeTo(new WritableStream({ write: take })),
  },
  {
    kind: "weir",
    name: "BatchStream.from",
    bounded: true,
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
    bounded: true,
    lingers: false,
    run: (source, _, take) => iterate(batch(SIZE, source), take),
  },
  {
    kind: "peer",
    name: "streaming-iterables batchWithTimeout",
    bounded: true,
    lingers: true,
    run: (source, linger, take) => iterate(batchWithTimeout(SIZE, linger, source), take),
  },
  {
    kind: "peer",
    name: "effect groupedWithin",
    bounded: true,
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
    kind: "peer",
    name: "rxjs from, bufferTime",
    bounded: false,
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
