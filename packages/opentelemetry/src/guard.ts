/** Telemetry must never change what a handler does: its own errors are logged and ignored. */

import { type Context, context, diag } from "@opentelemetry/api";

/**
 * Runs code that calls the SDK or reads a value of the user. An error goes to `diag.error`. In the
 * sink, that error would fail an item that is done, start a `retry`, or hide the handler's own
 * error.
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
      // The logger itself fails, so nothing can report it.
    }
    return undefined;
  }
}

/**
 * Runs `run` once, in this context if the context manager allows it. Passes on its result or error.
 */
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
