/**
 * Runs workers in separate processes: of this tree, and of another revision beside it.
 *
 * Processes of the two take turns (before, now, before, now), and each measures one round of one
 * group. So an engine carries nothing from one edition to the other, and a machine that gets slower
 * affects both. The lower quartile of the processes counts. The least of all may come from a lucky
 * second that only one edition has; the table shows it too.
 */

import { run } from "../tools/run.ts";
import { binary, title } from "../tools/runtimes.ts";
import type { Findings, Measurement, Orders } from "./summary.ts";
import { plain } from "./tables.ts";
import type { RuntimeName } from "./targets.ts";

/** The path of this tree. */
export const ROOT: string = decodeURIComponent(new URL("../", import.meta.url).pathname);

const HOME = `${ROOT}.build/against`;
const WORKER = "bench/worker.ts";

/**
 * How long to measure against another revision. On a machine with other load, the same code then
 * measures 0.95 to 1.06 of itself, and mostly within 3 %.
 */
export const SPREAD = { rounds: 20, warmup: 2, minimum: 10 };

/** A case beyond this ratio is marked. */
const SLOWER = 1.05;

/** Runs the worker of a tree. A quiet worker prints no progress. */
export async function measured(
  runtime: RuntimeName,
  root: string,
  orders: Orders,
  quiet: boolean = false,
): Promise<Findings> {
  const [command, ...args] = await invocation(runtime, WORKER);
  const output = await new Deno.Command(command, {
    args: [...args, JSON.stringify(orders)],
    cwd: root,
    stdin: "null",
    stdout: "piped",
    stderr: quiet ? "piped" : "inherit",
  }).output();
  const decoder = new TextDecoder();
  if (!output.success) {
    if (quiet) console.error(decoder.decode(output.stderr));
    throw new Error(`${title(runtime)} failed in ${root}`);
  }
  return JSON.parse(decoder.decode(output.stdout));
}

/** Runs a script in a runtime, which prints what it finds. */
export async function printed(
  runtime: RuntimeName,
  script: string,
  ...given: readonly string[]
): Promise<void> {
  const [command, ...args] = await invocation(runtime, script);
  const { success } = await new Deno.Command(command, {
    args: [...args, ...given],
    cwd: ROOT,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${title(runtime)} failed`);
}

async function invocation(
  runtime: RuntimeName,
  script: string,
): Promise<[path: string, ...args: string[]]> {
  if (runtime === "bun") return [await binary(runtime), script];
  if (runtime === "node24") return [await binary(runtime), "--expose-gc", script];
  // An older tree may have other dependencies, and this installs nothing for it.
  const flags = ["--no-check", "--node-modules-dir=manual", "--v8-flags=--expose-gc"];
  return [Deno.execPath(), "run", "-A", ...flags, script];
}

/** Unpacks a revision, with the packages that are installed here, and returns its path. */
export async function edition(revision: string): Promise<string | undefined> {
  const name = `${revision}^{commit}`;
  const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", name];
  const { success, output } = await run("git", args);
  if (!success) return;
  const sha = output.trim().split("\n").at(-1)!;
  const root = `${HOME}/${sha}/`;
  if (!await Deno.stat(root).catch(() => undefined)) await unpack(sha, root);
  return root;
}

/** The tree moves to its place only when it is complete. */
async function unpack(sha: string, root: string): Promise<void> {
  await Deno.mkdir(HOME, { recursive: true });
  const half = await Deno.makeTempDir({ dir: HOME, prefix: "half-" });
  const archive = `${half}.tar`;
  await must("git", ["archive", "--format=tar", `--output=${archive}`, sha]);
  await must("tar", ["-xf", archive, "-C", half]);
  await Deno.remove(archive);
  for (const packages of ["node_modules", "bench/node_modules"]) {
    await Deno.symlink(`${ROOT}${packages}`, `${half}/${packages}`, { type: "dir" });
  }
  await Deno.rename(half, root);
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const { success, output } = await run(command, args);
  if (!success) throw new Error(`${command} ${args[0]}: ${output.trim()}`);
}

/** Measures two trees in a runtime, and compares each case of ours. */
export async function against(
  before: string,
  now: string,
  runtime: RuntimeName,
  orders: Orders,
): Promise<string> {
  const sides = [before, now].map((root) => ({ root, cases: [] as Measurement[] }));
  for (const part of orders.parts) {
    console.error(`${title(runtime)}: ${part} ...`);
    for (let round = 0; round < orders.rounds; round++) {
      for (const { root, cases } of sides) {
        // A tree doesn't measure a group that it lacks.
        const found = await measured(runtime, root, { ...orders, parts: [part], rounds: 1 }, true);
        cases.push(...found.cases);
      }
    }
  }
  return told(title(runtime), sides[0]!.cases, sides[1]!.cases);
}

/** A case of both editions: nanoseconds per item, and the ratio of now to before. */
interface Compared {
  readonly case: Measurement;
  readonly before: number;
  readonly now: number;
  readonly ratio: number;
  /** The same for the least samples. */
  readonly least: number;
}

/** The table of a runtime, slowest first, and the cases that can't be compared. */
export function told(
  title: string,
  before: readonly Measurement[],
  now: readonly Measurement[],
): string {
  const [old, fresh] = [byCase(before), byCase(now)];
  const both = [...fresh].flatMap(([key, found]) =>
    old.has(key) ? compare(old.get(key)!, found) : []
  );
  const ours = both.filter((each) => each.case.kind === "weir").sort((a, b) => b.ratio - a.ratio);
  const others = both.filter((each) => each.case.kind !== "weir");
  const head = ["group", "case", "ns before", "ns now", "now / before", "of the least"];
  const lines = [
    `${title}: ours now and before\n`,
    plain([head, ...ours.map(row)]),
    "",
    control(others.map(({ ratio }) => ratio)),
    alone("before", old, fresh),
    alone("now", fresh, old),
  ];
  return `${lines.filter((line) => line !== undefined).join("\n")}\n`;
}

function byCase(measurements: readonly Measurement[]): Map<string, Measurement[]> {
  return Map.groupBy(measurements, ({ group, name }) => `${group}: ${name}`);
}

function compare(old: readonly Measurement[], fresh: readonly Measurement[]): Compared {
  const [before, now] = [lowest(old), lowest(fresh)];
  return {
    case: fresh[0]!,
    before: quartile(before),
    now: quartile(now),
    ratio: quartile(now) / quartile(before),
    least: now[0]! / before[0]!,
  };
}

/** The least sample of each process, in order. */
function lowest(measurements: readonly Measurement[]): number[] {
  return measurements.map(({ minimum }) => minimum).sort((a, b) => a - b);
}

function quartile(sorted: readonly number[]): number {
  return sorted[Math.floor((sorted.length - 1) / 4)]!;
}

function row({ case: { group, name }, before, now, ratio, least }: Compared): string[] {
  const mark = ratio > SLOWER ? " slower" : "";
  const exact = ratio.toFixed(2) + mark;
  return [group, name, before.toFixed(1), now.toFixed(1), exact, least.toFixed(2)];
}

/** Unchanged cases show how far to trust the changed ones. */
function control(ratios: readonly number[]): string | undefined {
  if (ratios.length === 0) return;
  const [from, to] = [Math.min(...ratios), Math.max(...ratios)].map((each) => each.toFixed(2));
  return `Of what is not ours, and the same on both sides, the ratio is ${from} to ${to}.`;
}

/** Our cases that only one side has. */
function alone(
  side: string,
  here: ReadonlyMap<string, Measurement[]>,
  there: ReadonlyMap<string, Measurement[]>,
): string | undefined {
  const ours = [...here].filter(([key, [each]]) => each!.kind === "weir" && !there.has(key));
  if (ours.length === 0) return;
  return `Only ${side}: ${ours.map(([key]) => key).join("; ")}.`;
}
