/**
 * Proves that the suite can fail. It puts each bug of tests/planted into a copy of the tree, and a
 * test that names its rule must catch it.
 *
 * `deno run -A tools/planted.ts [NAME...]` runs the bugs whose names contain one of the words. With
 * `--refit` it runs none, and fits their patches to the sources (tools/patches.ts).
 */

import { bugs as read, Copy, type Planted, refit } from "./patches.ts";
import { deno } from "./run.ts";
import { type Outcome, testFiles } from "./suite.ts";

const PRELOAD = "--preload=tests/planted/preload.ts";
const COPIES = 2;
// An endless loop is stopped after this much silence, in milliseconds.
const LIMIT = 45_000;

/** The outcome of the suite for a bug. */
interface Finding {
  readonly bug: Planted;
  /** The first failing test. */
  readonly by?: string | undefined;
  /** The race that failed, and after how many schedules. */
  readonly schedules?: string;
  /** The exploration that failed, and after how many sequences. */
  readonly sequences?: string;
  /** The options of `git apply` that the patch needed. */
  readonly loose?: string;
  /** The reason why it does not count as caught. */
  readonly complaint?: string | undefined;
}

/** Runs all planted bugs, or those whose names contain one of `words`. */
export async function planted(words: readonly string[] = []): Promise<Outcome> {
  const bugs = await read(words);
  const findings: Finding[] = [];
  const queue = bugs.values();
  await Promise.all(Array.from({ length: COPIES }, async (_, place) => {
    const copy = await Copy.make(`planted-${place}`);
    for (const bug of queue) {
      const start = performance.now();
      const finding = await judge(bug, copy);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      findings.push(finding);
      console.log(
        `      planted ${findings.length}/${bugs.length} ${line(finding)} (${seconds} s)`,
      );
    }
  }));
  console.log(`\n${table(findings)}\n`);
  const missed = findings.filter(({ complaint }) => complaint !== undefined);
  const complaints = missed.map(({ bug, complaint }) => `planted ${bug.name}: ${complaint}`);
  return {
    passed: findings.length - missed.length,
    failed: missed.length || (findings.length === 0 ? 1 : 0),
    output: findings.length === 0 ? `no planted bug is named so: ${words}` : complaints.join("\n"),
  };
}

async function judge(bug: Planted, copy: Copy): Promise<Finding> {
  try {
    const loose = await copy.plant(bug);
    const output = await runTests(bug, copy);
    const by = firstFailure(output);
    const complaint = by === undefined
      ? `no failing test names [${bug.rule}]\n${output.slice(-2000)}`
      : undefined;
    const schedules = await playRaces("play", bug, copy);
    const sequences = await playRaces("explore", bug, copy);
    return { bug, by, loose, complaint, schedules, sequences };
  } catch (error) {
    return { bug, complaint: (error as Error).message };
  } finally {
    await copy.restore();
  }
}

/** Runs the tests of the bug's files that name its rule, until one fails. */
async function runTests({ rule, tests }: Planted, { path: cwd }: Copy): Promise<string> {
  const all = await testFiles("tests");
  const files = tests.flatMap((begin) => {
    const found = all.filter((file) => file.startsWith(`tests/${begin}`));
    if (found.length === 0) throw new Error(`no test file begins with ${begin}`);
    return found;
  });
  const filter = `--filter=/\\[${rule}\\]/`;
  const how = ["--no-check", "--quiet", "--fail-fast", "--reporter=tap", PRELOAD, filter];
  return (await deno(["test", ...how, ...files], { cwd, limit: LIMIT })).output;
}

async function playRaces(
  script: "play" | "explore",
  { tests }: Planted,
  { path: cwd }: Copy,
): Promise<string> {
  const names = tests.map((name) => name.replaceAll("_", "-"));
  const how = ["--allow-read", "--no-check", "--quiet", PRELOAD];
  const args = ["run", ...how, `tests/planted/${script}.ts`, ...names];
  const { success, output } = await deno(args, { cwd, limit: LIMIT });
  return success ? output.trim().split("\n").at(-1)! : "hangs";
}

/** Returns the first failed test of the TAP report, or the test that was running at the stop. */
function firstFailure(output: string): string | undefined {
  const lines = output.trimEnd().split("\n");
  const failed = lines.map((line) => /^not ok \d+ - (.*)/.exec(line)?.[1]?.replaceAll("\\#", "#"));
  const last = lines.at(-1)!;
  const stopped = last.startsWith("# ") || last.startsWith("ok ")
    ? `what comes after "${last}"`
    : undefined;
  return failed.find((name) => name !== undefined) ?? stopped;
}

function line({ bug, by, loose, complaint }: Finding): string {
  const fit = loose ? `fits only with ${loose}, refit it; ` : "";
  const verdict = complaint === undefined ? `caught by ${by}` : `NOT CAUGHT: ${complaint}`;
  return `${bug.name}: ${fit}${verdict}`;
}

function table(findings: readonly Finding[]): string {
  const head = ["planted bug", "rule", "schedules of a race", "sequences", "the shape of"];
  const rows = findings.map(({ bug, by, schedules = "-", sequences = "-" }) => [
    bug.name,
    by === undefined ? "NOT CAUGHT" : `[${bug.rule}]`,
    schedules,
    sequences,
    bug.shape.replace("https://github.com/", ""),
  ]);
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]!.length))
  );
  return [head, ...rows].map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()
  ).join("\n");
}

if (import.meta.main) {
  const [option, ...names] = Deno.args;
  if (option === "--refit") {
    const fit = await refit(names).catch((error: Error) => console.error(error.message));
    if (!fit) Deno.exitCode = 1;
  } else {
    const { passed, failed, output } = await planted(Deno.args);
    console.log(`${output}\n${passed} passed, ${failed} failed`);
    if (failed > 0) Deno.exitCode = 1;
  }
}
