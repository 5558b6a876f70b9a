/**
 * One `test` for every runtime: the runner that the runtime has, or else a list that `runAll` goes
 * through (browsers, edge runtimes).
 */

import { onUnhandled } from "./unhandled.ts";
import { turn } from "./gate.ts";

/** What a test does. */
export type Body = () => void | Promise<void>;

/** How a test that `runAll` ran ended: without `error` it passed. */
export interface Result {
  readonly name: string;
  readonly error?: unknown;
}

interface Host {
  Deno?: { test?: Register };
  process?: { getBuiltinModule?(name: "node:test"): { test: Register } };
}

type Register = (name: string, body: Body) => unknown;

const host = globalThis as Host;
const listed: Array<{ name: string; body: Body }> = [];

// Not `node:test` in Deno: it goes past the sanitizers.
const register: Register = host.Deno?.test ??
  host.process?.getBuiltinModule?.("node:test").test ??
  ((name, body) => listed.push({ name, body }));

/** Register a test. */
export function test(name: string, body: Body): void {
  // The runners pass a context, and Node waits for a callback to be called where a body takes two.
  register(name, () => body());
}

/** Run the listed tests in order, each at most `limit` milliseconds. */
export async function runAll(
  { tests = listed, limit = 10_000 }: { tests?: typeof listed; limit?: number } = {},
): Promise<Result[]> {
  const results: Result[] = [];
  for (const { name, body } of tests) results.push(await run(name, body, limit));
  return results;
}

async function run(name: string, body: Body, limit: number): Promise<Result> {
  const failures: unknown[] = [];
  const stop = onUnhandled((error) => failures.push(error));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not settled within ${limit} ms`)), limit);
  });
  try {
    await Promise.race([Promise.resolve().then(body), late]);
  } catch (error) {
    failures.unshift(error);
  }
  clearTimeout(timer);
  await turn();
  await turn();
  stop();
  return failures.length === 0 ? { name } : { name, error: failures[0] };
}
