/**
 * Checks whether a tag may be released: it must be the version of every package, and be in the
 * changelog.
 *
 * As a program: `deno run --allow-read=. tools/release.ts v1.2.3`.
 */

import { packages } from "./packages.ts";

/** The facts about a release. */
export interface Release {
  readonly tag: string;
  /** The versions in each `deno.json`, and in `jsr.json`. */
  readonly versions: readonly string[];
  readonly changelog: string;
}

/** Returns the problems of a release, or nothing if it may go out. */
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
