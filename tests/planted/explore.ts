/**
 * Runs the explorations whose names begin with one of the arguments. Prints the one that fails after
 * the fewest sequences, and their number. The last line is the result.
 */

import { explorations } from "../races/all.ts";
import { explore } from "../races/explore.ts";

const DEPTH = 5;
const MOST = 5000;

let fewest = MOST;
let found = "-";
console.log(found);
for (const exploration of explorations) {
  if (!Deno.args.some((begin) => exploration.name.startsWith(begin))) continue;
  const { sequences, failure } = await explore(exploration, DEPTH, fewest);
  if (failure !== undefined && sequences < fewest) {
    fewest = sequences;
    found = `${sequences} of ${exploration.name}`;
  }
  // Printed each time, because a process that is silent for long is stopped.
  console.log(found);
}
