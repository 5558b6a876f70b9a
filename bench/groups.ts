/** All groups, in the order of the tables. */

import { aggregator } from "./groups/aggregator.ts";
import { batching } from "./groups/batching.ts";
import { chunks } from "./groups/chunks.ts";
import { construction } from "./groups/construction.ts";
import { fanout } from "./groups/fanout.ts";
import { loads } from "./groups/loaded.ts";
import { map } from "./groups/map.ts";
import { keys, singleflight } from "./groups/singleflight.ts";
import type { Group } from "./harness.ts";

export const groups: readonly Group[] = [
  batching,
  aggregator,
  fanout,
  map,
  ...loads,
  chunks,
  singleflight,
  keys,
  construction,
];
