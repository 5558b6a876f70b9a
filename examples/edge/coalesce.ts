/**
 * The need: many clients ask for one page at the same time, and the origin is slow. One fetch should serve them
 * all, and a client may leave at any time.
 *
 * The idea: a `Singleflight` at the top of the module. Requests that come at the same time share one execution,
 * and each makes its own `Response` from the shared bytes. `waitUntil` keeps the fetch alive for the others when
 * its own client leaves.
 *
 * The limits: share only pages that are the same for all clients. If the request that runs the fetch dies, the
 * others wait until their own time limit. `forgetAfter` lets the next request start again.
 *
 * Next: [aggregate.ts](aggregate.ts) for writes. [Workers and the edge](../../docs/edge.md) has the rules.
 */

// In your project: from "@weir/streams".
import { Singleflight } from "../../mod.ts";
import type { ExecutionContext } from "./workers.ts";

/** The variables of `wrangler.coalesce.jsonc`. */
export interface Env {
  /** The server that has the pages. */
  readonly ORIGIN: string;
}

/** Requests share this. A `Response` belongs to the request that fetched it, and its bytes don't. */
interface Page {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: ArrayBuffer | null;
}

/** How long a client waits, in milliseconds. */
const PATIENCE = 10_000;

/** All clients get the same page, so headers about one client, such as cookies, stay out. */
const SHARED_HEADERS = ["cache-control", "content-type"];

// Requests share it, because it is at the top of the module. If the request of an execution has died, the
// next request starts another one after `forgetAfter`.
const pages = new Singleflight<string, Page>({ forgetAfter: PATIENCE, name: "pages" });

async function load(url: string, signal: AbortSignal): Promise<Page> {
  const response = await fetch(url, { signal });
  return {
    status: response.status,
    headers: Object.fromEntries(
      SHARED_HEADERS.flatMap((name) => {
        const value = response.headers.get(name);
        return value === null ? [] : [[name, value]];
      }),
    ),
    body: response.body && await response.arrayBuffer(),
  };
}

export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    if (request.method !== "GET") {
      return new Response("Only GET", { status: 405, headers: { allow: "GET" } });
    }
    const { pathname, search } = new URL(request.url);
    const url = new URL(env.ORIGIN);
    url.pathname = pathname;
    url.search = search;
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(PATIENCE)]);
    try {
      const page = await pages.do(url.href, (execution) => {
        // Its signal aborts when the last client has left.
        const loaded = load(url.href, execution.signal);
        // It runs in this request. This keeps it alive for the others when this client leaves. `do`
        // reports a failure.
        ctx.waitUntil(loaded.catch(() => {}));
        return loaded;
      }, { signal });
      return new Response(page.body, page);
    } catch (error) {
      // The client is gone. A log may show the status: nginx uses 499, too.
      if (request.signal.aborted) return new Response(null, { status: 499 });
      console.error(`${url.href}: ${error}`);
      const late = (error as Error | undefined)?.name === "TimeoutError";
      return new Response(late ? "Too slow" : "Bad gateway", { status: late ? 504 : 502 });
    }
  },
};
