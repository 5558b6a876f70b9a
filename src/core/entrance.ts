import { Fifo, type Linked } from "./fifo.ts";
import type { Runner } from "./pool.ts";
import { Deferred } from "./promises.ts";

/** An item that has not been accepted yet, because there is no room. */
interface Waiter<T> extends Linked {
  readonly item: T;
  readonly key: unknown;
  readonly run: Runner | undefined;
  /** For `submit`: its result. */
  readonly result: Deferred<unknown> | undefined;
  /** For `push` and `write`: that it was accepted. */
  readonly admitted: Deferred<void> | undefined;
}

/** Whose entrance it is. */
export interface EntranceHost<T> {
  /** Accepts an item; false where it could not. May throw. */
  accept(
    item: T,
    key: unknown,
    run: Runner | undefined,
    result: Deferred<unknown> | undefined,
  ): boolean;
}

/** Those who wait for room, in the order in which they came: nobody overtakes. */
export class Entrance<T> extends Fifo<Waiter<T>> {
  get empty(): boolean {
    return this.head === undefined;
  }

  /** Returns when the item has been accepted; where a result is waited for, that says it. */
  wait(
    item: T,
    key: unknown,
    run: Runner | undefined,
    result: Deferred<unknown> | undefined,
  ): Promise<void> | undefined {
    const admitted = result ? undefined : new Deferred<void>();
    this.push({ next: undefined, item, key, run, result, admitted });
    return admitted?.promise;
  }

  /** Lets in the first, who stays the first where that fails, and goes where it throws. */
  admit(host: EntranceHost<T>): void {
    const waiter = this.shift()!;
    try {
      const accepted = host.accept(waiter.item, waiter.key, waiter.run, waiter.result);
      if (accepted) waiter.admitted?.resolve();
      else this.unshift(waiter);
    } catch (error) {
      reject(waiter, error);
    }
  }

  /** Turns everybody away. */
  reject(error: unknown): void {
    for (const waiter of this.drain()) reject(waiter, error);
  }
}

function reject<T>(waiter: Waiter<T>, error: unknown): void {
  (waiter.result ?? waiter.admitted!).reject(error);
}
