/** Promises that are settled from outside, and what happens to rejections nobody waits for. */

/** A promise with its two ends. (`Promise.withResolvers` is missing in the edge VM.) */
export class Deferred<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T | PromiseLike<T>) => void;
  reject!: (reason: unknown) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

let done: Promise<void> | undefined;

/** The promise of everything that is done at once. Made on first use: importing makes nothing. */
export function resolved(): Promise<void> {
  return done ??= Promise.resolve();
}

/** Marks a rejection as seen, where the same error also reaches the caller by another way. */
export function markHandled(promise: Promise<unknown>): void {
  promise.catch(() => {});
}

/** Surfaces an error that no caller can be given, as an event listener's throw does. */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** Whether what user code returned has to be waited for. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  // Most are none, and of what is no object nothing need be looked up.
  return (typeof value === "object" || typeof value === "function") &&
    typeof (value as Partial<PromiseLike<unknown>> | null)?.then === "function";
}

/**
 * Hears of the settlement of `thenable` exactly once and never synchronously, whatever it does.
 * A promise of the platform is heard directly; anything else through one. Returns what comes of it.
 */
export function whenSettled<T, R>(
  thenable: PromiseLike<T>,
  fulfilled: (value: T) => R,
  rejected: (reason: unknown) => R,
): Promise<R> {
  // To wrap it would cost as much as to hear of it.
  if (thenable instanceof Promise && thenable.constructor === Promise) {
    try {
      return hear(thenable, fulfilled, rejected);
    } catch {
      // It only looks like one.
    }
  }
  return hear(Promise.resolve(thenable), fulfilled, rejected);
}

/** By the method of the platform, whatever the promise has in its place. */
function hear<T, R>(
  promise: PromiseLike<T>,
  fulfilled: (value: T) => R,
  rejected: (reason: unknown) => R,
): Promise<R> {
  return Promise.prototype.then.call(promise, fulfilled as never, rejected) as Promise<R>;
}
