/**
 * Checks whether this runtime can run the programs. It is JavaScript, because old runtimes can't read
 * TypeScript.
 */

import process from "node:process";

const NEEDED = "Node 22.18, Deno 2.3 or Bun 1.4";

/** Returns whether the runtime will do. If not, prints which one you need, and sets the exit code. */
export async function supported() {
  const { bun, deno, node } = process.versions;
  const readsTypes = bun || deno || process.features.typescript;
  // Node may print a warning that it is experimental.
  if (readsTypes && await import("node:sqlite").catch(() => undefined)) return true;
  const runtime = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`;
  console.error(`This program needs ${NEEDED}, or newer; this is ${runtime}.`);
  process.exitCode = 1;
  return false;
}
