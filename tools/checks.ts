/** The checks that need no other runtime. */

import { deno, type Finished } from "./run.ts";
import { denoTest, type Outcome, testFiles } from "./suite.ts";

const SOURCES = ["mod.ts", "src", "tests", "tools", "examples", "bench"];
const DOCUMENTED = ["README.md", "docs", "mod.ts", "src"];
const TSC = "node_modules/typescript/bin/tsc";

/** Formatted as `deno fmt` does. */
export async function format(): Promise<Outcome> {
  return one(await deno(["fmt", "--check"]));
}

/** The recommended rules and JSR's. */
export async function lint(): Promise<Outcome> {
  return one(await deno(["lint"]));
}

/** Everything type-checks in Deno. */
export async function types(): Promise<Outcome> {
  return one(await deno(["check", "--quiet", ...await present(SOURCES)]));
}

/** The library type-checks against nothing but the web's types, and against Node's alone. */
export async function hostTypes(): Promise<Outcome> {
  const hosts = [[], ["--lib", "es2023,esnext.disposable", "--types", "node"]];
  const runs = await Promise.all(hosts.map(async (args) => {
    const { success, output } = await deno(["run", "-A", TSC, "-p", "tsconfig.json", ...args]);
    return { success, output: success ? "" : `tsc ${args.join(" ")}\n${output}` };
  }));
  return one({
    success: runs.every((run) => run.success),
    output: runs.map((run) => run.output).join(""),
  });
}

/** Every public symbol is documented. */
export async function docLint(): Promise<Outcome> {
  const { exports } = JSON.parse(await Deno.readTextFile("deno.json"));
  return one(await deno(["doc", "--lint", ...Object.values<string>(exports)]));
}

/** JSR would take it, without slow types. */
export async function publish(): Promise<Outcome> {
  return one(await deno(["publish", "--dry-run", "--allow-dirty"]));
}

/** The examples in the README and in the documentation type-check, run, and need no permission. */
export async function docTests(): Promise<Outcome> {
  const { success, output } = await deno(["check", "--quiet", "--doc", ...DOCUMENTED]);
  return success ? await denoTest(["--doc", ...DOCUMENTED]) : { passed: 0, failed: 1, output };
}

/** What would be published is what should be, and the examples do what they say. */
export async function packaging(): Promise<Outcome> {
  return await denoTest([
    "--allow-all",
    ...await testFiles("tools"),
    ...await testFiles("examples"),
  ]);
}

/** Processes exit by themselves, and die of what they should only. */
export async function children(): Promise<Outcome> {
  return await denoTest(["--allow-all", "tools/children"]);
}

function one({ success, output }: Finished): Outcome {
  return { passed: success ? 1 : 0, failed: success ? 0 : 1, output };
}

/** What there is to check: a fresh repository has no benchmarks yet. */
async function present(paths: readonly string[]): Promise<string[]> {
  const there: string[] = [];
  for (const path of paths) {
    if (await Deno.stat(path).catch(() => undefined)) there.push(path);
  }
  return there;
}
