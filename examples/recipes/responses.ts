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

/** Headers of one connection, or of the body as it was sent. */
const OF_THE_TRANSFER = ["connection", "content-length", "keep-alive", "transfer-encoding"];

/** What `fetch` asks for, and decodes. A body in another coding stays as it is, and so does its header. */
const DECODED = /^(gzip|x-gzip|deflate|br|zstd)$/i;

async function read(response: Response): Promise<Page> {
  const headers = [...response.headers].filter(([name, value]) =>
    name === "content-encoding" ? !DECODED.test(value) : !OF_THE_TRANSFER.includes(name)
  );
  const { status } = response;
  // Node reads one that isn't ASCII as UTF-8, and then takes no such text for a `Response`.
  const statusText = /[^\t\x20-\x7e\x80-\xff]/.test(response.statusText) ? "" : response.statusText;
  const body = response.body && await response.arrayBuffer();
  return { body, init: { status, statusText, headers } };
}

/**
 * A `fetch` for GET, of which concurrent calls for one URL share one request. A caller may leave by a
 * signal; the request is aborted when the last has left. A response is there when all of its body is:
 * take `fetch` itself for one that is large or has no end. Callers share all headers, so share no URL
 * that answers one caller otherwise than another. What they get has no `url` and no `redirected`, and a
 * status that a `Response` can't be made with, such as 999, rejects with a `RangeError`.
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
