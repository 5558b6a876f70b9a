/** The fetch handler: takes requests, and makes batches of events. */

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
// In your project: from "@weir/streams".
import { Aggregator, type AggregatorStats } from "../../mod.ts";
import { type Event, type EventTable, parseEvent } from "./events.ts";
import type { Options } from "./options.ts";

/** The largest body, in bytes. This and the capacity bound the memory. */
const LARGEST = 64 * 1024;

/** Accepts events, and writes them in batches. */
export class Ingest {
  readonly #events: Aggregator<Event>;
  readonly #writer: WritableStreamDefaultWriter<Event>;

  constructor(table: EventTable, options: Omit<Options, "database" | "port">) {
    const { batch, linger, capacity, latency } = options;
    this.#events = new Aggregator(async (events) => {
      if (latency > 0) await sleep(latency);
      table.insert(events);
    }, { maxItems: batch, linger, capacity });
    // It writes nothing. It locks the sink, so that only this class closes it, and its `closed` rejects when
    // the sink fails.
    this.#writer = this.#events.getWriter();
  }

  /** Rejects when the sink could not write a batch. */
  get closed(): Promise<void> {
    return this.#writer.closed;
  }

  /** The stats of the events, and the memory of the process. */
  get stats(): AggregatorStats & { readonly rss: number } {
    return { ...this.#events.stats, rss: process.memoryUsage().rss };
  }

  /** Accepts no more events, and resolves when all accepted events are written. */
  drain(): Promise<void> {
    return this.#writer.close();
  }

  /** The handler, for any server that takes a fetch handler. */
  readonly handle = async (request: Request): Promise<Response> => {
    const route = `${request.method} ${new URL(request.url).pathname}`;
    if (route === "POST /events") return await this.#take(request);
    if (route !== "GET /stats") return new Response("not found\n", { status: 404 });
    return Response.json(this.stats);
  };

  async #take(request: Request): Promise<Response> {
    const length = request.headers.get("content-length");
    if (length === null) return new Response("content-length is missing\n", { status: 411 });
    if (Number(length) > LARGEST) return new Response("too long\n", { status: 413 });
    const event = parseEvent(await request.text());
    if (!event) return new Response('not a JSON object with an "id"\n', { status: 400 });
    if (this.#tryPush(event)) return new Response(null, { status: 202 });
    return new Response("busy\n", { status: 503, headers: { "retry-after": "1" } });
  }

  /** Returns false when the sink is full. Also when it is closing or has failed: `tryPush` throws then. */
  #tryPush(event: Event): boolean {
    try {
      return this.#events.tryPush(event);
    } catch {
      return false;
    }
  }
}
