/**
 * The need: many requests write at the same time, and one transaction for all of them is cheaper than
 * one for each. A Durable Object gathers them; each caller gets the result of its own write.
 */

// In a project of yours: from "@weir/streams".
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

/** Adds to a counter, or takes from it. */
interface Change {
  readonly counter: string;
  readonly by: number;
}

/** Writes in a transaction, at most. */
const MAX_ITEMS = 100;

/**
 * Counters that never go below 0. `POST /NAME?by=-2` answers with the total after that change, and with
 * 409 where too little is left, or the total is more than a number holds.
 *
 * An answer means that the change is stored. A caller whose object ends before that gets an error, and
 * can't know whether the change was stored: give changes an id, and store it, where that matters.
 */
export class Counters {
  readonly #storage: DurableObjectStorage;
  // An object has all its requests in one context, so they may share a sink.
  readonly #changes: Aggregator<Change, number>;

  // Runs in the first request that comes to the object.
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

  /** Stores all of them or none. Writes a row for each counter, and not for each change. */
  #store(changes: readonly Change[]): (number | RangeError)[] {
    return this.#storage.transactionSync(() => {
      const totals = new Map<string, number>();
      const results = changes.map(({ counter, by }) => {
        const before = totals.get(counter) ?? this.#total(counter);
        // Fails this change alone.
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
    // One object for all counters. Where that has too much to do, take one for each name.
    return await COUNTERS.get(COUNTERS.idFromName("all")).fetch(request);
  },
};
