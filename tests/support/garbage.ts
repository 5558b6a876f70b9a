/** Collects garbage where the runtime lets a program ask for it, and throws elsewhere. */

import { turn } from "./gate.ts";

interface Host {
  Bun?: { gc(synchronous: boolean): void };
  process?: {
    getBuiltinModule?(name: "node:v8"): { setFlagsFromString(flags: string): void };
    getBuiltinModule?(name: "node:vm"): { runInNewContext(code: string): () => void };
  };
}

const { Bun, process } = globalThis as Host;

let force: (() => void) | undefined;

/** Collects at once, all of it; throws where the runtime has no such thing. */
export function collect(): void {
  force ??= Bun ? () => Bun.gc(true) : collector();
  force();
}

/** Have what nothing refers to collected. */
export async function collectGarbage(): Promise<void> {
  // What was looked at in a turn stays until its end.
  for (let round = 0; round < 3; round++) {
    await turn();
    collect();
  }
}

function collector(): () => void {
  if (!process?.getBuiltinModule) throw new Error("no way to collect garbage");
  process.getBuiltinModule("node:v8").setFlagsFromString("--expose-gc");
  return process.getBuiltinModule("node:vm").runInNewContext("gc");
}
