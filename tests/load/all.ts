/**
 * Very many items through every primitive, each case in a process of its own: nothing is lost, and
 * memory after a collection is near 90 % of the items what it was near 20 %.
 *
 * As a program: `deno run -A tests/load/all.ts [RUNTIME...] [--size N] [--only TEXT]`.
 */

import { parseArgs } from "node:util";
import { stop } from "esbuild";
import { bundle } from "../../tools/hosts/bundle.ts";
import { deno, run } from "../../tools/run.ts";
import { binary } from "../../tools/runtimes.ts";
import type { Outcome } from "../../tools/suite.ts";

/** Items of a case that is not dear; a case may ask for fewer. */
const SIZES = { deno: 1e6, bun: 1e5, node22: 1e5, node24: 1e5 };
const HEAP = 256 * 1024;
const RSS = 32 * 1024 * 1024;

// Where Node may, it collects late and keeps what it has compiled: that is no growth of ours.
const FRUGAL = ["--max-semi-space-size=1", "--optimize-for-size"];
const FLAGS: Record<Host, string[]> = { deno: [], bun: [], node22: FRUGAL, node24: FRUGAL };

// Where very different code runs, what is compiled comes and goes by some hundred KiB.
const VARIED = "every primitive";
const INTERPRETED = ["--no-opt", "--no-flush-bytecode"];

const PROGRAM = "tests/load/main.ts";
const BUNDLE = ".build/load.mjs";
const RESULTS = ".build/load.json";

type Host = keyof typeof SIZES;

const HOSTS = Object.keys(SIZES) as Host[];

/** What is asked for: everything, unless said otherwise. */
interface Choice {
  readonly hosts?: readonly Host[];
  readonly size?: number;
  /** In the names of the cases. */
  readonly only?: string;
}

/** How a case went. */
interface Result {
  readonly host: Host;
  readonly name: string;
  readonly items: number;
  /** What memory grew by from near 20 % to near 90 %, in bytes. */
  readonly heap: number;
  readonly rss: number;
  readonly seconds: number;
  readonly note: string;
  readonly error?: string;
}

/** Every case in every runtime. */
export async function load(
  { hosts = HOSTS, size, only = "" }: Choice = {},
): Promise<Outcome> {
  await bundle(PROGRAM, BUNDLE);
  const listed = JSON.parse((await perform("deno", [])).output) as string[];
  const names = listed.filter((name) => name.includes(only));
  const results: Result[] = [];
  for (const host of hosts) {
    for (const name of names) {
      const result = await one(host, name, size ?? SIZES[host]);
      results.push(result);
      console.log(`      ${line(result)}`);
    }
  }
  await Deno.writeTextFile(RESULTS, JSON.stringify(results, undefined, 2));
  const failed = results.filter(({ error }) => error !== undefined);
  return {
    passed: results.length - failed.length,
    failed: failed.length + (results.length === 0 ? 1 : 0),
    output: failed.map((result) => `${line(result)}\n${result.error}\n`).join("") ||
      `no case has "${only}" in its name`,
  };
}

async function one(host: Host, name: string, size: number): Promise<Result> {
  const none = { host, name, items: 0, heap: 0, rss: 0, seconds: 0, note: "" };
  const { success, output } = await perform(host, [name, String(size)]);
  if (!success) return { ...none, error: output };
  const result: Result = { ...none, ...JSON.parse(output) };
  if (result.heap >= HEAP) return { ...result, error: `the heap grows by ${result.heap} bytes` };
  if (result.rss >= RSS) return { ...result, error: `the process grows by ${result.rss} bytes` };
  return result;
}

async function perform(host: Host, args: readonly string[]) {
  return host === "deno"
    ? await deno(["run", "-A", "--no-config", BUNDLE, ...args])
    : await run(await binary(host), [...flags(host, args), BUNDLE, ...args]);
}

function flags(host: Host, [name = ""]: readonly string[]): string[] {
  const varied = host.startsWith("node") && name.startsWith(VARIED);
  return varied ? [...FLAGS[host], ...INTERPRETED] : FLAGS[host];
}

function line({ host, name, items, heap, rss, seconds, note, error }: Result): string {
  return [
    host.padEnd(6),
    name.padEnd(46),
    items.toLocaleString("en").padStart(10),
    `${(heap / 1024).toFixed(0)} KiB`.padStart(9),
    `${(rss / 1024 / 1024).toFixed(1)} MiB`.padStart(9),
    `${seconds.toFixed(1)} s`.padStart(7),
    error === undefined ? note : "FAILED",
  ].join("  ").trimEnd();
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { size: { type: "string" }, only: { type: "string" } },
  });
  const unknown = positionals.find((name) => !HOSTS.includes(name as Host));
  if (unknown !== undefined) {
    console.error(`no runtime "${unknown}"; there are: ${HOSTS.join(", ")}`);
    Deno.exit(2);
  }
  const { passed, failed, output } = await load({
    ...(positionals.length > 0 && { hosts: positionals as Host[] }),
    ...(values.size && { size: Number(values.size) }),
    ...(values.only && { only: values.only }),
  });
  await stop();
  if (failed > 0) console.error(output);
  console.log(`${passed} passed, ${failed} failed`);
  Deno.exitCode = failed > 0 ? 1 : 0;
}
