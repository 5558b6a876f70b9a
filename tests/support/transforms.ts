/** The five transforms as one table, each with what it makes of a few items. */

import {
  BatchStream,
  ChunkStream,
  FixedChunkStream,
  MapStream,
  ThrottleStream,
} from "../../mod.ts";

/** One of them. */
export interface Transform {
  readonly name: string;
  readonly make: () => TransformStream<unknown, unknown>;
  /** What is written, before the close. */
  readonly items: readonly unknown[];
  /** What it hands over then: not the items as they are. */
  readonly results: readonly unknown[];
  /** An item on which it fails, and the message of that. */
  readonly bad?: unknown;
  readonly message?: RegExp;
}

/** Nobody waits for this long: a timer that is left shows as a process that does not exit. */
const DAY = 86_400_000;
const bad = "bad";

/** User code, which fails on a bad item. */
function one(item: unknown): number {
  if (item === bad) throw new Error("refused");
  return 1;
}

const bytes = (...values: number[]) => new Uint8Array(values);
const fails = { bad, message: /^refused$/ };

/** All of them. */
export const transforms: readonly Transform[] = [
  {
    ...{ name: "BatchStream", items: [1, 2, 3], results: [[1, 2], [3]], ...fails },
    make: () => new BatchStream({ maxItems: 2, maxWeight: 9, weigh: one, linger: DAY }),
  },
  {
    ...{ name: "ChunkStream", items: ["a", "b", "c"], results: [["a", "b"], ["c"]], ...fails },
    make: () => new ChunkStream<unknown>({ maxBytes: 2, byteLength: one, linger: DAY }),
  },
  {
    name: "FixedChunkStream",
    make: () => new FixedChunkStream({ size: 2 }) as TransformStream<unknown, unknown>,
    items: [bytes(1), bytes(2), bytes(3)],
    results: [bytes(1, 2), bytes(3)],
    ...{ bad, message: /^FixedChunkStream: a chunk must be / },
  },
  {
    ...{ name: "MapStream", items: [1, 2, 3], results: ["1", "2", "3"], ...fails },
    make: () =>
      new MapStream((item: unknown) => {
        one(item);
        return Promise.resolve(String(item));
      }, { timeout: DAY }),
  },
  {
    ...{ name: "ThrottleStream", items: [1, 2, 3], results: [1, 3] },
    make: () => new ThrottleStream({ interval: DAY, edge: "both" }),
  },
];

/** What was handed over, as text: it may be of another realm, and so equal to nothing of this one. */
export function text(results: readonly unknown[]): string {
  return JSON.stringify(
    results,
    (_, value) => ArrayBuffer.isView(value) ? [...value as Uint8Array] : value,
  );
}
