/**
 * The benchmarks, in every runtime, one process each.
 *
 * `deno run -A bench/run.ts [--runtimes deno,bun,node24] [--groups batching,...] [--n N] [--smoke]`
 *
 * A run of everything writes `bench/results`; a part of it only prints.
 */

import { build, stop } from "esbuild";
import { deno } from "../tools/run.ts";
import { binary, title } from "../tools/runtimes.ts";
import { chart } from "./chart.ts";
import { groups } from "./groups.ts";
import { type Effort, type Measurement, noise } from "./harness.ts";
import { markdown, type Result, text } from "./report.ts";
import { judge, type RuntimeName, RUNTIMES } from "./targets.ts";
import type { Orders } from "./worker.ts";

const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);
const RESULTS = `${ROOT}bench/results`;
const WORKER = "bench/worker.ts";
const BUNDLE = ".build/bench/worker.mjs";

const FULL: Effort = { rounds: 11, warmup: 2, minimum: 20 };
const SMOKE: Effort = { n: 200, rounds: 1, warmup: 0, minimum: 0 };

const NAMES = groups.map((group) => group.name);

interface Choice {
  readonly runtimes: readonly RuntimeName[];
  readonly orders: Orders;
  readonly whole: boolean;
}

const { runtimes, orders, whole } = choose(Deno.args);
const results: Result[] = [];
for (const runtime of runtimes) {
  console.error(`${title(runtime)} ...`);
  const cases = await measured(runtime, orders);
  results.push({
    runtime,
    title: title(runtime),
    date: new Date().toISOString().slice(0, 10),
    rounds: orders.rounds,
    noise: noise(cases),
    cases,
    targets: judge(runtime, cases),
  });
}
console.log(`\n${text(results)}`);
if (whole) await write(results);

function choose(args: readonly string[]): Choice {
  const given = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const name = args[i]!;
    if (!["--runtimes", "--groups", "--n", "--smoke"].includes(name)) refuse(`unknown: ${name}`);
    given.set(name, name === "--smoke" ? "" : args[++i] ?? refuse(`${name} of what?`));
  }
  const smoke = given.has("--smoke");
  const n = given.get("--n");
  if (n !== undefined && !/^[1-9]\d*$/.test(n)) refuse("--n: a number of at least 1");
  return {
    runtimes: list(given.get("--runtimes"), RUNTIMES) ?? (smoke ? ["deno"] : RUNTIMES),
    orders: {
      ...(smoke ? SMOKE : FULL),
      ...(n !== undefined && { n: Number(n) }),
      groups: list(given.get("--groups"), NAMES) ?? NAMES,
    },
    whole: given.size === 0,
  };
}

function list<N extends string>(text: string | undefined, known: readonly N[]): N[] | undefined {
  const names = text?.split(",");
  const unknown = names?.find((name) => !known.includes(name as N));
  if (unknown !== undefined) refuse(`no "${unknown}"; there are: ${known.join(", ")}`);
  return names && known.filter((name) => names.includes(name));
}

function refuse(complaint: string): never {
  console.error(complaint);
  Deno.exit(2);
}

/** Has a runtime measure, and waits for what it says. */
async function measured(runtime: RuntimeName, orders: Orders): Promise<Measurement[]> {
  const [command, ...args] = await invocation(runtime);
  const { success, stdout } = await new Deno.Command(command, {
    args: [...args, JSON.stringify(orders)],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${title(runtime)} failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function invocation(runtime: RuntimeName): Promise<[command: string, ...args: string[]]> {
  if (runtime === "deno") {
    return [Deno.execPath(), "run", "--allow-all", "--no-check", WORKER];
  }
  const path = await binary(runtime);
  if (runtime === "bun") return [path, WORKER];
  await build({
    absWorkingDir: ROOT,
    entryPoints: [WORKER],
    outfile: BUNDLE,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    logLevel: "silent",
  });
  await stop();
  return [path, BUNDLE];
}

async function write(results: readonly Result[]): Promise<void> {
  await Deno.mkdir(RESULTS, { recursive: true });
  for (const result of results) {
    await Deno.writeTextFile(`${RESULTS}/${result.runtime}.json`, `${json(result)}\n`);
  }
  await Deno.writeTextFile(`${RESULTS}/table.md`, markdown(results));
  await Deno.writeTextFile(`${RESULTS}/chart.svg`, chart(results));
  const { success, output } = await deno(["fmt", "--quiet", RESULTS]);
  if (!success) throw new Error(output);
}

/** With numbers that a person can read, and that do not pretend. */
function json(result: Result): string {
  const round = (_: string, value: unknown) =>
    typeof value === "number" ? Number(value.toPrecision(4)) : value;
  return JSON.stringify(result, round, 2);
}
