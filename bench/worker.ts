/** What runs in each runtime: takes its orders as JSON, prints the measurements as JSON. */

import process from "node:process";
import { groups } from "./groups.ts";
import { type Effort, measure, type Measurement } from "./harness.ts";

/** What to measure. */
export interface Orders extends Effort {
  /** Names of groups. */
  readonly groups: readonly string[];
}

const orders: Orders = JSON.parse(process.argv[2]!);
const measurements: Measurement[] = [];
for (const group of groups) {
  if (!orders.groups.includes(group.name)) continue;
  process.stderr.write(`  ${group.name} ...\n`);
  measurements.push(...await measure(group, orders));
}
console.log(JSON.stringify(measurements));
