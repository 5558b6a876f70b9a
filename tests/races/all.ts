/** All races, for tools: those of each `tests/races_*_test.ts`, which is a test of the suite besides. */

import type { Exploration } from "./explore.ts";
import type { Race } from "./race.ts";

const TESTS = new URL("../", import.meta.url);

const found: Race[] = [];
const foundExplorations: Exploration[] = [];
for (const { name } of [...Deno.readDirSync(TESTS)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  if (!name.startsWith("races_")) continue;
  const { races, explorations } = await import(new URL(name, TESTS).href);
  found.push(...races);
  foundExplorations.push(...explorations);
}

/** In the order of the files. */
export const races: readonly Race[] = found;
/** And what is explored of them. */
export const explorations: readonly Exploration[] = foundExplorations;
