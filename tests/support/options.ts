/** Every way into the library that takes options, and what it takes. */

import {
  Aggregator,
  BatchStream,
  ChunkStream,
  Fanout,
  FixedChunkStream,
  MapStream,
  Singleflight,
  throttle,
  ThrottleStream,
} from "../../mod.ts";

/** What an option takes. */
export type Kind =
  | "limit"
  | "limit or Infinity"
  | "duration"
  | "duration or 0"
  | "function"
  | "flag"
  | "word"
  | "edge"
  | "signal"
  | "cache";

/** An option. */
interface Option {
  readonly kind: Kind;
  /** Valid options, where it cannot be without another. */
  readonly beside?: Record<string, unknown>;
  /** Who complains of it, where that is not the front's own name. */
  readonly owner?: string;
}

/** A constructor, or a function like one. */
export interface Front {
  readonly name: string;
  readonly owner: string;
  /** The options that have no default, valid. */
  readonly least: Record<string, unknown>;
  /** `least` stands instead of options that have a default. */
  readonly instead?: boolean;
  readonly options: Record<string, Option>;
  readonly make: (options: unknown) => unknown;
  /** Ends what was made. */
  readonly end: (made: unknown) => unknown;
}

const weigh = () => 1;
const collector = () => {
  const items: unknown[] = [];
  return {
    get size() {
      return items.length;
    },
    full: false,
    add: (item: unknown) => void items.push(item),
    take: () => items.splice(0),
  };
};

const weighed = { maxWeight: 9, weigh };

const batch: Record<string, Option> = {
  maxItems: { kind: "limit or Infinity" },
  maxWeight: { kind: "limit or Infinity", beside: weighed },
  weigh: { kind: "function", beside: weighed },
  linger: { kind: "duration or 0" },
  oversize: { kind: "word" },
  collector: { kind: "function" },
  signal: { kind: "signal" },
};
const chunk: Record<string, Option> = {
  maxBytes: { kind: "limit or Infinity" },
  maxItems: { kind: "limit or Infinity" },
  byteLength: { kind: "function" },
  linger: { kind: "duration or 0" },
  oversize: { kind: "word" },
  signal: { kind: "signal" },
};
const collect: Record<string, Option> = {
  linger: { kind: "duration or 0" },
  signal: { kind: "signal" },
};
const fanout: Record<string, Option> = {
  concurrency: { kind: "limit" },
  capacity: { kind: "limit" },
  key: { kind: "function" },
  timeout: { kind: "duration" },
  onError: { kind: "function" },
  onDiscard: { kind: "function" },
  snapshot: { kind: "function" },
  signal: { kind: "signal" },
};
const aggregator: Record<string, Option> = {
  ...batch,
  ...fanout,
  capacity: { kind: "limit", beside: { maxItems: 1 } },
};
const flight: Record<string, Option> = {
  clone: { kind: "function" },
  cache: { kind: "cache" },
  forgetAfter: { kind: "duration" },
};

const map: Record<string, Option> = {
  concurrency: { kind: "limit" },
  ordered: { kind: "flag" },
  key: { kind: "function" },
  timeout: { kind: "duration" },
  signal: { kind: "signal" },
};
const throttled: Record<string, Option> = {
  interval: { kind: "duration" },
  edge: { kind: "edge" },
};

const endStream = (stream: unknown) =>
  (stream as { readonly readable: ReadableStream }).readable.cancel();
const endReadable = (readable: unknown) => (readable as ReadableStream).cancel();
const endNothing = () => {};

/** All of them. */
export const fronts: readonly Front[] = [
  {
    name: "new BatchStream()",
    owner: "BatchStream",
    least: {},
    options: batch,
    make: (options) => new BatchStream(options as never),
    end: endStream,
  },
  {
    name: "BatchStream.from()",
    owner: "BatchStream",
    least: {},
    options: batch,
    make: (options) => BatchStream.from([], options as number),
    end: endReadable,
  },
  {
    name: "new ChunkStream()",
    owner: "ChunkStream",
    least: { maxBytes: 9 },
    options: chunk,
    make: (options) => new ChunkStream(options as never),
    end: endStream,
  },
  {
    name: "ChunkStream.from()",
    owner: "ChunkStream",
    least: { maxBytes: 9 },
    options: chunk,
    make: (options) => ChunkStream.from([], options as never),
    end: endReadable,
  },
  {
    name: "new BatchStream() with a collector",
    owner: "BatchStream",
    least: { collector },
    instead: true,
    options: collect,
    make: (options) => new BatchStream(options as never),
    end: endStream,
  },
  {
    name: "BatchStream.from() with a collector",
    owner: "BatchStream",
    least: { collector },
    instead: true,
    options: collect,
    make: (options) => BatchStream.from([], options as never),
    end: endReadable,
  },
  {
    name: "new Fanout()",
    owner: "Fanout",
    least: {},
    options: fanout,
    make: (options) => new Fanout(() => {}, options as never),
    end: (made) => (made as Fanout<unknown>).close(),
  },
  {
    name: "new Aggregator()",
    owner: "Aggregator",
    least: {},
    options: aggregator,
    make: (options) => new Aggregator(() => [], options as never),
    end: (made) => (made as Aggregator<unknown>).close(),
  },
  {
    name: "new Singleflight()",
    owner: "Singleflight",
    least: {},
    options: flight,
    make: (options) => new Singleflight(options as never),
    end: endNothing,
  },
  {
    name: "Singleflight.wrap()",
    owner: "Singleflight.wrap",
    least: { key: () => 1 },
    options: { key: { kind: "function" }, ...flight },
    make: (options) => Singleflight.wrap(() => 1, options as never),
    end: endNothing,
  },
  {
    name: "new MapStream()",
    owner: "MapStream",
    least: {},
    options: map,
    make: (options) => new MapStream(() => {}, options as never),
    end: endStream,
  },
  {
    name: "MapStream.from()",
    owner: "MapStream",
    least: {},
    options: map,
    make: (options) => MapStream.from([], () => {}, options as never),
    end: endReadable,
  },
  {
    name: "new FixedChunkStream()",
    owner: "FixedChunkStream",
    least: { size: 9 },
    options: { size: { kind: "limit" }, signal: { kind: "signal" } },
    make: (options) => new FixedChunkStream(options as never),
    end: endStream,
  },
  {
    name: "new ThrottleStream()",
    owner: "ThrottleStream",
    least: { interval: 9 },
    options: { ...throttled, signal: { kind: "signal" } },
    make: (options) => new ThrottleStream(options as never),
    end: endStream,
  },
  {
    name: "throttle()",
    owner: "throttle",
    least: { interval: 9 },
    options: throttled,
    make: (options) => throttle(() => {}, options as never),
    end: endNothing,
  },
];
