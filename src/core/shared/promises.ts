/** Promises that are settled from outside, and rejections that no caller waits for. */

/** A promise with its two functions. (The edge VM has no `Promise.withResolvers`.) */
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

/**
 * The shared promise for everything that is done at once. Made on first use, so that importing
 * makes nothing.
 */
export function resolved(): Promise<void> {
  return done ??= Promise.resolve();
}

/** Marks a rejection as handled, because the caller gets the same error in another way. */
export function markHandled(promise: Promise<unknown>): void {
  promise.catch(() => {});
}

/**
 * Throws an error that no caller can get as an uncaught error, as a throw of an event listener is.
 */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** Whether a value that user code returned has to be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  // Most values are not thenable, and a primitive needs no look-up.
  return (typeof value === "object" || typeof value === "function") &&
    typeof (value as Partial<PromiseLike<unknown>> | null)?.then === "function";
}

/**
 * Calls one of the two functions exactly once, and never synchronously, for any behaviour of
 * `thenable`. It listens to a promise of the platform directly, and to other thenables through a
 * promise. Returns a promise of what the function returns.
 */
export function whenSettled<T, R>(
  thenable: PromiseLike<T>,
  fulfilled: (value: T) => R,
  rejected: (reason: unknown) => R,
): Promise<R> {
  // Wrapping it would cost as much as listening to it.
  if (thenable instanceof Promise && thenable.constructor === Promise) {
    try {
      return hear(thenable, fulfilled, rejected);
    } catch {
      // It only looks like a promise.
    }
  }
  return hear(Promise.resolve(thenable), fulfilled, rejected);
}

/** Uses the platform's `then`, even if the promise has another one. */
function hear<T, R>(
  promise: PromiseLike<T>,
  fulfilled: (value: T) => R,
  rejected: (reason: unknown) => R,
): Promise<R> {
  return Promise.prototype.then.call(promise, fulfilled as never, rejected) as Promise<R>;
}
