/**
 * The need: a value may be a little old, but callers must not wait for a new one. When its source is down
 * for a moment, callers should still get the last value.
 *
 * The idea: a value is fresh for a while, and the cache answers with it. After that it is stale: the cache
 * still answers with it at once, and loads a new value in the background. A `Singleflight` makes sure that
 * only one load per key runs. If that load fails, `onError` gets the error, the cache keeps the stale
 * value, and tries again after `retryAfter`. When a value is older than `maxAge`, the cache doesn't use it
 * any more: callers wait for the load, and get its error if it fails.
 *
 * The limits:
 *
 * - A key that no one asks for isn't refreshed. Its next caller gets the stale value, or waits if the value
 *   is older than `maxAge`.
 * - Callers of a key share one object. Don't change it.
 * - The number of keys has no bound. Old entries go when a new value comes in.
 * - In a Cloudflare Worker a background load ends with its request. See
 *   [edge/coalesce.ts](../edge/coalesce.ts) for `waitUntil`.
 *
 * Next: [ttl_cache.ts](ttl_cache.ts) is simpler, and never answers with a stale value.
 * [redis_cache.ts](redis_cache.ts) shares a cache among processes.
 */

// In your project: from "@weir/streams".
import { type FlightCallOptions, type HandlerContext, Singleflight } from "../../mod.ts";

/** Options of a `StaleCache`. Times are in milliseconds. */
export interface StaleCacheOptions<K> {
  /** How long a value is fresh. */
  readonly fresh: number;
  /** How old a value may get. Between `fresh` and `maxAge` it is stale. */
  readonly maxAge: number;
  /** How long after a failed refresh the next one may start. By default 1000. */
  readonly retryAfter?: number;
  /** How long a refresh may take. By default 10,000. */
  readonly timeout?: number;
  /** Gets the error of each refresh that failed. If it throws, that is an unhandled rejection. */
  readonly onError: (error: unknown, key: K) => void;
}

interface Entry<V> {
  readonly value: V;
  /** When the value is too old to use. */
  readonly until: number;
  /** When the next refresh may start. */
  refresh: number;
}

/** A cache that answers with a stale value while it loads a new one. */
export class StaleCache<K, V> {
  readonly #load: (key: K, context: HandlerContext) => V | PromiseLike<V>;
  readonly #options: Required<StaleCacheOptions<K>>;
  readonly #entries = new Map<K, Entry<V>>();
  readonly #flights: Singleflight<K, V>;

  /** Gets values by `load`. Give its signal to `fetch`: it aborts at the timeout, and when no one waits. */
  constructor(
    load: (key: K, context: HandlerContext) => V | PromiseLike<V>,
    options: StaleCacheOptions<K>,
  ) {
    this.#load = load;
    this.#options = { retryAfter: 1000, timeout: 10_000, ...options };
    this.#flights = new Singleflight<K, V>({
      // Only for `set`: a `Singleflight` doesn't store the value of a load that it has forgotten.
      cache: {
        has: () => false,
        get: () => undefined,
        set: (key, value) => this.#store(key, value),
        delete: () => {},
      },
    });
  }

  /** How many values the cache holds. Some may be too old to use. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * The value of a key: at once if the cache has one, or else when `load` has given one.
   *
   * @returns Rejects with the error of `load`, or with the reason of the signal.
   */
  async get(key: K, options?: FlightCallOptions): Promise<V> {
    const entry = this.#entries.get(key);
    const now = performance.now();
    if (!entry || now >= entry.until) {
      return await this.#flights.do(key, (context) => this.#load(key, context), options);
    }
    if (now >= entry.refresh && !this.#flights.has(key)) void this.#refresh(key, entry);
    return entry.value;
  }

  /** Forgets a value, such as after a write. The cache doesn't store a load that runs now. */
  delete(key: K): boolean {
    const loading = this.#flights.forget(key);
    return this.#entries.delete(key) || loading;
  }

  async #refresh(key: K, entry: Entry<V>): Promise<void> {
    const { timeout, retryAfter, onError } = this.#options;
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort(new DOMException(`No new value within ${timeout} ms`, "TimeoutError"));
    }, timeout);
    try {
      // At the timeout this caller leaves. If it is the last one, the signal of the load aborts.
      await this.#flights.do(key, (context) => this.#load(key, context), late);
    } catch (error) {
      entry.refresh = performance.now() + retryAfter;
      onError(error, key);
    } finally {
      clearTimeout(timer);
    }
  }

  #store(key: K, value: V): void {
    const { fresh, maxAge } = this.#options;
    const now = performance.now();
    this.#entries.delete(key); // so that the oldest value is the first
    this.#entries.set(key, { value, until: now + maxAge, refresh: now + fresh });
    for (const [oldest, { until }] of this.#entries) {
      if (until > now) break;
      this.#entries.delete(oldest);
    }
  }
}

if (import.meta.main) {
  const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  let [loads, up] = [0, true];
  const rates = new StaleCache(async (currency: string) => {
    await sleep(20);
    if (!up) throw new Error("the bank is closed");
    return `${currency} ${++loads}`;
  }, {
    fresh: 50,
    maxAge: 300,
    retryAfter: 50,
    onError: (error, key) => console.log(`${key} is stale: ${(error as Error).message}`),
  });
  const ask = async (what: string) => {
    const start = performance.now();
    const answer = await rates.get("CHF").catch(String);
    console.log(`${what}: ${answer}, after ${Math.round(performance.now() - start)} ms`);
  };
  await ask("nothing there");
  await ask("fresh");
  await sleep(60);
  await ask("stale");
  await sleep(30);
  await ask("refreshed");
  up = false;
  await sleep(60);
  await ask("source down");
  await sleep(300);
  await ask("too old");
}
