/**
 * The gate: every check, and the suite on every runtime.
 *
 * `deno run -A tools/gate.ts` runs all of it. Arguments choose steps by their names, or by `check` all
 * that are no suite; test files choose what the suites run.
 */

import { stop as stopBundler } from "esbuild";
import * as checks from "./checks.ts";
import { load } from "./load.ts";
import { planted } from "./planted.ts";
import { playRaces } from "./races.ts";
import { binary, runtimes } from "./runtimes.ts";
import { hosts, type Outcome, suite } from "./suite.ts";
import { table } from "./table.ts";

const AT_ONCE = 2;

interface Step {
  readonly name: string;
  readonly title: string;
  readonly run: () => Promise<Outcome>;
}

const files = Deno.args.filter((arg) => arg.endsWith(".ts"));
const names = Deno.args.filter((arg) => !arg.endsWith(".ts"));

const suites: Step[] = await Promise.all(hosts.map(async (host) => ({
  name: host.name,
  title: await host.title().catch(() => host.name),
  run: () => suite(host, files),
})));

const longer: Step[] = [
  { name: "load", title: "load", run: load },
  { name: "races", title: "races", run: playRaces },
  { name: "planted", title: "planted bugs", run: () => planted() },
];

const others: Step[] = Object.entries({
  "format": checks.format,
  "lint": checks.lint,
  "types": checks.types,
  "types of hosts": checks.hostTypes,
  "doc lint": checks.docLint,
  "doc tests": checks.docTests,
  "publish": checks.publish,
  "packaging": checks.packaging,
  "children": checks.children,
}).map(([name, run]) => ({ name, title: name, run }));

const chosen = choose();
// Before two steps install the same one. A step that lacks its runtime says why.
await Promise.allSettled(runtimes.map(binary));
const outcomes = new Map<Step, Outcome>();
const queue = chosen.values();
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (const step of queue) outcomes.set(step, await perform(step));
}));
await stopBundler();
const rows = chosen.map((step): [string, Outcome] => [step.title, outcomes.get(step)!]);
const sizes = new Set(suites.flatMap((step) => size(outcomes.get(step)) ?? []));
if (sizes.size > 0) rows.push(["same tests in all", one(sizes.size === 1)]);
Deno.exitCode = table(rows) ? 0 : 1;

function one(passed: boolean): Outcome {
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, output: "" };
}

/** How many tests a suite has: nothing is to be said of one that failed, which may have stopped. */
function size(outcome: Outcome | undefined): number | undefined {
  if (!outcome || outcome.missing || outcome.failed > 0) return;
  return outcome.passed + (outcome.expected ?? 0) + (outcome.leftOut ?? 0);
}

function choose(): Step[] {
  // Two suites first: what is broken is told within seconds, and by which rule.
  const known = [...suites.slice(0, AT_ONCE), ...others, ...longer, ...suites.slice(AT_ONCE)];
  if (names.length === 0) return files.length === 0 ? known : suites;
  const unknown = names.find((name) =>
    name !== "check" && !known.some((step) => step.name === name)
  );
  if (unknown !== undefined) {
    console.error(`no step "${unknown}"; there are: check, ${known.map((s) => s.name).join(", ")}`);
    Deno.exit(2);
  }
  return known.filter((step) =>
    names.includes(step.name) || names.includes("check") && others.includes(step)
  );
}

async function perform(step: Step): Promise<Outcome> {
  console.log(`      ${step.title} ...`);
  const start = performance.now();
  const outcome = await step.run().catch((error): Outcome => ({
    passed: 0,
    failed: 1,
    output: error instanceof Error ? error.stack ?? error.message : String(error),
  }));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  if (outcome.failed > 0) console.log(`${outcome.output.trimEnd()}\n`);
  const verdict = outcome.failed > 0 ? "FAIL " : outcome.missing ? "-    " : "ok   ";
  console.log(`${verdict} ${step.title} (${outcome.missing ?? `${seconds} s`})`);
  return outcome;
}
