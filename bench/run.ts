/**
 * The benchmarks, in every runtime, one process each.
 *
 * `deno run -A bench/run.ts [--runtimes deno,bun,node24] [--groups batching,...] [--rounds N] [--n N]
 * [--against REV] [--smoke]`
 *
 * A run of everything writes `bench/results`; a part of it only prints. `--groups growth` takes
 * every case of ours, and its time; a run of everything only those that have a target. `--against`
 * measures ours beside ours at a revision, and prints.
 */

import { stop } from "esbuild";
import { deno } from "../tools/run.ts";
import { title } from "../tools/runtimes.ts";
import { type Size, size } from "../tools/size.ts";
import { against, SPREAD } from "./against.ts";
import { latency, memory, throughput } from "./chart.ts";
import { type Edition, edition } from "./edition.ts";
import { go, type Originals } from "./go.ts";
import { groups } from "./groups.ts";
import { noise } from "./harness.ts";
import { measured, prepare } from "./process.ts";
import { markdown, text } from "./report.ts";
import type { Report, Result } from "./result.ts";
import { judge, type RuntimeName, RUNTIMES } from "./targets.ts";
import type { Orders } from "./worker.ts";

const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);
const RESULTS = `${ROOT}bench/results`;

type Effort = Omit<Orders, "parts" | "every">;

const FULL: Effort = {
  rounds: 9,
  warmup: 2,
  minimum: 20,
  latency: 3000,
  growth: 1e7,
  memory: 1e6,
  idle: 1e4,
};
const SMOKE: Effort = {
  n: 200,
  rounds: 1,
  warmup: 0,
  minimum: 0,
  latency: 50,
  growth: 200,
  memory: 2000,
  idle: 10,
};
const GO = { n: 1e6, rounds: 5 };

const STUDIES = ["latency", "growth", "memory", "idle"];
const GROUPS = groups.map((group) => group.name);
const PARTS = [...GROUPS, ...STUDIES, "size", "go"];
const FLAGS = ["--runtimes", "--groups", "--rounds", "--n", "--against", "--smoke"];

interface Choice {
  readonly runtimes: readonly RuntimeName[];
  readonly orders: Orders;
  readonly whole: boolean;
  readonly revision: string | undefined;
}

const { runtimes, orders, whole, revision } = choose(Deno.args);
if (revision !== undefined) await compare(revision);
else await measureAll();

function choose(args: readonly string[]): Choice {
  const given = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const name = args[i]!;
    if (!FLAGS.includes(name)) refuse(`unknown: ${name}`);
    given.set(name, name === "--smoke" ? "" : args[++i] ?? refuse(`${name} of what?`));
  }
  const smoke = given.has("--smoke");
  const n = count("--n", given.get("--n"));
  const revision = given.get("--against");
  const effort = { ...smoke ? SMOKE : FULL, ...revision !== undefined && !smoke && SPREAD };
  return {
    runtimes: list(given.get("--runtimes"), RUNTIMES) ?? (smoke ? ["deno"] : RUNTIMES),
    orders: {
      ...effort,
      ...(n !== undefined && { n, growth: n, memory: n }),
      rounds: count("--rounds", given.get("--rounds")) ?? effort.rounds,
      // To build the originals takes longer than all the rest of a smoke test.
      every: given.has("--groups") || smoke,
      parts: revision !== undefined
        ? list(given.get("--groups"), GROUPS) ?? []
        : list(given.get("--groups"), PARTS) ?? PARTS.filter((part) => !smoke || part !== "go"),
    },
    whole: given.size === 0,
    revision,
  };
}

function count(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return;
  if (!/^[1-9]\d*$/.test(text)) refuse(`${name}: a number of at least 1`);
  return Number(text);
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

/** Ours beside ours at a revision. */
async function compare(revision: string): Promise<void> {
  const before: Edition = await edition(revision) ?? refuse(`no revision "${revision}"`);
  const now: Edition = { root: ROOT, groups: GROUPS };
  for (const runtime of runtimes) console.log(await against(before, now, runtime, orders));
}

async function measureAll(): Promise<void> {
  const report: Report = {
    results: await inOrder(runtimes, result),
    sizes: orders.parts.includes("size") ? await sizes() : {},
    go: await originals(),
  };
  console.log(`\n${text(report)}`);
  if (whole) await write(report);
}

async function inOrder<T, R>(items: readonly T[], each: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await each(item));
  return results;
}

async function result(runtime: RuntimeName): Promise<Result> {
  console.error(`${title(runtime)} ...`);
  const findings = await measured(await prepare(runtime, ROOT), orders);
  return {
    runtime,
    title: title(runtime),
    date: new Date().toISOString().slice(0, 10),
    rounds: orders.rounds,
    noise: noise(findings.cases),
    targets: judge(runtime, findings.cases),
    ...findings,
  };
}

/** What each entry point adds to a bundle. */
async function sizes(): Promise<Record<string, Size>> {
  const { exports } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const sizes: Record<string, Size> = {};
  for (const [name, path] of Object.entries<string>(exports)) {
    sizes[name] = await size(`export * from "${path}"`);
  }
  await stop();
  return sizes;
}

async function originals(): Promise<Originals> {
  if (!orders.parts.includes("go")) return { cases: [], skipped: [] };
  console.error("go ...");
  return await go(orders.n ?? GO.n, Math.min(orders.rounds, GO.rounds));
}

async function write(report: Report): Promise<void> {
  const { results, sizes, go } = report;
  await Deno.mkdir(RESULTS, { recursive: true });
  const files: Record<string, string> = {
    ...Object.fromEntries(results.map((result) => [`${result.runtime}.json`, json(result)])),
    "go.json": json(go),
    "size.json": json(sizes),
    "README.md": markdown(report),
    "throughput.svg": throughput(results),
    "memory.svg": memory(results),
    "latency.svg": latency(results),
  };
  for (const [name, content] of Object.entries(files)) {
    await Deno.writeTextFile(`${RESULTS}/${name}`, content);
  }
  const { success, output } = await deno(["fmt", "--quiet", RESULTS]);
  if (!success) throw new Error(output);
}

/** With numbers that a person can read, and that do not pretend. */
function json(found: unknown): string {
  const round = (_: string, value: unknown) =>
    typeof value === "number" ? Number(value.toPrecision(4)) : value;
  return `${JSON.stringify(found, round, 2)}\n`;
}
