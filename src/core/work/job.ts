import type { Linked } from "../shared/fifo_queue.ts";
import type { Deferred } from "../shared/promises.ts";
import type { Counted, Tally } from "./counts.ts";
import type { Keyed } from "./keyed_queue.ts";

/** Runs a handler in the asynchronous context that its item came from. */
export type Runner = <R>(run: () => R) => R;

/** Who waits for what comes of a job. Of a single item that was submitted it is its promise. */
export interface Submitters {
  /** Gives them the outcome; returns how many items have failed by themselves. May throw: the job has failed. */
  resolve(outcome: unknown): number | void;
  /** Gives them the failure; returns false if there are items that nobody waits for. */
  reject(error: unknown): boolean | void;
}

/** What a sink has the pool handle: one item, or a batch. */
export interface WorkJob<T, P> extends Keyed, Counted {
  /** What the handler is given. */
  readonly payload: P;
  readonly snapshot: Runner | undefined;
  readonly submitters: Submitters | undefined;
  /** Those of a batch, as far as they are known; without it the payload is the item. */
  readonly items?: readonly T[];
}

/** An item that has not been accepted yet, because there is no room. */
export interface Waiter<T> extends Linked {
  readonly item: T;
  readonly key: unknown;
  readonly snapshot: Runner | undefined;
  /** Settled with the result of an item that was submitted; resolved once any other is accepted. */
  readonly told: Deferred<unknown>;
  /** Where it counts already: a flush does not wait for those who come later. */
  readonly tallies: readonly Tally[];
  readonly submitted: boolean;
  /** The stream writes it, and ends with a throw of the user's. */
  readonly written: boolean;
}
