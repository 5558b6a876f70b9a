/**
 * The need: many ask for one URL at the same time, such as on a cold cache at the edge. It is fetched
 * once; a body can be read only once, so each caller has a clone.
 */

// In a project of yours: from "@weir/streams".
import { Singleflight } from "../../mod.ts";

/** What fetches: `fetch`, or one of your own. */
export type Fetcher = (url: string, init: { readonly signal: AbortSignal }) => Promise<Response>;

/**
 * A `fetch` for GET, of which concurrent calls for one URL share one request. A caller may leave by a
 * signal; the request is aborted when the last has left. Read or cancel every body: clones of a
 * response hold for one what another has read.
 */
export function coalesced(
  fetcher: Fetcher = fetch,
): (url: string, signal?: AbortSignal) => Promise<Response> {
  const flights = new Singleflight<string, Response>({ clone: (response) => response.clone() });
  return (url, signal) => flights.do(url, (flight) => fetcher(url, flight), { signal });
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
