/**
 * The gate: `deno task test` is its quick tier, and `deno task test:all` (`--all`) runs all of it.
 *
 * Arguments choose steps by their names, or `check` for the steps that check the sources. Test
 * files choose the files that the suites run.
 */

import { stop as stopBundler } from "esbuild";
import { quick, sources, type Step, thorough } from "./steps.ts";
import type { Outcome } from "./suite.ts";

/** Whether a missing tool is a failure, because nothing may be left out. */
const STRICT = Deno.env.get("CI") !== undefined;
const AT_ONCE = 2;
const HEARTBEAT = 20_000;
const HEAD = ["", "passed", "failed", "expected to fail", "left out"];

const all = [...quick, ...thorough];
const files = Deno.args.filter((arg) => arg.endsWith(".ts"));
const names = Deno.args.filter((arg) => !arg.endsWith(".ts") && arg !== "--all");
const chosen = choose();

const running = new Map<Step, number>();
const heart = setInterval(() => {
  const steps = [...running].map(([{ name }, start]) => `${name} (${since(start)})`);
  console.log(`      at work: ${steps.join(", ")}`);
}, HEARTBEAT);

const outcomes = new Map<Step, Outcome>();
const queue = chosen.values();
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (const step of queue) outcomes.set(step, await perform(step));
}));
clearInterval(heart);
await stopBundler();

const rows = chosen.map((step): [string, Outcome] => [step.name, outcomes.get(step)!]);
const sizes = new Set(chosen.flatMap((step) => step.suite ? size(outcomes.get(step)!) : []));
if (sizes.size > 0) {
  const same = sizes.size === 1;
  rows.push(["same tests in all", { passed: same ? 1 : 0, failed: same ? 0 : 1, output: "" }]);
}
Deno.exitCode = table(rows) ? 0 : 1;

function choose(): readonly Step[] {
  if (names.length === 0) {
    const tier = Deno.args.includes("--all") ? all : quick;
    return files.length === 0 ? tier : tier.filter((step) => step.suite);
  }
  const unknown = names.find((name) => name !== "check" && !all.some((step) => step.name === name));
  if (unknown !== undefined) {
    console.error(
      `no step "${unknown}"; there are: check, ${all.map(({ name }) => name).join(", ")}`,
    );
    Deno.exit(2);
  }
  return all.filter((step) =>
    names.includes(step.name) || names.includes("check") && sources.includes(step)
  );
}

async function perform(step: Step): Promise<Outcome> {
  console.log(`      ${step.name} ...`);
  const start = performance.now();
  running.set(step, start);
  const { missing, ...found } = await step.run(files).catch((error): Outcome => ({
    passed: 0,
    failed: 1,
    output: error instanceof Error ? error.stack ?? error.message : String(error),
  }));
  const outcome: Outcome = missing === undefined
    ? found
    : STRICT
    ? { passed: 0, failed: 1, output: missing }
    : { ...found, missing };
  running.delete(step);
  if (outcome.failed > 0) console.log(`${outcome.output.trimEnd()}\n`);
  const verdict = outcome.failed > 0 ? "FAIL " : outcome.missing ? "-    " : "ok   ";
  console.log(`${verdict} ${step.name} (${outcome.missing ?? since(start)})`);
  return outcome;
}

function since(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(0)} s`;
}

/** The number of tests of a suite. It is unknown for a failed suite, which may have stopped. */
function size({ passed, failed, expected = 0, leftOut = 0, missing }: Outcome): number[] {
  return missing !== undefined || failed > 0 ? [] : [passed + expected + leftOut];
}

/** Prints one row per step and then the sums. Returns whether nothing failed. */
function table(steps: ReadonlyArray<readonly [title: string, outcome: Outcome]>): boolean {
  const rows = [HEAD, ...steps.map(([title, outcome]) => row(title, outcome))];
  const widths = HEAD.map((_, column) =>
    Math.max(...rows.map((cells) => cells.length > 2 ? cells[column]!.length : 0))
  );
  widths[0] = Math.max(...rows.map(([title]) => title!.length));
  console.log();
  for (const [title, ...cells] of rows) {
    const line = cells.length === 1 ? cells : cells.map((cell, i) => cell.padStart(widths[i + 1]!));
    console.log([title!.padEnd(widths[0]), ...line].join("  "));
  }
  const sum = (key: "passed" | "failed") =>
    steps.reduce((total, [, outcome]) => total + outcome[key], 0);
  console.log(`\n${sum("passed")} passed, ${sum("failed")} failed`);
  return sum("failed") === 0;
}

function row(title: string, { passed, failed, expected, leftOut, missing }: Outcome): string[] {
  if (missing) return [title, `left out: ${missing}`];
  return [title, ...[passed, failed, expected, leftOut].map((number) => `${number ?? ""}`)];
}
