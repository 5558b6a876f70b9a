/**
 * The need: what happens in a request is logged, in batches, and the answer doesn't wait for that. Each
 * request has a sink of its own: a sink that requests share at the top of a module doesn't work.
 */

// In a project of yours: from "@weir/streams".
import { Aggregator, backoff } from "../../mod.ts";
import type { ExecutionContext } from "./workers.ts";

/** The variables of `wrangler.log.jsonc`. */
export interface Env {
  /** Who answers. */
  readonly ORIGIN: string;
  /** Takes log lines by POST. */
  readonly LOGS: string;
}

/** The log of one request. */
function openLog(url: string): Aggregator<object> {
  return new Aggregator(async (lines: object[], { signal }) => {
    const body = lines.map((line) => JSON.stringify(line)).join("\n");
    const response = await fetch(url, { method: "POST", body, signal });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  }, {
    maxItems: 100,
    linger: Infinity, // until there are 100, or until `close`
    timeout: 5000,
    retry: backoff({ attempts: 3, min: 100 }),
    onError: (error, lines) => console.error(`${lines.length} log lines are lost: ${error}`),
    name: "log",
  });
}

/** The answer. What happens on the way is logged. */
async function answer(request: Request, env: Env, log: Aggregator<object>): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  log.tryPush({ event: "request", method: request.method, pathname });
  try {
    const url = new URL(env.ORIGIN);
    url.pathname = pathname;
    url.search = search;
    const response = await fetch(new Request(url, request));
    log.tryPush({ event: "response", status: response.status });
    return response;
  } catch (error) {
    log.tryPush({ event: "failure", error: String(error) });
    return new Response("Bad gateway", { status: 502 });
  }
}

export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const log = openLog(env.LOGS);
    const response = answer(request, env, log);
    // The answer goes out when it is there; the isolate stays until the lines are sent. Said now and not
    // then, so they are sent when the client leaves before that, too.
    ctx.waitUntil(response.then(() => log.close()));
    return await response;
  },
};
