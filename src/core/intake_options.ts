import type { HandlerContext } from "./call_context.ts";
import { checkDuration, checkFunction, checkLimit, checkSignal } from "./options.ts";
import type { Runner } from "./pool.ts";

/** What both sinks are told by their options. Checked already. */
export interface IntakeOptions<T, P> {
  owner: string;
  handler: (payload: P, context: HandlerContext) => unknown;
  concurrency: number;
  timeout: number;
  key: ((item: T) => unknown) | undefined;
  context: (() => Runner) | undefined;
  onError: ((error: unknown, payload: P) => unknown) | undefined;
  onDiscard: ((items: T[], reason: unknown) => unknown) | undefined;
  signal: AbortSignal | undefined;
}

/** What every sink is told by its options, as it is given. */
export interface GivenIntakeOptions<T, P> {
  concurrency?: number | undefined;
  timeout?: number | undefined;
  key?: ((item: T) => unknown) | undefined;
  onError?: ((error: unknown, payload: P) => unknown) | undefined;
  onDiscard?: ((items: T[], reason: unknown) => unknown) | undefined;
  context?: (() => Runner) | undefined;
  signal?: AbortSignal | undefined;
}

/** Their names. */
export const INTAKE_OPTIONS = [
  "concurrency",
  "capacity",
  "key",
  "timeout",
  "onError",
  "onDiscard",
  "context",
  "signal",
] as const;

/** Checks them, and fills in those that are not given. */
export function checkIntakeOptions<T, P>(
  owner: string,
  handler: (payload: P, context: HandlerContext) => unknown,
  given: GivenIntakeOptions<T, P>,
): IntakeOptions<T, P> {
  const { concurrency = 1, timeout = Infinity } = given;
  return {
    owner,
    handler: checkFunction(owner, "handler", handler),
    concurrency: checkLimit(owner, "concurrency", concurrency),
    timeout: checkDuration(owner, "timeout", timeout),
    key: checkFunction(owner, "key", given.key, "optional"),
    onError: checkFunction(owner, "onError", given.onError, "optional"),
    onDiscard: checkFunction(owner, "onDiscard", given.onDiscard, "optional"),
    context: checkFunction(owner, "context", given.context, "optional"),
    signal: checkSignal(owner, "signal", given.signal),
  };
}
