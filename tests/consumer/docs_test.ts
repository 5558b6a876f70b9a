/**
 * The programs of the docs run in Node and Bun, with the npm packages. In Deno they are doc tests.
 */

import { assert } from "@std/assert";
import { buildPackages, builtAt } from "../../tools/npm.ts";
import { packages } from "../../tools/packages.ts";
import { run } from "../../tools/run.ts";
import { binary } from "../../tools/runtimes.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
/** Not the directory of other tests that build, because these may run at the same time. */
const BUILT = ".build/npm-docs";
const FOLDERS = ["docs", "docs/recipes"];

/** What the programs import beside the packages, from the packages of the repository. */
const PEERS = ["p-queue", "p-map", "p-limit", "dataloader", "rxjs"];

await buildPackages(BUILT);
const home = await Deno.makeTempDir({ prefix: "weir-docs-" });
globalThis.addEventListener("unload", () => Deno.removeSync(home, { recursive: true }));
await Deno.mkdir(`${home}/node_modules/@weir`, { recursive: true });
for (const of of await packages()) {
  await Deno.symlink(`${ROOT}${builtAt(of, BUILT)}`, `${home}/node_modules/${of.name}`);
}
for (const name of PEERS) {
  const path = await Deno.realPath(`${ROOT}node_modules/${name}`);
  await Deno.symlink(path, `${home}/node_modules/${name}`);
}

for (const page of await pages()) {
  const text = await Deno.readTextFile(ROOT + page);
  const programs = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);
  for (const [index, code] of programs.entries()) {
    for (const runtime of ["node24", "bun"] as const) {
      Deno.test(`program ${index + 1} of ${page} runs in ${runtime}`, async () => {
        const program = `${home}/${page.replaceAll("/", "-")}-${index}.mts`;
        await Deno.writeTextFile(program, inRepository(code));
        const { success, output } = await run(await binary(runtime), [program], { cwd: home });
        assert(success, `${output}\n${code}`);
      });
    }
  }
}

async function pages(): Promise<string[]> {
  const found = ["README.md"];
  for (const folder of FOLDERS) {
    for await (const { name } of Deno.readDir(ROOT + folder)) {
      if (name.endsWith(".md")) found.push(`${folder}/${name}`);
    }
  }
  return found.sort();
}

/** Paths that are relative to `docs/recipes`, and `@std`, which npm doesn't have. */
function inRepository(code: string): string {
  return code
    .replaceAll('"@std/assert"', JSON.stringify(`${ROOT}tests/std/assert.js`))
    .replaceAll('"../../', `"${ROOT}`);
}
