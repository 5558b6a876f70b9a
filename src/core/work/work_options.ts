import type { SinkContext } from "../shared/call_context.ts";
import {
  check,
  COUNT,
  DURATION,
  FUNCTION,
  LIMIT_OR_NONE,
  NAME,
  needs,
  OVERRUN,
  POSITIVE,
  type Rules,
  SIGNAL,
} from "../shared/options.ts";
import type { Runner } from "./job.ts";
import { RATE, type StartLimit } from "./start_limit.ts";

/** The options of both sinks, checked. */
export interface WorkOptions<T, P> {
  owner: string;
  handler: (payload: P, context: SinkContext) => unknown;
  concurrency: number;
  /** The most items that may wait: in all, for each key, and by weight. */
  capacity: number;
  keyCapacity: number;
  capacityWeight: number;
  /** What an item weighs, if weight is bounded. */
  weigh?: ((item: T) => number) | undefined;
  timeout: number;
  overrun: "release" | "hold";
  key?: ((item: T) => unknown) | undefined;
  rate?: StartLimit | undefined;
  maxWait?: number | undefined;
  snapshot?: (() => Runner) | undefined;
  /**
   * A `Fanout` passes the item. An `Aggregator` passes the failed items of a batch, and the batch.
   */
  onError?: ((error: unknown, ...told: never[]) => unknown) | undefined;
  onDiscard?: ((items: T[], reason: unknown) => unknown) | undefined;
  /**
   * A `Fanout` passes the item. An `Aggregator` passes the items of a batch that have failed with
   * the error.
   */
  retry?: ((error: unknown, attempt: number, told: never) => number | undefined) | undefined;
  signal?: AbortSignal | undefined;
}

/** The options that a user gives. */
type RawOptions<T, P> = Omit<WorkOptions<T, P>, "owner" | "handler">;

/** The rules of the options that every sink has. */
export const SINK: Rules<keyof RawOptions<never, never> | "name"> = {
  concurrency: COUNT,
  capacity: LIMIT_OR_NONE,
  keyCapacity: LIMIT_OR_NONE,
  capacityWeight: POSITIVE,
  weigh: FUNCTION,
  key: FUNCTION,
  rate: RATE,
  maxWait: DURATION,
  timeout: DURATION,
  overrun: OVERRUN,
  onError: FUNCTION,
  onDiscard: FUNCTION,
  retry: FUNCTION,
  snapshot: FUNCTION,
  signal: SIGNAL,
  name: NAME,
};

/** Checks the handler, and fills in the missing options. */
export function completeOptions<T, P>(
  owner: string,
  handler: (payload: P, context: SinkContext) => unknown,
  raw: { [Name in keyof RawOptions<T, P>]?: RawOptions<T, P>[Name] | undefined },
): WorkOptions<T, P> {
  check(owner, "handler", handler, FUNCTION);
  needs(owner, raw, "keyCapacity", "key");
  needs(owner, raw, "capacityWeight", "weigh");
  const { concurrency = 1, capacity = 1024, timeout = Infinity, overrun = "release" } = raw;
  const { keyCapacity = Infinity, capacityWeight = Infinity, weigh } = raw;
  const { key, rate, maxWait, snapshot, onError, onDiscard, retry, signal } = raw;
  // The object always has the same shape, because it is read for each item.
  return {
    owner,
    handler,
    concurrency,
    capacity,
    keyCapacity,
    capacityWeight,
    weigh: capacityWeight < Infinity ? weigh : undefined,
    timeout,
    overrun,
    key,
    rate,
    maxWait,
    snapshot,
    onError,
    onDiscard,
    retry,
    signal,
  };
}
