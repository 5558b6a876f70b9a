/** What an entry point adds to a bundle, minified and gzipped: it cannot grow unnoticed. */

import { assert, assertEquals } from "@std/assert";
import { stop } from "esbuild";
import { size } from "./size.ts";

/** In kB of 1000 bytes. Where `atMost` is above `goal`, the goal is still to be reached. */
const SIZES: Record<string, { atMost: number; goal?: number }> = {
  ".": { atMost: 11.3, goal: 10 },
  "./aggregator": { atMost: 6.95, goal: 6 },
  "./batch-stream": { atMost: 3.8, goal: 3 },
  "./chunk-stream": { atMost: 4.15 },
  "./collect-stream": { atMost: 3.1 },
  "./fanout": { atMost: 4.95, goal: 4.2 },
  "./fixed-chunk-stream": { atMost: 1.95 },
  "./map-stream": { atMost: 4.1 },
  "./singleflight": { atMost: 2.6, goal: 2.2 },
  "./throttle-stream": { atMost: 2.3 },
};

const { exports } = JSON.parse(await Deno.readTextFile("deno.json"));
const sizes: Record<string, number> = {};
for (const [name, path] of Object.entries<string>(exports)) {
  sizes[name] = (await size(path)).gzipped / 1000;
}
await stop();

Deno.test("every entry point has a size", () => {
  assertEquals(Object.keys(SIZES), Object.keys(exports));
});

for (const [name, { atMost, goal = atMost }] of Object.entries(SIZES)) {
  Deno.test(`entry point ${name} is not larger than it was`, () => {
    const line = `${name}: ${sizes[name]} kB, at most ${atMost}, goal ${goal}`;
    if (sizes[name]! > goal) console.log(line);
    assert(sizes[name]! <= atMost, line);
  });
}
