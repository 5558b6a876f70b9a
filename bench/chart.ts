/** The charts that the README shows. */

import type { Result } from "./result.ts";
import { type Axis, bars, type Row } from "./svg.ts";
import { promised } from "./targets.ts";
import type { Way } from "./ways/way.ts";

const GROUPS = ["batching", "aggregator", "fanout", "map"];

const THROUGHPUT: Axis = {
  title: "Throughput, as multiples of piping to a no-op sink",
  ticks: [1 / 64, 1 / 16, 0.25, 1, 4, 16, 64],
  line: 1,
  label: (times) => times < 0.5 ? `1/${Math.round(1 / times)}` : `${Number(times.toPrecision(2))}×`,
};

const MEMORY: Axis = {
  title: "Memory held of a million items, in front of a sink that stands still",
  ticks: [1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10],
  label: (bytes) =>
    bytes < 1e6
      ? `${Math.round(bytes / 1e3)} kB`
      : bytes < 1e9
      ? `${Math.round(bytes / 1e6)} MB`
      : `${bytes / 1e9} GB`,
};

const LATENCY: Axis = {
  title: "How long an item waits for its batch, p50 to p99: 1000 items/s, linger 10 ms",
  ticks: [1, 2, 5, 10, 20, 50, 100, 200, 500],
  line: 10,
  label: (milliseconds) => `${Number(milliseconds.toPrecision(2))} ms`,
};

/** Multiples of the floor: what has a target, and the peers. */
export function throughput(results: readonly Result[]): string {
  const rows = results[0]!.cases.flatMap((each, index) =>
    GROUPS.includes(each.group) &&
      (each.kind === "peer" || promised(each.group, each.name))
      ? [row(each, results.map(({ cases }) => [1, 1 / cases[index]!.ratio]), each.group)]
      : []
  );
  return bars(THROUGHPUT, results.map(({ title }) => title), rows);
}

/** What was held. */
export function memory(results: readonly Result[]): string {
  const least = MEMORY.ticks[0]!;
  const rows = results[0]!.memory.map((each, index) =>
    row(each, results.map(({ memory }) => [least, Math.max(memory[index]!.bytes, least)]))
  );
  return bars(MEMORY, results.map(({ title }) => title), rows);
}

/** From the median to the 99th percentile. */
export function latency(results: readonly Result[]): string {
  const rows = results[0]!.latency.map((each, index) =>
    row(each, results.map(({ latency }) => [latency[index]!.p50, latency[index]!.p99]))
  );
  return bars(LATENCY, results.map(({ title }) => title), rows);
}

function row({ kind, name, bounded }: Way, bars: Row["bars"], group = ""): Row {
  return { group, name: bounded === false ? `${name} ∞` : name, ours: kind === "weir", bars };
}
