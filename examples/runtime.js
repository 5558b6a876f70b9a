/**
 * Whether this runtime can run the programs. It is JavaScript, because the runtimes that it turns away
 * can't read TypeScript.
 */

import process from "node:process";

const NEEDED = "Node 22.18, Deno 2.3 or Bun 1.4";

/** Says which runtime is needed, and sets the exit code, where this one won't do. */
export async function supported() {
  const { bun, deno, node } = process.versions;
  const readsTypes = bun || deno || process.features.typescript;
  // Node warns of it where it is there, which is the program's business.
  if (readsTypes && await import("node:sqlite").catch(() => undefined)) return true;
  const runtime = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`;
  console.error(`This program needs ${NEEDED}, or newer; this is ${runtime}.`);
  process.exitCode = 1;
  return false;
}
