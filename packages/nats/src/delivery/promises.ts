/** Promises of user code, and errors that come together. */

/** Whether what user code returned has to be waited for. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (typeof value === "object" || typeof value === "function") &&
    typeof (value as Partial<PromiseLike<unknown>> | null)?.then === "function";
}

/** Hears of the settlement of `thenable` once, and never synchronously, whatever it does. */
export function whenSettled<V, R>(
  thenable: PromiseLike<V>,
  fulfilled: (value: V) => R | PromiseLike<R>,
  rejected: (reason: unknown) => R | PromiseLike<R>,
): Promise<R> {
  // `Promise.resolve` would read the `constructor` of a promise, and throw what that throws.
  return new Promise<V>((resolve) => resolve(thenable)).then(fulfilled, rejected);
}

/** Whether it is an error, of any realm: what an `Aggregator` takes for the failure of an item. */
export function isError(value: unknown): boolean {
  return typeof value === "object" && value !== null && "message" in value &&
    (value instanceof Error ||
      /^\[object (Error|DOMException)]$/.test(Object.prototype.toString.call(value)));
}

/** One error for all: itself, if it is only one. */
export function combine(errors: Iterable<unknown>): unknown {
  const distinct = [...new Set(errors)];
  if (distinct.length === 1) return distinct[0];
  return new AggregateError(
    distinct,
    `${distinct.length} errors: ${distinct.map(title).join("; ")}`,
  );
}

/** Whether who fails with this has only done as the end for this reason told it to, as the sinks say it. */
export function isEcho(error: unknown, reason: unknown): boolean {
  try {
    const { name, cause } = Object(error ?? {});
    return error === reason || name === "AbortError" || (cause !== undefined && cause === reason);
  } catch {
    return false;
  }
}

/** Never throws. */
function title(error: unknown): string {
  try {
    return isError(error) ? String((error as Error).message) : String(error);
  } catch {
    return "an object";
  }
}

/** Goes on with a value, or with what a promise comes to: at once, where nothing has to be waited for. */
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
