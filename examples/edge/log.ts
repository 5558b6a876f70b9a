/**
 * The need: you log what happens in a request. The log lines should go out in batches, and the answer must not
 * wait for them.
 *
 * The idea: each request makes an `Aggregator`, and closes it in `waitUntil`. So the answer goes out first, and
 * the isolate stays until the lines are sent. A sink at the top of the module doesn't work, because requests
 * can't share a sink.
 *
 * The limits: a batch has the lines of one request. If the log server is down for three attempts, `onError` gets
 * the lines.
 *
 * Next: [aggregate.ts](aggregate.ts) gathers the items of many requests in a Durable Object.
 */

// In your project: from "@weir/streams".
import { Aggregator, backoff } from "../../mod.ts";
import type { ExecutionContext } from "./workers.ts";

/** The variables of `wrangler.log.jsonc`. */
export interface Env {
  /** The server that answers. */
  readonly ORIGIN: string;
  /** A URL that takes log lines by POST. */
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
    linger: Infinity, // until there are 100 lines, or until `close`
    timeout: 5000,
    retry: backoff({ attempts: 3, min: 100 }),
    onError: (error, lines) => console.error(`${lines.length} log lines are lost: ${error}`),
    name: "log",
  });
}

/** Answers a request, and logs what happens. */
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
    // The answer doesn't wait for this, and the isolate stays until the lines are sent. It comes before the
    // answer, so that it also works if the client leaves early.
    ctx.waitUntil(response.then(() => log.close()));
    return await response;
  },
};
