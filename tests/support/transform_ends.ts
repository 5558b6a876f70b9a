/** The transform streams that do not batch, as one table. */

import { FixedChunkStream, MapStream, type ThrottleStats, ThrottleStream } from "../../mod.ts";
import { type Opened, read, written } from "./batching.ts";
import type { Clock } from "./clock.ts";

/** A stream with a hand at each end, of whatever it gives. */
export type Ends = Opened<unknown, ThrottleStats>;

/** A way to one of the streams. */
export interface TransformWay {
  readonly name: string;
  /** Whether its producer writes. */
  readonly writes: boolean;
  /** Timers, when it holds something. */
  readonly timers: number;
  open(signal?: AbortSignal): Ends;
  /** Both sides of it. */
  make?(signal?: AbortSignal): TransformStreamPair;
  /** An item that it takes. */
  readonly item: unknown;
  /** Adds as much as it takes while nobody asks. */
  hold(ends: Ends, clock: Clock): Promise<void>;
  /** Whether a write waits after that. */
  readonly waits: boolean;
}

interface TransformStreamPair {
  readonly readable: ReadableStream<unknown>;
  readonly writable: WritableStream<unknown>;
}

const hang = () => new Promise<never>(() => {});

function passing(
  name: string,
  make: (signal: AbortSignal | undefined) => TransformStreamPair,
  rest: Pick<TransformWay, "timers" | "item" | "hold" | "waits">,
): TransformWay {
  return { name, writes: true, make, open: (signal) => written(make(signal)), ...rest };
}

const mapping = (signal: AbortSignal | undefined) => ({ concurrency: 2, timeout: 50, signal });

/** All of them. */
export const ways: readonly TransformWay[] = [
  passing("MapStream()", (signal) => new MapStream(hang, mapping(signal)), {
    ...{ timers: 1, item: 1, waits: true },
    hold: (ends) => ends.add(1, 2),
  }),
  {
    ...{ name: "MapStream.from()", writes: false, timers: 1, item: 1, waits: false },
    open: (signal) =>
      read((source) => MapStream.from(source, hang, { ...mapping(signal), concurrency: 4 })),
    hold(ends) {
      ends.reader.read().catch(() => {});
      return ends.add(1, 2);
    },
  },
  passing("FixedChunkStream()", (signal) => {
    return new FixedChunkStream({ size: 2, signal }) as TransformStreamPair;
  }, {
    ...{ timers: 0, item: new Uint8Array(1), waits: true },
    hold: (ends) => ends.add(new Uint8Array(1), new Uint8Array(1)),
  }),
  passing("ThrottleStream()", (signal) => new ThrottleStream({ interval: 50, signal }), {
    ...{ timers: 0, item: 1, waits: true },
    async hold(ends, clock) {
      await ends.add(1, 2);
      await clock.tick(50);
    },
  }),
  ...(["trailing", "both"] as const).map((edge) =>
    passing(
      `ThrottleStream(${edge})`,
      (signal) => new ThrottleStream({ interval: 50, edge, signal }),
      { timers: 1, item: 1, waits: false, hold: (ends) => ends.add(1, 2) },
    )
  ),
];
