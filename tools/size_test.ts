/** What each primitive adds to a bundle, minified and gzipped: it cannot grow unnoticed. */

import { assert, assertEquals } from "@std/assert";
import { stop } from "esbuild";
import { size } from "./size.ts";

/** In bytes. Where `atMost` is above `goal`, the goal is still to be reached. */
const SIZES: Record<string, { atMost: number; goal?: number }> = {
  ".": { atMost: 11_040, goal: 10_400 },
  "./aggregator": { atMost: 6925, goal: 6400 },
  "./batch-stream": { atMost: 3690, goal: 3600 },
  "./chunk-stream": { atMost: 3960, goal: 3900 },
  "./fanout": { atMost: 4830, goal: 4600 },
  "./fixed-chunk-stream": { atMost: 1950 },
  "./map-stream": { atMost: 4060, goal: 4000 },
  "./singleflight": { atMost: 2220 },
  "./throttle-stream": { atMost: 2390, goal: 2300 },
};

/** How far an import from the root may be above the entry point. */
const TOLERANCE = 1.02;

const { exports } = JSON.parse(await Deno.readTextFile("deno.json"));
const sizes: Record<string, { readonly entry: number; readonly root: number }> = {};
for (const [name, path] of Object.entries<string>(exports)) {
  const names = Object.keys(await import(`../${path}`));
  sizes[name] = {
    entry: (await size(`export * from "${path}"`)).gzipped,
    root: (await size(`export { ${names} } from "./mod.ts"`)).gzipped,
  };
}
await stop();

Deno.test("every entry point has a size", () => {
  assertEquals(Object.keys(SIZES), Object.keys(exports));
});

for (const [name, { atMost, goal = atMost }] of Object.entries(SIZES)) {
  const { entry, root } = sizes[name]!;

  Deno.test(`entry point ${name} is not larger than it was`, () => {
    const line = `${name}: ${entry} B, at most ${atMost}, goal ${goal}`;
    if (entry > goal) console.log(line);
    assert(entry <= atMost, line);
  });

  Deno.test(`what ${name} exports is no larger when imported from the root`, () => {
    assert(root <= entry * TOLERANCE, `${name}: ${root} B from the root, ${entry} B by itself`);
  });
}
