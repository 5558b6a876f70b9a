import type { HandlerContext } from "../shared/call_context.ts";

/**
 * Where a {@linkcode Singleflight} keeps values: a `Map`, or any cache with these four methods. It
 * answers at once: one that answers with a promise, such as a Redis client, is a `TypeError`. Look it
 * up inside the function, where one look-up serves all who ask meanwhile.
 */
export interface FlightCache<K, V> {
  /** The value of a key, if it is still good: what this returns is believed. */
  get(key: K): V | undefined;
  /** Keeps a value. */
  set(key: K, value: V): unknown;
  /** Whether there is a value. */
  has(key: K): boolean;
  /** Drops a value. */
  delete(key: K): unknown;
  /** Drops all. Without it, {@linkcode Singleflight.clear} leaves the cache as it is. */
  clear?(): unknown;
}

/** Options of a {@linkcode Singleflight}. */
export interface SingleflightOptions<K, V> {
  /**
   * Gives each further caller a copy of its own, such as `structuredClone`. With a cache the first
   * caller has a copy too. Share the bytes of a `Response` in place of its clones: each clone keeps in
   * memory what another has read.
   */
  clone?: ((value: V) => V) | undefined;
  /**
   * Keeps values, never errors, and answers from them. How long, and how many, is the cache's
   * business. Without it, nothing is kept once a call has settled.
   */
  cache?: FlightCache<K, V> | undefined;
  /**
   * How long after its start a call may be joined, in milliseconds: more than 0 and at most
   * 2147483647, or `Infinity`. After that the next caller starts another; those who wait keep theirs.
   * It has no timer: tests that fake timers must fake `performance.now` too.
   *
   * @default {Infinity}
   */
  forgetAfter?: number | undefined;
  /** What it is called in messages and by `console.log`, such as `Singleflight "mails"`. */
  name?: string | undefined;
}

/** Options of one call: any object with a `signal`, such as a handler's context. */
export interface FlightCallOptions {
  /** Rejects this caller at once with its reason when it aborts. The others are not touched. */
  signal?: AbortSignal | undefined;
}

/** What a {@linkcode Singleflight} executes. Its signal aborts when the last caller has left. */
export type FlightFunction<V> = (context: HandlerContext) => V | PromiseLike<V>;

/** What a caller learns of a call: Go's results. */
export interface FlightResult<V> {
  /** What the function returned. */
  readonly value: V;
  /** Whether more than one caller has asked for it. */
  readonly shared: boolean;
}

/** What a {@linkcode Singleflight} has done: each call that was answered is one of the last three. */
export interface FlightStats {
  /** Functions that have not settled, those of forgotten and of deserted flights too. */
  readonly running: number;
  /** Functions that have started. */
  readonly executions: number;
  /** Callers that joined the execution of another. */
  readonly shared: number;
  /** Callers that the cache has answered. */
  readonly hits: number;
}
