/** What is alive on the heap. Deno and Node need `--expose-gc` for it. */

import process from "node:process";

interface Collectors {
  readonly gc?: () => void;
  readonly Bun?: { gc(force: boolean): void };
}

/** Bytes in use after a collection. */
export function heap(): number {
  const { gc, Bun } = globalThis as Collectors;
  if (Bun) Bun.gc(true);
  else if (gc) gc();
  else throw new Error("run it with --expose-gc");
  return process.memoryUsage().heapUsed;
}
