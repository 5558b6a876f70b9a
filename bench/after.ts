/**
 * Measures one case alone, and then again after each other case has run in the same process. It
 * shows which other use makes the engine's code for this one slower. Takes the name of a case, and
 * the groups of the others, with commas.
 */

import process from "node:process";
import type { Case } from "./harness.ts";
import { groups } from "./worker.ts";

/** So often the measured case runs, and each other case. */
const RUNS = 40;
/** In these groups the engines make a difference. */
const USUAL = "batching,aggregator,fanout,options,map,chain";
/** More than measurements differ by. */
const SLOWER = 1.04;

/** A case and the number of its items. */
type Sized = Pick<Case, "run" | "name"> & { readonly n: number };

async function main(name: string, others: string): Promise<void> {
  const all = groups.map(({ name }) => name);
  const [measured] = cases(all, (each) => each.name === name);
  if (!measured) throw new Error(`no case "${name}"`);
  let before = Infinity;
  const look = async (after: string) => {
    const now = await least(measured);
    const more = now > before * SLOWER ? `  +${(now - before).toFixed(1)}` : "";
    console.log(`${now.toFixed(1).padStart(7)}  ${after}${more}`);
    before = now;
  };
  await look("alone");
  for (const other of cases((others || USUAL).split(","), (each) => each.kind === "weir")) {
    if (other.name === name) continue;
    await least(other);
    await look(`after ${other.name}`);
  }
}

function cases(names: readonly string[], chosen: (each: Case) => boolean): Sized[] {
  return groups.filter(({ name }) => names.includes(name))
    .flatMap(({ n, cases }) => cases.filter(chosen).map((each) => ({ n, ...each })));
}

/** The least time for an item, in nanoseconds. */
async function least({ n, run }: Sized): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < RUNS; i++) {
    const start = performance.now();
    await run(n);
    least = Math.min(least, (performance.now() - start) * 1e6 / n);
  }
  return least;
}

const [name = "", others = ""] = process.argv.slice(2);
await main(name, others);
