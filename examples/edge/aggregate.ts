/**
 * The need: many requests write at the same time. One transaction for all of them is cheaper than one for each.
 *
 * The idea: a Durable Object gathers the writes in an `Aggregator`, and stores a batch in one transaction. Each
 * caller gets the result for its change. A Durable Object has all its requests in one context, so they may
 * share a sink.
 *
 * The limits: an answer means that the change is stored. If the object ends before that, the caller gets an
 * error, and can't know whether the change was stored. If that matters, give each change an id, and store it.
 *
 * Next: [coalesce.ts](coalesce.ts) for reads. [Workers and the edge](../../docs/edge.md) has the rules.
 */

// In your project: from "@weir/streams".
import { Aggregator } from "../../mod.ts";
import type {
  DurableObjectNamespace,
  DurableObjectState,
  DurableObjectStorage,
} from "./workers.ts";

/** The bindings and variables of `wrangler.aggregate.jsonc`. */
export interface Env {
  readonly COUNTERS: DurableObjectNamespace;
  /** How long a write may wait for others, in milliseconds. */
  readonly LINGER: number;
}

/** A change of a counter: `by` may be below 0. */
interface Change {
  readonly counter: string;
  readonly by: number;
}

/** The most writes in a transaction. */
const MAX_ITEMS = 100;

/**
 * Counters that never go below 0. `POST /NAME?by=-2` answers with the total after that change. It answers
 * 409 if the total would be below 0, or too large for a number.
 */
export class Counters {
  readonly #storage: DurableObjectStorage;
  // All requests of an object share this sink.
  readonly #changes: Aggregator<Change, number>;

  // The first request to the object runs this.
  constructor({ storage }: DurableObjectState, { LINGER }: Env) {
    this.#storage = storage;
    storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, total INTEGER NOT NULL)",
    );
    this.#changes = new Aggregator((changes: Change[]) => this.#store(changes), {
      maxItems: MAX_ITEMS,
      linger: LINGER,
      name: "changes",
    });
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const by = Number(searchParams.get("by") ?? 1);
    if (request.method !== "POST" || !Number.isSafeInteger(by)) {
      return new Response("POST /NAME?by=WHOLE_NUMBER", { status: 400 });
    }
    try {
      return Response.json({
        total: await this.#changes.submit({ counter: pathname.slice(1), by }),
      });
    } catch (error) {
      if (error instanceof RangeError) return new Response(error.message, { status: 409 });
      throw error;
    }
  }

  /** Stores all changes or none. Writes one row for each counter. */
  #store(changes: readonly Change[]): (number | RangeError)[] {
    return this.#storage.transactionSync(() => {
      const totals = new Map<string, number>();
      const results = changes.map(({ counter, by }) => {
        const before = totals.get(counter) ?? this.#total(counter);
        // An error in the results rejects this change only.
        if (before + by < 0) return new RangeError(`${counter} has ${before}, not ${-by}`);
        if (!Number.isSafeInteger(before + by)) return new RangeError(`${counter} is full`);
        totals.set(counter, before + by);
        return before + by;
      });
      for (const [counter, total] of totals) {
        this.#storage.sql.exec(
          "INSERT INTO counters VALUES (?, ?) ON CONFLICT DO UPDATE SET total = excluded.total",
          counter,
          total,
        );
      }
      return results;
    });
  }

  #total(counter: string): number {
    const query = "SELECT total FROM counters WHERE name = ?";
    return this.#storage.sql.exec<{ total: number }>(query, counter).toArray()[0]?.total ?? 0;
  }
}

export default {
  async fetch(request: Request, { COUNTERS }: Env): Promise<Response> {
    // One object for all counters. If it has too much to do, use one for each name.
    return await COUNTERS.get(COUNTERS.idFromName("all")).fetch(request);
  },
};
