/** The ratios that check the library's promises, and the verdict of a run. */

/** The runtimes of the cases. */
export const RUNTIMES = ["deno", "bun", "node24"] as const;

/** One of the runtimes. */
export type RuntimeName = typeof RUNTIMES[number];

/** A case may take at most a multiple of another case's time in the same run. Both are minima. */
export interface Target {
  readonly group: string;
  readonly name: string;
  /** A case of the same group, or a Go original. */
  readonly against: string;
  /** One limit for each runtime. Without limits the ratio is only shown. */
  readonly atMost?: readonly number[];
}

/** The cost of an item in a run of 1e7, compared with a run of 1e5. */
export const GROWTH = 1.1;

/** The overload, and the limits for the ways that shed it. Times are in milliseconds. */
export const OVERLOAD = {
  concurrency: 16,
  handler: 5,
  /** The load as a multiple of the handlers' capacity. */
  times: 10,
  /** The longest time that a caller waits. */
  deadline: 100,
  maxWait: 50,
  /** The `capacity` of ways that shed by it, and of ways that shed by `maxWait`. */
  few: 64,
  many: 10_000,
  /** The least share of the handlers' capacity that is served within the deadline. */
  goodput: 0.9,
  /** The p99.9 is at most `maxWait + handler`, plus this for late timers and collections. */
  tolerance: 10,
  /** The most bytes that may be held at the end beyond the beginning. */
  growth: 1e6,
  /** The ways that these limits apply to. */
  shedding: ["Fanout.tryPush", "Fanout.tryPush, with maxWait"],
} as const;

const FLOOR = "pipeTo a no-op sink";
const IDENTITY = "pipe through an identity TransformStream";
const IDEAL = "ring of items, tryPush";

/** `linger` is 1000, and a `Fanout` has 16 workers, unless the name says otherwise. */
export const targets: readonly Target[] = [
  target("batching", "pipe, BatchStream", FLOOR, 1.09, 1.1, 1.05),
  target("batching", "pipe, BatchStream", IDENTITY, 0.6, 0.6, 0.6),
  target("batching", "BatchStream.from", FLOOR, 0.31, 0.34, 0.42),
  target("batching", "BatchStream.from", "streaming-iterables batchWithTimeout", 0.5, 0.5, 0.5),
  target(
    "batching",
    "BatchStream.from, of an array",
    "array, a loop that awaits each batch",
    1.8,
    2.5,
    2.3,
  ),
  target("aggregator", "Aggregator.tryPush", FLOOR, 0.055, 0.066, 0.055),
  target("aggregator", "Aggregator.tryPush", "rxjs Subject, bufferTime", 0.25, 0.25, 0.25),
  target("aggregator", "Aggregator.tryPush", "async cargoQueue", 0.1, 0.1, 0.1),
  target("aggregator", "Aggregator.tryPush", "array and counters, tryPush"),
  target("aggregator", "Aggregator.tryPush, no linger", "array and counters, tryPush"),
  target("aggregator", "Aggregator.tryPush", "go-zero BulkExecutor"),
  target("fanout", "Fanout.tryPush", "p-queue", 0.1, 0.1, 0.1),
  target("fanout", "Fanout.tryPush", "p-map", 0.16, 0.26, 0.18),
  target("fanout", "Fanout.tryPush", "fastq.promise", 0.3, 0.3, 0.3),
  target("fanout", "Fanout.tryPush", IDEAL, 1.8, 2, 1.9),
  target("fanout", "Fanout.tryPush, 1 worker", "Kratos fanout.Do, 1 worker", 0.5, 0.5, 0.5),
  target("fanout", "Fanout.tryPush", "Kratos fanout.Do, 16 workers", 0.5, 0.5, 0.5),
  target("fanout", "pipe to Fanout", FLOOR, 1.27, 1.15, 1.3),
  target("fanout", "Fanout.consume", FLOOR, 0.36, 0.48, 0.6),
  target("fanout", "Fanout.consume", "ring of items, reader loop"),
  target("fanout", "Fanout.tryPush, with timeout", "Fanout.tryPush", 1.3, 1.2, 1.2),
  target("fanout", "Fanout.tryPush, with key", "Fanout.tryPush", 2, 2, 2),
  target("fanout", "Fanout.submit", "Fanout.tryPush", 2, 2, 2),
  target("map", "MapStream.from", "p-map pMapIterable", 0.6, 0.6, 0.6),
  target(
    "map",
    "MapStream.from, 8 at once",
    "p-map pMapIterable, 8 at once",
    0.62,
    0.52,
    0.66,
  ),
  target("map", "pipe, MapStream", IDENTITY, 1.5, 1.2, 1.1),
  target(
    "singleflight",
    "Singleflight.do, one after another",
    "a Map of promises, one after another",
    0.64,
    0.92,
    0.64,
  ),
  target(
    "singleflight",
    "Singleflight.do, 1000 joiners",
    "a Map of promises, 1000 joiners",
    0.94,
    1,
    0.97,
  ),
  target(
    "singleflight",
    "Singleflight.do, one after another",
    "singleflight.Do, one after another",
    1.5,
    1.5,
    1.5,
  ),
  target(
    "singleflight",
    "Singleflight.do, 1000 joiners",
    "singleflight.DoChan, 1000 joiners",
    1.5,
    1.5,
    1.5,
  ),
  target(
    "chain",
    "MapStream.from to Fanout, asynchronous map",
    "by hand over arrays, asynchronous map",
    2.6,
    3.2,
    2.6,
  ),
  target(
    "chain",
    "MapStream.from to Fanout, synchronous map",
    "by hand over arrays, synchronous map",
    7,
    13,
    7,
  ),
  target(
    "chunks",
    "FixedChunkStream, into 4 MiB",
    "FixedChunkStream, into 16 KiB",
    1.2,
    1.2,
    1.2,
  ),
];

/** Whether a case has a target. */
export function promised(group: string, name: string): boolean {
  return targets.some((target) => target.group === group && target.name === name);
}

/** Whether a case has a target, or another case is compared with it. */
export function judged(group: string, name: string): boolean {
  const named = (target: Target) => target.name === name || target.against === name;
  return targets.some((target) => target.group === group && named(target));
}

function target(group: string, name: string, against: string, ...atMost: number[]): Target {
  return { group, name, against, ...(atMost.length && { atMost }) };
}
