/** The report of the mutation tests, as a page. */

import { type Reason, reasons } from "./reasons.ts";

/** Of each file, what came out. */
export type Results = Record<string, FileResult>;

/** What came out of a file. */
export interface FileResult {
  readonly date: string;
  readonly mutants: number;
  readonly survivors: readonly Omit<Survivor, "file">[];
}

/** A change that no test noticed. */
export interface Survivor {
  readonly file: string;
  readonly line: number;
  readonly kind: string;
  readonly before: string;
  readonly after: string;
}

const INTRODUCTION = `# Mutation testing

\`deno task mutate [file...]\` changes the sources in one small place after the other, some thousands
of times, and runs the tests that reach it. A change that no test notices is a *survivor*: a hole in
the tests, or a change that makes no difference. Stryker's instrumenter makes the changes, in error
messages too; all of them are in one build, and a global says which one is active. The properties run
with one seed; the few tests that push a hundred thousand items or more are left out.

This page is written by that command. A file that is not in the table has only types, or has not been
judged yet.`;

/** The whole page. */
export function page(results: Results): string {
  const files = Object.entries(results);
  const all = files.flatMap(([file, { survivors }]) =>
    survivors.map((survivor) => ({ ...survivor, file }))
  );
  const open = all.filter((survivor) => !reasons.some((reason) => excuses(reason, survivor)));
  const groups = reasons.map((reason) => ({
    title: reason.reason,
    survivors: all.filter((survivor) => excuses(reason, survivor)),
  }));
  groups.push({ title: "Not looked at yet", survivors: open });
  return [
    INTRODUCTION,
    scores(results),
    "## Survivors",
    ...groups.filter(({ survivors }) => survivors.length > 0).map(({ title, survivors }) =>
      `### ${title}\n\n${survivors.map(line).join("\n")}`
    ),
  ].join("\n\n") + "\n";
}

function scores(results: Results): string {
  const rows = Object.entries(results).map(([file, { date, mutants, survivors }]) =>
    row(file, mutants, survivors.length, date)
  );
  const mutants = sum(results, (result) => result.mutants);
  const survivors = sum(results, (result) => result.survivors.length);
  return [
    "| file | mutants | survivors | score | date |",
    "| --- | ---: | ---: | ---: | --- |",
    ...rows,
    row("**all**", mutants, survivors, ""),
  ].join("\n");
}

function row(name: string, mutants: number, survivors: number, date: string): string {
  const score = (100 * (mutants - survivors) / mutants).toFixed(1);
  return `| ${name} | ${mutants} | ${survivors} | ${score} % | ${date} |`;
}

function sum(results: Results, of: (result: FileResult) => number): number {
  return Object.values(results).reduce((sum, result) => sum + of(result), 0);
}

function excuses({ mutants }: Reason, { file, before, after }: Survivor): boolean {
  return mutants.some(([of, was, is]) => of === file && was === before && is === after);
}

function line({ file, line, before, after }: Survivor): string {
  return `- ${file}:${line} ${code(before)} → ${code(after)}`;
}

function code(text: string): string {
  const short = text.replace(/\s+/g, " ");
  return short === ""
    ? "nothing"
    : `\`\` ${short.length > 90 ? `${short.slice(0, 90)}…` : short} \`\``;
}
