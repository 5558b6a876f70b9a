/**
 * All races, for the tools. They come from `tests/races_*_test.ts`, which are also tests of the
 * suite.
 */

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
/** All explorations. */
export const explorations: readonly Exploration[] = foundExplorations;
