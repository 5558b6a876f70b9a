/** The very Deno that runs this: with no permission, and with every line and branch of `src/` covered. */

import { gaps } from "../coverage.ts";
import { deno as runDeno } from "../run.ts";
import { title } from "../runtimes.ts";
import type { Host } from "./host.ts";
import { report } from "./junit.ts";
import { freshReport } from "./npm.ts";

const COVERAGE = ".build/coverage";

/** The runtime. */
export const deno: Host = {
  name: "deno",
  pinned: false,
  title: () => Promise.resolve(title("deno")),
  async run(files, whole) {
    const xml = await freshReport("deno");
    const coverage = whole ? [`--coverage=${COVERAGE}`, "--coverage-raw-data-only"] : [];
    await Deno.remove(COVERAGE, { recursive: true }).catch(() => {});
    // Types are checked elsewhere.
    const finished = await runDeno([
      "test",
      "--no-check",
      `--junit-path=${xml}`,
      ...coverage,
      ...files,
    ], { tell: /\.\.\. FAILED/ });
    const tests = await report("deno", xml, finished);
    return whole ? { ...tests, complaints: [...tests.complaints, ...await uncovered()] } : tests;
  },
};

async function uncovered(): Promise<string[]> {
  // The report reads the emitted code from Deno's cache, where a new machine may not have it any more.
  await runDeno(["cache", "mod.ts"]);
  const lcov = await runDeno(["coverage", "--quiet", "--lcov", "--include=/src/", COVERAGE]);
  const found = gaps(lcov.output);
  const complaints = found.gaps.map(({ file, line, kind }) =>
    `${file}:${line} ${kind} not covered`
  );
  if (!lcov.success || found.files === 0) complaints.push(`no coverage: ${lcov.output}`);
  return complaints;
}
