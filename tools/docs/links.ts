/** A check of a built site: every link, script, style and image is in its folder, and every anchor on its page. */

import { filesIn } from "./paths.ts";

/** What is found. */
export interface Checked {
  readonly pages: number;
  readonly links: number;
  /** Each broken link: the page, the link, and what is missing. */
  readonly broken: readonly string[];
  /** Links to elsewhere, which are not followed. */
  readonly external: ReadonlySet<string>;
}

interface Page {
  readonly ids: ReadonlySet<string>;
  readonly links: ReadonlySet<string>;
}

const SCRIPTS = /<!--[^]*?-->|(<(script|style)\b[^>]*>)[^]*?<\/\2>/gi;
const TAG = /<([a-z][\w-]*)((?:\s+[^\s"'>/=]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+))?)*)\s*\/?>/gi;
const ATTRIBUTE = /([^\s"'>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/g;

const NAMED: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** Checks all pages below a folder. */
export async function checkLinks(root: string): Promise<Checked> {
  const files = new Set(await filesIn(root));
  const pages = new Map<string, Page>();
  for (const path of files) {
    if (path.endsWith(".html")) pages.set(path, read(await Deno.readTextFile(`${root}/${path}`)));
  }
  const broken: string[] = [];
  const external = new Set<string>();
  let links = 0;
  for (const [path, page] of pages) {
    for (const link of page.links) {
      links++;
      if (/^(https?|data|mailto):/i.test(link)) external.add(link);
      else {
        const why = missing(path, link, files, pages);
        if (why !== undefined) broken.push(`${path}: ${link}: ${why}`);
      }
    }
  }
  return { pages: pages.size, links, broken, external };
}

/** Why a link doesn't work. */
function missing(
  from: string,
  link: string,
  files: ReadonlySet<string>,
  pages: ReadonlyMap<string, Page>,
): string | undefined {
  if (/^(\/|[a-z][a-z+.-]*:)/i.test(link)) return "is not relative";
  // So deep that a link which leaves the site is seen.
  const top = "/1/2/3/4/5/6/7/8/9/";
  const { pathname, hash } = new URL(link, `http://site${top}${from}`);
  if (!pathname.startsWith(top)) return "leaves the site";
  const path = decodeURIComponent(pathname.slice(top.length)).replace(/(^|\/)$/, "$1index.html");
  if (!files.has(path)) return `no file ${path}`;
  const id = decodeURIComponent(hash.slice(1));
  const found = pages.get(path);
  if (id !== "" && id !== "top" && found && !found.ids.has(id)) return `no id ${id} in ${path}`;
}

/** What a page has. */
function read(html: string): Page {
  const [ids, links] = [new Set<string>(), new Set<string>()];
  for (const [, name, rest] of html.replaceAll(SCRIPTS, "$1").matchAll(TAG)) {
    for (const [, key, ...values] of rest!.matchAll(ATTRIBUTE)) {
      const value = decoded(values.find((each) => each !== undefined)!);
      switch (key!.toLowerCase()) {
        case "id":
          ids.add(value);
          break;
        case "name":
          if (name === "a") ids.add(value);
          break;
        case "href":
        case "src":
        case "poster":
          links.add(value);
          break;
        case "srcset":
          for (const each of value.split(",")) links.add(each.trim().split(/\s/)[0]!);
      }
    }
  }
  return { ids, links };
}

function decoded(text: string): string {
  return text.replaceAll(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (whole, hex, number, name) => {
    if (name !== undefined) return NAMED[name] ?? whole;
    return String.fromCodePoint(hex === undefined ? Number(number) : parseInt(hex, 16));
  });
}
