/** Reports a run. */

import { count } from "./progress.ts";

/** The numbers of a run. */
export interface Report {
  /** Records that were read, good and bad. */
  readonly read: number;
  readonly bad: number;
  /** Records that an earlier run has written. */
  readonly skipped: number;
  /** Rows in committed transactions. */
  readonly written: number;
  /** The rows that SQL counts. `undefined` if the run failed. */
  readonly counted: number | undefined;
  readonly batches: number;
  readonly asked: number;
  readonly made: number;
  readonly seconds: number;
  /** How much of the input was read: 0 to 1. */
  readonly fraction: number;
  /** The error that ended the run. It is in an object, because it may be any value. */
  readonly failure: { readonly error: unknown } | undefined;
}

const LINES: Array<[string, (report: Report) => string]> = [
  ["rows in", ({ read }) => count(read)],
  ["bad records", ({ bad }) => count(bad)],
  ["written before", ({ skipped }) => count(skipped)],
  ["rows in the database", ({ counted }) => count(counted!)],
  ["batches", ({ batches }) => count(batches)],
  ["look-ups asked", ({ asked }) => count(asked)],
  ["look-ups made", ({ made }) => count(made)],
  ["seconds", ({ seconds }) => seconds.toFixed(2)],
  ["rows/s", (report) => count(speed(report))],
];

/** Returns a table with a column for each run. */
export function table(reports: Record<string, Report>): string {
  const row = (name: string, cells: string[]) =>
    name.padEnd(22) + cells.map((cell) => cell.padStart(13)).join("");
  const runs = Object.values(reports);
  return [
    row("", Object.keys(reports)),
    ...LINES.filter(([name]) =>
      name !== "written before" || runs.some(({ skipped }) => skipped > 0)
    )
      .map(([name, cell]) => row(name, runs.map(cell))),
  ].join("\n");
}

/** Returns what happened to the rows of a run that did not finish. */
export function remains(
  { read, bad, skipped, written, fraction }: Report,
  database?: string,
): string {
  return [
    `written    ${count(written)} rows, in whole batches`,
    ...skipped > 0 ? [`before     ${count(skipped)} rows, by an earlier run`] : [],
    `discarded  ${count(read - bad - skipped - written)} rows that were read`,
    `bad        ${count(bad)} records`,
    `not read   ${((1 - fraction) * 100).toFixed(0)} % of the input`,
    database === undefined
      ? "The temporary database is removed. Use --database to keep it."
      : `The written rows are in ${database}. To write the others, run it again with --resume.`,
  ].join("\n");
}

/** Returns the rows per second. */
export function speed({ written, seconds }: Report): number {
  return written / seconds;
}
