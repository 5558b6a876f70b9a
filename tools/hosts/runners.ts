/** Deno, Bun and Node in several versions. Each has a test runner that can write JUnit XML. */

import { difference } from "../../tests/support/differences.ts";
import type { HostName } from "../../tests/support/host.ts";
import { deno as runDeno, type Finished, run } from "../run.ts";
import { binary, title } from "../runtimes.ts";
import { bundleForNode } from "./bundle.ts";
import type { Host, Report, TestResult } from "./host.ts";

// The tests have their own time limits. This limit ends code that blocks the thread. In Node it
// applies to a whole file.
const LIMIT = 5 * 60_000;
const REPORTS = ".build/reports";

type Runner = "deno" | "bun" | "node22" | "node24" | "node26";

/**
 * The Deno that runs this program. Only `free` tests get permissions. Types are checked elsewhere.
 */
export const deno: Host = runner("deno", (files, xml, free) => {
  const allowed = free ? ["--allow-all"] : [];
  return runDeno(["test", "--no-check", ...allowed, `--junit-path=${xml}`, ...files]);
});

/** The Bun of the repository, which runs the tests unbuilt. */
export const bun: Host = runner("bun", async (files, xml) => {
  const args = [`--timeout=${LIMIT}`, "--reporter=junit", `--reporter-outfile=${xml}`];
  // Bun treats a bare name as a filter on the files that it finds.
  const paths = files.map((file) => `./${file}`);
  return await run(await binary("bun"), ["test", ...args, ...paths]);
});

/** The supported versions of Node. */
export const nodes: readonly Host[] = (["node22", "node24", "node26"] as const).map((name) =>
  runner(name, async (files, xml) =>
    await run(await binary(name), [
      "--test",
      "--enable-source-maps",
      `--test-timeout=${LIMIT}`,
      "--test-reporter=tap",
      "--test-reporter-destination=stdout",
      "--test-reporter=junit",
      `--test-reporter-destination=${xml}`,
      ...await bundleForNode(files),
    ]))
);

function runner(
  name: Runner,
  start: (files: readonly string[], xml: string, free: boolean) => Promise<Finished>,
): Host {
  let runs = 0;
  return {
    name,
    title: () => Promise.resolve(title(name)),
    async run(files, free = false) {
      const xml = `${REPORTS}/${name}-${runs++}.xml`;
      await Deno.mkdir(REPORTS, { recursive: true });
      await Deno.remove(xml).catch(() => {});
      return report(name, xml, await start(files, xml, free));
    },
  };
}

const CASE = /<testcase name="([^"]*)"(?:\s+\w+="[^"]*")*\s*(?:\/>|>([\s\S]*?)<\/testcase>)/g;
const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

/** Reads the report of a run in `path`. A run that fails or does nothing never counts as passed. */
async function report(host: HostName, path: string, finished: Finished): Promise<Report> {
  const xml = await Deno.readTextFile(path).catch(() => "");
  const results = [...xml.matchAll(CASE)].map(([, name, inside]) => result(host, name!, inside));
  const failed = results.some(({ outcome }) => outcome === "failed");
  const complaints = results.length === 0
    ? ["no test has run to its end"]
    : finished.success || failed
    ? []
    : ["the runner failed, but no test did"];
  return { results, complaints, output: finished.output };
}

function result(host: HostName, escaped: string, inside = ""): TestResult {
  const name = escaped.replace(/&(\w+);/g, (all, entity) => ENTITIES[entity] ?? all);
  if (/<(failure|error)\b/.test(inside)) return { name, outcome: "failed" };
  if (/<skipped\b/.test(inside)) return { name, outcome: "left out" };
  return { name, outcome: difference(name, host) ? "expected" : "passed" };
}
