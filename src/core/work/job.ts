import type { SinkContext } from "../shared/call_context.ts";
import type { Linked } from "../shared/fifo_queue.ts";
import type { Counted, Group } from "./counts.ts";
import type { Keyed } from "./keyed_queue.ts";

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

/** What a sink has the pool handle: one item, or a batch. */
export interface WorkJob<T, P> extends Keyed, Counted {
  /** What the handler is given. */
  payload: P;
  readonly snapshot: Runner | undefined;
  /** Who waits for what comes of it, if it is one item that was submitted. */
  result?: Result | undefined;
  /** The same of a batch, each at the place of its item: it has holes. */
  results?: Result[] | undefined;
  /** Those of a batch, as far as they are known; without it the payload is the item. */
  items?: readonly T[];
  /** What it weighs in the queue, and its items at their places, where that is bounded. */
  weight: number;
  weights?: readonly number[] | undefined;
  returned?: T[] | undefined;
}

/** An item that has not been accepted yet, because there is no room. */
export interface Waiter<T> extends Linked {
  readonly item: T;
  readonly key: unknown;
  readonly weight: number;
  readonly snapshot: Runner | undefined;
  /** It stands among those for whose key there is room. */
  queued: boolean;
  /** Of an item that was submitted. */
  readonly result: Result | undefined;
  /** That, or what is resolved once the item is accepted. */
  readonly told: Result;
  /** A flush does not wait for those who come later. */
  readonly epoch: number;
  /** Of the `consume()` that brings it. */
  readonly own: Group | undefined;
  /** The stream writes it, and ends with a throw of the user's. */
  readonly written: boolean;
}
