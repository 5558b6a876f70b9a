/**
 * Measures one case alone, and then again after each other case has run in the same process. It
 * shows which other use makes the engine's code for this one slower:
 *
 * `deno run -A --node-modules-dir=manual bench/after.ts fanout "Fanout.tryPush" [GROUP...]`
 *
 * Bun and Node run the file, too. The other cases are ours, in these groups or in those where the
 * engines make a difference.
 */

import process from "node:process";
import type { Case } from "./harness.ts";
import { groups } from "./worker.ts";

/** So often the measured case runs, and each other case. */
const RUNS = 40;
const USUAL = ["batching", "aggregator", "fanout", "options", "map", "chain"];

async function main([group, name, ...others]: string[]): Promise<void> {
  const [measured] = cases([group!], (each) => each.name === name);
  if (!measured) throw new Error(`no case "${name}" in "${group}"`);
  const alone = await least(measured);
  console.log(`${alone.toFixed(1).padStart(7)}  alone`);
  let before = alone;
  const rest = cases(others.length > 0 ? others : USUAL, (each) => each.kind === "weir");
  for (const other of rest) {
    if (other.name === name) continue;
    await least(other);
    const after = await least(measured);
    const more = after > before * 1.04 ? `  +${(after - before).toFixed(1)}` : "";
    console.log(`${after.toFixed(1).padStart(7)}  after ${other.name}${more}`);
    before = after;
  }
}

/** The chosen cases of these groups, each with its number of items. */
function cases(names: readonly string[], chosen: (each: Case) => boolean) {
  return groups.filter(({ name }) => names.includes(name))
    .flatMap(({ n, cases }) => cases.filter(chosen).map((each) => ({ n, ...each })));
}

/** The least time for an item, in nanoseconds. */
async function least({ n, run }: { n: number; run: Case["run"] }): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < RUNS; i++) {
    const start = performance.now();
    await run(n);
    least = Math.min(least, (performance.now() - start) * 1e6 / n);
  }
  return least;
}

await main(process.argv.slice(2));
