/** The worker in each runtime. It takes its orders as JSON, and prints its findings as JSON. */

import { cpus } from "node:os";
import process from "node:process";
import { aggregator } from "./cases/aggregator.ts";
import { batching, chain } from "./cases/batching.ts";
import { options } from "./cases/options.ts";
import { counted as handled, fanout, loops, pools } from "./cases/fanout.ts";
import { keys, singleflight } from "./cases/singleflight.ts";
import { chunks, construction, counted as mapped, map, mappers } from "./cases/transforms.ts";
import { type Group, measure, micros, millis } from "./harness.ts";
import { idle, memory } from "./studies/memory.ts";
import { overload } from "./studies/overload.ts";
import { growth, latency } from "./studies/time.ts";
import { judged } from "./targets.ts";
import type { Findings, Measurement, Orders } from "./summary.ts";

/** All groups, in the order of the tables. */
export const groups: readonly Group[] = [
  batching,
  aggregator,
  fanout,
  options,
  map,
  ...loaded("50us", micros, 5000),
  ...loaded("5ms", millis, 160),
  chain,
  chunks,
  singleflight,
  keys,
  construction,
];

/** The studies. */
export const studies: readonly string[] = ["latency", "growth", "memory", "idle", "overload"];

/** Fan-out and map with slow handlers, compared with loops that wait for nothing else. */
function loaded(load: string, work: () => Promise<void>, n: number): Group[] {
  const mapping = (i: number) => work().then(() => i + 1);
  return [
    { name: `fanout-${load}`, n, cases: [loops, ...pools].map((pool) => handled(pool, work)) },
    {
      name: `map-${load}`,
      n,
      cases: [handled(loops, work), ...mappers.map((mapper) => mapped(mapper, mapping))],
    },
  ];
}

async function find(orders: Orders): Promise<Findings> {
  const part = async <T>(name: string, measure: () => Promise<T[]>): Promise<T[]> => {
    if (!orders.parts.includes(name)) return [];
    const start = performance.now();
    process.stderr.write(`  ${name} ...`);
    const found = await measure();
    process.stderr.write(` ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
    return found;
  };
  const cases: Measurement[] = [];
  for (const { cases: all, ...group } of groups) {
    const chosen = orders.judged ? all.filter(({ name }) => judged(group.name, name)) : all;
    cases.push(...await part(group.name, () => measure({ ...group, cases: chosen }, orders)));
  }
  return {
    machine: machine(),
    cases,
    latency: await part("latency", () => latency(orders.latency)),
    growth: await part("growth", () => growth(groups, orders.growth, orders.every)),
    memory: await part("memory", () => memory(orders.memory)),
    idle: await part("idle", () => idle(orders.idle)),
    overload: await part("overload", () => overload(orders.overload)),
  };
}

function machine(): string {
  const all = cpus();
  return `${all.length} x ${all[0]?.model.trim()}, ${process.platform} ${process.arch}`;
}

if (import.meta.main) {
  const findings = await find(JSON.parse(process.argv[2]!));
  // The stopped ways still have timers.
  process.stdout.write(JSON.stringify(findings), () => process.exit(0));
}
