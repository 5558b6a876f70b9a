/** Handlers that a test settles, and checks of the conservation rule. */

import { assertEquals } from "@std/assert";
import { type Gate, gate } from "./gate.ts";

/** One call of a handler. */
export interface Call<T, R> extends Gate<R> {
  readonly item: T;
  readonly signal: AbortSignal;
}

/** A handler whose calls the test settles. */
export class Hand<T, R = unknown> {
  /** All calls, in the order of their starts. */
  readonly calls: Call<T, R>[] = [];

  readonly handler = (item: T, context: { readonly signal: AbortSignal }): Promise<R> => {
    const { promise, resolve, reject } = gate<R>();
    // Not spread, because `signal` is read here and by the test.
    this.calls.push({ item, signal: context.signal, promise, resolve, reject });
    return promise;
  };

  /** The items whose handlers have started. */
  get started(): T[] {
    return this.calls.map((call) => call.item);
  }

  /** The latest call for an item. */
  call(item: T): Call<T, R> {
    const call = this.calls.findLast((call) => call.item === item);
    if (!call) throw new Error(`no handler has started for ${String(item)}`);
    return call;
  }
}

/** The `stats` of a `MapStream`. */
export interface MapAccounts {
  readonly accepted: number;
  readonly waiting: number;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
  readonly discarded: number;
  readonly overrunning: number;
}

/** The `stats` of a sink. */
export interface Accounts extends MapAccounts {
  readonly refused: number;
  readonly blocked: number;
  readonly retried: number;
}

/** Checks that no item is lost or counted twice. */
export function assertConserved({ stats }: { readonly stats: MapAccounts }): void {
  const { accepted, waiting, running, done, failed, discarded } = stats;
  assertEquals(waiting + running + done + failed + discarded, accepted, JSON.stringify(stats));
}

/** Returns the unchanged reason with which a promise rejects. Fails if it doesn't reject. */
export function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(promise).then((value) => {
    throw new Error(`resolved with ${String(value)}`);
  }, (reason) => reason);
}

/** Returns the sink, and handles its failure for the test. */
export function heard<S extends { readonly closed: Promise<void> }>(sink: S): S {
  sink.closed.catch(() => {});
  return sink;
}

/** All counts of a sink; the others are 0. */
export function counts(some: Partial<Accounts>): Accounts {
  return { ...mapped({}), refused: 0, blocked: 0, retried: 0, ...some };
}

/** The same for a `MapStream`, which has no `refused`. */
export function mapped(some: Partial<MapAccounts>): MapAccounts {
  return {
    ...{ accepted: 0, waiting: 0, running: 0, done: 0, failed: 0, discarded: 0, overrunning: 0 },
    ...some,
  };
}
