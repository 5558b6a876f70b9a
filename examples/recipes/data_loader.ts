/**
 * The need: your code asks for one record at a time, in many places. The database should get one query for
 * many records, and never two for the same record at once. This is the N+1 problem of GraphQL resolvers.
 *
 * The idea: an `Aggregator` gathers the keys that callers submit within a millisecond, or while a query runs,
 * and looks them up with one query. Each caller gets its own record. A `Singleflight` in front of it shares
 * the result among callers of the same key.
 *
 * The limits:
 *
 * - Nothing is cached: a call after the query asks again. Add a `cache` to the `Singleflight` if you want one.
 * - A `linger` of 1 millisecond also gathers the keys of callers that `await` something first. `linger: 0`
 *   is faster, but gathers only the keys that callers ask for with no `await` between them.
 * - For a cache for each request, make the `Singleflight` with `cache: new Map()` in the request, and share
 *   the `Aggregator`. A failed key isn't cached: the next caller asks again. Neither needs to be closed.
 * - One query runs at a time. Set `concurrency` for more. While all of them run, keys gather for the next.
 * - A `loadMany` that calls `load` of the same loader waits for a later query. It hangs if `concurrency`
 *   queries wait like that. Give each level of nested loads a loader.
 *
 * Next: [ttl_cache.ts](ttl_cache.ts) keeps the results for a while.
 */

// In your project: from "@weir/streams".
import { Aggregator, Singleflight } from "../../mod.ts";

/** Looks up many keys. Returns a value for each, in order. An `Error` rejects the callers of that key only. */
export type LoadMany<K, V> = (keys: K[]) => Promise<Array<V | Error>>;

/** Options of `DataLoader`. */
export interface DataLoaderOptions {
  /** The most keys of a query. By default 100. */
  readonly maxItems?: number;
  /** The most queries that run at once. By default 1. */
  readonly concurrency?: number;
}

/**
 * Gathers the keys of callers into one query. Callers that ask for a key while its query runs share the
 * result.
 */
export class DataLoader<K, V> {
  readonly #flights = new Singleflight<K, V>();
  readonly #batches: Aggregator<K, V>;

  /** Makes a loader that gathers keys for `loadMany`. */
  constructor(loadMany: LoadMany<K, V>, options: DataLoaderOptions = {}) {
    const { maxItems = 100, concurrency = 1 } = options;
    this.#batches = new Aggregator(loadMany, { maxItems, concurrency, linger: 1 });
  }

  /** The value for a key. */
  load(key: K): Promise<V> {
    return this.#flights.do(key, () => this.#batches.submit(key));
  }
}

if (import.meta.main) {
  const users = new DataLoader<number, string>((ids) => {
    console.log(`SELECT ... WHERE id IN (${ids})`);
    return Promise.resolve(ids.map((id) => `user ${id}`));
  });
  console.log(await Promise.all([1, 2, 2, 3, 1].map((id) => users.load(id))));
}
