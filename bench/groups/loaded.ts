/** The same, with work that takes its time: here the machinery should not show. */

import type { Group } from "../harness.ts";
import { mappers } from "../ways/mappers.ts";
import { loops, pools } from "../ways/pools.ts";
import { micros, millis } from "../work.ts";
import { counted as handled } from "./fanout.ts";
import { counted as mapped } from "./map.ts";

/** Fan-out and map, beside loops that wait for nothing but the work. */
function loaded(load: string, work: () => Promise<void>, n: number): Group[] {
  return [
    {
      name: `fanout-${load}`,
      unit: "item",
      n,
      cases: [loops, ...pools].map((pool) => handled(pool, work)),
    },
    {
      name: `map-${load}`,
      unit: "item",
      n,
      cases: [handled(loops, work), ...mappers.map((mapper) => mapped(mapper, work))],
    },
  ];
}

export const loads: readonly Group[] = [
  ...loaded("50us", micros, 5000),
  ...loaded("5ms", millis, 160),
];
