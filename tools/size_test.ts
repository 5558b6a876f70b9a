/** What an import from the root costs, beside one from the entry point; `docs/api.txt` has the sizes. */

import { assert } from "@std/assert";
import { stop } from "esbuild";
import { size } from "./size.ts";

/** How far an import from the root may be above the entry point. */
const TOLERANCE = 1.02;

const { exports } = JSON.parse(await Deno.readTextFile("deno.json"));
const sizes: [name: string, entry: number, root: number][] = [];
for (const [name, path] of Object.entries<string>(exports)) {
  const names = Object.keys(await import(`../${path}`));
  const entry = await size(`export * from "${path}"`);
  const root = await size(`export { ${names} } from "./mod.ts"`);
  sizes.push([name, entry.gzipped, root.gzipped]);
}
await stop();

for (const [name, entry, root] of sizes) {
  Deno.test(`what ${name} exports is no larger when imported from the root`, () => {
    assert(root <= entry * TOLERANCE, `${name}: ${root} B from the root, ${entry} B by itself`);
  });
}
