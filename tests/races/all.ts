/** All races. */

import { aggregatorRaces } from "./aggregator.ts";
import { batchingRaces } from "./batching.ts";
import { fanoutRaces } from "./fanout.ts";
import { fixedChunkRace } from "./fixed_chunks.ts";
import { mapRaces } from "./map.ts";
import { throttlingRaces } from "./throttling.ts";
import { singleflightRaces } from "./singleflight.ts";
import type { Race } from "./race.ts";

export const races: readonly Race[] = [
  ...batchingRaces,
  ...fanoutRaces,
  ...aggregatorRaces,
  fixedChunkRace,
  ...mapRaces,
  ...throttlingRaces,
  ...singleflightRaces,
];
