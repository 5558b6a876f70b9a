/** All races. */

import { batchingRaces } from "./batching.ts";
import type { Race } from "./race.ts";

export const races: readonly Race[] = [
  ...batchingRaces,
];
