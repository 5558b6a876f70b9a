/** The sidebar as vitepress wants it, and the pages that it forgets. */

import type { Part } from "../../site/sidebar.ts";
import { headingOf } from "./pages.ts";
import { addressOf } from "./paths.ts";

/** An entry or a part, as vitepress has it. */
export interface Item {
  readonly text: string;
  readonly link?: string;
  readonly items?: readonly Item[];
  readonly collapsed?: boolean;
}

/** The items of the parts that have pages. Throws for a document that none has. */
export function sidebarOf(
  parts: readonly Part[],
  pages: ReadonlyMap<string, string>,
  documents: readonly string[],
): Item[] {
  const forgotten = new Set(documents);
  const items = parts.map((part) => partOf(part, pages, forgotten));
  if (forgotten.size > 0) {
    throw new Error(`site/sidebar.ts doesn't name ${[...forgotten].join(", ")}`);
  }
  return items.filter(({ items }) => items!.length > 0);
}

function partOf(
  { title, entries }: Part,
  pages: ReadonlyMap<string, string>,
  forgotten: Set<string>,
  depth = 0,
): Item {
  const items = entries.flatMap((entry) => {
    if (typeof entry !== "string" && "entries" in entry) {
      return [partOf(entry, pages, forgotten, depth + 1)];
    }
    const { path: pattern, title } = typeof entry === "string" ? { path: entry } : entry;
    return matching(pattern, pages).map((path) => {
      forgotten.delete(path);
      return { text: title ?? headingOf(pages.get(path)!), link: `/${addressOf(path)}` };
    });
  });
  return { text: title, items, ...(depth > 0 && { collapsed: true }) };
}

/** The pages that an entry names, the README of a folder first. */
function matching(pattern: string, pages: ReadonlyMap<string, string>): string[] {
  if (!pattern.includes("*")) return pages.has(pattern) ? [pattern] : [];
  const [before, after] = pattern.split("*") as [string, string];
  const found = [...pages.keys()].filter((path) =>
    path.startsWith(before) && path.endsWith(after) && !path.slice(before.length).includes("/")
  );
  const isReadme = (path: string) => path === `${before}README.md`;
  return [...found.filter(isReadme), ...found.filter((path) => !isReadme(path)).sort()];
}
