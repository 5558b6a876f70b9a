/**
 * Mutation testing with Stryker: each small change of `src` must make a test fail. docs/mutation.md
 * lists the changes that no test notices, and why.
 *
 * `deno run -A tests/mutation/mutate.ts [FILE...]` tests the mutants of some files, or of all.
 */

import { deno, run } from "../../tools/run.ts";
import { binary } from "../../tools/runtimes.ts";

const HOME = "tests/mutation";
const STRYKER = `${HOME}/node_modules/@stryker-mutator/core/bin/stryker.js`;

const files = Deno.args.length > 0 ? ["--mutate", Deno.args.join(",")] : [];
const node = await binary("node24");
// Stryker starts the suite as `node`.
const path = `${node.slice(0, node.lastIndexOf("/"))}:${Deno.env.get("PATH")}`;
await deno(["install", "--quiet", "--frozen"], { cwd: HOME, show: true });
const { success } = await run(
  node,
  [STRYKER, "run", `${HOME}/stryker.config.json`, ...files],
  { show: true, env: { PATH: path } },
);
if (!success) Deno.exitCode = 1;
