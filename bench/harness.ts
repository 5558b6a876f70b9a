/** What a case is, and how cases are measured. Runs in every runtime. */

import type { Way } from "./ways/way.ts";

/** One way to do something with `n` items. */
export interface Case extends Way {
  /** Moves `n` items, and returns how many arrived. */
  run(n: number): Promise<number>;
}

/** Cases that are compared. The first is the floor that the others are multiples of. */
export interface Group {
  readonly name: string;
  /** What is counted. */
  readonly unit: string;
  /** How many of them in one run. */
  readonly n: number;
  readonly cases: readonly Case[];
}

/** How long to measure. */
export interface Effort {
  /** Items in one run, instead of what the group says. */
  readonly n?: number | undefined;
  readonly rounds: number;
  /** Rounds before those, which are not counted. */
  readonly warmup: number;
  /** A sample repeats the run for at least so many milliseconds. */
  readonly minimum: number;
}

/** What was measured of a case, in nanoseconds for one item. */
export interface Measurement {
  readonly group: string;
  readonly name: string;
  readonly kind: Case["kind"];
  readonly bounded?: boolean | undefined;
  readonly unit: string;
  readonly median: number;
  readonly minimum: number;
  /** The median as a multiple of the group's floor. */
  readonly ratio: number;
}

/** How many milliseconds a sample should not exceed. */
const SLOW = 100;

/** Measures the cases of a group in interleaved rounds: A B C, A B C. */
export async function measure(group: Group, effort: Effort): Promise<Measurement[]> {
  const { cases, name, unit } = group;
  const n = effort.n ?? group.n;
  // The first round, in which nobody knows yet what is slow, takes a tenth.
  const counts = cases.map(() => effort.warmup ? Math.ceil(n / 10) : n);
  const samples: number[][] = cases.map(() => []);
  for (let round = -effort.warmup; round < effort.rounds; round++) {
    for (const [index, each] of cases.entries()) {
      await settle();
      // What the cases between have made the engine forget is learnt again, and not counted.
      if (round >= 0) await sample(each, counts[index]!, effort.minimum / 2);
      const nanoseconds = await sample(each, counts[index]!, effort.minimum);
      if (round >= 0) samples[index]!.push(nanoseconds);
      else counts[index] = fewer(n, nanoseconds);
    }
  }
  const medians = samples.map(median);
  return cases.map((each, index) => ({
    group: name,
    name: each.name,
    kind: each.kind,
    bounded: each.bounded,
    unit,
    median: medians[index]!,
    minimum: Math.min(...samples[index]!),
    ratio: medians[index]! / medians[0]!,
  }));
}

/** A slow case moves fewer items, whole thousands of them, so that it does not take all the time. */
function fewer(n: number, nanoseconds: number): number {
  const thousands = Math.floor(SLOW * 1e6 / nanoseconds / 1000);
  return Math.min(n, Math.max(thousands, 1) * 1000);
}

/** Nanoseconds for one item. */
export async function sample(each: Case, n: number, minimum: number): Promise<number> {
  let items = 0;
  let elapsed = 0;
  do {
    const start = performance.now();
    const arrived = await each.run(n);
    elapsed += performance.now() - start;
    if (arrived !== n) throw new Error(`${each.name}: ${arrived} of ${n} arrived`);
    items += n;
  } while (elapsed < minimum);
  return elapsed * 1e6 / items;
}

/**
 * Nobody pays for the timers of the case before. A forced collection would cost far more than it
 * tells: with the last objects of a shape V8 forgets the code that it had optimized for them.
 */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1));
}

/** How far the usual sample is from the best: near 1 where the machine was quiet. */
export function noise(measurements: readonly Measurement[]): number {
  return median(measurements.map((each) => each.median / each.minimum));
}

/** The value in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
