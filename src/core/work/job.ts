import type { SinkContext } from "../shared/call_context.ts";
import type { FifoQueue, Linked } from "../shared/fifo_queue.ts";
import type { Group } from "./group.ts";

/** Runs a handler in the asynchronous context that its item came from. */
export type Runner = <R>(run: () => R) => R;

/** Who waits: a `Deferred`, or a `Caller` who may leave. */
export interface Result {
  readonly promise: Promise<unknown>;
  resolve(value: unknown): void;
  reject(reason: unknown): void;
  /** The caller has left, and was told why. */
  readonly left?: { readonly reason: unknown } | undefined;
  /** It stands in this, which can be left; the handler runs, for it alone. Of a caller who may leave. */
  enter?(entry: unknown): void;
  run?(context: SinkContext): void;
}

/** The places of those items of a job that have failed with one error. */
export interface Failure {
  readonly error: unknown;
  readonly places: number[];
}

/** What came with the items of a batch, each at the place of its item: they have holes. */
export interface Batch {
  /** As far as they are known. */
  items: readonly unknown[];
  /** Who waits for what comes of them. */
  results: Result[];
  /** Of the `consume()` calls that have brought them. */
  owns: readonly Group[];
  /** What they weigh in the queue, where that is bounded. */
  weights: readonly number[];
}

/** What has come of the items of a job that are not simply done. */
export interface Outcome {
  failed: number;
  /** Have failed as their callers, who have left, had told them to. */
  abandoned: number;
  /** A handler has given them up after the end. */
  returned: unknown[];
  /** The places of those that go again. */
  readonly again: Set<number>;
}

/** Since when a job waits: its place among those that do. */
export interface Wait extends Linked {
  readonly job: Job<unknown, unknown>;
  readonly since: number;
}

/** So many items stand in one block. */
export const BLOCK = 256;

/** Items that are nothing but items, in order: they need no jobs before their turn. */
export interface Block {
  readonly items: unknown[];
  /** Where the first is, and where the next will be. */
  at: number;
  end: number;
}

/** What a pool starts: one item, or a batch. It may wait for room before. */
export interface Job<P = unknown, W = Result> extends Linked {
  /** What the handler is given. */
  payload: P;
  key: unknown;
  /** How many items it is; a batch that is due, and gathers, has none yet. */
  count: number;
  /** What it weighs in the queue. */
  weight: number;
  snapshot: Runner | undefined;
  /** Who waits for what comes of it, if it is one item that was submitted. */
  result: W | undefined;
  /** Of the `consume()` that has brought it. */
  own: Group | undefined;
  /** How many times the sink had been flushed when its first item came. */
  epoch: number;
  batch: Batch | undefined;
  /** It is none itself, and stands in the queue for these. */
  block: Block | undefined;
  outcome: Outcome | undefined;

  /** It waits for room: who is told when it comes in, or never does. */
  told: Result | undefined;
  /** The stream writes it, and ends with a throw of the user's. */
  written: boolean;
  /** There is room for its key. */
  queued: boolean;

  /** Since when it waits, where that is measured. */
  wait: Wait | undefined;
  /** How often it has run before; when it goes again, in milliseconds, if it does. */
  retries: number;
  delay: number | undefined;
  /** The place in the order of acceptance; the jobs of its key, and its place in the heap, if it is there. */
  order: number | undefined;
  line: KeyLine | undefined;
  place: number | undefined;
}

/** The jobs of a key. */
export interface KeyLine {
  /** The one that is ready or runs. */
  first: Job<unknown, unknown>;
  /** Those behind it, in order. */
  readonly behind: FifoQueue<Job<unknown, unknown>>;
}

/** Those who wait for what comes of a job, each at the place of its item. */
export function resultsOf({ batch, result }: Job): (Result | undefined)[] {
  return batch ? batch.results : [result];
}
