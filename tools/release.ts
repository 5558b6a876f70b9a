/**
 * Whether a tag may be released: it is the version of the package, and the changelog has it.
 *
 * As a program: `deno run --allow-read=. tools/release.ts v1.2.3`.
 */

/** What a release is made of. */
export interface Release {
  readonly tag: string;
  /** The versions in `deno.json` and `jsr.json`. */
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
  const version = async (path: string) => JSON.parse(await Deno.readTextFile(path)).version;
  const found = complaints({
    tag: Deno.args[0] ?? "",
    versions: [await version("deno.json"), await version("jsr.json")],
    changelog: await Deno.readTextFile("CHANGELOG.md"),
  });
  for (const complaint of found) console.error(complaint);
  Deno.exitCode = found.length > 0 ? 1 : 0;
}
