/**
 * The need: work that finds more work, such as pages with links to other pages. You want to visit each page
 * once, make few visits to one host at a time, and know when there is nothing left.
 *
 * The idea: the handler of a `Fanout` pushes new pages to its own sink. A `Set` holds the pages that are
 * known. A `key` limits the visits to one host. `idle` resolves when no page waits or runs. That is the end,
 * because only a running visit can add a page.
 *
 * The limits:
 *
 * - `capacity` is `Infinity`, so the queue and the `Set` grow with the number of pages. `depth` bounds them. A
 *   handler that waits for room in its own full sink would wait forever.
 * - A visit that never ends keeps the crawl from its end. Give it a `timeout`.
 * - The queue is in memory. A crash loses it.
 *
 * Next: [api_client.ts](api_client.ts) if a host limits the calls per second.
 */

// In your project: from "@weir/streams".
import { Fanout } from "../../mod.ts";

/** Visits a page, and returns the links in it: absolute, or relative to it. */
export type Visit = (url: string, signal: AbortSignal) => Promise<Iterable<string>>;

/** Options of `crawl`. */
export interface CrawlOptions {
  /** How many links away from the first page the crawl goes. With 0 it visits the first page only. */
  readonly depth: number;
  /** The most visits at once. By default 16. */
  readonly concurrency?: number;
  /** The most visits to one host at once. By default 1. */
  readonly perHost?: number;
  /** How long a visit may take, in milliseconds. By default there is no limit. */
  readonly timeout?: number;
  /** Gets the error of each visit that fails. The crawl goes on. */
  readonly onError: (error: unknown, url: string) => unknown;
  readonly signal?: AbortSignal;
}

interface Page {
  readonly url: string;
  readonly depth: number;
}

/**
 * Visits pages, and resolves with the URLs that it found. Rejects with a `TypeError` if `start` is not a URL,
 * with the reason of the `signal`, and with an error that `onError` throws. It doesn't wait for visits that
 * ignore their signal.
 */
export async function crawl(
  start: string,
  visit: Visit,
  { depth: last, concurrency = 16, perHost = 1, timeout, onError, signal }: CrawlOptions,
): Promise<string[]> {
  const found = new Set<string>();
  const hosts = new Map<string, number>();
  const pages: Fanout<Page> = new Fanout(async ({ url, depth }: Page, { signal }) => {
    const links = await visit(url, signal);
    if (depth === last) return;
    for (const link of links) if (URL.canParse(link, url)) add(link, depth + 1, url);
  }, {
    concurrency,
    // A handler must not wait for room in its own sink.
    capacity: Infinity,
    // One visit runs at a time for each key. A host has `perHost` keys, which its pages take in turn.
    key({ url }) {
      const { host } = new URL(url);
      const count = hosts.get(host) ?? 0;
      hosts.set(host, count + 1);
      return `${host} ${count % perHost}`;
    },
    onError: (error, { url }) => onError(error, url),
    timeout,
    signal,
  });
  function add(link: string, depth: number, base?: string): void {
    const url = new URL(link, base);
    url.hash = "";
    if (!url.protocol.startsWith("http") || found.has(url.href)) return;
    found.add(url.href);
    pages.tryPush({ url: url.href, depth });
  }
  try {
    add(start, 0);
    // When no visit waits or runs, none can add a page.
    await Promise.race([pages.idle(), pages.closed]);
  } finally {
    await pages.close(); // so that the signal no longer holds the sink
  }
  return [...found];
}

if (import.meta.main) {
  const site: Record<string, string[]> = {
    "/": ["/docs", "/blog"],
    "/docs": ["/", "/docs#top", "/docs/api"],
    "/blog": ["/docs", "mailto:ada@example.org", "/lost"],
    "/docs/api": ["/docs/api/deep"],
  };
  const pages = await crawl("http://localhost/", async (url) => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const links = site[new URL(url).pathname];
    if (!links) throw new Error("404");
    console.log(`${url}: ${links.length} links`);
    return links;
  }, { depth: 2, onError: (error, url) => console.log(`${url}: ${error}`) });
  console.log(`${pages.length} pages`);
}
