import type { Rule } from "../shared/options.ts";

/** Who has jobs to start. */
export interface Starter {
  /** Starts what can start. */
  fill(): void;
}

/** What says when a job may start. A `RateLimit`, known by its shape: where there is none, it costs nothing. */
export interface StartLimit {
  /** Whether this one may start a job now. */
  ready(starter: Starter): boolean;
  /** The same, and it does; else it is told to fill when it may. */
  take(starter: Starter): boolean;
  /** It is told to fill when it may start a job. */
  wait(starter: Starter): void;
  /** It has nothing more to start. */
  leave(starter: Starter): void;
}

/** What limits starts. */
export const RATE: Rule = [
  "object",
  "be a RateLimit",
  (value: Partial<StartLimit> | null) => typeof value?.take === "function",
];
