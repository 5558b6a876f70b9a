/**
 * The gate: every check, and the suite on every runtime.
 *
 * `deno run -A tools/gate.ts` runs all of it; arguments choose steps: their names, or `check` for
 * all that are no suite.
 */

import * as checks from "./checks.ts";
import { load } from "./load.ts";
import { playRaces } from "./races.ts";
import { binary, runtimes, title } from "./runtimes.ts";
import { denoSuite, type Outcome, suite } from "./suite.ts";

const AT_ONCE = 2;

interface Step {
  readonly name: string;
  readonly title: string;
  readonly run: () => Promise<Outcome>;
}

const suites: Step[] = [
  { name: "load", title: "load", run: load },
  { name: "races", title: "races", run: playRaces },
  { name: "deno", title: title("deno"), run: denoSuite },
  ...runtimes.map((name) => ({ name, title: title(name), run: () => suite(name) })),
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

const chosen = choose(Deno.args);
// Before two steps install the same one. A step that lacks its runtime says why.
await Promise.allSettled(runtimes.map(binary));
const outcomes = new Map<Step, Outcome>();
const queue = chosen.values();
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (const step of queue) outcomes.set(step, await perform(step));
}));
summarize();

function choose(names: readonly string[]): Step[] {
  if (names.length === 0) return [...others, ...suites];
  const known = [...others, ...suites];
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
  console.log(`${outcome.failed > 0 ? "FAIL " : "ok   "} ${step.title} (${seconds} s)`);
  return outcome;
}

function summarize(): void {
  const width = Math.max(...chosen.map((step) => step.title.length));
  let passed = 0;
  let failed = 0;
  console.log();
  for (const step of chosen) {
    const outcome = outcomes.get(step)!;
    console.log(`${step.title.padEnd(width)}  ${sums(outcome.passed, outcome.failed)}`);
    passed += outcome.passed;
    failed += outcome.failed;
  }
  console.log(`\n${sums(passed, failed)}`);
  Deno.exitCode = failed > 0 ? 1 : 0;
}

function sums(passed: number, failed: number): string {
  return `${passed} passed, ${failed} failed`;
}
