/**
 * The need: many ask for one URL at the same time, such as on a cold cache at the edge. It is fetched
 * once, and each caller has a `Response` of its own.
 *
 * They share the bytes. A `Response` can't be shared: its body can be read once, a clone keeps for one
 * what another has read, and in Cloudflare Workers only the request that fetched it may read it.
 */

// In a project of yours: from "@weir/streams".
import { Singleflight } from "../../mod.ts";

/** What fetches: `fetch`, or one of your own. */
export type Fetcher = (url: string, init: { readonly signal: AbortSignal }) => Promise<Response>;

/** What callers share. */
interface Page {
  readonly body: ArrayBuffer | null;
  readonly init: ResponseInit;
}

/** Headers of the body as it was sent: `fetch` has decoded it. */
const OF_THE_TRANSFER = ["content-encoding", "content-length"];

async function read(response: Response): Promise<Page> {
  const headers = [...response.headers].filter(([name]) => !OF_THE_TRANSFER.includes(name));
  const { status, statusText } = response;
  const body = response.body && await response.arrayBuffer();
  return { body, init: { status, statusText, headers } };
}

/**
 * A `fetch` for GET, of which concurrent calls for one URL share one request. A caller may leave by a
 * signal; the request is aborted when the last has left. A response is there when all of its body is:
 * take `fetch` itself for one that is large or has no end. Callers share all headers, so share no URL
 * that answers one caller otherwise than another.
 */
export function coalesced(
  fetcher: Fetcher = fetch,
): (url: string, signal?: AbortSignal) => Promise<Response> {
  const flights = new Singleflight<string, Page>();
  return async (url, signal) => {
    const load = async (flight: { readonly signal: AbortSignal }) =>
      await read(await fetcher(url, flight));
    const { body, init } = await flights.do(url, load, { signal });
    return new Response(body, init);
  };
}

if (import.meta.main) {
  const get = coalesced((url, init) => {
    console.log(`GET ${url}`);
    return fetch(url, init);
  });
  const url = "data:text/plain,hello";
  const responses = await Promise.all([get(url), get(url), get(url)]);
  console.log(await Promise.all(responses.map((response) => response.text())));
}
