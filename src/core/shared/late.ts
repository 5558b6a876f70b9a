/** Calls `late` with a `TimeoutError` when that many milliseconds are over. Returns what stops the clock. */
export function after(
  timeout: number,
  complaint: string,
  late: (error: DOMException) => void,
): () => void {
  if (timeout === Infinity) return () => {};
  const timer = setTimeout(() => late(timeoutError(complaint, timeout)), timeout);
  return () => clearTimeout(timer);
}

/** What has taken too long. */
export function timeoutError(complaint: string, timeout: number): DOMException {
  return new DOMException(`${complaint} within ${timeout} ms`, "TimeoutError");
}
