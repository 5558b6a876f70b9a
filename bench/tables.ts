/** Formats a summary as tables. */

import type { Account, Row, Summary } from "./summary.ts";
import { GROWTH, OVERLOAD, RUNTIMES, type Target, targets } from "./targets.ts";

/** The first row is the head. */
export type Table = readonly (readonly string[])[];

/** Formats the findings of a run as plain text. */
export function text(summary: Summary): string {
  const { runtimes, speed, latency, growth, memory, idle, overload, size, go } = summary;
  const way = ["", "case", ...runtimes];
  const tables: [title: string, head: readonly string[], body: Table][] = [
    ...Object.entries(speed).map(([group, rows]): typeof tables[number] => [
      `${group}: least ns for one, and multiples of the first`,
      way,
      rows.map(multiples(rows[0]!)),
    ]),
    ["memory: MB held before a sink that stands still", way, memory.map(cells(megabytes))],
    [
      "latency: ms till an item's batch comes, p50 / p99, 1000 items/s, linger 10; or till 12 ms of work for it have ended",
      way,
      latency.map(cells((both) => both.map((each) => each.toFixed(1)).join(" / "))),
    ],
    ["growth: ns for one item, in longer and longer runs", way, growth.map(cells(grown))],
    [
      "idle: bytes of heap for one object, and timers",
      way,
      idle.map(cells(([bytes, timers]) => `${bytes.toFixed(0)}, ${timers.toFixed(2)}`)),
    ],
    [
      `overload: ${OVERLOAD.times} times what the handlers can do, for ${overload.seconds} s`,
      [...overloadHead(summary), "late"],
      overloaded(summary).map((row, index) => [...row, lateness(summary)[index]!]),
    ],
    [
      "size: kB in a bundle",
      ["entry point", "minified", "gzipped"],
      size.map(([name, ...bytes]) => [name, ...bytes.map((each) => (each / 1000).toFixed(1))]),
    ],
    [
      `Go: least ns for one, ${go.version}`,
      ["case", "ns"],
      go.originals.map(([name, least]) => [name, short(least)]),
    ],
    ["targets: the case / the other", verdictHead(summary), verdicts(summary)],
  ];
  return [
    ...tables
      .filter(([, , body]) => body.length)
      .map(([title, head, body]) => `${title}\n\n${plain([head, ...body])}\n`),
    ...go.skipped.map((word) => `Skipped: ${word}`),
    quietness(summary),
  ].join("\n");
}

/** Formats only the targets. */
export function judgement(summary: Summary): string {
  return `${plain([verdictHead(summary), ...verdicts(summary)])}\n\n${quietness(summary)}`;
}

function quietness({ runtimes, noise }: Summary): string {
  const quiet = runtimes.map((runtime, index) => `${noise[index]!.toFixed(2)} in ${runtime}`);
  return `How quiet it was, by the median over the minimum of the usual case: ${quiet.join(", ")}.`;
}

/** Formats a table in columns of spaces. */
export function plain(rows: Table): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd())
    .join("\n");
}

/** Formats a table in Markdown. */
export function piped(rows: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const [head, ...body] = rows;
  return [head!, head!.map(() => "---"), ...body].map(line).join("\n");
}

function multiples([, , ...floor]: Row<number>): (row: Row<number>) => string[] {
  return ([kind, name, ...least]) => [
    kind,
    name,
    ...least.map((each, index) => `${short(each)} (${exact(each / floor[index]!)})`),
  ];
}

function cells<Cell>(shown: (cell: Cell) => string): (row: Row<Cell>) => string[] {
  return ([kind, name, ...each]) => [kind, name, ...each.map(shown)];
}

function grown(costs: readonly number[]): string {
  const ratio = costs.at(-1)! / costs[0]!;
  return `${costs.map(short).join(" / ")}; ${judged(ratio, GROWTH)}`;
}

/** A row for each target whose two cases were measured: its limits, and the verdict. */
export function verdicts(summary: Summary): string[][] {
  return targets.flatMap((target) => {
    const found = ratios(summary, target);
    if (!found) return [];
    const { name, against, atMost } = target;
    const limits = summary.runtimes.map((title) => atMost?.[runtime(title)]);
    const same = limits.every((limit) => limit === limits[0]);
    return [[
      name,
      original(summary, against) ? `${against} (Go)` : against,
      (same ? limits.slice(0, 1) : limits).join(" / "),
      ...found.map((ratio, index) => judged(ratio, limits[index])),
    ]];
  });
}

/** The head of those rows. */
export function verdictHead({ runtimes }: Summary): string[] {
  return ["case", "against", "at most", ...runtimes];
}

/** The head of {@linkcode overloaded}. */
export function overloadHead({ overload: { seconds } }: Summary): string[] {
  const held = `MB held at ${seconds / 10} s, ${seconds} s`;
  const counts = ["offered", "served", "refused", "given up", "left"];
  return ["", "", ...counts, "in time", "p50 ms", "p99", "p99.9", held];
}

/**
 * The outcome of the offered items of each way, a row for each runtime. Ways that shed are compared
 * with their targets.
 */
export function overloaded({ overload: { rows }, runtimes }: Summary): string[][] {
  const { goodput, maxWait, handler, tolerance, growth, shedding } = OVERLOAD;
  return rows.flatMap(([, name, ...accounts]) =>
    accounts.map((account, index) => {
      const { offered, served, refused, discarded, left, p50, p99, p999, held } = account;
      const judge = (shown: string, good: boolean) =>
        shedding.some((each) => each === name) ? `${shown} ${good ? "ok" : "missed"}` : shown;
      const share = shareOf(rows, account, index);
      const grown = held.at(-1)! - held[0]!;
      return [
        index ? "" : name,
        runtimes[index]!,
        ...[offered, served, refused, discarded, left].map((each) => each.toLocaleString("en")),
        judge(`${percent(share)} %`, share >= goodput),
        milliseconds(p50),
        milliseconds(p99),
        judge(milliseconds(p999), p999 <= maxWait + handler + tolerance),
        judge(held.map((bytes) => (bytes / 1e6).toFixed(1)).join(", "), grown <= growth),
      ];
    })
  );
}

/** How late the items were offered, which shows other load on the machine. */
function lateness({ overload }: Summary): string[] {
  return overload.rows.flatMap(([, , ...each]) => each.map(({ late }) => milliseconds(late)));
}

/** The share of the handlers' capacity in that runtime that is served within the deadline. */
export function shareOf(
  [floor]: Summary["overload"]["rows"],
  { goodput }: Pick<Account, "goodput">,
  runtime: number,
): number {
  return goodput / (floor![runtime + 2] as Account).goodput;
}

/** A percentage without the sign. */
export function percent(share: number): string {
  return (share * 100).toFixed(share < 0.1 ? 1 : 0);
}

/** Milliseconds, with only the digits that can be trusted. */
function milliseconds(time: number): string {
  return time < 100 ? time.toFixed(1) : Math.round(time).toLocaleString("en");
}

/** The index of a runtime in the limits of a target. */
function runtime(title: string): number {
  return RUNTIMES.findIndex((name) => name.startsWith(title.split(" ")[0]!));
}

/** The ratio of a case to the other, in each runtime. */
export function ratios(summary: Summary, { group, name, against }: Target): number[] | undefined {
  const ours = least(summary, group, name);
  const inGo = original(summary, against);
  const theirs = least(summary, group, against) ??
    (inGo === undefined ? undefined : ours?.map(() => inGo));
  return theirs && ours?.map((each, index) => each / theirs[index]!);
}

function original({ go }: Summary, name: string): number | undefined {
  return go.originals.find((each) => each[0] === name)?.[1];
}

/** A case in each runtime. */
function least({ speed }: Summary, group: string, name: string): readonly number[] | undefined {
  const row = speed[group]?.find((row) => row[1] === name);
  return row?.slice(2) as number[] | undefined;
}

/** Bytes as megabytes. */
export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0);
}

function judged(ratio: number, atMost: number | undefined): string {
  if (atMost === undefined) return exact(ratio);
  return ratio <= atMost ? `${exact(ratio)} ok` : `${exact(ratio)} missed`;
}

function exact(ratio: number): string {
  return ratio.toFixed(ratio < 1 ? 3 : 2);
}

function short(value: number): string {
  return value.toFixed(value < 1 ? 2 : value < 100 ? 1 : 0);
}
