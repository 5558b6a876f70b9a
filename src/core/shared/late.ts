/**
 * Calls `late` with a `TimeoutError` after `timeout` milliseconds. Returns a function that stops
 * the clock.
 */
export function after(
  timeout: number,
  complaint: string,
  late: (error: DOMException) => void,
): () => void {
  if (timeout === Infinity) return () => {};
  const timer = setTimeout(() => late(timeoutError(complaint, timeout)), timeout);
  return () => clearTimeout(timer);
}

/** Makes the error of something that has taken too long. */
export function timeoutError(complaint: string, timeout: number): DOMException {
  return new DOMException(`${complaint} within ${timeout} ms`, "TimeoutError");
}
