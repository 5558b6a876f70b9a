/** What a run looks like: on the terminal, and as Markdown. */

import type { Measurement } from "./harness.ts";
import type { RuntimeName, Verdict } from "./targets.ts";

/** What was measured in one runtime. */
export interface Result {
  readonly runtime: RuntimeName;
  /** The runtime with its version. */
  readonly title: string;
  readonly date: string;
  readonly rounds: number;
  /** The median over the minimum of the usual case. */
  readonly noise: number;
  readonly cases: readonly Measurement[];
  readonly targets: readonly Verdict[];
}

/** The tables as plain text. */
export function text(results: readonly Result[]): string {
  const bodies = tables(results).map((table) => `${table.title}\n\n${plain(table.rows)}\n`);
  return [...bodies, `Noise (median over minimum): ${quiet(results)}`].join("\n");
}

/** The tables as Markdown. */
export function markdown(results: readonly Result[]): string {
  const { date, rounds } = results[0]!;
  const versions = results.map(({ title }) => title).join(", ");
  const head = `Medians of ${rounds} rounds on ${date}: ${versions}. ` +
    "Nanoseconds for one item, and in brackets multiples of the first case of the group. " +
    "Compare the ratios; the nanoseconds are those of one machine in one hour. " +
    `Noise, the median over the minimum of the usual case: ${quiet(results)}.`;
  const bodies = tables(results).map((table) => `## ${table.title}\n\n${piped(table.rows)}\n`);
  return [`# Results\n\n${head}\n`, ...bodies].join("\n");
}

function quiet(results: readonly Result[]): string {
  return results.map(({ title, noise }) => `${noise.toFixed(2)} in ${title}`).join(", ");
}

interface Table {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
}

function tables(results: readonly Result[]): Table[] {
  const first = results[0]!;
  const names = [...new Set(first.cases.map(({ group }) => group))];
  const cases = names.map((group) => ({
    title: `${group}, one ${first.cases.find((each) => each.group === group)!.unit}`,
    rows: [
      ["", "", ...results.map(({ title }) => title)],
      ...first.cases.flatMap((each, index) =>
        each.group !== group ? [] : [[
          each.kind,
          each.name,
          ...results.map(({ cases }) => cost(cases[index]!)),
        ]]
      ),
    ],
  }));
  const targets = {
    title: "targets",
    rows: [
      ["case", "against", "at most", ...results.map(({ title }) => title)],
      ...first.targets.map(({ name, against }, index) => {
        const verdicts = results.map(({ targets }) => targets[index]!);
        const limits = [...new Set(verdicts.map(({ atMost }) => atMost.toFixed(2)))];
        return [name, against, limits.join(" / "), ...verdicts.map(verdict)];
      }),
    ],
  };
  return [...cases, targets];
}

function cost({ median, ratio }: Measurement): string {
  return `${median.toFixed(median < 100 ? 1 : 0)} (${short(ratio)})`;
}

function verdict({ ratio, atMost, ok }: Verdict): string {
  return ok ? `${short(ratio)} ok` : `${short(ratio)} (${(ratio / atMost).toFixed(1)} of it)`;
}

function short(ratio: number): string {
  return ratio.toFixed(ratio < 0.1 ? 3 : 2);
}

function plain(rows: Table["rows"]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd())
    .join("\n");
}

function piped(rows: Table["rows"]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const [head, ...body] = rows;
  return [head!, head!.map(() => "---"), ...body].map(line).join("\n");
}
