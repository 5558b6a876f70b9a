/** The reference: what `deno doc` makes of the sources of each package, with what the site adds. */

import { type Package, packages, shortName } from "../packages.ts";
import { deno } from "../run.ts";
import { addressOf, filesIn, relative } from "./paths.ts";

/** What the site has instead of files of `deno doc`: the scheme of its other pages. */
const OWN = "site/reference";

/** A part of the reference. */
export interface Reference {
  readonly name: string;
  /** Its folder on the site. */
  readonly folder: string;
}

/** All of them. */
export async function references(): Promise<Reference[]> {
  return (await packages()).map((of) => ({ name: of.name, folder: `reference/${shortName(of)}` }));
}

/** Builds the reference into a folder, and returns the sources that it links. */
export async function buildReference(root: string): Promise<ReadonlySet<string>> {
  await Deno.mkdir(`${root}/reference`, { recursive: true });
  const sources = new Set<string>();
  await Promise.all((await packages()).map(async (of) => {
    const folder = `reference/${shortName(of)}`;
    const target = `--output=${await Deno.realPath(root)}/${folder}`;
    const args = ["doc", "--html", `--name=${of.name}`, target, ...Object.values(of.exports)];
    // In its folder the entry points have the names of its exports.
    const { success, output } = await deno(args, { cwd: of.folder });
    if (!success) throw new Error(`deno doc: ${output}`);
    for (const path of await filesIn(`${root}/${folder}`)) {
      await change(of, root, `${folder}/${path}`, sources);
    }
  }));
  await Deno.writeTextFile(
    `${root}/reference/index.html`,
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Reference | weir</title>' +
      '<meta http-equiv="refresh" content="0; url=streams/index.html"></head>' +
      '<body><a href="streams/index.html">The reference</a></body></html>\n',
  );
  return sources;
}

async function change(
  of: Package,
  root: string,
  path: string,
  sources: Set<string>,
): Promise<void> {
  const file = `${root}/${path}`;
  const name = path.split("/").at(-1)!;
  if (name === "darkmode_toggle.js") await Deno.copyFile(`${OWN}/${name}`, file);
  if (name === "page.css") {
    const style = await Deno.readTextFile(`${OWN}/${name}`);
    await Deno.writeTextFile(file, style, { append: true });
  }
  if (!name.endsWith(".html")) return;
  const text = await Deno.readTextFile(file);
  await Deno.writeTextFile(file, ofTheSite(withNames(text, of), path, sources));
}

/** A page that leads to others of the site, and links nothing that isn't there. */
function ofTheSite(text: string, path: string, sources: Set<string>): string {
  const home = relative(path, "index.html");
  const icon = relative(path, "icon.svg");
  return text
    .replace("<html>", '<html lang="en">')
    .replace("</head>", `<link rel="icon" href="${icon}">$&`)
    .replace('<ul class="breadcrumbs">', `<a class="home" href="${home}">weir</a>$&`)
    .replaceAll(/href="(file:[^"]+)"/g, (_, address) => {
      const source = sourceOf(address);
      sources.add(source);
      return `title="Source" href="${relative(path, addressOf(source))}"`;
    })
    .replaceAll(
      /<a href="#(type_param_\w+)" [^>]*>(.*?)<\/a>/g,
      (link, id, name) => text.includes(`id="${id}"`) ? link : `<span>${name}</span>`,
    );
}

/** A page that imports a package by its name. */
function withNames(text: string, { name, exports }: Package): string {
  for (const entry of Object.keys(exports)) {
    const full = entry.replace(/^\./, name);
    const short = entry.replace(/^\.\//, "");
    text = text.replaceAll(` from &quot;${short}&quot;`, ` from &quot;${full}&quot;`);
  }
  return text;
}

/** The path in the repository of a file whose address `deno doc` gives. */
function sourceOf(address: string): string {
  const url = new URL(address.replaceAll("&#x2F;", "/"));
  return decodeURIComponent(url.pathname.slice(new URL("../../", import.meta.url).pathname.length));
}
