/**
 * The need: a server with too much to do says so at once, and does no work for an answer that comes
 * too late, or that nobody waits for any more.
 */

// In a project of yours: from "@weir/streams".
import { Fanout, type Sink } from "../../mod.ts";

/** How it refuses. */
export interface ShedOptions {
  /** In how many seconds a client may try again. */
  readonly retryAfter?: number;
  /** Abort it before you close the sink: what comes after that is refused. */
  readonly closing?: AbortSignal;
}

/**
 * An HTTP handler that has `pages` answer. 503 when that is full or closing, when the request has waited
 * longer than its `maxWait`, and for any other `TimeoutError`. A client that leaves takes its request out
 * of the queue, and aborts the `context.signal` of its handler. Other errors are the server's to answer
 * with 500.
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
      // Nobody reads this, but for a log: 499 is what nginx calls it.
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
