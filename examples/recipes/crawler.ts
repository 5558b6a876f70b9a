/**
 * The need: work that finds more work, such as pages with links to other pages. Each page is visited
 * once, a host has a few visits at a time, and the crawl ends when nothing is left.
 */

// In a project of yours: from "@weir/streams".
import { Fanout } from "../../mod.ts";

/** Visits a page, and returns the links in it: absolute, or relative to it. */
export type Visit = (url: string, signal: AbortSignal) => Promise<Iterable<string>>;

/** How far a crawl goes, and how fast. */
export interface CrawlOptions {
  /** Links from the first page to the last ones: 0 is the first page alone. */
  readonly depth: number;
  /** Visits at a time, in all and of one host. */
  readonly concurrency?: number;
  readonly perHost?: number;
  /** How long a visit may take, in ms: one that never ends would keep the crawl from its end. */
  readonly timeout?: number;
  /** Is told of each visit that fails; the crawl goes on. */
  readonly onError: (error: unknown, url: string) => unknown;
  readonly signal?: AbortSignal;
}

interface Page {
  readonly url: string;
  readonly depth: number;
}

/**
 * Resolves with the pages that it has found. Rejects with a `TypeError` if `start` is no URL, with the reason
 * of the `signal`, without waiting for visits that don't heed theirs, and with what `onError` throws.
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
    // A handler that waited for room in its own full sink would wait for itself.
    capacity: Infinity,
    // One visit at a time for each key: each host has `perHost` of them, in turns.
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
    // No visit adds anything after the first moment when none runs or waits.
    await Promise.race([pages.idle(), pages.closed]);
  } finally {
    await pages.close(); // or the signal keeps it
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
