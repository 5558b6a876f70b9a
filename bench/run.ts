/** Runs the benchmarks in every runtime, one process each. */

import { stop } from "esbuild";
import { parseArgs } from "node:util";
import { run } from "../tools/run.ts";
import { title } from "../tools/runtimes.ts";
import { size } from "../tools/size.ts";
import { against, edition, measured, printed, ROOT, SPREAD } from "./process.ts";
import { committed, publish } from "./readme.ts";
import { type Findings, type Orders, summarized, type Summary } from "./summary.ts";
import { judgement, text } from "./tables.ts";
import { RUNTIMES, targets } from "./targets.ts";
import { groups, studies } from "./worker.ts";

const FULL: Omit<Orders, "parts" | "every" | "judged"> = {
  rounds: 9,
  warmup: 2,
  minimum: 20,
  latency: 3000,
  growth: 1e7,
  memory: 1e6,
  idle: 1e4,
  overload: 5000,
};
const SMOKE: typeof FULL = {
  n: 200,
  rounds: 1,
  warmup: 0,
  minimum: 0,
  latency: 50,
  growth: 200,
  memory: 2000,
  idle: 10,
  overload: 100,
};
const GO = { n: 1e6, rounds: 5 };

const GROUPS = groups.map((group) => group.name);
const JUDGED = [...GROUPS.filter((name) => targets.some(({ group }) => group === name)), "go"];
const PARTS = [...GROUPS, ...studies, "size", "go"];

const HELP = `deno task bench [options]

Measures every case against its floor, the same job by hand, and other libraries. A run of everything
writes bench/summary.json and the files made from it; a run of a part only prints.

  --runtimes A,B  of: ${RUNTIMES.join(", ")}
  --groups A,B    of: ${PARTS.join(", ")};
                  "growth" by name takes all our cases, a run of everything those with a target
  --targets       the cases with a target, and those that they are compared with: prints which
                  targets are kept and missed
  --rounds N      samples of each case
  --n N           items in a run
  --after CASE    measures one of our cases alone, and again after each other one has run in the
                  same process, in --groups or in those where engines make a difference
  --against REV   compares our cases with those at a git revision, in turns
  --smoke         runs every case once, with few items, and checks that none is lost
  --keep          with --groups overload: writes it into bench/summary.json and the files made from it
  --draw          measures nothing: prints bench/summary.json, and writes the files made from it`;

const given = options();
const effort = given.smoke ? SMOKE : { ...FULL, ...given.against !== undefined && SPREAD };
const n = count("--n", given.n);
const runtimes = list(given.runtimes, RUNTIMES) ?? RUNTIMES;
const orders: Orders = {
  ...effort,
  ...n !== undefined && { n, growth: n, memory: n },
  rounds: count("--rounds", given.rounds) ?? effort.rounds,
  every: given.groups !== undefined || given.smoke,
  judged: given.targets,
  parts: list(given.groups, given.against === undefined ? PARTS : GROUPS) ??
    (given.targets ? JUDGED : given.against === undefined ? PARTS : GROUPS),
};

if (given.help) console.log(HELP);
else if (given.draw) await draw(await committed());
else if (given.against !== undefined) await compare(given.against);
else if (given.after !== undefined) await after(given.after);
else if (given.keep && (given.groups !== "overload" || given.runtimes || given.smoke)) {
  refuse("--keep: with --groups overload, and nothing else");
} else await measureAll(Deno.args.length === 0);

function options() {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({
      args: Deno.args,
      options: {
        runtimes: text,
        groups: text,
        rounds: text,
        n: text,
        after: text,
        against: text,
        smoke: flag,
        keep: flag,
        targets: flag,
        draw: flag,
        help: flag,
      },
    }).values;
  } catch (error) {
    refuse((error as Error).message);
  }
}

function count(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return;
  const number = Number(text);
  return Number.isSafeInteger(number) && number > 0
    ? number
    : refuse(`${name}: a whole number of at least 1`);
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

/** Compares our library with itself at another revision. */
async function compare(revision: string): Promise<void> {
  const before = await edition(revision) ?? refuse(`no revision "${revision}"`);
  for (const runtime of runtimes) console.log(await against(before, ROOT, runtime, orders));
}

async function after(name: string): Promise<void> {
  const others = list(given.groups, GROUPS)?.join() ?? "";
  for (const runtime of runtimes) {
    console.log(`${title(runtime)}: least ns for one`);
    await printed(runtime, "bench/after.ts", name, others);
  }
}

async function draw(summary: Summary): Promise<void> {
  await publish(summary);
  console.log(text(summary));
}

async function measureAll(whole: boolean): Promise<void> {
  const findings: Findings[] = [];
  for (const runtime of runtimes) {
    console.error(`${title(runtime)} ...`);
    const parts = orders.parts.filter((part) => part !== "overload");
    const found = await measured(runtime, ROOT, { ...orders, parts });
    // In a separate process, so that the engine is not affected by other kinds of use, and the
    // reverse.
    const alone = parts.length < orders.parts.length
      ? await measured(runtime, ROOT, { ...orders, parts: ["overload"] })
      : found;
    findings.push({ ...found, overload: alone.overload });
  }
  const date = new Date().toISOString().slice(0, 10);
  const revision = (await run("git", ["describe", "--always", "--dirty"])).output.trim();
  const { overload, ...rest } = summarized(findings);
  const summary: Summary = {
    date,
    revision,
    machine: findings[0]!.machine,
    rounds: orders.rounds,
    runtimes: runtimes.map(title),
    ...rest,
    overload: { date, revision, seconds: orders.overload / 1000, rows: overload },
    size: orders.parts.includes("size") ? await sizes() : [],
    go: orders.parts.includes("go") ? await go() : { version: "", originals: [], skipped: [] },
  };
  if (given.smoke) console.log(smoked(summary));
  else console.log(`\n${given.targets ? judgement(summary) : text(summary)}`);
  if (whole) await publish(summary);
  if (given.keep) await publish({ ...await committed(), overload: summary.overload });
}

/** A target that names no case checks nothing: a smoke test of all groups finds it. */
function smoked({ runtimes, speed, go }: Summary): string {
  for (const { group, name, against } of targets) {
    const names = speed[group]?.map((row) => row[1]);
    const known = (each: string) => names?.includes(each) ?? true;
    const original = !go.originals.length || go.originals.some((each) => each[0] === against);
    if (!known(name) || !known(against) && !original) refuse(`no case: ${name}, ${against}`);
  }
  const cases = Object.values(speed).flat().length;
  return `${cases} cases run in ${runtimes.join(", ")}, and lose no item`;
}

/** Measures how much each entry point adds to a bundle. */
async function sizes(): Promise<Summary["size"]> {
  const { exports } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const sizes: [string, number, number][] = [];
  for (const [name, path] of Object.entries<string>(exports)) {
    const { minified, gzipped } = await size(`export * from "${path}"`);
    sizes.push([name, minified, gzipped]);
  }
  await stop();
  return sizes;
}

/** Runs the Go originals in `bench/go`: one program, which takes the name of a system. */
async function go(): Promise<Summary["go"]> {
  const inGo = (...args: string[]) => run("go", args, { cwd: `${ROOT}bench/go` });
  const version = await inGo("env", "GOVERSION").catch(() => undefined);
  if (!version) return { version: "", originals: [], skipped: ["Go is not on this machine"] };
  console.error("go ...");
  const [items, rounds] = [orders.n ?? GO.n, Math.min(orders.rounds, GO.rounds)];
  const originals: [string, number][] = [];
  const skipped: string[] = [];
  for (const system of ["kratos", "singleflight", "gozero"]) {
    const { success, output } = await inGo("run", ".", system, String(items), String(rounds));
    const last = output.trim().split("\n").at(-1)!;
    if (success) originals.push(...JSON.parse(last));
    else skipped.push(`${system}: ${last}`);
  }
  return { version: version.output.trim(), originals, skipped };
}
