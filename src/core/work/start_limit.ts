import type { Rule } from "../shared/options.ts";

/** An owner of jobs that start. */
export interface Starter {
  /** Starts the jobs that can start. */
  fill(): void;
}

/**
 * Says when a job may start. A `RateLimit`, known by its shape, so that it is not bundled if it is
 * not used.
 */
export interface StartLimit {
  /** Whether this starter may start a job now. */
  ready(starter: Starter): boolean;
  /**
   * Takes a start and returns true if this starter may start now. Otherwise calls its `fill` once
   * it may.
   */
  take(starter: Starter): boolean;
  /** Calls `fill` of the starter when it may start a job. */
  wait(starter: Starter): void;
  /** The starter has no more jobs to start. */
  leave(starter: Starter): void;
}

/** The rule of the option `rate`. */
export const RATE: Rule = [
  "object",
  "be a RateLimit",
  (value: Partial<StartLimit> | null) => typeof value?.take === "function",
];
