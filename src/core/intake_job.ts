import type { Epoch } from "./ledger.ts";
import type { Job } from "./pool.ts";

/** A job as the intake sees it: one item of a `Fanout`, a batch of an `Aggregator`. */
export interface IntakeJob<T, P> extends Job {
  /** What the handler is given. */
  readonly payload: P;
  /** How many items that is, how many of them have failed, and the epoch they were accepted in. */
  readonly count: number;
  failures: number;
  readonly epoch: Epoch;
  readonly items: readonly T[];
  /** Gives the outcome to those who wait for it. May throw, and the job has failed. */
  deliver(outcome: unknown): void;
  /** Gives the failure to those who wait for it; returns whether that was everybody. */
  reject(error: unknown): boolean;
}
