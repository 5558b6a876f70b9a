/** Defines cases and their items, and measures their time. Runs in every runtime. */

import { setImmediate } from "node:timers";
import { Bench, type Task } from "tinybench";
import type { Effort, Measurement, Way } from "./summary.ts";

export type { Way } from "./summary.ts";

/** One way to process `n` items. */
export interface Case extends Way {
  /** Moves `n` items, and returns the number that arrived. */
  run(n: number): Promise<number>;
}

/** Cases to compare. The first is the floor: the others are multiples of it. */
export interface Group {
  readonly name: string;
  /** The number of items in one run. */
  readonly n: number;
  readonly cases: readonly Case[];
}

/** Measures the cases of a group in interleaved rounds: A B C, A B C. */
export async function measure(
  { name: group, n, cases }: Group,
  effort: Effort,
): Promise<Measurement[]> {
  const stopwatches = cases.map((each) =>
    stopwatch(each, effort.n ?? Math.min(each.n ?? n, n), effort.minimum)
  );
  const samples: number[][] = cases.map(() => []);
  for (let round = -effort.warmup; round < effort.rounds; round++) {
    for (const [index, sample] of stopwatches.entries()) {
      const nanoseconds = await sample();
      if (round >= 0) samples[index]!.push(nanoseconds);
    }
  }
  return cases.map(({ name, kind }, index) => ({
    group,
    name,
    kind,
    median: median(samples[index]!),
    minimum: Math.min(...samples[index]!),
  }));
}

/**
 * Takes samples of a case: nanoseconds per item, the mean of runs that last `minimum` milliseconds.
 * Before each sample the case runs for `warmup` milliseconds, so that the engine optimizes its code
 * again after other cases.
 */
export function stopwatch(
  each: Case,
  n: number,
  minimum: number,
  warmup: number = minimum / 2,
): () => Promise<number> {
  const bench = new Bench({
    time: minimum,
    iterations: 1,
    warmupTime: warmup,
    warmupIterations: 0,
    throws: true,
    setup: (_, phase) => phase === "warmup" ? settle() : undefined,
  });
  const run = async () => {
    const arrived = await each.run(n);
    if (arrived !== n) throw new Error(`${each.name}: ${arrived} of ${n} arrived`);
  };
  bench.add(each.name, run, { async: true });
  const [task] = bench.tasks;
  return async () => await mean(task!) * 1e6 / n;
}

/** Returns the milliseconds of one call. */
async function mean(task: Task): Promise<number> {
  task.reset();
  await task.warmup();
  const { result } = await task.run();
  if (result.state !== "completed") throw new Error(`${task.name}: ${result.state}`);
  return result.latency.mean;
}

/**
 * No case pays for the timers of the case before. A forced collection would distort more than it
 * helps: with the last objects of a shape, V8 drops the code that it had optimized for them.
 */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Returns the median. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * The size of a burst: the items that a source enqueues in one pull, or that a pusher pushes at
 * once.
 */
export const BURST = 1000;

/** The numbers below `n`. */
export function source(n: number): ReadableStream<number> {
  return repeat(n, (i) => i);
}

/**
 * A stream of `n` items, many in a pull, like the records of a block. A pull for each item would
 * cost as much as a reader, in the case and in its floor, and hide the difference.
 */
export function repeat<T>(n: number, item: (i: number) => T): ReadableStream<T> {
  let i = 0;
  return new ReadableStream({
    pull(controller) {
      for (const end = Math.min(n, i + BURST); i < end; i++) controller.enqueue(item(i));
      if (i === n) controller.close();
    },
  });
}

/** Slices of the numbers below `n`, as `[from, to]`: the bursts of a pusher. */
export function* bursts(n: number, size: number = BURST): Generator<[from: number, to: number]> {
  for (let from = 0; from < n; from += size) yield [from, Math.min(n, from + size)];
}

/** The numbers of a slice. */
export function* numbers(from: number, to: number): Generator<number> {
  for (let i = from; i < to; i++) yield i;
}

/** The numbers below `n`, for code that can't take a stream. */
export async function* generate(n: number): AsyncGenerator<number> {
  for (let i = 0; i < n; i++) yield i;
}

/** Pipes a stream to a sink that only counts. */
export async function pipeItems(readable: ReadableStream<unknown>): Promise<number> {
  let count = 0;
  await readable.pipeTo(
    new WritableStream({
      write() {
        count++;
      },
    }),
  );
  return count;
}

/** Pipes a stream of batches to a sink that only counts their items. */
export async function pipeBatches(readable: ReadableStream<ArrayLike<unknown>>): Promise<number> {
  let count = 0;
  await readable.pipeTo(
    new WritableStream({
      write(batch) {
        count += batch.length;
      },
    }),
  );
  return count;
}

/** Reads a stream by a plain loop. */
export async function readItems(readable: ReadableStream<unknown>): Promise<number> {
  const reader = readable.getReader();
  let count = 0;
  while (!(await reader.read()).done) count++;
  return count;
}

/** Reads a stream of batches by a plain loop. */
export async function readBatches(readable: ReadableStream<ArrayLike<unknown>>): Promise<number> {
  const reader = readable.getReader();
  let count = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return count;
    count += value.length;
  }
}

const DONE = Promise.resolve();
const MICROS = 0.05;
const MILLIS = 5;

interface Waiting {
  readonly due: number;
  readonly done: () => void;
}

const waiting: Waiting[] = [];

/** No work: a promise that has already resolved. */
export function none(): Promise<void> {
  return DONE;
}

/** 50 microseconds. No timer is that short, so the event loop turns until they are over. */
export function micros(): Promise<void> {
  return new Promise((done) => {
    waiting.push({ due: performance.now() + MICROS, done });
    if (waiting.length === 1) setImmediate(turn);
  });
}

/** 5 milliseconds. */
export function millis(): Promise<void> {
  return new Promise((done) => setTimeout(done, MILLIS));
}

function turn(): void {
  const now = performance.now();
  const later = waiting.findIndex(({ due }) => due > now);
  const over = waiting.splice(0, later < 0 ? waiting.length : later);
  // Before the callers get the result, because they may call again at once.
  if (waiting.length > 0) setImmediate(turn);
  for (const { done } of over) done();
}
