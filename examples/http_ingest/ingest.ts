/** From a request to a batch: the one fetch handler. */

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
// In a project of yours: from "@weir/streams".
import { Aggregator, type AggregatorStats } from "../../mod.ts";
import { type Event, type EventTable, parseEvent } from "./events.ts";
import type { Options } from "./options.ts";

/** The largest body, in bytes. Together with the capacity it is what memory is bounded by. */
const LARGEST = 64 * 1024;

/** Takes events, and writes them in batches. */
export class Ingest {
  readonly #events: Aggregator<Event>;
  readonly #writer: WritableStreamDefaultWriter<Event>;

  constructor(table: EventTable, options: Omit<Options, "database" | "port">) {
    const { batch, linger, capacity, latency } = options;
    this.#events = new Aggregator(async (events) => {
      if (latency > 0) await sleep(latency);
      table.insert(events);
    }, { maxItems: batch, linger, capacity });
    // Nothing is written by it: the lock says that this is the one to close it, and `closed` when it
    // has failed.
    this.#writer = this.#events.getWriter();
  }

  /** Rejects when a batch could not be written. */
  get closed(): Promise<void> {
    return this.#writer.closed;
  }

  /** What has become of the events, and how much memory the process takes. */
  get stats(): AggregatorStats & { readonly rss: number } {
    return { ...this.#events.stats, rss: process.memoryUsage().rss };
  }

  /** Accepts nothing more, and resolves when all that was accepted is written. */
  drain(): Promise<void> {
    return this.#writer.close();
  }

  /** The handler, for any server that speaks `fetch`. */
  readonly handle = async (request: Request): Promise<Response> => {
    const route = `${request.method} ${new URL(request.url).pathname}`;
    if (route === "POST /events") return await this.#take(request);
    if (route !== "GET /stats") return new Response("not found\n", { status: 404 });
    return Response.json(this.stats);
  };

  async #take(request: Request): Promise<Response> {
    const length = request.headers.get("content-length");
    if (length === null) return new Response("how long is it?\n", { status: 411 });
    if (Number(length) > LARGEST) return new Response("too long\n", { status: 413 });
    const event = parseEvent(await request.text());
    if (!event) return new Response('not a JSON object with an "id"\n', { status: 400 });
    if (this.#tryPush(event)) return new Response(null, { status: 202 });
    return new Response("busy\n", { status: 503, headers: { "retry-after": "1" } });
  }

  /** False when it is full, and also when it is closing or has failed, where `tryPush` throws. */
  #tryPush(event: Event): boolean {
    try {
      return this.#events.tryPush(event);
    } catch {
      return false;
    }
  }
}
