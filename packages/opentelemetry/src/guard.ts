/** Telemetry must never change what a handler does: what fails here is told, and passed over. */

import { type Context, context, diag } from "@opentelemetry/api";

/**
 * Runs what calls the SDK, or looks at a value of the user. What that throws goes to `diag.error`: in the
 * sink it would fail an item that is done, have `retry` run it again, or hide the handler's own error.
 *
 * @returns What `run` returns; `undefined` if it throws.
 */
export function guard<R>(what: string, run: () => R): R | undefined {
  try {
    return run();
  } catch (error) {
    try {
      diag.error(`@weir/opentelemetry: ${what} failed`, error);
    } catch {
      // The logger itself fails: there is nobody left to tell.
    }
    return undefined;
  }
}

/** Runs `run` once, in this context if the context manager lets it. Its result or error passes through. */
export function within<R>(active: Context | undefined, run: () => R): R {
  const outcomes: Array<() => R> = [];
  const once = (): void => {
    if (outcomes.length > 0) return;
    try {
      const result = run();
      outcomes.push(() => result);
    } catch (error) {
      outcomes.push(() => {
        throw error;
      });
    }
  };
  if (active) guard("context.with", () => context.with(active, once));
  once();
  return outcomes[0]!();
}
