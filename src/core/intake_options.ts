import type { HandlerContext } from "./call_context.ts";
import { check, DURATION, FUNCTION, LIMIT, type Rules, SIGNAL } from "./options.ts";
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

/** What of it a user gives. */
type Given<T, P> = Omit<IntakeOptions<T, P>, "owner" | "handler">;

/** The rules of what every sink is told by its options. */
export const SINK: Rules<keyof Given<never, never> | "capacity"> = {
  concurrency: LIMIT,
  capacity: LIMIT,
  key: FUNCTION,
  timeout: DURATION,
  onError: FUNCTION,
  onDiscard: FUNCTION,
  context: FUNCTION,
  signal: SIGNAL,
};

/** Checks the handler, and fills in what is not given. */
export function completeOptions<T, P>(
  owner: string,
  handler: (payload: P, context: HandlerContext) => unknown,
  given: { [Name in keyof Given<T, P>]?: Given<T, P>[Name] | undefined },
): IntakeOptions<T, P> {
  check(owner, "handler", handler, FUNCTION);
  const { concurrency = 1, timeout = Infinity, key, context, onError, onDiscard, signal } = given;
  return { owner, handler, concurrency, timeout, key, context, onError, onDiscard, signal };
}
