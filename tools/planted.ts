/**
 * Proof that the suite can fail: each bug of tests/planted is put into a copy of the tree, and the
 * tests that name its rule must catch it.
 *
 * `deno run -A tools/planted.ts [NAME...]` runs those of which the name contains one of the words.
 * With `--refit` it runs none, and fits their patches to the sources (tools/planted/refit.ts).
 */

import { bugs as read, type Planted } from "./planted/bugs.ts";
import { COPY, Copy } from "./planted/copy.ts";
import { refit } from "./planted/refit.ts";
import { deno } from "./run.ts";
import { type Outcome, testFiles } from "./suite.ts";

const PRELOAD = "--preload=tests/planted/preload.ts";
// A loop that never ends is stopped after so much silence, in milliseconds.
const LIMIT = 45_000;

/** What the suite made of a bug. */
interface Finding {
  readonly bug: Planted;
  /** The tests that fail. */
  readonly failed: readonly string[];
  /** The first of them that names the rule. */
  readonly by?: string | undefined;
  /** After how many schedules which race failed. */
  readonly schedules?: string;
  /** The options that `git apply` needed for the patch. */
  readonly loose: string;
  /** Why it does not count as caught. */
  readonly complaint?: string | undefined;
  readonly seconds: number;
}

/** All planted bugs, or those whose names contain one of `words`. */
export async function planted(words: readonly string[] = []): Promise<Outcome> {
  const bugs = await read(words);
  const copy = await Copy.make();
  const findings: Finding[] = [];
  for (const bug of bugs) {
    const finding = await judge(bug, copy);
    findings.push(finding);
    console.log(`      planted ${findings.length}/${bugs.length} ${line(finding)}`);
  }
  const missed = findings.filter(({ complaint }) => complaint !== undefined);
  console.log(`\n${table(findings)}\n`);
  const complaints = missed.map(({ bug, complaint }) => `planted ${bug.name}: ${complaint}`);
  return {
    passed: findings.length - missed.length,
    failed: missed.length || (findings.length === 0 ? 1 : 0),
    output: findings.length === 0 ? `no planted bug is named so: ${words}` : complaints.join("\n"),
  };
}

async function judge(bug: Planted, copy: Copy): Promise<Finding> {
  const start = performance.now();
  try {
    const loose = await copy.plant(bug);
    const output = await runTests(bug);
    const failed = failures(output);
    const by = failed.find((test) => test.includes(`[${bug.rule}]`));
    const complaint = by === undefined
      ? `no failing test names [${bug.rule}]\n${output.slice(-2000)}`
      : undefined;
    const schedules = await playRaces(bug);
    const seconds = (performance.now() - start) / 1000;
    return { bug, failed, by, loose, complaint, schedules, seconds };
  } catch (error) {
    return { bug, failed: [], loose: "", complaint: (error as Error).message, seconds: 0 };
  } finally {
    await copy.restore();
  }
}

/** Those that name the rule, of the files of the primitive. */
async function runTests({ rule, tests }: Planted): Promise<string> {
  const files = (await testFiles("tests")).filter((file) =>
    tests.some((name) => file.startsWith(`tests/${name}`))
  );
  const filter = `--filter=/\\[${rule}\\]/`;
  const args = ["test", "--allow-read", "--no-check", "--quiet", PRELOAD, filter, ...files];
  return (await deno(args, { cwd: COPY, limit: LIMIT })).output;
}

async function playRaces({ tests }: Planted): Promise<string> {
  const names = tests.map((name) => name.replaceAll("_", "-"));
  const args = [
    "run",
    "--allow-read",
    "--no-check",
    "--quiet",
    PRELOAD,
    "tests/planted/play.ts",
    ...names,
  ];
  const { success, output } = await deno(args, { cwd: COPY, limit: LIMIT });
  return success ? output.trim() : "hangs";
}

/** The tests that `deno test` says have failed, and the one that was running when it was stopped. */
function failures(output: string): string[] {
  const progress = output.split(/^ ERRORS\s*$/m)[0]!;
  const failed = [...progress.matchAll(/^(.+) \.\.\.(?: |\nUncaught error .+ )FAILED/gm)].map((
    [, test],
  ) => test!);
  const hung = /^(.+) \.\.\. *$/.exec(progress.trimEnd().split("\n").at(-1)!)?.[1];
  return hung === undefined ? failed : [...failed, `${hung} (hangs)`];
}

function line({ bug, by, loose, complaint, seconds }: Finding): string {
  const fit = loose === "" ? "" : `fits only with ${loose}, refit it; `;
  const verdict = fit + (complaint === undefined ? `caught by ${by}` : `NOT CAUGHT: ${complaint}`);
  return `${bug.name}: ${verdict} (${seconds.toFixed(1)} s)`;
}

function table(findings: readonly Finding[]): string {
  const head = ["planted bug", "rule", "tests", "schedules of a race", "the shape of"];
  const rows = findings.map(({ bug, by, failed, schedules = "-" }) => [
    bug.name,
    by === undefined ? "NOT CAUGHT" : `[${bug.rule}]`,
    String(failed.length),
    schedules,
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
