/**
 * {@linkcode Singleflight}: concurrent calls with one key share one execution.
 *
 * It runs in Deno, Bun, Node, edge runtimes and browsers.
 *
 * @module
 */

import type {
  FlightCallOptions,
  FlightFunction,
  FlightResult,
  FlightStats,
  SingleflightOptions,
} from "./core/flight/flight_options.ts";
import { Flights } from "./core/flight/flights.ts";
import type { HandlerContext } from "./core/shared/call_context.ts";
import { describe, titleOf } from "./core/shared/describe.ts";
import { check, DURATION, FUNCTION, NAME, readOptions, type Rule } from "./core/shared/options.ts";

export type * from "./core/flight/flight_options.ts";
export type { HandlerContext };

const CACHE: Rule = [
  "object",
  "be a Map, or have its four methods",
  (cache: Record<string, unknown> | null) =>
    ["get", "set", "has", "delete"].every((name) => typeof cache?.[name] === "function"),
];
const OPTIONS = { clone: FUNCTION, cache: CACHE, forgetAfter: DURATION, name: NAME };

/** Options of {@linkcode Singleflight.wrap}. */
export interface WrapOptions<A extends unknown[], K, V, This = unknown>
  extends SingleflightOptions<K, V> {
  /** The key of a call: calls with equal keys share one execution. */
  key: (this: This, ...args: A) => K;
}

/**
 * Lets concurrent calls with one key share one execution.
 *
 * Use it where many callers ask for the same thing at once and one answer serves them all: a token,
 * a config, a page of a cold cache. To limit how many *different* calls run, use a `Fanout`.
 *
 * - **Sharing**: while an execution for a key runs, every `do` of that key waits for it, and gets
 *   the same value or the same error. `fn` starts synchronously.
 * - **Nothing stays** after the execution has settled, unless there is a `cache`; errors never
 *   stay.
 * - **Cancelling** is per caller. If the signal of a caller aborts, its promise rejects at once,
 *   and the execution goes on for the others. When the last caller has left, the function's own
 *   signal aborts. At that moment the key is free, so no new caller joins an execution that is
 *   being cancelled. Its value, if one comes, is not cached. If the deadlines of all callers may be
 *   shorter than the work, keep one call without a signal, so that it can finish.
 * - **Forgetting**: callers that wait keep the old execution, and the next caller starts a new one.
 *   The old one does not change the new one.
 * - **Re-entry**: if a function calls its own key before its first `await`, it gets an `Error`
 *   instead of a deadlock. After its first `await`, it is unknown who calls: the function waits for
 *   itself, and a signal ends that.
 *
 * - **Cloudflare Workers** may keep one at the top of a module and share executions across
 *   requests: each caller with a signal, a copy or a `doShared` settles its own promise. The
 *   function runs in the request that started it. If that request ends early, the callers that
 *   joined get an error or wait forever: run the function under `waitUntil`, and give
 *   `forgetAfter`. Share bytes, and not a `Response`.
 *
 * It does what `singleflight` of golang.org/x/sync does; `doShared` also returns its `shared`.
 *
 * @example A thousand requests, one token
 * ```ts
 * import { Singleflight } from "@weir/streams/singleflight";
 * import { assertEquals } from "@std/assert";
 *
 * let issued = 0;
 * const tokens = new Singleflight<string, string>();
 * const token = (region: string) =>
 *   tokens.do(region, async () => {
 *     await Promise.resolve();
 *     return `${region}-${++issued}`;
 *   });
 *
 * const all = await Promise.all(Array.from({ length: 1000 }, () => token("eu")));
 * assertEquals(new Set(all), new Set(["eu-1"]));
 * assertEquals(tokens.size, 0);
 * ```
 *
 * @example Each caller has its own deadline
 * ```ts
 * import { Singleflight } from "@weir/streams/singleflight";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const pages = new Singleflight<string, string>();
 * const impatient = new AbortController();
 * const slow = async () => {
 *   await Promise.resolve();
 *   return "page";
 * };
 *
 * const first = pages.do("/", slow, { signal: impatient.signal });
 * const second = pages.do("/", slow);
 * impatient.abort(new Error("too slow"));
 *
 * await assertRejects(() => first, Error, "too slow");
 * assertEquals(await second, "page");
 * ```
 *
 * @typeParam K The type of the keys: any value, compared as a `Map` compares.
 * @typeParam V The type of the values.
 */
export class Singleflight<K = string, V = unknown> {
  readonly #flights: Flights<K, V>;

  /**
   * Makes a `Singleflight` without any executions.
   *
   * @param options How values are copied, kept and forgotten.
   * @throws {TypeError} If an option is of the wrong kind or unknown.
   * @throws {RangeError} If `forgetAfter` is out of range.
   */
  constructor(options?: SingleflightOptions<K, V>) {
    const values = readOptions<SingleflightOptions<K, V>>("Singleflight", options, OPTIONS);
    const title = titleOf("Singleflight", values.name);
    describe(this, title);
    this.#flights = new Flights(title, values);
  }

  /**
   * Gives the value of `fn` for this key: from an execution that runs, from the cache, or from an
   * execution that starts now.
   *
   * @param key The key of the value.
   * @param fn The function to execute. A throw in it counts as a rejection.
   * @param options A signal for this caller alone.
   * @returns Resolves with the value. Rejects with the error of `fn`, with the reason of the
   * signal, with the errors that `clone` or the cache throws, with an `Error` if `fn` calls its own
   * key, or with a `TypeError` if the cache answers with a promise.
   *
   * @example
   * ```ts
   * import { Singleflight } from "@weir/streams/singleflight";
   * import { assertEquals } from "@std/assert";
   *
   * let calls = 0;
   * const flight = new Singleflight<string, number>();
   * const work = () => Promise.resolve(++calls);
   * assertEquals(await Promise.all([flight.do("k", work), flight.do("k", work)]), [1, 1]);
   * ```
   */
  do(key: K, fn: FlightFunction<V>, options?: FlightCallOptions): Promise<V> {
    return this.#flights.do(key, fn, options);
  }

  /**
   * Does the same as {@linkcode Singleflight.do}, and says whether the value was shared.
   *
   * @param key The key of the value.
   * @param fn The function to execute. A throw in it counts as a rejection.
   * @param options A signal for this caller alone.
   * @returns Resolves with the value, and with whether more than one caller asked for it. `shared`
   * is the same for all of them, and true if the value came from the cache. Rejects as `do` does.
   *
   * @example
   * ```ts
   * import { Singleflight } from "@weir/streams/singleflight";
   * import { assertEquals } from "@std/assert";
   *
   * const flight = new Singleflight<string, number>();
   * assertEquals(await flight.doShared("k", () => 1), { value: 1, shared: false });
   * ```
   */
  doShared(key: K, fn: FlightFunction<V>, options?: FlightCallOptions): Promise<FlightResult<V>> {
    return this.#flights.call(key, fn, options, true) as Promise<FlightResult<V>>;
  }

  /**
   * Makes the next caller of a key start a new execution, and drops the key's value from the cache.
   * Callers that wait keep the old execution; its value no longer goes into the cache.
   *
   * @param key The key.
   * @returns Whether there was anything to forget.
   * @throws {TypeError} If the cache answers with a promise.
   *
   * @example
   * ```ts
   * import { Singleflight } from "@weir/streams/singleflight";
   * import { assertEquals } from "@std/assert";
   *
   * const flight = new Singleflight<string, string>();
   * const stale = flight.do("k", () => Promise.resolve("stale"));
   * assertEquals(flight.forget("k"), true);
   * assertEquals(await flight.do("k", () => "fresh"), "fresh");
   * assertEquals(await stale, "stale");
   * ```
   */
  forget(key: K): boolean {
    return this.#flights.forget(key);
  }

  /**
   * Forgets every key, and clears the cache if the cache has a `clear` method.
   *
   * @example
   * ```ts
   * import { Singleflight } from "@weir/streams/singleflight";
   * import { assertEquals } from "@std/assert";
   *
   * const flight = new Singleflight<string, string>({ cache: new Map() });
   * await flight.do("k", () => "kept");
   * flight.clear();
   * assertEquals(await flight.do("k", () => "fresh"), "fresh");
   * ```
   */
  clear(): void {
    this.#flights.clear();
  }

  /**
   * Whether an execution for this key runs. The cache does not count.
   *
   * @param key The key.
   * @returns Whether a caller would join an execution.
   *
   * @example
   * ```ts
   * import { Singleflight } from "@weir/streams/singleflight";
   * import { assert } from "@std/assert";
   *
   * const flight = new Singleflight<string, number>();
   * const call = flight.do("k", () => Promise.resolve(1));
   * assert(flight.has("k"));
   * await call;
   * assert(!flight.has("k"));
   * ```
   */
  has(key: K): boolean {
    return this.#flights.find(key) !== undefined;
  }

  /**
   * How many keys have an execution that runs. The cache does not count.
   *
   * @example
   * ```ts
   * import { Singleflight } from "@weir/streams/singleflight";
   * import { assertEquals } from "@std/assert";
   *
   * const flight = new Singleflight<string, number>();
   * const work = () => Promise.resolve(1);
   * const calls = [flight.do("a", work), flight.do("b", work)];
   * assertEquals(flight.size, 2);
   * await Promise.all(calls);
   * assertEquals(flight.size, 0);
   * ```
   */
  get size(): number {
    return this.#flights.size;
  }

  /**
   * What has happened so far.
   *
   * @example
   * ```ts
   * import { Singleflight } from "@weir/streams/singleflight";
   * import { assertEquals } from "@std/assert";
   *
   * const flight = new Singleflight<string, number>({ cache: new Map() });
   * const work = () => Promise.resolve(1);
   * await Promise.all([flight.do("k", work), flight.do("k", work)]);
   * await flight.do("k", work);
   * assertEquals(flight.stats, { running: 0, executions: 1, shared: 1, hits: 1 });
   * ```
   */
  get stats(): FlightStats {
    return this.#flights.stats;
  }

  /**
   * Makes a function whose concurrent calls with one key share one execution.
   *
   * @param fn The function to call.
   * @param options The key of a call, and the options of the constructor.
   * @returns A function with the same `this` and arguments, and the same result in a promise. Its
   * `flight` is the `Singleflight` behind it: use it to forget a key or to read its `stats`.
   * @throws {TypeError} If `fn` is not a function, or an option is of the wrong kind or unknown.
   * @throws {RangeError} If `forgetAfter` is out of range.
   *
   * @example
   * ```ts
   * import { Singleflight } from "@weir/streams/singleflight";
   * import { assertEquals } from "@std/assert";
   *
   * let asked = 0;
   * const user = Singleflight.wrap(async (id: number) => {
   *   await Promise.resolve();
   *   return { id, asked: ++asked };
   * }, { key: (id) => id });
   *
   * const users = await Promise.all([user(7), user(7)]);
   * assertEquals(users, [{ id: 7, asked: 1 }, { id: 7, asked: 1 }]);
   * assertEquals(user.flight.stats.shared, 1);
   * ```
   */
  static wrap<A extends unknown[], K, V, This = unknown>(
    fn: (this: This, ...args: A) => V | PromiseLike<V>,
    options: WrapOptions<A, K, V, This>,
  ): ((this: This, ...args: A) => Promise<V>) & { readonly flight: Singleflight<K, V> };
  /**
   * The same for a function that is asynchronous for some arguments only.
   *
   * @param fn The function to call.
   * @param options The key of a call, and the options of the constructor.
   * @returns A function with the same arguments, and the same result in a promise.
   */
  static wrap<A extends unknown[], K, H, This = unknown>(
    fn: (this: This, ...args: A) => H,
    options: WrapOptions<A, K, Awaited<H>, This>,
  ): ((this: This, ...args: A) => Promise<Awaited<H>>) & {
    readonly flight: Singleflight<K, Awaited<H>>;
  };
  /** @ignore It has the types of the first overload. */
  static wrap<A extends unknown[], K, V, This = unknown>(
    fn: (this: This, ...args: A) => V | PromiseLike<V>,
    options: WrapOptions<A, K, V, This>,
  ): ((this: This, ...args: A) => Promise<V>) & { readonly flight: Singleflight<K, V> } {
    const owner = "Singleflight.wrap";
    check(owner, "fn", fn, FUNCTION);
    const rules = { key: FUNCTION, ...OPTIONS };
    const { key, ...rest } = readOptions<WrapOptions<A, K, V, This>>(owner, options, rules);
    check(owner, "key", key, FUNCTION);
    const flight = new Singleflight<K, V>(rest);
    const wrapped = async function (this: This, ...args: A): Promise<V> {
      return await flight.do(key!.apply(this, args), () => fn.apply(this, args));
    };
    return Object.assign(wrapped, { flight });
  }
}
