/** Collects garbage if the runtime allows that, and throws elsewhere. */

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

/** Collects all garbage at once. Throws if the runtime can't do that. */
export function collect(): void {
  force ??= Bun ? () => Bun.gc(true) : collector();
  force();
}

/** Collects unreferenced objects. */
export async function collectGarbage(): Promise<void> {
  // A value that a turn has read stays alive until its end.
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
