/** All races. */

import { aggregatorRaces } from "./aggregator.ts";
import { batchingRaces } from "./batching.ts";
import { fanoutRaces } from "./fanout.ts";
import type { Race } from "./race.ts";

export const races: readonly Race[] = [
  ...batchingRaces,
  ...fanoutRaces,
  ...aggregatorRaces,
];
