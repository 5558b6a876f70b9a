import type { Deferred } from "../shared/promises.ts";

/** Items that are waited for together: those of a `consume()`, or all up to a `flush()`. */
export class Group {
  /** How many of them have not settled. */
  left = 0;
  /** Where somebody waits for that. */
  over: Deferred<void> | undefined;

  /** Another has settled. */
  leave(): void {
    if (--this.left === 0) this.over?.resolve();
  }
}
