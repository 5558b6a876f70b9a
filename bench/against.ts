/**
 * Ours beside ours at a revision, case by case.
 *
 * Processes of the two take turns, before, now, before, now, and each measures one round of one
 * group: an engine carries nothing from one edition to the other, and a machine that gets slower does
 * so for both. What counts is the lower quartile of the processes. The least of all comes of a lucky
 * second, which one of the two has and the other has not; it stands beside.
 */

import { title } from "../tools/runtimes.ts";
import type { Edition } from "./edition.ts";
import type { Measurement } from "./harness.ts";
import { measured, prepare } from "./process.ts";
import { plain } from "./report.ts";
import type { RuntimeName } from "./targets.ts";
import type { Orders } from "./worker.ts";

/**
 * How long to measure, where nothing else is said. On a machine that others use, too, the same code
 * then comes out at 0.95 to 1.06 of itself, and mostly within 3 %.
 */
export const SPREAD = { rounds: 20, warmup: 2, minimum: 10 };

/** From here on a case is marked. */
const SLOWER = 1.05;

/** A case of both editions: nanoseconds for one item, and now as multiples of before. */
interface Compared {
  readonly case: Measurement;
  readonly before: number;
  readonly now: number;
  readonly ratio: number;
  /** The same of the least samples. */
  readonly least: number;
}

/**
 * Measures both editions in a runtime, and says what has become of each case of ours. Where the
 * orders name no part, all groups of both are measured.
 */
export async function against(
  before: Edition,
  now: Edition,
  runtime: RuntimeName,
  orders: Orders,
): Promise<string> {
  const sides = [];
  for (const { root, groups } of [before, now]) {
    sides.push({ worker: await prepare(runtime, root), groups, cases: [] as Measurement[] });
  }
  const all = new Set(orders.parts.length ? orders.parts : [...before.groups, ...now.groups]);
  for (const part of all) {
    console.error(`${title(runtime)}: ${part} ...`);
    const having = sides.filter(({ groups }) => groups.includes(part));
    for (let round = 0; round < orders.rounds; round++) {
      for (const { worker, cases } of having) {
        const found = await measured(worker, { ...orders, parts: [part], rounds: 1 }, true);
        cases.push(...found.cases);
      }
    }
  }
  return told(title(runtime), sides[0]!.cases, sides[1]!.cases);
}

/** The table of a runtime, the slowest first, and what cannot be compared. */
export function told(
  title: string,
  before: readonly Measurement[],
  now: readonly Measurement[],
): string {
  const [old, fresh] = [byCase(before), byCase(now)];
  const both = [...fresh].flatMap(([key, found]) =>
    old.has(key) ? compare(old.get(key)!, found) : []
  );
  const ours = both.filter((each) => each.case.kind === "weir").sort((a, b) => b.ratio - a.ratio);
  const others = both.filter((each) => each.case.kind !== "weir");
  const head = ["group", "case", "ns before", "ns now", "now / before", "of the least"];
  const lines = [
    `${title}: ours now and before\n`,
    plain([head, ...ours.map(row)]),
    "",
    control(others.map(({ ratio }) => ratio)),
    alone("before", old, fresh),
    alone("now", fresh, old),
  ];
  return `${lines.filter((line) => line !== undefined).join("\n")}\n`;
}

function byCase(measurements: readonly Measurement[]): Map<string, Measurement[]> {
  return Map.groupBy(measurements, ({ group, name }) => `${group}: ${name}`);
}

function compare(old: readonly Measurement[], fresh: readonly Measurement[]): Compared {
  const [before, now] = [lowest(old), lowest(fresh)];
  return {
    case: fresh[0]!,
    before: quartile(before),
    now: quartile(now),
    ratio: quartile(now) / quartile(before),
    least: now[0]! / before[0]!,
  };
}

/** The least sample of each process, in order. */
function lowest(measurements: readonly Measurement[]): number[] {
  return measurements.map(({ minimum }) => minimum).sort((a, b) => a - b);
}

function quartile(sorted: readonly number[]): number {
  return sorted[Math.floor((sorted.length - 1) / 4)]!;
}

function row({ case: { group, name }, before, now, ratio, least }: Compared): string[] {
  const mark = ratio > SLOWER ? " slower" : "";
  const exact = ratio.toFixed(2) + mark;
  return [group, name, before.toFixed(1), now.toFixed(1), exact, least.toFixed(2)];
}

/** What has not changed tells how far to trust what has. */
function control(ratios: readonly number[]): string | undefined {
  if (ratios.length === 0) return;
  const [from, to] = [Math.min(...ratios), Math.max(...ratios)].map((each) => each.toFixed(2));
  return `Of what is not ours, and the same on both sides, the ratio is ${from} to ${to}.`;
}

/** Cases of ours that only one side has. */
function alone(
  side: string,
  here: ReadonlyMap<string, Measurement[]>,
  there: ReadonlyMap<string, Measurement[]>,
): string | undefined {
  const ours = [...here].filter(([key, [each]]) => each!.kind === "weir" && !there.has(key));
  if (ours.length === 0) return;
  return `Only ${side}: ${ours.map(([key]) => key).join("; ")}.`;
}
