/**
 * {@linkcode Singleflight}: concurrent calls with one key share one execution.
 *
 * Runs in Deno, Bun, Node, edge runtimes and browsers.
 *
 * @module
 */

import { Call, type FlightResult } from "./core/flight/call.ts";
import type { HandlerContext } from "./core/shared/call_context.ts";
import { describe, titleOf } from "./core/shared/describe.ts";
import {
  check,
  DURATION,
  FUNCTION,
  NAME,
  readOptions,
  readSignal,
  type Rule,
  show,
} from "./core/shared/options.ts";
import { isThenable, markHandled, whenSettled } from "./core/shared/promises.ts";

export type { FlightResult, HandlerContext };

const CACHE: Rule = [
  "object",
  "be a Map, or have its four methods",
  (cache: Record<string, unknown> | null) =>
    ["get", "set", "has", "delete"].every((name) => typeof cache?.[name] === "function"),
];
const OPTIONS = { clone: FUNCTION, cache: CACHE, forgetAfter: DURATION, name: NAME };

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

/** Options of {@linkcode Singleflight}. */
export interface SingleflightOptions<K, V> {
  /**
   * Gives each further caller a copy of its own, such as `(response) => response.clone()`. With a
   * cache the first caller has a copy too.
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

/** Options of {@linkcode Singleflight.wrap}. */
export interface WrapOptions<A extends unknown[], K, V, This = unknown>
  extends SingleflightOptions<K, V> {
  /** The key of a call: calls with equal keys share one execution. */
  key: (this: This, ...args: A) => K;
}

/** What a {@linkcode Singleflight} executes. Its signal aborts when the last caller has left. */
export type FlightFunction<V> = (context: HandlerContext) => V | PromiseLike<V>;

/**
 * Concurrent calls with one key share one execution.
 *
 * For what many ask for at once and one answer serves all: a token, a config, a page of a cold
 * cache. To limit how many *different* calls run, use a `Fanout`.
 *
 * - **Sharing**: while a call for a key is in flight, every `do` of it waits for the same execution,
 *   and has the same value or the very same error. `fn` starts synchronously.
 * - **Nothing stays** after it settles, unless there is a `cache`; errors never do.
 * - **Cancelling** is per caller. One whose signal aborts is rejected at once; the flight goes on for
 *   the others. When the last has left, the function's own signal aborts and the key is free at that
 *   very moment, so that no newcomer joins a call that is being cancelled.
 * - **Forgetting**: those who wait keep the old flight, the next caller starts a new one, and the old
 *   one does not touch it.
 * - **Re-entry**: a function that calls its own key before its first `await` has an `Error` instead
 *   of a deadlock. After that nobody can know who calls: it waits for itself, and a signal ends that.
 *
 * - **Cloudflare Workers** may keep one at the top of a module, and share flights across requests:
 *   each caller with a signal, a copy or a `doShared` settles its own promise. The function runs in
 *   the request that started it; where that is cancelled, those who joined wait for ever, so give
 *   `forgetAfter`, or have it run under `waitUntil`. Share bytes, and not a `Response`.
 *
 * It is `singleflight` of golang.org/x/sync; `doShared` returns its `shared` too.
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
 * @example A deadline of one's own
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
  /** The oldest first. */
  readonly #calls = new Map<K, Call<K, V>>();
  readonly #clone: ((value: V) => V) | undefined;
  readonly #cache: FlightCache<K, V> | undefined;
  readonly #forgetAfter: number;
  readonly #owner: string;
  readonly #stats = { running: 0, executions: 0, shared: 0, hits: 0 };
  readonly #onDeserted = (call: Call<K, V>): void => this.#drop(call);

  /**
   * Makes an empty group.
   *
   * @param options How values are copied, kept and forgotten.
   * @throws {TypeError} If an option is of the wrong kind or unknown.
   * @throws {RangeError} If `forgetAfter` is out of range.
   */
  constructor(options?: SingleflightOptions<K, V>) {
    const values = readOptions<SingleflightOptions<K, V>>("Singleflight", options, OPTIONS);
    this.#owner = titleOf("Singleflight", values.name);
    describe(this, this.#owner);
    this.#clone = values.clone;
    this.#cache = values.cache;
    this.#forgetAfter = values.forgetAfter ?? Infinity;
  }

  /**
   * The value of `fn` for this key: of a call in flight, of the cache, or of a call that starts now.
   *
   * @param key What the call is for.
   * @param fn What is executed. A throw in it is a rejection.
   * @param options A signal for this caller alone.
   * @returns Resolves with the value. Rejects with the very error of `fn`, with the reason of the
   * signal, with what `clone` or the cache throws, with an `Error` where `fn` calls its own key, or
   * with a `TypeError` where the cache answers with a promise.
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
    return this.#call(key, fn, options, false) as Promise<V>;
  }

  /**
   * As {@linkcode Singleflight.do}, and says whether the value was shared.
   *
   * @param key What the call is for.
   * @param fn What is executed. A throw in it is a rejection.
   * @param options A signal for this caller alone.
   * @returns Resolves with the value, and with whether more than one caller asked for it; that is
   * the same for all of them, and true where the value came from the cache. Rejects as `do` does.
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
    return this.#call(key, fn, options, true) as Promise<FlightResult<V>>;
  }

  /**
   * Has the next caller of a key start anew, and drops its value from the cache. Those who wait keep
   * what they wait for; that is not put into the cache any more.
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
    const call = this.#joinable(key);
    if (call) this.#drop(call);
    const cached = this.#atOnce(this.#cache?.has(key)) ?? false;
    if (cached) this.#cache!.delete(key);
    return call !== undefined || cached;
  }

  /**
   * Forgets every key, and clears the cache if that can be cleared.
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
    this.#calls.clear();
    this.#cache?.clear?.();
  }

  /**
   * Whether a call for this key is in flight. The cache does not count.
   *
   * @param key The key.
   * @returns Whether a caller would join.
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
    return this.#joinable(key) !== undefined;
  }

  /**
   * How many keys are in flight. The cache does not count.
   *
   * @example
   * ```ts
   * import { Singleflight } from "@weir/streams/singleflight";
   * import { assertEquals } from "@std/assert";
   *
   * const flight = new Singleflight<string, number>();
   * const calls = [flight.do("a", () => Promise.resolve(1)), flight.do("b", () => Promise.resolve(2))];
   * assertEquals(flight.size, 2);
   * await Promise.all(calls);
   * assertEquals(flight.size, 0);
   * ```
   */
  get size(): number {
    this.#sweep();
    return this.#calls.size;
  }

  /**
   * What has been done so far.
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
    return { ...this.#stats };
  }

  /**
   * A function of which concurrent calls with one key share one execution.
   *
   * @param fn The function.
   * @param options The key of a call, and the options of the constructor.
   * @returns A function with the same `this` and arguments, and the same result in a promise. Its
   * `flight` is what it shares calls by, to forget a key or to look at its `stats`.
   * @throws {TypeError} If `fn` is no function, or an option of the wrong kind or unknown.
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
   * assertEquals(await Promise.all([user(7), user(7)]), [{ id: 7, asked: 1 }, { id: 7, asked: 1 }]);
   * assertEquals(user.flight.stats.shared, 1);
   * ```
   */
  static wrap<A extends unknown[], K, V, This = unknown>(
    fn: (this: This, ...args: A) => V | PromiseLike<V>,
    options: WrapOptions<A, K, V, This>,
  ): ((this: This, ...args: A) => Promise<V>) & { readonly flight: Singleflight<K, V> };
  /**
   * The same for a function that is asynchronous for some arguments.
   *
   * @param fn The function.
   * @param options The key of a call, and the options of the constructor.
   * @returns A function with the same arguments, and the same result in a promise.
   */
  static wrap<A extends unknown[], K, H, This = unknown>(
    fn: (this: This, ...args: A) => H,
    options: WrapOptions<A, K, Awaited<H>, This>,
  ): ((this: This, ...args: A) => Promise<Awaited<H>>) & {
    readonly flight: Singleflight<K, Awaited<H>>;
  };
  /** @ignore It has the types of the first. */
  static wrap<A extends unknown[], K, V, This = unknown>(
    fn: (this: This, ...args: A) => V | PromiseLike<V>,
    options: WrapOptions<A, K, V, This>,
  ): ((this: This, ...args: A) => Promise<V>) & { readonly flight: Singleflight<K, V> } {
    const owner = "Singleflight.wrap";
    check(owner, "fn", fn, FUNCTION);
    const rules = { key: FUNCTION, ...OPTIONS };
    const { key, ...rest } = readOptions<WrapOptions<A, K, V, This>>(owner, options, rules);
    const keyOf = check(owner, "key", key!, FUNCTION);
    const flight = new Singleflight<K, V>(rest);
    const wrapped = async function (this: This, ...args: A): Promise<V> {
      return await flight.do(keyOf.apply(this, args), () => fn.apply(this, args));
    };
    return Object.assign(wrapped, { flight });
  }

  #call(
    key: K,
    fn: FlightFunction<V>,
    options: FlightCallOptions | undefined,
    detailed: boolean,
  ): Promise<V | FlightResult<V>> {
    try {
      const signal = readSignal(this.#owner, options);
      if (signal?.aborted) throw signal.reason;
      if (typeof fn !== "function") check(this.#owner, "fn", fn, FUNCTION);
      if (this.#cache) {
        // `get` comes first: between the two a value may expire.
        const kept = this.#atOnce(this.#cache.get(key));
        if (kept !== undefined || this.#atOnce(this.#cache.has(key))) {
          this.#stats.hits++;
          const clone = this.#clone;
          const value = clone ? clone(kept as V) : kept as V;
          return Promise.resolve(detailed ? { value, shared: true } : value);
        }
        // The cache is anybody's code.
        if (signal?.aborted) throw signal.reason;
      }
      const joined = this.#joinable(key);
      if (joined && !joined.outcome) {
        throw new Error(`${this.#owner}: the function for key ${show(key)} waits for itself`);
      }
      const call = joined ?? new Call<K, V>(key, this.#onDeserted);
      const alone = detailed || signal !== undefined || this.#clone !== undefined;
      const caller = alone ? call.joinAlone(signal, detailed) : call.join();
      // Before the function runs: it may have its own caller leave.
      const promise = caller?.result?.promise;
      if (joined) this.#stats.shared++;
      else this.#start(call, fn);
      caller?.follow(call.returned);
      return promise ?? call.outcome!;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #start(call: Call<K, V>, fn: FlightFunction<V>): void {
    this.#stats.executions++;
    this.#stats.running++;
    this.#calls.set(call.key, call);
    if (this.#forgetAfter < Infinity) call.startedAt = performance.now();
    let land: () => V;
    try {
      const returned = fn(call.context);
      if (isThenable(returned)) {
        // The first reaction to it: what callers fetch is there when theirs come.
        call.returned = Promise.resolve(returned);
        call.outcome = whenSettled(
          call.returned,
          (value) => this.#land(call, value),
          (error) => this.#crash(call, error),
        );
        return;
      }
      land = () => this.#land(call, returned);
    } catch (error) {
      land = () => this.#crash(call, error);
    }
    call.outcome = new Promise((resolve) => resolve(land()));
  }

  #land(call: Call<K, V>, value: V): V {
    this.#stats.running--;
    const current = this.#current(call);
    this.#drop(call);
    try {
      if (current) this.#atOnce(this.#cache?.set(call.key, value));
    } catch (error) {
      return call.fail(error);
    }
    call.succeed(value, this.#clone, this.#cache === undefined);
    return value;
  }

  #crash(call: Call<K, V>, error: unknown): V {
    this.#stats.running--;
    this.#drop(call);
    return call.fail(error);
  }

  /** The call in flight that a caller of this key would join. */
  #joinable(key: K): Call<K, V> | undefined {
    this.#sweep();
    return this.#calls.get(key);
  }

  /** Forgets the calls whose time is over. Not by a timer: it is looked at when somebody asks. */
  #sweep(): void {
    if (this.#forgetAfter === Infinity) return;
    for (const [key, { outcome, startedAt }] of this.#calls) {
      // It is still in its synchronous part, and calls itself, or others.
      if (!outcome) continue;
      if (performance.now() - startedAt < this.#forgetAfter) break;
      this.#calls.delete(key);
    }
  }

  #current(call: Call<K, V>): boolean {
    return this.#joinable(call.key) === call;
  }

  /** Frees the key, unless it belongs to a newer one. */
  #drop(call: Call<K, V>): void {
    if (this.#current(call)) this.#calls.delete(call.key);
  }

  /** What the cache answers: a promise would be taken for a value that is there. */
  #atOnce<T>(answer: T): T {
    if (!isThenable(answer)) return answer;
    markHandled(Promise.resolve(answer));
    const rule = "answer at once, not with a promise: look it up inside the function";
    throw new TypeError(`${this.#owner}: option "cache" must ${rule}`);
  }
}
