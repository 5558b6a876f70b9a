/** Collects garbage where the runtime lets a program ask for it. */

import { turn } from "./gate.ts";

interface Host {
  Bun?: { gc(synchronous: boolean): void };
  process?: {
    getBuiltinModule?(name: "node:v8"): { setFlagsFromString(flags: string): void };
    getBuiltinModule?(name: "node:vm"): { runInNewContext(code: string): () => void };
  };
}

const { Bun, process } = globalThis as Host;

/** Collects at once, all of it; `undefined` where the runtime has no such thing. */
export const collect: (() => void) | undefined = Bun ? () => Bun.gc(true) : collector();

/** Returns whether it was collected. */
export async function collectGarbage(): Promise<boolean> {
  if (collect === undefined) return false;
  // What was looked at in a turn stays until its end.
  for (let round = 0; round < 3; round++) {
    await turn();
    collect();
  }
  return true;
}

function collector(): (() => void) | undefined {
  process?.getBuiltinModule?.("node:v8").setFlagsFromString("--expose-gc");
  return process?.getBuiltinModule?.("node:vm").runInNewContext("gc");
}
