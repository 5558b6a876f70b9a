/**
 * Sends very many items through every primitive, each case in a separate process. Nothing may be
 * lost, and the memory after a collection must be the same near 90 % of the items as near 20 %.
 *
 * Run it: `deno run -A tests/load/all.ts [RUNTIME...] [--size N] [--only TEXT]`.
 */

import { parseArgs } from "node:util";
import { stop } from "esbuild";
import { bundle } from "../../tools/hosts/bundle.ts";
import { deno, run } from "../../tools/run.ts";
import { binary } from "../../tools/runtimes.ts";
import type { Outcome } from "../../tools/suite.ts";

/** The number of items of a cheap case. An expensive case uses fewer. */
const SIZES = { deno: 1e6, bun: 1e5, node22: 1e5, node24: 1e5 };
const HEAP = 256 * 1024;
const RSS = 32 * 1024 * 1024;

// Node collects late and keeps compiled code, which is not growth of the library.
const FRUGAL = ["--max-semi-space-size=1", "--optimize-for-size"];
const FLAGS: Record<Host, string[]> = { deno: [], bun: [], node22: FRUGAL, node24: FRUGAL };

// With very different code, compiled code varies by some hundred KiB.
const VARIED = "every primitive";
const INTERPRETED = ["--no-opt", "--no-flush-bytecode"];

const PROGRAM = "tests/load/main.ts";
const BUNDLE = ".build/load.mjs";
const RESULTS = ".build/load.json";

type Host = keyof typeof SIZES;

const HOSTS = Object.keys(SIZES) as Host[];

/** The selection: everything by default. */
interface Choice {
  readonly hosts?: readonly Host[];
  readonly size?: number;
  /** A text in the names of the cases. */
  readonly only?: string;
}

/** The outcome of a case. */
interface Result {
  readonly host: Host;
  readonly name: string;
  readonly items: number;
  /** The growth of memory from near 20 % to near 90 %, in bytes. */
  readonly heap: number;
  readonly rss: number;
  readonly seconds: number;
  readonly note: string;
  readonly error?: string;
}

/** Runs every case in every runtime. */
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
