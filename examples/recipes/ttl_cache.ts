/**
 * The need: an answer is good for a while, and asked for by many. `Singleflight` has one call made
 * for all who ask at once, and this cache answers those who come until it is too old. For a cache that
 * several processes share, see `redis_cache.ts`.
 */

// In a project of yours: from "@weir/streams".
import { type FlightCache, Singleflight } from "../../mod.ts";

/** A cache with a time to live. It needs no timer: the oldest come first, and go at the next `set`. */
export class TtlCache<K, V> implements FlightCache<K, V> {
  readonly #entries = new Map<K, { readonly value: V; readonly until: number }>();
  readonly #ttl: number;

  /** Values are kept for `ttl` ms. */
  constructor(ttl: number) {
    this.#ttl = ttl;
  }

  /** Entries, of which some may be too old already. */
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
    this.#entries.delete(key); // to the end of the line
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
