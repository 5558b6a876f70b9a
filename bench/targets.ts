/** The ratios that hold the library to its word, and what a run says of them. */

import type { Measurement } from "./harness.ts";

/** Where the cases run. */
export const RUNTIMES = ["deno", "bun", "node24"] as const;

/** One of them. */
export type RuntimeName = typeof RUNTIMES[number];

/** A case may take at most so many times what another takes, in the same run. */
export interface Target {
  readonly group: string;
  readonly name: string;
  readonly against: string;
  readonly atMost: number;
  /** Where a runtime has a limit of its own. */
  readonly except?: Partial<Record<RuntimeName, number>>;
}

/** What a run says of a target. */
export interface Verdict {
  readonly group: string;
  readonly name: string;
  readonly against: string;
  readonly atMost: number;
  readonly ratio: number;
}

const FLOOR = "pipeTo a no-op sink";
const IDEAL = "ring of items, tryPush";
const IDENTITY = "pipe through an identity TransformStream";

/** All of them; `linger` is 1000, and a `Fanout` has 16 workers, unless the name says otherwise. */
export const targets: readonly Target[] = [
  ...of("batching", "pipe, BatchStream", [[FLOOR, 1.1], [IDENTITY, 0.6]]),
  ...of("batching", "BatchStream.from", [
    [FLOOR, 0.3, { bun: 0.36 }],
    ["streaming-iterables batchWithTimeout", 0.5],
  ]),
  ...of("aggregator", "Aggregator.tryPush", [
    [FLOOR, 0.06],
    ["rxjs Subject, bufferTime", 0.25],
    ["async cargoQueue", 0.1],
  ]),
  ...of("fanout", "Fanout.tryPush", [
    ["p-queue", 0.1],
    ["p-map", 0.2],
    ["fastq.promise", 0.3],
    [IDEAL, 1.8, { bun: 2, node24: 1.9 }],
  ]),
  ...of("fanout", "pipe to Fanout", [[FLOOR, 1.3]]),
  ...of("fanout", "Fanout.consume", [[FLOOR, 0.45]]),
  ...of("fanout", "Fanout.tryPush, with timeout", [["Fanout.tryPush", 2]]),
  ...of("fanout", "Fanout.tryPush, with key", [["Fanout.tryPush", 2]]),
  ...of("fanout", "Fanout.submit", [["Fanout.tryPush", 2]]),
  ...of("map", "MapStream.from", [["p-map pMapIterable", 0.6]]),
  ...of("singleflight", "Singleflight.do, one after another", [
    ["a Map of promises, one after another", 1],
  ]),
  ...of("singleflight", "Singleflight.do, 1000 joiners", [
    ["a Map of promises, 1000 joiners", 1.05],
  ]),
  ...of("chunks", "FixedChunkStream, into 4 MiB", [["FixedChunkStream, into 16 KiB", 1.2]]),
];

/** Whether a case has a target. */
export function promised(group: string, name: string): boolean {
  return targets.some((target) => target.group === group && target.name === name);
}

/** Beside the Go originals: ours takes at most so many times what the original takes. */
export const beside: readonly (Omit<Target, "atMost"> & { readonly atMost?: number })[] = [
  ...of("aggregator", "Aggregator.tryPush", [["channelx Aggregator, 1 worker", 0.15]]),
  ...of("fanout", "Fanout.tryPush, 1 worker", [["Kratos fanout.Do, 1 worker", 0.5]]),
  ...of("fanout", "Fanout.tryPush", [["Kratos fanout.Do, 16 workers", 0.5]]),
  ...of("singleflight", "Singleflight.do, one after another", [
    ["singleflight.Do, one after another", 1.5],
  ]),
  ...of("singleflight", "Singleflight.do, 1000 joiners", [
    ["singleflight.DoChan, 1000 joiners", 1.5],
  ]),
  { group: "aggregator", name: "Aggregator.tryPush", against: "go-zero BulkExecutor" },
];

/** Ours beside the ideal, the same job by hand. */
export const ideals: readonly Omit<Target, "atMost">[] = [
  {
    group: "batching",
    name: "BatchStream.from, of an array",
    against: "array, a loop that awaits each batch",
  },
  {
    group: "aggregator",
    name: "Aggregator.tryPush, no linger",
    against: "array and counters, tryPush",
  },
  { group: "aggregator", name: "Aggregator.tryPush", against: "array and counters, tryPush" },
  { group: "fanout", name: "Fanout.tryPush", against: IDEAL },
  { group: "fanout", name: "Fanout.consume", against: "ring of items, reader loop" },
];

/** An item's cost in the largest run, against a run of 1e5. */
export const GROWTH = 1.1;

function of(
  group: string,
  name: string,
  limits: [against: string, atMost: number, except?: Target["except"]][],
): Target[] {
  return limits.map(([against, atMost, except]) => ({
    group,
    name,
    against,
    atMost,
    ...(except && { except }),
  }));
}

/** The verdicts on those targets whose group was measured. */
export function judge(
  runtime: RuntimeName,
  measurements: readonly Measurement[],
): Verdict[] {
  const measured = new Set(measurements.map((each) => each.group));
  return targets.filter(({ group }) => measured.has(group)).map((target) => {
    const { group, name, against } = target;
    const median = (of: string) => {
      const found = measurements.find((each) => each.group === group && each.name === of);
      if (!found) throw new Error(`a target names no case: ${group}, ${of}`);
      return found.median;
    };
    const ratio = median(name) / median(against);
    const atMost = target.except?.[runtime] ?? target.atMost;
    return { group, name, against, atMost, ratio };
  });
}
