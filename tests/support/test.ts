/**
 * One `test` for every runtime: the runner that the runtime has, or else a list that `runAll` goes
 * through (browsers, edge runtimes). What `differences.ts` says of a test here is held in both.
 */

import { type Difference, difference } from "./differences.ts";
import { turn } from "./gate.ts";
import { here } from "./host.ts";
import { onUnhandled } from "./unhandled.ts";

// Taken before a test can put a fake clock in their place.
const { setTimeout, clearTimeout } = globalThis;

/** A test that has not settled after so long, in milliseconds, never will. */
const LIMIT = 60_000;

/** What a test does. */
export type Body = () => void | Promise<void>;

interface Test {
  readonly name: string;
  readonly body: Body;
  readonly difference?: Difference | undefined;
}

/** How a test that `runAll` ran ended. */
export interface Result {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "expected" | "left out";
  /** What a failed test failed with. */
  readonly error?: unknown;
}

class Unsettled extends Error {}

type Register = (name: string, body: Body) => unknown;

interface Host {
  Deno?: { test?: Register & { ignore: Register } };
  process?: { getBuiltinModule?(name: "node:test"): { test: Register & { skip: Register } } };
}

const host = globalThis as Host;
const listed: Test[] = [];

// Not `node:test` in Deno: it goes past the sanitizers.
const runner = host.Deno?.test ?? host.process?.getBuiltinModule?.("node:test").test;

/** Register a test. */
export function test(name: string, body: Body): void {
  const known = difference(name);
  if (!runner) listed.push({ name, body, difference: known });
  else if (known?.effect !== "left out") {
    runner(name, () => expected(known, () => inTime(LIMIT, body)));
  } else if ("ignore" in runner) runner.ignore(name, body);
  else runner.skip(name, body);
}

/** What may be said to `runAll`. */
export interface RunAllOptions {
  readonly tests?: readonly Test[];
  /** For each test, in milliseconds. */
  readonly limit?: number;
  readonly onStart?: (name: string) => void;
  readonly onResult: (result: Result) => void;
}

/** How many tests `runAll` would run. */
export function countAll(): number {
  return listed.length;
}

/** Run the listed tests in order, until one does not settle. */
export async function runAll(
  { tests = listed, limit = LIMIT, onStart, onResult }: RunAllOptions,
): Promise<void> {
  for (const { name, body, difference } of tests) {
    if (difference?.effect === "left out") {
      onResult({ name, outcome: "left out" });
      continue;
    }
    onStart?.(name);
    try {
      await expected(difference, () => watched(() => inTime(limit, body)));
      onResult({ name, outcome: difference ? "expected" : "passed" });
    } catch (error) {
      onResult({ name, outcome: "failed", error });
      // It may still hold what the others need, such as the fake clock.
      if (error instanceof Unsettled) return;
    }
  }
}

/** Run a body that must settle in time. */
async function inTime(limit: number, body: Body): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Unsettled(`not settled within ${limit} ms`)), limit);
    // Deno sees at once that nothing is left that could settle a test, and says which.
    if (here === "deno") (timer as { unref?(): void }).unref?.();
  });
  try {
    await Promise.race([Promise.resolve().then(body), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Run a body that must handle all of its errors: the runners that a runtime has see to that. */
async function watched(body: Body): Promise<void> {
  const lost: unknown[] = [];
  const stop = onUnhandled((error) => lost.push(error));
  try {
    await body();
  } finally {
    await turn();
    await turn();
    stop();
  }
  if (lost.length > 0) throw lost[0];
}

/** Run a body that must fail if the runtime is known to differ. */
async function expected(known: Difference | undefined, body: () => Promise<void>): Promise<void> {
  if (known === undefined) return await body();
  const failed = await body().then(() => false, (error) => {
    if (error instanceof Unsettled) throw error;
    return true;
  });
  if (!failed) {
    throw new Error(
      `passes, but was expected to fail here, because ${known.reason}: take it out of differences.ts`,
    );
  }
}
