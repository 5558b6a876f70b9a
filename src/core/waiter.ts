import type { Linked } from "./fifo.ts";
import type { Runner } from "./pool.ts";
import { Deferred } from "./promises.ts";

/** An item that has not been accepted yet, because there is no room. */
export class Waiter<T> implements Linked {
  next: Linked | undefined;
  readonly item: T;
  readonly key: unknown;
  readonly run: Runner | undefined;
  /** For `submit`: its result. */
  readonly result: Deferred<unknown> | undefined;
  /** For `push` and `write`: that it was accepted. */
  readonly admitted: Deferred<void> | undefined;

  constructor(
    item: T,
    key: unknown,
    run: Runner | undefined,
    result: Deferred<unknown> | undefined,
  ) {
    this.item = item;
    this.key = key;
    this.run = run;
    this.result = result;
    this.admitted = result ? undefined : new Deferred();
  }
}
