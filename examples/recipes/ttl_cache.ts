/**
 * The need: a value is good for a while, and many callers ask for it. You don't want to load it for each.
 *
 * The idea: a `Singleflight` makes one call for all callers that ask at the same time. Its `cache` answers
 * the callers that come later, until the value is too old. The cache below has a time to live. It needs no
 * timer: old values go when a new one comes in.
 *
 * The limits:
 *
 * - When a value is too old, its next callers wait for a new one. If they must not wait, use
 *   [stale_while_revalidate.ts](stale_while_revalidate.ts).
 * - The number of values has no bound. If keys come from users, use a cache with one, such as `lru-cache`.
 * - Callers of a key share one object. Don't change it, or give the `Singleflight` a `clone`.
 * - An error is not cached: the next caller tries again.
 *
 * Next: [redis_cache.ts](redis_cache.ts) shares a cache among processes.
 */

// In your project: from "@weir/streams".
import { type FlightCache, Singleflight } from "../../mod.ts";

/** A cache with a time to live. It needs no timer: `set` removes the old values. */
export class TtlCache<K, V> implements FlightCache<K, V> {
  readonly #entries = new Map<K, { readonly value: V; readonly until: number }>();
  readonly #ttl: number;

  /** Keeps each value for `ttl` milliseconds. */
  constructor(ttl: number) {
    this.#ttl = ttl;
  }

  /** How many values the cache holds. Some may be too old. */
  get size(): number {
    return this.#entries.size;
  }

  has(key: K): boolean {
    return this.#fresh(key) !== undefined;
  }

  get(key: K): V | undefined {
    return this.#fresh(key)?.value;
  }

  set(key: K, value: V): void {
    const now = performance.now();
    this.#entries.delete(key); // so that the oldest value is the first
    this.#entries.set(key, { value, until: now + this.#ttl });
    for (const [oldest, { until }] of this.#entries) {
      if (until > now) break;
      this.#entries.delete(oldest);
    }
  }

  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  #fresh(key: K): { readonly value: V } | undefined {
    const entry = this.#entries.get(key);
    return entry && entry.until > performance.now() ? entry : undefined;
  }
}

if (import.meta.main) {
  let asked = 0;
  const rates = new Singleflight<string, number>({ cache: new TtlCache(200) });
  const rate = (currency: string) => rates.do(currency, () => ++asked);
  console.log(await rate("CHF"), await rate("CHF"));
  await new Promise((resolve) => setTimeout(resolve, 250));
  console.log(await rate("CHF"));
}
