/** The worker, in a process of its own. */

import { build, stop } from "esbuild";
import { binary, title } from "../tools/runtimes.ts";
import type { RuntimeName } from "./targets.ts";
import type { Findings, Orders } from "./worker.ts";

const WORKER = "bench/worker.ts";
const BUNDLE = ".build/bench/worker.mjs";

/** What a runtime is called with to measure. */
export interface Prepared {
  readonly runtime: RuntimeName;
  /** The tree whose worker it is. */
  readonly root: string;
  readonly command: readonly [path: string, ...args: string[]];
}

/** Gets the worker of a tree ready for a runtime: Node wants a bundle. */
export async function prepare(runtime: RuntimeName, root: string): Promise<Prepared> {
  return { runtime, root, command: await invocation(runtime, root) };
}

/** Has it measure, and waits for what it says. A quiet one tells nothing on the way. */
export async function measured(
  prepared: Prepared,
  orders: Orders,
  quiet: boolean = false,
): Promise<Findings> {
  const [command, ...args] = prepared.command;
  const output = await new Deno.Command(command, {
    args: [...args, JSON.stringify(orders)],
    cwd: prepared.root,
    stdin: "null",
    stdout: "piped",
    stderr: quiet ? "piped" : "inherit",
  }).output();
  const decoder = new TextDecoder();
  if (!output.success) {
    if (quiet) console.error(decoder.decode(output.stderr));
    throw new Error(`${title(prepared.runtime)} failed in ${prepared.root}`);
  }
  return JSON.parse(decoder.decode(output.stdout));
}

async function invocation(runtime: RuntimeName, root: string): Promise<Prepared["command"]> {
  if (runtime === "deno") {
    // An older tree may have other dependencies: nothing is installed for it.
    const flags = ["--no-check", "--node-modules-dir=manual", "--v8-flags=--expose-gc"];
    return [Deno.execPath(), "run", "-A", ...flags, WORKER];
  }
  const path = await binary(runtime);
  if (runtime === "bun") return [path, WORKER];
  await build({
    absWorkingDir: root,
    entryPoints: [WORKER],
    outfile: BUNDLE,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    logLevel: "silent",
  });
  await stop();
  return [path, "--expose-gc", BUNDLE];
}
