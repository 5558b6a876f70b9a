/**
 * Whether a tag may be released: it is the version of every package, and the changelog has it.
 *
 * As a program: `deno run --allow-read=. tools/release.ts v1.2.3`.
 */

import { packages } from "./packages.ts";

/** What a release is made of. */
export interface Release {
  readonly tag: string;
  /** The versions in each `deno.json`, and in `jsr.json`. */
  readonly versions: readonly string[];
  readonly changelog: string;
}

/** What is wrong with a release; nothing where it may go. */
export function complaints({ tag, versions, changelog }: Release): string[] {
  const found = versions
    .filter((version) => tag !== `v${version}`)
    .map((version) => `the tag is ${tag}, and the version is ${version}`);
  const titles = changelog.matchAll(/^## (\S+)/gm);
  if (![...titles].some(([, title]) => `v${title}` === tag)) {
    found.push(`CHANGELOG.md has no title "## ${tag.replace(/^v/, "")}"`);
  }
  return found;
}

if (import.meta.main) {
  const { version } = JSON.parse(await Deno.readTextFile("jsr.json"));
  const found = complaints({
    tag: Deno.args[0] ?? "",
    versions: [version, ...(await packages()).map(({ version }) => version)],
    changelog: await Deno.readTextFile("CHANGELOG.md"),
  });
  for (const complaint of found) console.error(complaint);
  Deno.exitCode = found.length > 0 ? 1 : 0;
}
