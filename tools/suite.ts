/**
 * The test suite in one runtime.
 *
 * As a program: `deno run -A tools/suite.ts RUNTIME... [ARGUMENTS]`.
 */

import { build, stop } from "esbuild";
import { gaps } from "./coverage.ts";
import { deno, type Finished, run, type RunOptions } from "./run.ts";
import { binary, type Runtime, runtimes } from "./runtimes.ts";

const COVERAGE = ".build/coverage";
const BUNDLES = ".build/node";
const TEST_LIMIT = 60_000;

/** What came out of a suite. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly output: string;
}

/** The suite in Deno, with no permission, and with every line and branch of `src/` covered. */
export async function denoSuite(): Promise<Outcome> {
  await Deno.remove(COVERAGE, { recursive: true }).catch(() => {});
  const tests = await denoTest([`--coverage=${COVERAGE}`, "--coverage-raw-data-only"]);
  // The report reads the emitted code from Deno's cache, where a new machine may not have it any more.
  await deno(["cache", "mod.ts"]);
  const lcov = await deno(["coverage", "--quiet", "--lcov", "--include=/src/", COVERAGE]);
  const uncovered = gaps(lcov.output);
  const complaints = uncovered.gaps.map(({ file, line, kind }) =>
    `${file}:${line} ${kind} not covered`
  );
  if (!lcov.success || uncovered.files === 0) complaints.push(`no coverage: ${lcov.output}`);
  return complaints.length === 0 ? tests : {
    passed: tests.passed,
    failed: tests.failed + 1,
    output: `${tests.output}\n${complaints.join("\n")}`,
  };
}

/** `deno test`. Types are checked elsewhere. */
export async function denoTest(args: readonly string[]): Promise<Outcome> {
  const finished = await deno(["test", "--no-check", ...args]);
  return count(finished, /\| (\d+) passed/g, /\| (\d+) failed/g);
}

/** The suite in Bun, or in a Node. */
export async function suite(runtime: Runtime): Promise<Outcome> {
  const finished = await runSuite(runtime, []);
  return runtime === "bun"
    ? count(finished, /^\s*(\d+) pass$/gm, /^\s*(\d+) (?:fail|errors?)$/gm)
    : count(finished, /^# pass (\d+)$/gm, /^# (?:fail|cancelled) (\d+)$/gm);
}

async function runSuite(
  runtime: Runtime,
  args: readonly string[],
  options?: RunOptions,
): Promise<Finished> {
  const path = await binary(runtime);
  if (runtime === "bun") {
    return await run(path, ["test", `--timeout=${TEST_LIMIT}`, ...args], options);
  }
  const files = await bundle(args);
  return await run(path, [
    "--test",
    "--enable-source-maps",
    `--test-timeout=${TEST_LIMIT}`,
    `--test-reporter=${options?.show ? "spec" : "tap"}`,
    ...files,
  ], options);
}

let bundling: Promise<void> | undefined;

/** Node 20 strips no types, so the tests are bundled: one file each. */
async function bundle(sources: readonly string[]): Promise<string[]> {
  const names = sources.length > 0 ? [...sources] : await testFiles("tests");
  bundling ??= write(names);
  await bundling;
  return names.map((name) => `${BUNDLES}/${name.slice(name.lastIndexOf("/") + 1, -3)}.mjs`);
}

async function write(entryPoints: string[]): Promise<void> {
  await Deno.remove(BUNDLES, { recursive: true }).catch(() => {});
  await build({
    entryPoints,
    outdir: BUNDLES,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    // Each bundle is a program, but the recipes in it are not.
    define: { "import.meta.main": "false" },
    platform: "node",
    target: "node20",
    format: "esm",
    sourcemap: "inline",
    logLevel: "silent",
  });
  await stop();
}

/** The test files of a directory; none where there is no directory. */
export async function testFiles(directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(directory)) {
      if (name.endsWith("_test.ts")) names.push(`${directory}/${name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}

/** The numbers that a runner printed. A run that fails or does nothing never counts as passed. */
function count({ success, output }: Finished, passes: RegExp, failures: RegExp): Outcome {
  const passed = total(output, passes);
  const failed = total(output, failures);
  const broken = failed === 0 && (!success || passed === 0);
  return { passed, failed: broken ? 1 : failed, output };
}

function total(output: string, pattern: RegExp): number {
  let sum = 0;
  for (const [, digits] of output.matchAll(pattern)) sum += Number(digits);
  return sum;
}

if (import.meta.main) {
  const chosen = runtimes.filter((runtime) => Deno.args.includes(runtime));
  const args = Deno.args.filter((arg) => !(chosen as string[]).includes(arg));
  for (const runtime of chosen) {
    const { success } = await runSuite(runtime, args, { show: true });
    if (!success) Deno.exitCode = 1;
  }
}
