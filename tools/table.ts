/** What the gate prints at its end. */

import type { Outcome } from "./suite.ts";

const HEAD = ["", "passed", "failed", "expected to fail", "left out"];

/** Print a row a step and then the sums alone; returns whether nothing has failed. */
export function table(steps: ReadonlyArray<readonly [title: string, outcome: Outcome]>): boolean {
  const rows = [HEAD, ...steps.map(([title, outcome]) => row(title, outcome))];
  const widths = HEAD.map((_, column) =>
    Math.max(...rows.map((cells) => cells.length > 2 ? cells[column]!.length : 0))
  );
  widths[0] = Math.max(...rows.map(([title]) => title!.length));
  console.log();
  for (const [title, ...cells] of rows) {
    const line = cells.length === 1 ? cells : cells.map((cell, i) => cell.padStart(widths[i + 1]!));
    console.log([title!.padEnd(widths[0]), ...line].join("  "));
  }
  const sum = (key: "passed" | "failed") =>
    steps.reduce((total, [, outcome]) => total + outcome[key], 0);
  console.log(`\n${sum("passed")} passed, ${sum("failed")} failed`);
  return sum("failed") === 0;
}

function row(title: string, { passed, failed, expected, leftOut, missing }: Outcome): string[] {
  if (missing) return [title, `left out: ${missing}`];
  return [title, ...[passed, failed, expected, leftOut].map((number) => `${number ?? ""}`)];
}
