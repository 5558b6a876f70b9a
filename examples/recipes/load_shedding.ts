/**
 * The need: your server gets more requests than it can answer. It should refuse the rest at once with 503,
 * and do no work for an answer that comes too late or that no client waits for.
 *
 * The idea: a `Fanout` runs a bounded number of requests, and lets a bounded number wait. `trySubmit` returns
 * `undefined` when there is no room, and the handler answers 503 at once. `maxWait` drops requests that have
 * waited too long, before it refuses new ones. The `signal` of a request takes it out of the queue when its
 * client leaves, and aborts its handler if that runs.
 *
 * The limits:
 *
 * - Keep `capacity` small. At a full queue a request waits about `capacity / concurrency` handler times.
 * - All requests count the same. To keep one customer from taking all the room, see
 *   [bulkhead.ts](bulkhead.ts).
 * - A handler must use its `signal` to stop early.
 *
 * Next: [shutdown.ts](shutdown.ts) ends such a server without losing a request.
 */

// In your project: from "@weir/streams".
import { Fanout, type Sink } from "../../mod.ts";

/** Options of `shedLoad`. */
export interface ShedOptions {
  /** After how many seconds a client may try again. By default 1. */
  readonly retryAfter?: number;
  /** Abort this before you close the sink. Requests that come after that get 503. */
  readonly closing?: AbortSignal;
}

/**
 * Makes an HTTP handler whose requests `pages` answers. It answers 503 when `pages` is full or closing, when
 * a request has waited longer than `maxWait`, and for any other `TimeoutError`. It rejects with other
 * errors, and your server answers those with 500.
 */
export function shedLoad(
  pages: Sink<Request, Response>,
  { retryAfter = 1, closing }: ShedOptions = {},
): (request: Request) => Promise<Response> {
  const busy = () =>
    new Response("Busy", { status: 503, headers: { "retry-after": `${retryAfter}` } });
  return async (request) => {
    if (closing?.aborted) return busy();
    try {
      return await (pages.trySubmit(request, { signal: request.signal }) ?? busy());
    } catch (error) {
      // The client is gone. A log may show the status: nginx uses 499, too.
      if (request.signal?.aborted) return new Response(null, { status: 499 });
      if ((error as Error | undefined)?.name === "TimeoutError") return busy();
      throw error;
    }
  };
}

if (import.meta.main) {
  const pages = new Fanout(async (request: Request, { waited }) => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    return new Response(`${request.url} after ${Math.round(waited!)} ms`);
  }, { concurrency: 2, capacity: 4, maxWait: 150 });
  const handle = shedLoad(pages);
  // In a server: `Deno.serve(handle)`, `Bun.serve({ fetch: handle })`, `export default { fetch: handle }`.
  await Promise.all([1, 2, 3, 4, 5, 6, 7].map(async (id) => {
    const response = await handle(new Request(`http://localhost/${id}`));
    console.log(id, response.status, await response.text());
  }));
  console.log(pages.stats);
}
