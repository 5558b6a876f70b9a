/** The reference: what `deno doc` makes of the sources of each package, with what the site adds. */

import { entriesOf, packages, shortName } from "../packages.ts";
import { deno } from "../run.ts";
import { filesIn, relative } from "./paths.ts";

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

/** Builds the reference into a site. */
export async function buildReference(root: string): Promise<void> {
  await Deno.mkdir(`${root}/reference`, { recursive: true });
  await Promise.all((await packages()).map(async (of) => {
    const folder = `reference/${shortName(of)}`;
    const args = ["--html", `--name=${of.name}`, `--output=${root}/${folder}`, ...entriesOf(of)];
    const { success, output } = await deno(["doc", ...args]);
    if (!success) throw new Error(`deno doc: ${output}`);
    for (const path of await filesIn(`${root}/${folder}`)) await change(root, `${folder}/${path}`);
  }));
}

async function change(root: string, path: string): Promise<void> {
  const file = `${root}/${path}`;
  const name = path.split("/").at(-1)!;
  if (name === "darkmode_toggle.js") await Deno.copyFile(`${OWN}/${name}`, file);
  if (name === "page.css") {
    const style = await Deno.readTextFile(`${OWN}/${name}`);
    await Deno.writeTextFile(file, style, { append: true });
  }
  if (!name.endsWith(".html")) return;
  const text = await Deno.readTextFile(file);
  await Deno.writeTextFile(file, ofTheSite(text, relative(path, "index.html")));
}

/** A page with a way back to the site, and without the links to type parameters that it doesn't have. */
function ofTheSite(text: string, home: string): string {
  return text
    .replace("<html>", '<html lang="en">')
    .replace(
      '<ul class="breadcrumbs">',
      (list) => `${list}<li><a href="${home}" class="contextLink">weir</a></li><li>/</li>`,
    )
    .replaceAll(
      /<a href="#(type_param_\w+)" [^>]*>(.*?)<\/a>/g,
      (link, id, name) => text.includes(`id="${id}"`) ? link : `<span>${name}</span>`,
    );
}
