/**
 * The docs site: the pages of docs/, the recipes, the reference and the page of `deno task play`, as a
 * folder that any static host serves under any path. It needs no network.
 *
 * As a program: `deno task docs`, with `--serve` and `--port`.
 */

import { dirname } from "node:path/posix";
import { parseArgs } from "node:util";
import { sidebar } from "../site/sidebar.ts";
import { checkLinks } from "./docs/links.ts";
import { collect, type Pages } from "./docs/pages.ts";
import { sitePath } from "./docs/paths.ts";
import { buildReference, references } from "./docs/reference.ts";
import { BASE, makeRelative } from "./docs/relative.ts";
import { sidebarOf } from "./docs/sidebar.ts";
import { serve } from "./docs/serve.ts";
import { buildPlay } from "./play.ts";
import { deno, type RunOptions } from "./run.ts";

const SITE = ".build/docs";
// Below the packages of vitepress, which its pages import.
const WORK = "site/.build";
/** What the page of `play` has besides, here. */
const NAV =
  '<nav><a href="../index.html">weir</a> · <a href="../fanout.html">Fanout</a> · <a href="../play.html">About this page</a></nav>';
const INSTALL = ["install", "--quiet", "--frozen", "--node-modules-linker=hoisted"];

/** Builds the site anew, and returns what its links are. Throws with a list if one is broken. */
export async function buildDocs(site: string = SITE, work: string = WORK): Promise<string> {
  await clear(site);
  await clear(work);
  const sources = await buildReference(work);
  const collected = await collect(sources);
  report(collected.broken);
  await stage(collected, work);
  await vitepress(site, work);
  // A host shows it at any depth, so it has no links.
  await Deno.copyFile("site/404.html", `${site}/404.html`);
  await makeRelative(site);
  await Deno.rename(`${work}/reference`, `${site}/reference`);
  await buildPlay(`${site}/play`, NAV);
  const { pages, links, broken, external } = await checkLinks(site);
  report(broken);
  return `${pages} pages, ${links} links, ${external.size} addresses elsewhere`;
}

/** Writes what vitepress reads. */
async function stage({ pages, documents, files }: Pages, work: string): Promise<void> {
  for (const [path, text] of pages) await write(`${work}/pages/${sitePath(path)}`, text);
  for (const path of files) {
    const copy = `${work}/pages/public/${sitePath(path)}`;
    await Deno.mkdir(dirname(copy), { recursive: true });
    await Deno.copyFile(path, copy);
  }
  await Deno.copyFile("site/icon.svg", `${work}/pages/public/icon.svg`);
  const parts = (await references()).map(({ name, folder }) => {
    return { text: name, link: `/${folder}/index.html`, target: "_self" };
  });
  const reference = { text: "Reference", items: parts };
  const page = { text: "Play", link: "/play/index.html", target: "_self" };
  const config = {
    base: BASE,
    nav: [reference, page],
    sidebar: [...sidebarOf(sidebar, pages, documents), reference],
  };
  await write(`${work}/site.json`, JSON.stringify(config));
}

async function vitepress(site: string, work: string): Promise<void> {
  const [outDir, home] = await Promise.all([site, work].map((path) => Deno.realPath(path)));
  const options: RunOptions = { cwd: "site", env: { WEIR_SITE: home! } };
  const found = await Deno.lstat("site/node_modules/vitepress").catch(() => undefined);
  // Deno doesn't change a folder of the other kind.
  if (found?.isSymlink) await Deno.remove("site/node_modules", { recursive: true });
  const installed = await deno(INSTALL, options);
  if (!installed.success) throw new Error(installed.output);
  const program = "node_modules/vitepress/bin/vitepress.js";
  const args = ["run", "-A", "--node-modules-dir=manual", program, "build", "--outDir", outDir!];
  const built = await deno(args, options);
  if (!built.success) throw new Error(built.output);
}

async function clear(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.mkdir(folder, { recursive: true });
}

async function write(path: string, text: string): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(path, text);
}

function report(broken: readonly string[]): void {
  if (broken.length > 0) throw new Error(`broken links:\n${broken.join("\n")}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { serve: { type: "boolean" }, port: { type: "string", default: "8000" } },
  });
  console.log(`${SITE}: ${await buildDocs()}`);
  if (!values.serve) return;
  const server = serve(SITE, { port: Number(values.port) });
  console.log(`http://localhost:${server.addr.port}/`);
}

if (import.meta.main) await main();
