/** What was measured, as tables: a column for each runtime. */

import type { Originals } from "./go.ts";
import type { Measurement } from "./harness.ts";
import type { Result } from "./result.ts";
import { beside, GROWTH, ideals } from "./targets.ts";
import type { Way } from "./ways/way.ts";
import type { Size } from "../tools/size.ts";

/** The first row is the head. */
export interface Table {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
}

/** The speeds of each group; what is bounded comes before what is not. */
export function speeds(results: readonly Result[]): Table[] {
  const { cases } = results[0]!;
  return [...new Set(cases.map(({ group }) => group))].map((group) => {
    const rows = cases
      .map((each, index) => ({ each, index }))
      .filter(({ each }) => each.group === group)
      .sort((a, b) => Number(a.each.bounded === false) - Number(b.each.bounded === false));
    return {
      title: `${group}: ns for one ${rows[0]!.each.unit}`,
      rows: [
        ["", "case", "queue", ...results.map(({ title }) => title)],
        ...rows.map(({ each, index }) => [
          ...way(each),
          ...results.map(({ cases }) => cost(cases[index]!)),
        ]),
      ],
    };
  });
}

/** What was held before a sink that stands still. */
export function memories(results: readonly Result[]): Table[] {
  return table("memory: MB held before a sink that stands still", results, "memory", {
    head: ["", "case", "queue"],
    left: way,
    cell: ({ bytes }) => (bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0),
  });
}

/** How long items waited. */
export function latencies(results: readonly Result[]): Table[] {
  return table(
    "latency: ms till an item's batch comes, p50 / p99, 1000 items/s, linger 10",
    results,
    "latency",
    {
      head: ["", "case", "queue"],
      left: way,
      cell: ({ p50, p99 }) => `${p50.toFixed(1)} / ${p99.toFixed(1)}`,
    },
  );
}

/** What an item costs in longer and longer runs. */
export function growths(results: readonly Result[]): Table[] {
  const sizes = results[0]!.growth[0]?.costs.map(({ n }) => exponent(n)).join(" / ");
  return table(`growth: ns for one item, of ${sizes}; the last against 1e5`, results, "growth", {
    head: ["group", "case"],
    left: ({ group, name }) => [group, name],
    cell: ({ costs, ratio }) =>
      costs.map(({ nanoseconds }) => short(nanoseconds)).join(" / ") +
      (ratio === undefined ? "" : `; ${judged(ratio, GROWTH)}`),
  });
}

/** What objects cost that have nothing to do. */
export function idles(results: readonly Result[]): Table[] {
  return table("idle: bytes of heap for one object, and timers", results, "idle", {
    head: ["object"],
    left: ({ name }) => [name],
    cell: ({ bytes, timers }) => `${bytes.toFixed(0)}, ${timers.toFixed(timers % 1 ? 2 : 0)}`,
  });
}

/** The ratios that were promised. */
export function verdicts(results: readonly Result[]): Table[] {
  return table("targets: the case against another, in the same run", results, "targets", {
    head: ["case", "against", "at most"],
    left: ({ name, against }, index) => {
      const limits = new Set(results.map(({ targets }) => targets[index]!.atMost.toFixed(2)));
      return [name, against, [...limits].join(" / ")];
    },
    cell: ({ ratio, atMost }) => judged(ratio, atMost),
  });
}

/** Ours as multiples of the same job by hand, by the least sample of each. */
export function besideIdeals(results: readonly Result[]): Table[] {
  const rows = ideals.flatMap(({ group, name, against }) => {
    const least = ({ cases }: Result, of: string) =>
      cases.find((each) => each.group === group && each.name === of)?.minimum ?? NaN;
    const ideal = results.map((result) => least(result, against));
    if (ideal.some(Number.isNaN)) return [];
    return [[
      name,
      against,
      ...results.map((result, index) =>
        `${(least(result, name) / ideal[index]!).toFixed(2)} of ${short(ideal[index]!)}`
      ),
    ]];
  });
  const title = "ideal: ours / the same job by hand, minima, of so many ns";
  const head = ["case", "ideal", ...results.map((result) => result.title)];
  return rows.length ? [{ title, rows: [head, ...rows] }] : [];
}

/** The Go originals, and ours as multiples of them. */
export function besideGo(results: readonly Result[], { version, cases }: Originals): Table[] {
  const rows = beside.flatMap(({ group, name, against, atMost }) => {
    const original = cases.find((each) => each.name === against);
    const ours = results.map(({ cases }) =>
      cases.find((each) => each.group === group && each.name === name)
    );
    if (!original) return [];
    return [[
      against,
      short(original.median),
      name,
      atMost?.toFixed(2) ?? "",
      ...ours.map((each) => each ? judged(each.median / original.median, atMost) : "not measured"),
    ]];
  });
  const head = ["original", `${version}, ns`, "ours", "at most", ...results.map((r) => r.title)];
  return rows.length ? [{ title: "beside Go", rows: [head, ...rows] }] : [];
}

/** What the entry points add to a bundle. */
export function bundles(sizes: Readonly<Record<string, Size>>): Table[] {
  const rows = Object.entries(sizes).map(([name, { minified, gzipped }]) => [
    name,
    (minified / 1000).toFixed(1),
    (gzipped / 1000).toFixed(1),
  ]);
  const title = "size: kB in a bundle";
  return rows.length ? [{ title, rows: [["entry point", "minified", "gzipped"], ...rows] }] : [];
}

type Part = "memory" | "latency" | "growth" | "idle" | "targets";

interface Columns<Row> {
  readonly head: readonly string[];
  left(row: Row, index: number): readonly string[];
  cell(row: Row): string;
}

/** The same rows of all results; none where the part was not asked for. */
function table<P extends Part>(
  title: string,
  results: readonly Result[],
  part: P,
  { head, left, cell }: Columns<Result[P][number]>,
): Table[] {
  const first: readonly Result[P][number][] = results[0]![part];
  if (!first.length) return [];
  const rows = first.map((row, index) => [
    ...left(row, index),
    ...results.map((result) => cell(result[part][index]!)),
  ]);
  return [{ title, rows: [[...head, ...results.map(({ title }) => title)], ...rows] }];
}

function way({ kind, name, bounded }: Way): string[] {
  return [kind, name, bounded === undefined ? "" : bounded ? "bounded" : "unbounded"];
}

function cost({ median, ratio }: Measurement): string {
  return `${short(median)} (${ratio.toFixed(ratio < 0.1 ? 3 : 2)})`;
}

function judged(ratio: number, atMost: number | undefined): string {
  const exact = ratio.toFixed(ratio < 0.1 ? 3 : 2);
  if (atMost === undefined) return exact;
  return ratio <= atMost ? `${exact} ok` : `${exact} (${(ratio / atMost).toFixed(1)} of it)`;
}

function short(value: number): string {
  return value.toFixed(value < 1 ? 2 : value < 100 ? 1 : 0);
}

function exponent(n: number): string {
  return n.toExponential().replace("+", "");
}
