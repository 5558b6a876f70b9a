/** The checks of the sources that need no other runtime. */

import { entriesOf, packages } from "./packages.ts";
import { deno, type Finished } from "./run.ts";
import { denoTest, type Outcome } from "./suite.ts";

const DOCUMENTED = ["README.md", "src"];
const CHECKED = ["mod.ts", "src", "tests", "tools", "examples", "packages"];
/** The types of a page and those of Deno do not go together. */
const PAGE = ["site/play"];
const TSC = "node_modules/typescript/bin/tsc";
const COVERAGE = ".build/coverage";

/** The sources are formatted by `deno fmt`. */
export async function format(): Promise<Outcome> {
  return one(await deno(["fmt", "--check"]));
}

/** The sources pass the recommended lint rules and those of JSR. */
export async function lint(): Promise<Outcome> {
  return one(await deno(["lint"]));
}

/** Everything type-checks in Deno, except the benchmarks, which have separate packages. */
export async function types(): Promise<Outcome> {
  const checked = await deno(["check", "--quiet", ...CHECKED]);
  return one(checked.success ? await deno(["check", "--quiet", ...PAGE]) : checked);
}

/** The library type-checks with only the web's types, only Node's, and only Bun's. */
export async function hostTypes(): Promise<Outcome> {
  const lib = ["--lib", "es2022,esnext.disposable"];
  const hosts = [[], [...lib, "--types", "node"], [...lib, "--types", "bun-types"]];
  for (const args of hosts) {
    const finished = await deno([
      "run",
      "-A",
      TSC,
      "-p",
      "tsconfig.json",
      ...args,
    ]);
    if (!finished.success) return one({ ...finished, output: `tsc ${args}\n${finished.output}` });
  }
  return { passed: hosts.length, failed: 0, output: "" };
}

/** The benchmarks, which have separate packages, type-check, and every case runs once. */
export async function benchmarks(): Promise<Outcome> {
  const ran = await deno(["task", "bench", "--smoke"]);
  return one(ran.success ? await deno(["check", "--node-modules-dir=manual", "bench"]) : ran);
}

/** Every file, export and package is used. */
export async function unused(): Promise<Outcome> {
  return one(await deno(["run", "-A", "node_modules/knip/bin/knip.js", "--no-config-hints"]));
}

/** Every public symbol is documented. */
export async function docLint(): Promise<Outcome> {
  const entries = (await packages()).flatMap(entriesOf);
  const { success, output } = await deno(["doc", "--lint", ...entries]);
  if (success) return one({ success, output });
  const [, ...complaints] = output.split(/^(?=error\[)/m);
  const foreign = await Promise.all(complaints.map(isForeign));
  // Without an output, something else went wrong.
  return one({ success: complaints.length > 0 && foreign.every(Boolean), output });
}

/**
 * Whether a complaint concerns a type that another package documents: `deno doc` treats that as
 * private.
 */
async function isForeign(complaint: string): Promise<boolean> {
  const [, type] = /^error\[private-type-ref].* private type '(\w+)'/.exec(complaint) ?? [];
  const [, path] = /--> (\S+?):\d/.exec(complaint) ?? [];
  if (type === undefined || path === undefined) return false;
  const imports = (await Deno.readTextFile(path)).matchAll(/^import [^;]*? from "(?!\.)[^"]+";/gm);
  return [...imports].some(([text]) => new RegExp(`\\b${type}\\b`).test(text));
}

/** The examples in the READMEs and in the documentation type-check, run, and need no permission. */
export async function docTests(): Promise<Outcome> {
  const documented = (await packages()).flatMap((of) => [
    ...DOCUMENTED.map((path) => `${of.folder}/${path}`),
    ...entriesOf(of).filter((path) => !path.startsWith(`${of.folder}/src/`)),
  ]);
  const paths = ["docs", ...documented];
  const { success, output } = await deno(["check", "--quiet", "--doc", ...paths]);
  return success ? await denoTest(["--doc", ...paths]) : { passed: 0, failed: 1, output };
}

/**
 * The suite reaches every line and branch of `src/`. V8 sometimes loses the counts of a branch, so
 * only lines that two runs in a row miss are a gap.
 */
export async function coverage(): Promise<Outcome> {
  const first = await covered();
  return one(first.success ? first : await covered());
}

async function covered(): Promise<Finished> {
  const tests = await deno([
    "test",
    "--no-check",
    "--clean",
    `--coverage=${COVERAGE}`,
    "--coverage-raw-data-only",
  ]);
  if (!tests.success) return tests;
  // The report reads the emitted code from Deno's cache, which may no longer have it on a new
  // machine.
  await deno(["cache", "mod.ts"]);
  return await deno(["coverage", "--threshold=100", "--detailed", "--include=/src/", COVERAGE]);
}

/** The outcome of a command counts as one result. */
export function one({ success, output }: Finished): Outcome {
  return { passed: success ? 1 : 0, failed: success ? 0 : 1, output };
}
