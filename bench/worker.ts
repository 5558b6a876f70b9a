/** What runs in each runtime: takes its orders as JSON, prints what it found as JSON. */

import { cpus } from "node:os";
import process from "node:process";
import { groups } from "./groups.ts";
import { type Effort, measure, type Measurement } from "./harness.ts";
import { type Growth, growth } from "./studies/growth.ts";
import { type Idle, idle } from "./studies/idle.ts";
import { type Delay, latency } from "./studies/latency.ts";
import { type Held, memory } from "./studies/memory.ts";

/** What to measure. */
export interface Orders extends Effort {
  /** Names of groups, and of studies. */
  readonly parts: readonly string[];
  /** How many items, or objects, a study takes. */
  readonly memory: number;
  readonly latency: number;
  readonly growth: number;
  /** Whether growth takes every case. */
  readonly every: boolean;
  readonly idle: number;
}

/** What was measured. */
export interface Findings {
  readonly machine: string;
  readonly cases: readonly Measurement[];
  readonly latency: readonly Delay[];
  readonly growth: readonly Growth[];
  readonly memory: readonly Held[];
  readonly idle: readonly Idle[];
}

const orders: Orders = JSON.parse(process.argv[2]!);

/** A part, if it was asked for. */
async function part<T>(name: string, measure: () => Promise<T[]>): Promise<T[]> {
  if (!orders.parts.includes(name)) return [];
  const start = performance.now();
  process.stderr.write(`  ${name} ...`);
  const found = await measure();
  process.stderr.write(` ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  return found;
}

function machine(): string {
  const all = cpus();
  return `${all.length} x ${all[0]?.model.trim()}, ${process.platform} ${process.arch}`;
}

const cases: Measurement[] = [];
for (const group of groups) cases.push(...await part(group.name, () => measure(group, orders)));
const findings: Findings = {
  machine: machine(),
  cases,
  latency: await part("latency", () => latency(orders.latency)),
  growth: await part("growth", () => growth(groups, orders.growth, orders.every)),
  memory: await part("memory", () => memory(orders.memory)),
  idle: await part("idle", () => idle(orders.idle)),
};
// What was left standing still has timers.
process.stdout.write(JSON.stringify(findings), () => process.exit(0));
