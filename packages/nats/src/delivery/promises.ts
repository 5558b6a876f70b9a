/** Helpers for promises of user code, and for several errors at once. */

/** Whether a value of user code has to be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (typeof value === "object" || typeof value === "function") &&
    typeof (value as Partial<PromiseLike<unknown>> | null)?.then === "function";
}

/** Calls one of the two functions once, and never synchronously, no matter what `thenable` does. */
export function whenSettled<V, R>(
  thenable: PromiseLike<V>,
  fulfilled: (value: V) => R | PromiseLike<R>,
  rejected: (reason: unknown) => R | PromiseLike<R>,
): Promise<R> {
  // `Promise.resolve` would read the `constructor` of a promise, which may throw.
  return new Promise<V>((resolve) => resolve(thenable)).then(fulfilled, rejected);
}

/**
 * Whether a value is an error of any realm. An `Aggregator` uses the same test for a failed item.
 */
export function isError(value: unknown): boolean {
  return typeof value === "object" && value !== null && "message" in value &&
    (value instanceof Error ||
      /^\[object (Error|DOMException)]$/.test(Object.prototype.toString.call(value)));
}

/** Returns one error for all: the error itself, if there is only one. */
export function combine(errors: Iterable<unknown>): unknown {
  const distinct = [...new Set(errors)];
  if (distinct.length === 1) return distinct[0];
  return new AggregateError(
    distinct,
    `${distinct.length} errors: ${distinct.map(title).join("; ")}`,
  );
}

/** Whether a failure only answers an abort with this reason. The sinks use the same test. */
export function isEcho(error: unknown, reason: unknown): boolean {
  try {
    const { name, cause } = Object(error ?? {});
    return error === reason || name === "AbortError" || (cause !== undefined && cause === reason);
  } catch {
    return false;
  }
}

/** The message of an error. Never throws. */
function title(error: unknown): string {
  try {
    return isError(error) ? String((error as Error).message) : String(error);
  } catch {
    return "an object";
  }
}

/**
 * Continues with a value, or with the result of a promise. It continues synchronously if there is
 * no promise.
 */
export function follow<V, R>(
  start: () => V | PromiseLike<V>,
  next: (value: V) => R | PromiseLike<R>,
  failed: (error: unknown) => R | PromiseLike<R>,
): R | PromiseLike<R> {
  let value: V | PromiseLike<V>;
  try {
    value = start();
    if (isThenable(value)) return whenSettled(value as PromiseLike<V>, next, failed);
  } catch (error) {
    return failed(error);
  }
  return next(value);
}
