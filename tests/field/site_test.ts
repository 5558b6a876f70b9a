/** The docs site: its links, and its pages in a real browser, at the widths and in the schemes that readers have. */

import { assert, assertEquals } from "@std/assert";
import { dirname } from "node:path";
import { buildDocs } from "../../tools/docs.ts";
import { checkLinks } from "../../tools/docs/links.ts";
import { filesIn } from "../../tools/docs/paths.ts";
import { sidebarOf } from "../../tools/docs/sidebar.ts";
import { deno } from "../../tools/run.ts";
import { inBrowser, pagesToOpen, SITE, watch } from "./site/browser.ts";

/** What a page calls to say what is wrong with it. */
const LOOKS = decodeURIComponent(new URL("site/looks.js", import.meta.url).pathname);
const WITHOUT_PREFETCH =
  'Object.defineProperty(navigator, "connection", { value: { saveData: true } })';
const TABS = 3;
const PHONE = { width: 390, height: 800 };
const DESK = { width: 1280, height: 800 };
/** What such a page has of its kind, the other pages of the kind have, too. */
const COLORS_ON_PHONE = /^(index|play\/index|reference\/\w+\/index)\.html$/;
/** Complaints at most. */
const SHOWN = 60;

await buildDocs(SITE, "site/.build/test");

Deno.test("every link of the site is found", async () => {
  const { broken, pages, links } = await checkLinks(SITE);
  assertEquals(broken, []);
  assert(pages > 100 && links > 1000, `${pages} pages, ${links} links`);
});

Deno.test("the check tells of each link, anchor and image that isn't there", async () => {
  await withPages({
    "index.html":
      `<h1 id="top of it">x</h1><a href="a/b.html#there">a</a><a href="#top%20of%20it">b</a>
      <a href="https://example.com/">c</a><a href="a/">d</a><script>"<a href='no.html'>"</script>
      <a href="a/b.html#gone">e</a><a href="#gone">f</a><img src="gone.svg"><img srcset="gone.png 2x">`,
    "a/index.html": `<a href='../index.html'>g</a><a href=../../out.html>h</a>`,
    "a/b.html": `<p id="there"></p><a href="/index.html">i</a><a href="gone.html">j</a>
      <link rel="stylesheet" href="gone.css"><a href="file:///etc/hosts">k</a>`,
  }, async (folder) => {
    const { broken, external, pages, links } = await checkLinks(folder);
    assertEquals(broken.toSorted(), [
      "a/b.html: /index.html: is not relative",
      "a/b.html: file:///etc/hosts: is not relative",
      "a/b.html: gone.css: no file a/gone.css",
      "a/b.html: gone.html: no file a/gone.html",
      "a/index.html: ../../out.html: leaves the site",
      "index.html: #gone: no id gone in index.html",
      "index.html: a/b.html#gone: no id gone in a/b.html",
      "index.html: gone.png: no file gone.png",
      "index.html: gone.svg: no file gone.svg",
    ]);
    assertEquals([...external], ["https://example.com/"]);
    assertEquals([pages, links], [3, 14]);
  });
});

Deno.test("a link that is broken in a page of the site is found", async () => {
  const page = `${SITE}/contract.html`;
  const text = await Deno.readTextFile(page);
  await Deno.writeTextFile(page, text.replace('id="words"', 'id="other-words"'));
  const { broken } = await checkLinks(SITE);
  await Deno.writeTextFile(page, text);
  assert(broken.some((each) => each.endsWith("no id words in contract.html")), `${broken}`);
});

Deno.test("a page that the sidebar doesn't name fails the build", () => {
  const pages = new Map([["docs/named.md", "# Named"], ["docs/new.md", "# New"]]);
  const parts = [{ title: "Part", entries: ["docs/named.md", "docs/later.md"] }];
  assertEquals(sidebarOf(parts, pages, ["docs/named.md"]), [
    { text: "Part", items: [{ text: "Named", link: "/named.html" }] },
  ]);
  let message = "";
  try {
    sidebarOf(parts, pages, [...pages.keys()]);
  } catch (error) {
    message = String(error);
  }
  assertEquals(message, "Error: site/sidebar.ts doesn't name docs/new.md");
});

Deno.test("what the site is built with type-checks", async () => {
  const files = ["site/.vitepress/config.ts", "site/.vitepress/theme/index.ts"];
  const { success, output } = await deno(["check", "--node-modules-dir=manual", ...files]);
  assert(success, output);
});

Deno.test("docs/index.md links every page of docs/", async () => {
  const index = await Deno.readTextFile("docs/index.md");
  const pages = (await filesIn("docs")).filter((path) => path.endsWith(".md"));
  const left = pages.filter((path) => path !== "index.md" && !index.includes(`](${path})`));
  assertEquals(left, []);
});

inBrowser("every page is readable at both widths and in both schemes", async (browser, origin) => {
  const queue = (await pagesToOpen()).values();
  const wrong: string[] = [];
  await Promise.all(Array.from({ length: TABS }, async () => {
    const context = await browser.newContext({ viewport: PHONE });
    await context.addInitScript({ path: LOOKS });
    await context.addInitScript(WITHOUT_PREFETCH);
    const page = await context.newPage();
    let path = "";
    watch(page, origin, (what) => wrong.push(`${path}: ${what}`));
    for (path of queue) {
      await page.goto(origin + path);
      const look = async (size: typeof PHONE, scheme: "light" | "dark") => {
        await page.emulateMedia({ colorScheme: scheme });
        await page.setViewportSize(size);
        const withColors = size === DESK || COLORS_ON_PHONE.test(path);
        for (const each of await page.evaluate<string[]>(`complaints(${withColors})`)) {
          wrong.push(`${path} at ${size.width}: ${each}`);
        }
      };
      await look(PHONE, "light");
      await look(DESK, "light");
      if (!path.startsWith("play/")) continue;
      // The other pages take their scheme from a class, which `complaints` sets.
      await look(PHONE, "dark");
      await look(DESK, "dark");
    }
  }));
  assert(wrong.length === 0, `${wrong.length}:\n${wrong.slice(0, SHOWN).join("\n")}`);
});

inBrowser(
  "pages take the scheme of the system, and the one that is chosen",
  async (browser, origin) => {
    const page = await browser.newPage({ colorScheme: "dark", viewport: DESK });
    const isDark = () => page.evaluate<boolean>('document.documentElement.matches(".dark")');
    for (const path of ["index.html", "reference/streams/index.html"]) {
      await page.goto(origin + path);
      assert(await isDark(), path);
      await page.emulateMedia({ colorScheme: "light" });
      await page.waitForSelector("html:not(.dark)");
      await page.emulateMedia({ colorScheme: "dark" });
      await page.waitForSelector("html.dark");
    }
    await page.click("#theme-toggle");
    await page.goto(`${origin}contract.html`);
    assert(!await isDark());
    await page.click(".VPNavBar .VPSwitchAppearance");
    await page.goto(`${origin}reference/streams/index.html`);
    assert(await isDark());
  },
);

inBrowser("links lead from page to page at any depth", async (browser, origin) => {
  const page = await browser.newPage({ viewport: DESK });
  const wrong: string[] = [];
  watch(page, origin, (what) => wrong.push(what));
  await page.goto(`${origin}examples/recipes/crawler.html`);
  for (
    const [link, address] of [["Runtimes", "runtimes.html"], [
      "Kafka",
      "recipes/kafka.html",
    ]] as const
  ) {
    await page.click(`.VPSidebar p:text-is("${link}")`);
    await page.waitForURL(origin + address);
    await page.waitForSelector(`h1:text("${link}")`);
  }
  await page.click('.vp-doc a:text-is("examples/recipes/kafka.ts")');
  await page.waitForURL(`${origin}examples/recipes/kafka.html`);
  await page.click('.VPSidebar p:text-is("@weir/streams")');
  await page.waitForURL(`${origin}reference/streams/index.html`);
  await page.click('a.home:text-is("weir")');
  await page.waitForURL(`${origin}index.html`);
  assertEquals(wrong, []);
});

inBrowser("the search finds a primitive", async (browser, origin) => {
  const page = await browser.newPage({ viewport: DESK });
  const wrong: string[] = [];
  watch(page, origin, (what) => wrong.push(what));
  await page.goto(`${origin}recipes/kafka.html`);
  await page.click(".DocSearch-Button");
  await page.fill(".VPLocalSearchBox input", "Singleflight");
  await page.click('.VPLocalSearchBox .result:has-text("Singleflight")');
  await page.waitForSelector('.vp-doc :is(h1, h2, h3):text("Singleflight")');
  assert(!page.url().includes("kafka"));
  assertEquals(wrong, []);
});

async function withPages(
  pages: Record<string, string>,
  body: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "weir-site-" });
  for (const [path, text] of Object.entries(pages)) {
    await Deno.mkdir(dirname(`${folder}/${path}`), { recursive: true });
    await Deno.writeTextFile(`${folder}/${path}`, text);
  }
  await body(folder);
  await Deno.remove(folder, { recursive: true });
}
