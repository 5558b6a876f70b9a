/**
 * The need: many callers ask for one URL at the same time, such as a cold cache at the edge. You want to fetch
 * it once, and give each caller a `Response`.
 *
 * The idea: a `Singleflight` shares the bytes, and each caller gets a new `Response` with them. A `Response`
 * itself can't be shared. Its body can be read once. A clone keeps in memory the bytes that another clone has
 * read. In Cloudflare Workers only the request that fetched it may read it.
 *
 * The limits:
 *
 * - Use it for GET only, and only for URLs that answer each caller the same: callers share all headers.
 * - A response is there when all of its body is there. Use `fetch` for a body that is large or has no end.
 * - The responses have no `url` and no `redirected`. A status that `new Response` refuses, such as 999, rejects
 *   with a `RangeError`.
 *
 * Next: [edge/coalesce.ts](../edge/coalesce.ts) is a whole Cloudflare Worker with this idea.
 * [ttl_cache.ts](ttl_cache.ts) keeps values for a while.
 */

// In your project: from "@weir/streams".
import { Singleflight } from "../../mod.ts";

/** `fetch`, or your own function. */
export type Fetcher = (url: string, init: { readonly signal: AbortSignal }) => Promise<Response>;

/** The part of a response that callers share. */
interface Page {
  readonly body: ArrayBuffer | null;
  readonly init: ResponseInit;
}

/** Headers that are about one connection, or about the body as it was sent. */
const OF_THE_TRANSFER = ["connection", "content-length", "keep-alive", "transfer-encoding"];

/** Encodings that `fetch` decodes. A body in another encoding keeps its header. */
const DECODED = /^(gzip|x-gzip|deflate|br|zstd)$/i;

async function read(response: Response): Promise<Page> {
  const headers = [...response.headers].filter(([name, value]) =>
    name === "content-encoding" ? !DECODED.test(value) : !OF_THE_TRANSFER.includes(name)
  );
  const { status } = response;
  // Node reads a text that isn't ASCII as UTF-8, but `new Response` refuses it.
  const statusText = /[^\t\x20-\x7e\x80-\xff]/.test(response.statusText) ? "" : response.statusText;
  const body = response.body && await response.arrayBuffer();
  return { body, init: { status, statusText, headers } };
}

/**
 * Makes a `fetch` for GET whose concurrent calls for one URL share one request. A caller may leave by its
 * signal. When the last caller has left, the request is aborted.
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
