/** Tests the npm package in a page without a bundler: an import map and unbundled modules. */

import { assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { chromium, firefox } from "../../tools/hosts/browser_process.ts";
import { buildPackages } from "../../tools/npm.ts";
import { test } from "../support/test.ts";
import { type Routes, Site } from "./browser/site.ts";
import { openTabs, PATIENCE } from "./browser/tabs.ts";

/** In a separate folder, because others may build the packages at the same time. */
const PACKAGES = ".build/browser/npm";
const PACKAGE = `${PACKAGES}/streams`;

await buildPackages(PACKAGES);
const docs = await Deno.readTextFile("docs/browser.md");

/** Resolves with the text of `#out` when it has `count` lines. */
const outOf = (lines: number): string =>
  `new Promise((resolve) => {
    const out = document.querySelector("#out");
    const look = () => out.textContent.split("\\n").length > ${lines} && resolve(out.textContent);
    new MutationObserver(look).observe(out, { childList: true, subtree: true });
    look();
  })`;

/** Returns the lines that a page writes into `#out`, and the number of modules that it loads. */
async function visit(
  browser: typeof chromium,
  routes: Routes,
  path: string,
  lines: number,
): Promise<{ out: string[]; modules: number }> {
  await using tabs = await openTabs(browser);
  await using site = new Site(routes);
  const tab = await tabs.open(site.origin + path);
  await deadline(site.loading, PATIENCE);
  const text = await tabs.evaluate(tab, outOf(lines));
  assertEquals(new Set(site.modules).size, site.modules.length);
  return { out: String(text).trim().split("\n"), modules: site.modules.length };
}

/** The first page of docs/browser.md. */
function firstPage(): string {
  const [, page] = /```html\n([\s\S]*?)```/.exec(docs)!;
  return page!;
}

/** The number of modules for an import, according to docs/browser.md. */
function countOf(specifier: string): number {
  const [, count] = new RegExp(`\\| \`${specifier}\` +\\| +(\\d+) +\\|`).exec(docs) ?? [];
  return Number(count);
}

for (const browser of [chromium, firefox]) {
  test(`${browser.name}: the example page runs unchanged from a server of the repository`, async () => {
    const routes = { "/.build/npm/": `${PACKAGES}/`, "/examples/": "examples/" };
    const { out } = await visit(browser, routes, "/examples/browser/", 4);
    const [first, second, third, calls] = out;
    assertEquals([first, second, third], [
      "saved line 1 to line 10",
      "saved line 11 to line 20",
      "saved line 21 to line 25",
    ]);
    assertMatch(calls!, /^3 callers, 1 request: @weir\/streams in a page/);
  });

  test(`${browser.name}: the page of docs/browser.md runs, and loads as many files as it says`, async () => {
    const routes = { "/page": firstPage(), "/weir/": `${PACKAGE}/` };
    const { out, modules } = await visit(browser, routes, "/page", 3);
    assertEquals(out, ["saved 1 to 10", "saved 11 to 20", "saved 21 to 25"]);
    assertEquals(countOf("@weir/streams"), modules);
  });

  test(`${browser.name}: an entry point loads as many files as docs/browser.md says`, async () => {
    const page = `<!doctype html><pre id="out"></pre><script type="module">
      import { Singleflight } from "/weir/src/singleflight.js";
      document.querySelector("#out").append(new Singleflight().size, "\\n");
    </script>`;
    const routes = { "/page": page, "/weir/": `${PACKAGE}/` };
    const { out, modules } = await visit(browser, routes, "/page", 1);
    assertEquals(out, ["0"]);
    assertEquals(countOf("@weir/streams/singleflight"), modules);
  });
}
