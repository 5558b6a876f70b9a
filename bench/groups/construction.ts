/** What it takes to make a stream, once for each: the unit is a stream that nobody uses. */

import {
  BatchStream,
  ChunkStream,
  FixedChunkStream,
  MapStream,
  ThrottleStream,
} from "../../mod.ts";
import type { Case, Group } from "../harness.ts";

/** After so many, what they have left for later runs, as it would in a server. */
const AT_ONCE = 100;

const ignore = () => {};
const identity = (item: number) => item;

export const construction: Group = {
  name: "construction",
  unit: "stream",
  n: 10_000,
  cases: [
    of("floor", "a ReadableStream and a WritableStream", pair),
    of("floor", "TransformStream", () => new TransformStream<number, number>()),
    of("weir", "BatchStream", () => new BatchStream<number>(100)),
    of("weir", "ChunkStream", () => new ChunkStream<string>({ maxBytes: 100 })),
    of("weir", "FixedChunkStream", () => new FixedChunkStream({ size: 100 })),
    of("weir", "MapStream", () => new MapStream<number, number>(identity)),
    of("weir", "ThrottleStream", () => new ThrottleStream<number>({ interval: 100 })),
  ],
};

/** Two sides with all their callbacks, as ours are, and nothing behind them. */
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
