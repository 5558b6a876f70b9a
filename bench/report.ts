/** What a run looks like: on the terminal, and as Markdown. */

import type { Report } from "./result.ts";
import * as all from "./tables.ts";

/** The tables as plain text. */
export function text(report: Report): string {
  const bodies = tables(report).map(({ title, rows }) => `${title}\n\n${plain(rows)}\n`);
  return [...bodies, ...report.go.skipped.map((word) => `Skipped: ${word}`), quiet(report)]
    .join("\n");
}

/** The tables as Markdown, with the charts. */
export function markdown(report: Report): string {
  const { date, rounds, machine } = report.results[0]!;
  const versions = report.results.map(({ title }) => title);
  if (report.go.version) versions.push(report.go.version);
  const head =
    `Measured on ${date} on ${machine}, in one process for each of ${
      versions.join(", ")
    }. Speeds are medians of ${rounds} interleaved rounds: nanoseconds, and in brackets multiples of ` +
    "the first case of the group. Compare the ratios; the nanoseconds are those of one machine in " +
    `one hour. ${quiet(report)}\n\n` +
    "A queue is _bounded_ if it makes the producer wait, or refuses. What is unbounded holds all " +
    "that it is given: it never waits, and it is no counterpart of what does.\n";
  const charts = ["throughput", "memory", "latency"].map((name) => `![${name}](${name}.svg)\n`);
  const bodies = tables(report).map(({ title, rows }) => `## ${title}\n\n${piped(rows)}\n`);
  const skipped = report.go.skipped.map((word) => `Skipped: ${word}.\n`);
  return ["# Results\n", head, ...charts, ...bodies, ...skipped].join("\n");
}

function tables({ results, sizes, go }: Report): all.Table[] {
  return [
    ...all.speeds(results),
    ...all.memories(results),
    ...all.latencies(results),
    ...all.growths(results),
    ...all.idles(results),
    ...all.bundles(sizes),
    ...all.besideGo(results, go),
    ...all.besideIdeals(results),
    ...all.verdicts(results),
  ];
}

function quiet({ results }: Report): string {
  if (!results[0]!.cases.length) return "";
  const noise = results.map(({ title, noise }) => `${noise.toFixed(2)} in ${title}`).join(", ");
  return `How quiet it was, by the median over the minimum of the usual case: ${noise}.`;
}

/** A table in columns of spaces. */
export function plain(rows: all.Table["rows"]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd())
    .join("\n");
}

function piped(rows: all.Table["rows"]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const [head, ...body] = rows;
  return [head!, head!.map(() => "---"), ...body].map(line).join("\n");
}
