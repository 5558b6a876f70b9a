/** The test suite in the runtimes. */

import { complaints as contract } from "./contract.ts";
import { differences } from "../tests/support/differences.ts";
import { chromium, firefox } from "./hosts/browser.ts";
import { type Host, Missing, type Report, type TestResult } from "./hosts/host.ts";
import { bun, deno, nodes } from "./hosts/runners.ts";
import { edge, workerd } from "./hosts/workers.ts";
import { deno as runDeno, type Finished } from "./run.ts";

/** What came out of a step. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** Tests that failed as a runtime is known to make them. */
  readonly expected?: number;
  /** Tests that cannot be run there. */
  readonly leftOut?: number;
  /** Why it was not run at all, and what to install. */
  readonly missing?: string;
  readonly output: string;
}

/** All runtimes that are tested. */
export const hosts: readonly Host[] = [deno, bun, ...nodes, workerd, edge, chromium, firefox];

/** Run some test files in a runtime, or all. */
export async function suite(host: Host, chosen: readonly string[]): Promise<Outcome> {
  const whole = chosen.length === 0;
  const missing = await missingOf(host);
  if (missing) return missing;
  const { results, complaints, output } = await host.run(
    whole ? await testFiles("tests") : chosen,
  );
  if (!whole) return judge(results, complaints, output);
  const rules = host === deno ? await contract(results.map(({ name }) => name)) : [];
  return judge(results, [...complaints, ...stale(host, results), ...rules], output);
}

/** What comes out where a runtime is not on this machine. */
async function missingOf(host: Host): Promise<Outcome | undefined> {
  try {
    await host.title();
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return { passed: 0, failed: 0, missing: error.message, output: "" };
  }
}

/** Tests in Deno that drive browsers: both, if nothing else is said. */
export async function drivingBrowsers(
  files: readonly string[],
  browsers: readonly Host[] = [chromium, firefox],
): Promise<Outcome> {
  for (const browser of browsers) {
    const missing = await missingOf(browser);
    if (missing) return missing;
  }
  return await around([deno], files);
}

/** Tests of what stands around the core, in some runtimes, one after the other. */
export async function around(
  hosts: readonly Host[],
  files: readonly string[],
): Promise<Outcome> {
  let all: Outcome = { passed: 0, failed: 0, output: "" };
  for (const host of hosts) {
    const { results, complaints, output } = await host.run(files, true);
    const { passed, failed, output: text } = judge(results, complaints, output);
    all = {
      passed: all.passed + passed,
      failed: all.failed + failed,
      output: failed > 0 ? `${all.output}\n${await host.title()}\n${text}` : all.output,
    };
  }
  return all;
}

/** What needs a command of the machine: where there is none, it is left out, and says what to install. */
export async function needing(command: string, run: () => Promise<Outcome>): Promise<Outcome> {
  try {
    await new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" })
      .output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const missing = `no ${command} found; in Debian: apt-get install ${command}`;
    return { passed: 0, failed: 0, missing, output: "" };
  }
  return await run();
}

function judge(
  results: Report["results"],
  complaints: readonly string[],
  output: string,
): Outcome {
  const count = (outcome: TestResult["outcome"]) =>
    results.filter((result) => result.outcome === outcome).length;
  return {
    passed: count("passed"),
    failed: count("failed") + complaints.length,
    expected: count("expected"),
    leftOut: count("left out"),
    output: [output, ...complaints].join("\n"),
  };
}

/** The differences of a runtime that no test has. */
function stale({ name }: Host, results: readonly TestResult[]): string[] {
  return differences
    .filter(({ hosts, tests }) =>
      hosts.includes(name) && !results.some((result) => tests.test(result.name))
    )
    .map(({ tests }) => `${tests} is the name of no test: take it out of differences.ts`);
}

/** `deno test`. Types are checked elsewhere. */
export async function denoTest(args: readonly string[]): Promise<Outcome> {
  return count(await runDeno(["test", "--no-check", ...args]));
}

/** The numbers that Deno printed. A run that fails or does nothing never counts as passed. */
function count({ success, output }: Finished): Outcome {
  const passed = total(output, /\| (\d+) passed/g);
  const failed = total(output, /\| (\d+) failed/g);
  const broken = failed === 0 && (!success || passed === 0);
  return { passed, failed: broken ? 1 : failed, output };
}

function total(output: string, pattern: RegExp): number {
  let sum = 0;
  for (const [, digits] of output.matchAll(pattern)) sum += Number(digits);
  return sum;
}

/** The test files of a directory, or those of them whose names begin so. */
export async function testFiles(directory: string, start = ""): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(directory)) {
    if (name.startsWith(start) && name.endsWith("_test.ts")) names.push(`${directory}/${name}`);
  }
  return names.sort();
}
