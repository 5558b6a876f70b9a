import type { Deferred } from "../shared/promises.ts";

/**
 * Items that a promise waits for together: the items of a `consume()`, or all items up to a
 * `flush()`.
 */
export class Group {
  /** How many of the items have not settled. */
  left = 0;
  /** The promise, if there is one. */
  over: Deferred<void> | undefined;

  /** One more item has settled. */
  leave(): void {
    if (--this.left === 0) this.over?.resolve();
  }
}
