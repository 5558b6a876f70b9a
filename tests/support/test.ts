/**
 * One `test` for every runtime: it uses the runner of the runtime, or a list for `runAll`
 * (browsers, edge runtimes). Both respect `differences.ts`.
 */

import { type Difference, difference } from "./differences.ts";
import { turn } from "./gate.ts";
import { here } from "./host.ts";
import { onUnhandled } from "./unhandled.ts";

// Taken before a test can replace them by a fake clock.
const { setTimeout, clearTimeout } = globalThis;

/** A test that has not settled after this time, in milliseconds, never settles. */
const LIMIT = 60_000;

/** The body of a test. */
export type Body = () => void | Promise<void>;

interface Test {
  readonly name: string;
  readonly body: Body;
  readonly difference?: Difference | undefined;
}

/** The result of a test in `runAll`. */
export interface Result {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "expected" | "left out";
  /** The error of a failed test. */
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

// Not `node:test` in Deno, because that bypasses the sanitizers.
const runner = host.Deno?.test ?? host.process?.getBuiltinModule?.("node:test").test;

/** Registers a test. */
export function test(name: string, body: Body): void {
  const known = difference(name);
  if (!runner) listed.push({ name, body, difference: known });
  else if (known?.effect !== "left out") {
    runner(name, () => expected(known, () => inTime(LIMIT, body)));
  } else if ("ignore" in runner) runner.ignore(name, body);
  else runner.skip(name, body);
}

/** Options of `runAll`. */
export interface RunAllOptions {
  readonly tests?: readonly Test[];
  /** The time limit of each test, in milliseconds. */
  readonly limit?: number;
  readonly onStart?: (name: string) => void;
  readonly onResult: (result: Result) => void;
}

/** Returns the number of tests that `runAll` would run. */
export function countAll(): number {
  return listed.length;
}

/** Runs the listed tests in order, until one does not settle. */
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
      // It may still hold resources that the others need, such as the fake clock.
      if (error instanceof Unsettled) return;
    }
  }
}

/** Runs a body that must settle in time. */
async function inTime(limit: number, body: Body): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Unsettled(`not settled within ${limit} ms`)), limit);
    // Deno detects at once that nothing can settle a test any more, and names the test.
    if (here === "deno") (timer as { unref?(): void }).unref?.();
  });
  try {
    await Promise.race([Promise.resolve().then(body), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs a body that must handle all its errors. The runners of other runtimes check that themselves.
 */
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

/** Runs a body, which must fail if the runtime has a known difference. */
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
