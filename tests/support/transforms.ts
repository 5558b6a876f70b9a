/** The transforms as one table, for tests and measurements of each of them. */

import {
  BatchStream,
  type BatchStreamOptions,
  ChunkStream,
  type ChunkStreamOptions,
  FixedChunkStream,
  type FixedChunkStreamOptions,
  type HandlerContext,
  MapStream,
  type MapStreamOptions,
  type Source,
  type ThrottleStats,
  ThrottleStream,
  type ThrottleStreamOptions,
} from "../../mod.ts";
import { ArrayCollector, type Opened, read, written } from "./batching.ts";
import type { Clock } from "./clock.ts";
import type { Option } from "./options.ts";

/** Any transform. */
export type Stream = TransformStream<unknown, unknown>;
/** User code for an item. It has a context if it may be asynchronous. */
type Call = (item: unknown, context?: HandlerContext) => unknown;

/** The values to make a stream with. */
export interface Manners {
  readonly signal?: AbortSignal | undefined;
  readonly call?: Call | undefined;
  readonly key?: (() => unknown) | undefined;
}

/** One of the transforms. */
export interface Transform {
  readonly name: string;
  /** Its options, and those without a default. */
  readonly options: Record<string, Option>;
  readonly least?: Record<string, unknown>;
  /** Makes it with any options. */
  readonly construct: (options: never, call: Call) => Stream;
  readonly from?: (source: Source<unknown>, options: never, call: Call) => ReadableStream<unknown>;
  /** Options with which it holds one or two items until it is closed. */
  readonly busy: (call: Call, key?: () => unknown) => Record<string, unknown>;
  /** The items to write before the close. */
  readonly items: readonly unknown[];
  /** The chunks that it then hands over, which differ from the items. */
  readonly results: readonly unknown[];
  /** The number of items in a chunk. */
  count(chunk: unknown): number;
  /** Whether it calls user code. */
  readonly calls?: true;
  /** An item on which it fails, and the message of that error. */
  readonly bad?: unknown;
  readonly message?: RegExp;
}

/** Longer than any test waits: a left timer shows as a process that does not exit. */
const DAY = 86_400_000;

const bytes = (...values: number[]) => new Uint8Array(values);
const bad = "bad";
const calls = { calls: true, bad, message: /^refused$/ } as const;
const refuse: Call = (item) => {
  if (item === bad) throw new Error("refused");
  return item;
};
const counting = (call: Call) => (item: unknown) => {
  call(item);
  return 1;
};
const calling = (call: Call) => async (item: unknown, context: HandlerContext) => {
  await undefined;
  return [await call(item, context)];
};

class Calling extends ArrayCollector {
  readonly #call: Call;

  constructor(call: Call, max: number) {
    super(max);
    this.#call = call;
  }

  override add(item: unknown): void {
    this.#call(item);
    super.add(item);
  }
}

const weighed = { maxWeight: 9, weigh: () => 1 };
/** The options of a `BatchStream`. */
export const batch: Record<keyof BatchStreamOptions<unknown>, Option> = {
  maxItems: { kind: "limit or Infinity" },
  maxWeight: { kind: "weight", beside: weighed },
  weigh: { kind: "function", beside: weighed },
  linger: { kind: "duration or 0" },
  oversize: { kind: "word" },
  collector: { kind: "function" },
  onDiscard: { kind: "function" },
  signal: { kind: "signal" },
  name: { kind: "text" },
};
const chunk: Record<keyof ChunkStreamOptions<unknown>, Option> = {
  maxBytes: { kind: "limit or Infinity" },
  maxItems: { kind: "limit or Infinity" },
  byteLength: { kind: "function" },
  linger: { kind: "duration or 0" },
  oversize: { kind: "word" },
  onDiscard: { kind: "function" },
  signal: { kind: "signal" },
  name: { kind: "text" },
};
const map: Record<keyof MapStreamOptions<unknown>, Option> = {
  concurrency: { kind: "limit" },
  capacity: { kind: "limit" },
  ordered: { kind: "flag" },
  key: { kind: "function" },
  timeout: { kind: "duration" },
  overrun: { kind: "overrun" },
  rate: { kind: "rate" },
  onError: { kind: "function" },
  onDiscard: { kind: "function" },
  signal: { kind: "signal" },
  name: { kind: "text" },
};
const fixed: Record<keyof FixedChunkStreamOptions, Option> = {
  size: { kind: "limit" },
  signal: { kind: "signal" },
  name: { kind: "text" },
};
const throttled: Record<keyof ThrottleStreamOptions, Option> = {
  interval: { kind: "duration" },
  edge: { kind: "edge" },
  signal: { kind: "signal" },
  name: { kind: "text" },
};

const batched = {
  ...{ items: [1, 2, 3, 4], results: [[1, 2, 3], [4]], ...calls },
  count: (chunk: unknown[]) => chunk.length,
};

/** All transforms. */
export const transforms: readonly Transform[] = [
  {
    ...{ name: "BatchStream", options: batch, ...batched },
    construct: (options) => new BatchStream(options),
    from: (source, options) => BatchStream.from(source, options),
    busy: (call) => ({ maxItems: 3, maxWeight: 9, weigh: counting(call), linger: DAY }),
  },
  {
    ...{ name: "ChunkStream", options: chunk, least: { maxBytes: 9 }, ...batched },
    construct: (options) => new ChunkStream(options),
    from: (source, options) => ChunkStream.from(source, options),
    busy: (call) => ({ maxBytes: 3, byteLength: counting(call), linger: DAY }),
  },
  {
    ...{ name: "FixedChunkStream", options: fixed, least: { size: 9 } },
    construct: (options) => new FixedChunkStream(options) as Stream,
    from: (source, options) => FixedChunkStream.from(source as Source<ArrayBuffer>, options),
    busy: () => ({ size: 3 }),
    items: [bytes(1), bytes(2), bytes(3), bytes(4)],
    results: [bytes(1, 2, 3), bytes(4)],
    count: (piece: Uint8Array) => piece.length,
    ...{ bad, message: /^FixedChunkStream: a chunk must be / },
  },
  {
    ...{ name: "MapStream", options: map, ...calls },
    construct: (options, call) => new MapStream(calling(call), options),
    from: (source, options, call) => MapStream.from(source, calling(call), options),
    busy: (_, key) => ({ concurrency: 2, timeout: DAY, key }),
    ...{ items: [1, 2, 3], results: [[1], [2], [3]] },
    count: () => 1,
  },
  {
    ...{ name: "ThrottleStream", options: throttled, least: { interval: 9 } },
    construct: (options) => new ThrottleStream(options),
    from: (source, options) => ThrottleStream.from(source, options),
    busy: () => ({ interval: DAY, edge: "both" }),
    ...{ items: [1, 2, 3], results: [1, 3] },
    count: () => 1,
  },
];

/** The transforms that have other options than most. */
export const variants: readonly Transform[] = [
  {
    ...{ name: "BatchStream with a collector", ...batched },
    options: { linger: batch.linger, onDiscard: batch.onDiscard, signal: batch.signal },
    least: { collector: () => new ArrayCollector(9) },
    construct: (options) => new BatchStream(options),
    from: (source, options) => BatchStream.from(source, options),
    busy: (call) => ({ collector: () => new Calling(call, 3), linger: DAY }),
  },
];

/** A stream to be used. */
export function make(
  { construct, busy }: Transform,
  { signal, call = refuse, key }: Manners = {},
): Stream {
  return construct({ ...busy(call, key), signal } as never, call);
}

/** The readable of a source by `from`, with the same behaviour, if there is one. */
export function from(
  { from, busy }: Transform,
  source: Source<unknown>,
  { signal, call = refuse, key }: Manners = {},
): ReadableStream<unknown> {
  return from!(source, { ...busy(call, key), signal } as never, call);
}

/** The output as text, because it may be of another realm and so equal to nothing of this one. */
export function text(results: readonly unknown[]): string {
  return JSON.stringify(
    results,
    (_, value) => ArrayBuffer.isView(value) ? [...value as Uint8Array] : value,
  );
}

/** A stream with its two ends. */
export type Ends = Opened<unknown, ThrottleStats>;

/** A way to make one of the streams that don't batch, and to let it hold something. */
export interface TransformWay {
  readonly name: string;
  /** The number of timers when it holds something. */
  readonly timers: number;
  open(signal?: AbortSignal): Ends;
  /** Both sides, if its producer writes. */
  make?(signal?: AbortSignal): Stream;
  /** A valid item. */
  readonly item: unknown;
  /** Adds as many items as it takes without demand. */
  hold(ends: Ends, clock: Clock): Promise<void>;
  /** Whether a write waits after that. */
  readonly waits: boolean;
}

const hang = () => new Promise<never>(() => {});
const mapping = (signal: AbortSignal | undefined) => ({ concurrency: 2, timeout: 50, signal });

function passing(
  name: string,
  make: (signal: AbortSignal | undefined) => Stream,
  rest: Pick<TransformWay, "timers" | "item" | "hold" | "waits">,
): TransformWay {
  return { name, make, open: (signal) => written(make(signal)), ...rest };
}

/** All transforms. */
export const ways: readonly TransformWay[] = [
  passing("MapStream()", (signal) => new MapStream(hang, mapping(signal)), {
    ...{ timers: 1, item: 1, waits: true },
    hold: (ends) => ends.add(1, 2),
  }),
  {
    ...{ name: "MapStream.from()", timers: 1, item: 1, waits: false },
    open: (signal) =>
      read((source) => MapStream.from(source, hang, { ...mapping(signal), concurrency: 4 })),
    hold(ends) {
      ends.reader.read().catch(() => {});
      return ends.add(1, 2);
    },
  },
  passing("FixedChunkStream()", (signal) => new FixedChunkStream({ size: 2, signal }) as Stream, {
    ...{ timers: 0, item: bytes(1), waits: true },
    hold: (ends) => ends.add(bytes(1), bytes(1)),
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
