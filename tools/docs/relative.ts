/**
 * A site that vitepress has built for one base path works under any: addresses of the pages become
 * relative, and scripts take the base from the page that they start on.
 */

import { type Token, tokenizer, tokTypes } from "acorn";
import { filesIn } from "./paths.ts";

/** The base path that the site is built for. No page may show these words. */
export const BASE = "/__base_of_the_site__/";
const AT_RUN_TIME = "globalThis.weirBase";

// The browser asks for the icon again when another page is shown, which may be at another depth.
const ICON = `<script>{
  const icon = document.querySelector('link[rel="icon"]');
  icon.href = icon.href;
}</script>`;

/** Changes all files of a site. */
export async function makeRelative(root: string): Promise<void> {
  for (const path of await filesIn(root)) {
    const [, kind] = /\.(html|js|css)$/.exec(path) ?? [];
    if (kind === undefined) continue;
    const text = await Deno.readTextFile(`${root}/${path}`);
    const up = "../".repeat(path.split("/").length - 1) || "./";
    const changed = kind === "html"
      ? page(text, up)
      : kind === "js"
      ? script(text)
      : style(text, up);
    if (changed.includes(BASE)) throw new Error(`${path} has an absolute address`);
    await Deno.writeTextFile(`${root}/${path}`, changed);
  }
}

function page(text: string, up: string): string {
  if (!text.includes(BASE)) return text;
  const base = `<script>${AT_RUN_TIME} = new URL("${up}", location.href).pathname;</script>`;
  return text
    .replaceAll(/(<script\b[^>]*>)([^]*?)(?=<\/script>)/g, (_, tag, code) => tag + script(code))
    .replaceAll(`"${BASE}`, `"${up}`)
    .replace("<head>", () => `<head>${base}`)
    .replace("</body>", () => `${ICON}</body>`);
}

function style(text: string, up: string): string {
  return text.replaceAll(BASE, up);
}

/** A script whose strings have the base of the page. */
function script(code: string): string {
  if (!code.includes(BASE)) return code;
  let [changed, last] = ["", 0];
  for (const { type, start, end, value } of tokens(code) as Iterable<Valued>) {
    const raw = code.slice(start, end);
    if (!raw.includes(BASE) || (type !== tokTypes.string && type !== tokTypes.template)) continue;
    changed += code.slice(last, start) +
      (type === tokTypes.string ? joined(value) : raw.replaceAll(BASE, `\${${AT_RUN_TIME}}`));
    last = end;
  }
  return changed + code.slice(last);
}

/** Its types leave out the value. */
type Valued = Token & { readonly value: string };

function tokens(code: string): Iterable<Token> {
  return tokenizer(code, { ecmaVersion: "latest", sourceType: "module" });
}

/** An expression of the same string. */
function joined(text: string): string {
  // In a page "<" could end the script.
  const parts = text.split(BASE).map((part) => JSON.stringify(part).replaceAll("<", "\\u003c"));
  return `[${parts.join(",")}].join(${AT_RUN_TIME})`;
}
