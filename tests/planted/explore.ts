/**
 * Explores what the names of the explorations begin with, one of the arguments; prints the one that
 * fails after the fewest sequences, and after how many.
 */

import { explorations } from "../races/all.ts";
import { explore } from "../races/explore.ts";

const DEPTH = 5;
const MOST = 10_000;

let fewest = MOST;
let found = "-";
for (const exploration of explorations) {
  if (!Deno.args.some((begin) => exploration.name.startsWith(begin))) continue;
  const { sequences, failure } = await explore(exploration, DEPTH, fewest);
  if (failure === undefined || sequences >= fewest) continue;
  fewest = sequences;
  found = `${sequences} of ${exploration.name}`;
}
console.log(found);
