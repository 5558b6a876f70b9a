import type { SinkContext } from "../shared/call_context.ts";
import type { FifoQueue, Linked } from "../shared/fifo_queue.ts";
import type { Group } from "./group.ts";

/** Runs a handler in the asynchronous context of its item. */
export type Runner = <R>(run: () => R) => R;

/** The promise of a caller: a `Deferred`, or a `Caller` that may leave. */
export interface Result {
  readonly promise: Promise<unknown>;
  resolve(value: unknown): void;
  reject(reason: unknown): void;
  /** Set when the caller has left and has got the reason. */
  readonly left?: { readonly reason: unknown } | undefined;
  /**
   * `enter` sets the entry that the caller waits in and can leave; `run` says that the handler runs
   * for this caller alone. Only a caller that may leave has them.
   */
  enter?(entry: unknown): void;
  run?(context: SinkContext): void;
}

/** The places of the items of a job that have failed with one error. */
export interface Failure {
  readonly error: unknown;
  readonly places: number[];
}

/** What came with the items of a batch, each at the place of its item. These arrays have holes. */
export interface Batch {
  /** The items that are known. */
  items: readonly unknown[];
  /** The callers that wait for the results of their items. */
  results: Result[];
  /** The groups of the `consume()` calls that have brought items. */
  owns: readonly Group[];
  /** The weights in the queue, if weight is bounded. */
  weights: readonly number[];
}

/** What has happened to the items of a job that are not simply done. */
export interface Outcome {
  failed: number;
  /** How many items have failed with an echo of the reason for which their caller left. */
  abandoned: number;
  /** Items whose handler ended with an echo of the end of the sink. */
  returned: unknown[];
  /** The places of the items that go again. */
  readonly again: Set<number>;
}

/** The time since which a job waits, and its place among the waiting jobs. */
export interface Wait extends Linked {
  readonly job: Job<unknown, unknown>;
  readonly since: number;
}

/** The most items in one block. */
export const BLOCK = 256;

/** Items that carry nothing else, in order. They need no jobs before their turn. */
export interface Block {
  readonly items: unknown[];
  /** The place of the first item, and the place for the next one. */
  at: number;
  end: number;
}

/** What a pool starts: one item, or a batch. Before that, it may wait for room. */
export interface Job<P = unknown, W = Result> extends Linked {
  /** The argument of the handler. */
  payload: P;
  key: unknown;
  /** How many items it has. A due batch that still gathers has none yet. */
  count: number;
  /** Its weight in the queue. */
  weight: number;
  snapshot: Runner | undefined;
  /** The promise of the caller, if the job is one item that was submitted. */
  result: W | undefined;
  /** The group of the `consume()` that has brought the item. */
  own: Group | undefined;
  /** How many flushes there had been when its first item came. */
  epoch: number;
  batch: Batch | undefined;
  /**
   * If it is set, the job itself is no item: it stands in the queue for the items of this block.
   */
  block: Block | undefined;
  outcome: Outcome | undefined;

  /**
   * Set while the job waits for room. It resolves when the item comes in, and rejects if it never
   * does.
   */
  told: Result | undefined;
  /** Whether the stream writes the item: then a throw of user code errors the sink. */
  written: boolean;
  /** Whether there is room for its key. */
  queued: boolean;

  /** The time since which it waits, if that is measured. */
  wait: Wait | undefined;
  /** How often it has run before; and in how many milliseconds it goes again, if it does. */
  retries: number;
  delay: number | undefined;
  /**
   * The place in the order of acceptance; the jobs of its key; and its place in the heap, if it is
   * there.
   */
  order: number | undefined;
  line: KeyLine | undefined;
  place: number | undefined;
}

/** The jobs of one key. */
export interface KeyLine {
  /** The job that is ready or runs. */
  first: Job<unknown, unknown>;
  /** The jobs behind it, in order. */
  readonly behind: FifoQueue<Job<unknown, unknown>>;
}

/** The promises of the callers that wait for a job, each at the place of its item. */
export function resultsOf({ batch, result }: Job): (Result | undefined)[] {
  return batch ? batch.results : [result];
}
