/** What vitepress makes of the pages that tools/docs.ts has collected. */

import { readFileSync } from "node:fs";
import process from "node:process";
import { defineConfig, type UserConfig } from "vitepress";

const home = process.env["WEIR_SITE"];
if (home === undefined) throw new Error("build the site by `deno task docs`");
const { base, nav, sidebar } = JSON.parse(readFileSync(`${home}/site.json`, "utf8"));

/** The id that GitHub gives to a heading: a link to it must work in both places. */
function slugify(heading: string): string {
  return heading.trim().toLowerCase().replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
    .replaceAll(" ", "-");
}

const config: UserConfig = defineConfig({
  base,
  title: "weir",
  description: "Batching, bounded concurrent fan-out, chunking and single-flight, as web streams",
  lang: "en",
  head: [["link", { rel: "icon", href: `${base}icon.svg` }]],
  srcDir: `${home}/pages`,
  cacheDir: `${home}/cache`,
  // tools/docs/links.ts checks all links of the built pages, with their anchors.
  ignoreDeadLinks: true,
  markdown: {
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    anchor: { slugify },
    // Braces are braces, as on GitHub.
    attrs: { disable: true },
  },
  themeConfig: {
    nav,
    sidebar,
    outline: [2, 3],
    search: {
      provider: "local",
      options: {
        miniSearch: {
          searchOptions: {
            // The page of a primitive comes before one that mentions it, and what explains something
            // before what records it. This runs in the page.
            boostDocument: (id: string) =>
              /(-stream|throttle|fanout|aggregator|singleflight|rate-limit|retry)\.html/.test(id)
                ? 3
                : /\/(changelog|performance|performance-notes|contract|mutation|architecture)\.html/
                    .test(id)
                ? 0.2
                : /\/recipes\//.test(id)
                ? 1.5
                : 1,
          },
        },
        // Of a file of code the search knows what is said about it, and not each of its words.
        _render(text, env, md) {
          const isCode = env.relativePath.startsWith("examples/recipes/");
          const html = md.render(isCode ? text.replace(/^(`{3,})[^]*?^\1$/gm, "") : text, env);
          return env.frontmatter?.["search"] === false ? "" : html;
        },
      },
    },
  },
});

export default config;
