import type { HandlerContext } from "../shared/call_context.ts";

/**
 * Where a {@linkcode Singleflight} keeps values: a `Map`, or any cache with these four methods. The
 * methods must answer at once. If one answers with a promise, as a Redis client does, that is a
 * `TypeError`. Look such a cache up inside the function: then one look-up serves all callers that
 * ask meanwhile.
 */
export interface FlightCache<K, V> {
  /** The value of a key, if it is still good. The `Singleflight` trusts this answer. */
  get(key: K): V | undefined;
  /** Keeps a value. */
  set(key: K, value: V): unknown;
  /** Whether there is a value for a key. It must agree with `get`. */
  has(key: K): boolean;
  /** Drops a value. */
  delete(key: K): unknown;
  /** Drops all values. Without it, {@linkcode Singleflight.clear} leaves the cache as it is. */
  clear?(): unknown;
}

/** Options of a {@linkcode Singleflight}. */
export interface SingleflightOptions<K, V> {
  /**
   * Gives each further caller its own copy of the value, such as `structuredClone`. With a cache,
   * the first caller gets a copy too. Share the bytes of a `Response` instead of its clones,
   * because each clone keeps in memory what another clone has read.
   */
  clone?: ((value: V) => V) | undefined;
  /**
   * Keeps values, and answers from them; it never keeps errors. The cache decides how long it keeps
   * values, and how many. Without a cache, nothing is kept once an execution has settled.
   */
  cache?: FlightCache<K, V> | undefined;
  /**
   * How long after its start callers may join an execution, in milliseconds: more than 0 and at
   * most 2147483647, or `Infinity`. After that, the next caller starts a new execution; callers
   * that wait keep the old one. It has no timer, so tests that fake timers must fake
   * `performance.now` too. It does not make values of the `cache` expire: the cache does.
   *
   * @default {Infinity}
   */
  forgetAfter?: number | undefined;
  /** The name that messages and `console.log` show, such as `Singleflight "mails"`. */
  name?: string | undefined;
}

/** Options of one call. Any object with a `signal` will do, such as a handler's context. */
export interface FlightCallOptions {
  /**
   * Rejects this caller at once with the signal's reason when the signal aborts. Other callers go
   * on.
   */
  signal?: AbortSignal | undefined;
}

/**
 * The function that a {@linkcode Singleflight} executes. Its signal aborts when the last caller has
 * left.
 */
export type FlightFunction<V> = (context: HandlerContext) => V | PromiseLike<V>;

/** What `doShared` gives a caller: the results of `Do` in Go. */
export interface FlightResult<V> {
  /** What the function returned. */
  readonly value: V;
  /** Whether more than one caller has asked for it. */
  readonly shared: boolean;
}

/**
 * What a {@linkcode Singleflight} has done. Each call that was answered counts in one of the last
 * three.
 */
export interface FlightStats {
  /**
   * Functions that have not settled, including those of forgotten executions and those whose
   * callers have all left.
   */
  readonly running: number;
  /** Functions that have started. */
  readonly executions: number;
  /** Callers that joined an execution that another caller had started. */
  readonly shared: number;
  /** Callers that got their value from the cache. */
  readonly hits: number;
}
