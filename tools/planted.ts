/**
 * Proof that the suite can fail: each bug of tests/planted is put into a copy of the tree, and the
 * tests that name its rule must catch it.
 *
 * `deno run -A tools/planted.ts [NAME...]` runs those of which the name contains one of the words.
 */

import { batches } from "../tests/planted/batches.ts";
import { flights } from "../tests/planted/flights.ts";
import type { Planted } from "../tests/planted/planted.ts";
import { sinks } from "../tests/planted/sinks.ts";
import { transforms } from "../tests/planted/transforms.ts";
import { deno } from "./run.ts";
import { type Outcome, testFiles } from "./suite.ts";

const COPY = ".build/planted";
const COPIED = ["mod.ts", "deno.json", "deno.lock", "package.json", "src", "tests", "examples"];
// For one bug: a loop that never ends is stopped here.
const LIMIT = 60_000;

/** What the suite made of a bug. */
interface Finding {
  readonly bug: Planted;
  /** Why it does not count as caught. */
  readonly complaint?: string;
  /** The first failing test that names the rule. */
  readonly by?: string;
  /** Failing tests, and for properties after how many schedules. */
  readonly failed: readonly Failure[];
  readonly seconds: number;
}

interface Failure {
  readonly test: string;
  readonly schedules: number | undefined;
}

/** All planted bugs, or those whose names contain one of `words`. */
export async function planted(words: readonly string[] = []): Promise<Outcome> {
  const bugs = [...batches, ...transforms, ...sinks, ...flights].filter(({ name }) =>
    words.length === 0 || words.some((word) => name.includes(word))
  );
  await copyTree();
  const findings: Finding[] = [];
  for (const bug of bugs) {
    const finding = await plant(bug);
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

async function plant(bug: Planted): Promise<Finding> {
  const start = performance.now();
  const path = `${COPY}/src/${bug.file}`;
  const right = await Deno.readTextFile(`src/${bug.file}`);
  try {
    await Deno.writeTextFile(path, apply(bug, right));
    const files = (await testFiles("tests")).concat(await testFiles("tests/races"))
      .filter((file) => bug.tests.some((name) => file.split("/").at(-1)!.startsWith(name)));
    const { output } = await deno([
      "test",
      "--no-check",
      "--quiet",
      "--preload=tests/planted/preload.ts",
      `--filter=/\\[${bug.rule}\\]|schedule/`,
      ...files,
    ], { cwd: COPY, limit: LIMIT });
    return judge(bug, output, (performance.now() - start) / 1000);
  } catch (error) {
    return { bug, complaint: (error as Error).message, failed: [], seconds: 0 };
  } finally {
    await Deno.writeTextFile(path, right);
  }
}

function apply(bug: Planted, source: string): string {
  for (const [find, replace] of bug.edits) {
    const places = source.split(find).length - 1;
    if (places !== 1) {
      throw new Error(
        `${JSON.stringify(find)} is ${places} times in src/${bug.file}; fit the edit to the source`,
      );
    }
    source = source.replace(find, () => replace);
  }
  return source;
}

function judge(bug: Planted, output: string, seconds: number): Finding {
  const failed = failures(output);
  const named = failed.filter(({ test }) => test.includes(`[${bug.rule}]`));
  // A test of that very case says more than a property, which names all of its rules.
  const by = (named.find(({ schedules }) => schedules === undefined) ?? named[0])?.test;
  if (by !== undefined) return { bug, by, failed, seconds };
  const complaint = failed.length > 0
    ? `failing tests do not name [${bug.rule}]: ${failed[0]!.test}`
    : `no test with [${bug.rule}] in its name fails\n${output.slice(-2000)}`;
  return { bug, complaint, failed, seconds };
}

/** The tests that `deno test` says have failed, and the one that was running when it was stopped. */
function failures(output: string): Failure[] {
  const [progress = "", report = ""] = output.split(/^ ERRORS\s*$/m);
  const parts = report.split(/^(.+) => \.\/tests\/.+:\d+:\d+$/m).slice(1);
  const schedules = new Map<string, number>();
  for (let index = 0; index < parts.length; index += 2) {
    const count = /Property failed after (\d+) tests/.exec(parts[index + 1]!)?.[1];
    if (count !== undefined) schedules.set(parts[index]!, Number(count));
  }
  const failed = [...progress.matchAll(/^(.+) \.\.\. FAILED/gm)].map(([, test]) => ({
    test: test!,
    schedules: schedules.get(test!),
  }));
  const hung = /^(.+) \.\.\. *$/.exec(progress.trimEnd().split("\n").at(-1)!)?.[1];
  return hung === undefined
    ? failed
    : [...failed, { test: `${hung} (hangs)`, schedules: undefined }];
}

function line({ bug, by, complaint, seconds }: Finding): string {
  const verdict = complaint === undefined ? `caught by ${by}` : `NOT CAUGHT: ${complaint}`;
  return `${bug.name}: ${verdict} (${seconds.toFixed(1)} s)`;
}

function table(findings: readonly Finding[]): string {
  const rows = findings.map(({ bug, by, failed }) => {
    const schedules = failed.flatMap((failure) => failure.schedules ?? []);
    return [
      bug.name,
      by === undefined ? "NOT CAUGHT" : `[${bug.rule}]`,
      String(failed.length),
      schedules.join(", ") || "-",
      bug.shape.replace("https://github.com/", ""),
    ];
  });
  const all = [["planted bug", "rule", "tests", "schedules", "the shape of"], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()
  ).join("\n");
}

async function copyTree(): Promise<void> {
  await Deno.remove(COPY, { recursive: true }).catch(() => {});
  await Deno.mkdir(COPY, { recursive: true });
  for (const name of COPIED) await copy(name, `${COPY}/${name}`);
  await Deno.symlink("../../node_modules", `${COPY}/node_modules`, { type: "dir" });
}

async function copy(from: string, to: string): Promise<void> {
  if ((await Deno.stat(from)).isFile) return await Deno.copyFile(from, to);
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) await copy(`${from}/${name}`, `${to}/${name}`);
}

if (import.meta.main) {
  const { passed, failed, output } = await planted(Deno.args);
  console.log(`${output}\n${passed} passed, ${failed} failed`);
  if (failed > 0) Deno.exitCode = 1;
}
