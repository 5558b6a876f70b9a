/** Runs the test suite in the runtimes. */

import { complaints as contract } from "./contract.ts";
import { differences } from "../tests/support/differences.ts";
import { chromium, firefox } from "./hosts/browser.ts";
import { type Host, Missing, type Report, type TestResult } from "./hosts/host.ts";
import { bun, deno, nodes } from "./hosts/runners.ts";
import { edge, workerd } from "./hosts/workers.ts";
import { deno as runDeno, type Finished } from "./run.ts";

/** The outcome of a step. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** Tests that failed because of a known difference of a runtime. */
  readonly expected?: number;
  /** Tests that can't run there. */
  readonly leftOut?: number;
  /** The reason why it didn't run, and what to install. */
  readonly missing?: string;
  readonly output: string;
}

/** All tested runtimes. */
export const hosts: readonly Host[] = [deno, bun, ...nodes, workerd, edge, chromium, firefox];

/** Runs some test files in a runtime, or all. */
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

/** Returns the outcome if a runtime is missing on this machine. */
async function missingOf(host: Host): Promise<Outcome | undefined> {
  try {
    await host.title();
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return { passed: 0, failed: 0, missing: error.message, output: "" };
  }
}

/** Runs tests in Deno that drive browsers: both by default. */
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

/** Runs tests outside the core, in some runtimes, one after the other. */
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

/**
 * Runs a step that needs a command of the machine. Without the command, the step is left out, and
 * says what to install.
 */
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

/** Returns the differences of a runtime that match no test. */
function stale({ name }: Host, results: readonly TestResult[]): string[] {
  return differences
    .filter(({ hosts, tests }) =>
      hosts.includes(name) && !results.some((result) => tests.test(result.name))
    )
    .map(({ tests }) => `${tests} is the name of no test: take it out of differences.ts`);
}

/** Runs `deno test`. Types are checked elsewhere. */
export async function denoTest(args: readonly string[]): Promise<Outcome> {
  return count(await runDeno(["test", "--no-check", ...args]));
}

/** Reads the numbers that Deno printed. A run that fails or does nothing never counts as passed. */
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

/** Returns the test files of a directory, or those whose names begin with `start`. */
export async function testFiles(directory: string, start = ""): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(directory)) {
    if (name.startsWith(start) && name.endsWith("_test.ts")) names.push(`${directory}/${name}`);
  }
  return names.sort();
}
