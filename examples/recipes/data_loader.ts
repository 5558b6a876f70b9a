/**
 * The need: code asks for one record at a time, in many places; the store is asked for many at once,
 * and never twice for one key at the same time.
 */

// In a project of yours: from "@weir/streams".
import { Aggregator, Singleflight } from "../../mod.ts";

/** Looks up many keys: one value for each, in order. An `Error` is the failure of that key alone. */
export type LoadMany<K, V> = (keys: K[]) => Promise<Array<V | Error>>;

/**
 * Gathers what is asked for within a millisecond, or while the store is busy, into one look-up. The
 * millisecond gathers what callers ask for who `await` something before: `linger: 0` gathers but one turn.
 * Who asks for a key that is being looked up has that answer; nothing is kept after it.
 */
export class DataLoader<K, V> {
  readonly #flights = new Singleflight<K, V>();
  readonly #batches: Aggregator<K, V>;

  /** At most `maxItems` keys in a look-up, and one look-up at a time. */
  constructor(loadMany: LoadMany<K, V>, maxItems = 100) {
    this.#batches = new Aggregator(loadMany, { maxItems, linger: 1 });
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
