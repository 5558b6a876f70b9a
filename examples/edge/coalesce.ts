/**
 * The need: many ask for one page at the same time, and the origin is slow. Requests that come at once
 * share one fetch of it.
 */

// In a project of yours: from "@weir/streams".
import { Singleflight } from "../../mod.ts";
import type { ExecutionContext } from "./workers.ts";

/** The variables of `wrangler.coalesce.jsonc`. */
export interface Env {
  /** Where the pages come from. */
  readonly ORIGIN: string;
}

/** What requests share. A `Response` belongs to the request that fetched it; its bytes don't. */
interface Page {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: ArrayBuffer | null;
}

/** How long a client waits, in milliseconds. */
const PATIENCE = 10_000;

/** Everybody gets the same page, so nothing of one client goes in or out, such as a cookie. */
const SHARED_HEADERS = ["cache-control", "content-type"];

// At the top of the module, so requests share it. A flight whose own request has died is left behind
// after `forgetAfter`: the next request starts another.
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
      const page = await pages.do(url.href, (flight) => {
        // `flight.signal` aborts when the last client has left.
        const loaded = load(url.href, flight.signal);
        // It runs in this request. This keeps it for the others when this client leaves. A failure is
        // told by `do`.
        ctx.waitUntil(loaded.catch(() => {}));
        return loaded;
      }, { signal });
      return new Response(page.body, page);
    } catch (error) {
      // Nobody reads this, but for a log: 499 is what nginx calls it.
      if (request.signal.aborted) return new Response(null, { status: 499 });
      console.error(`${url.href}: ${error}`);
      const late = (error as Error | undefined)?.name === "TimeoutError";
      return new Response(late ? "Too slow" : "Bad gateway", { status: late ? 504 : 502 });
    }
  },
};
