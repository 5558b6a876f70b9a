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
  let ran = false;
  let failed = false;
  let outcome: unknown;
  const once = (): void => {
    if (ran) return;
    ran = true;
    try {
      outcome = run();
    } catch (error) {
      failed = true;
      outcome = error;
    }
  };
  if (active) guard("context.with", () => context.with(active, once));
  once();
  if (failed) throw outcome;
  return outcome as R;
}
