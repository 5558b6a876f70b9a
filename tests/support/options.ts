/** Every entry of the library that takes options, with the values that it takes. */

import {
  Aggregator,
  type AggregatorOptions,
  backoff,
  type BackoffOptions,
  Fanout,
  type FanoutOptions,
  RateLimit,
  type RateLimitOptions,
  Singleflight,
  type SingleflightOptions,
  throttle,
  type ThrottleOptions,
  type WrapOptions,
} from "../../mod.ts";
import { batch, type Transform, transforms, variants } from "./transforms.ts";

/** The values of an option. */
export type Kind =
  | "limit"
  | "limit or 0"
  | "overrun"
  | "rate"
  | "pause"
  | "factor"
  | "limit or Infinity"
  | "weight"
  | "limit, 0 or Infinity"
  | "duration"
  | "duration or 0"
  | "function"
  | "flag"
  | "word"
  | "edge"
  | "signal"
  | "cache"
  | "text";

/** An option. */
export interface Option {
  readonly kind: Kind;
  /** Valid options that it needs. */
  readonly beside?: Record<string, unknown>;
}

/** A constructor, or a function like one. */
export interface Front {
  readonly name: string;
  readonly owner: string;
  /** Valid values for the options without a default. */
  readonly least: Record<string, unknown>;
  /** Whether `least` replaces options with a default. */
  readonly instead?: boolean;
  readonly options: Record<string, Option>;
  readonly make: (options: unknown) => unknown;
  /** Ends the object. */
  readonly end: (made: unknown) => unknown;
}

const fanout: Record<keyof FanoutOptions<unknown>, Option> = {
  concurrency: { kind: "limit or 0" },
  capacity: { kind: "limit, 0 or Infinity" },
  key: { kind: "function" },
  timeout: { kind: "duration" },
  overrun: { kind: "overrun" },
  retry: { kind: "function" },
  rate: { kind: "rate" },
  maxWait: { kind: "duration" },
  keyCapacity: { kind: "limit or Infinity", beside: { key: () => 1 } },
  capacityWeight: { kind: "weight", beside: { weigh: () => 1, capacityWeight: 9 } },
  weigh: { kind: "function", beside: { weigh: () => 1, capacityWeight: 9 } },
  onError: { kind: "function" },
  onDiscard: { kind: "function" },
  snapshot: { kind: "function" },
  signal: { kind: "signal" },
  name: { kind: "text" },
};
const aggregator: Record<keyof AggregatorOptions<unknown>, Option> = {
  ...batch,
  ...fanout,
  capacity: { kind: "limit or Infinity", beside: { maxItems: 1 } },
};
const flight: Record<keyof SingleflightOptions<unknown, unknown>, Option> = {
  clone: { kind: "function" },
  cache: { kind: "cache" },
  forgetAfter: { kind: "duration" },
  name: { kind: "text" },
};
const wrap: Record<keyof WrapOptions<never, unknown, unknown>, Option> = {
  key: { kind: "function" },
  ...flight,
};
const backoffs: Record<keyof BackoffOptions, Option> = {
  attempts: { kind: "limit" },
  min: { kind: "pause" },
  max: { kind: "pause", beside: { min: 0 } },
  factor: { kind: "factor" },
  jitter: { kind: "flag" },
};
const rate: Record<keyof RateLimitOptions, Option> = {
  limit: { kind: "limit" },
  interval: { kind: "duration" },
  name: { kind: "text" },
};
const throttled: Record<keyof ThrottleOptions, Option> = {
  interval: { kind: "duration" },
  edge: { kind: "edge" },
};

const endNothing = () => {};

/** Its constructor, and its `from`. */
function ofTransform({ name, options, least = {}, construct, from }: Transform): Front[] {
  const [owner = ""] = name.split(" ");
  const rest = name.slice(owner.length);
  const front = { owner, least, instead: rest !== "", options };
  const constructor: Front = {
    ...{ name: `new ${owner}()${rest}`, ...front },
    make: (options) => construct(options as never, () => {}),
    end: (stream) => (stream as TransformStream).readable.cancel(),
  };
  return !from ? [constructor] : [constructor, {
    ...{ name: `${owner}.from()${rest}`, ...front },
    options: { ...options, flatten: { kind: "flag" } },
    make: (options) => from([], options as never, () => {}),
    end: (readable) => (readable as ReadableStream).cancel(),
  }];
}

/** All entries. */
export const fronts: readonly Front[] = [
  ...[...transforms, ...variants].flatMap(ofTransform),
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
    options: wrap,
    make: (options) => Singleflight.wrap(() => 1, options as never),
    end: endNothing,
  },
  {
    name: "backoff()",
    owner: "backoff",
    least: {},
    options: backoffs,
    make: (options) => backoff(options as never),
    end: endNothing,
  },
  {
    name: "new RateLimit()",
    owner: "RateLimit",
    least: { limit: 1, interval: 9 },
    options: rate,
    make: (options) => new RateLimit(options as never),
    end: endNothing,
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
