/**
 * Runs the bundled suite in Node, with one mutant after the other: `child.ts BUNDLE JOBS`, with the
 * jobs in a file. Prints a line of JSON for each, and ends at the first that leaves something behind.
 */

import { readFileSync, writeSync } from "node:fs";
import { performance } from "node:perf_hooks";
import process from "node:process";

/** What to do. */
export interface Job {
  /** None: only measure. */
  readonly mutant?: string;
  /** The names of the tests; all where they are not given. */
  readonly tests?: readonly string[];
  /** How often the mutant may be reached: an endless loop ends here. */
  readonly hits?: number;
}

/** How it went. */
export interface Report {
  readonly mutant?: string | undefined;
  readonly killedBy?: string;
  readonly how?: string;
  /** Whether it was the first of its process. */
  readonly fresh?: boolean;
  readonly measured?: readonly Measured[];
  /** The mutants that the import of the suite reaches. */
  readonly always?: readonly string[];
}

/** A test, and how often it reaches each mutant. */
export interface Measured {
  readonly name: string;
  readonly ms: number;
  readonly failure?: string | undefined;
  readonly reaches: Readonly<Record<string, number>>;
}

interface Coverage {
  static: Record<string, number>;
  perTest: Record<string, Record<string, number>>;
}

// Before a test can put a fake clock in their place.
const now = performance.now.bind(performance);
const { setInterval, setTimeout } = globalThis;
// A test whose loop has nothing to do for so long, or that computes for so long, in milliseconds.
const IDLE = 600;
const BUSY = 30_000;
// Tests of masses take seconds, and find nothing here that others do not.
const MASSES = /million|[12]e[56]|100,000|many calls|long queue|more items of one key/;

const [bundle, given] = process.argv.slice(2);
const jobs: readonly Job[] = JSON.parse(readFileSync(given!, "utf8"));
const stryker: {
  activeMutant?: string | undefined;
  currentTestId?: string | undefined;
  hitCount?: number | undefined;
  hitLimit?: number;
  mutantCoverage?: Coverage;
} = {};
Object.assign(globalThis, { __stryker__: stryker });

const tests = new Map<string, () => unknown>();
const register = (name: string, body: () => unknown) => {
  if (!MASSES.test(name)) tests.set(name, body);
};
const builtin = process.getBuiltinModule;
process.getBuiltinModule =
  ((id: string) =>
    id === "node:test"
      ? { test: Object.assign(register, { skip() {} }) }
      : builtin(id)) as typeof builtin;

let job = jobs[0]!;
let test = "the import of the suite";
let lost: unknown[] = [];
const lose = (error: unknown) => void lost.push(error);
process.on("uncaughtException", lose);
process.on("unhandledRejection", lose);
// The same schedules for each mutant.
let seed = 1;
Math.random = () => (seed = seed * 48271 % 2147483647) / 2147483647;

let late = (_how: string): void => {};
let [spare, used] = [0, 0];
let last = performance.eventLoopUtilization();
// It also keeps the process alive for timers of the platform that do not.
setInterval(() => {
  const { idle, active, utilization } = performance.eventLoopUtilization(last);
  last = performance.eventLoopUtilization();
  used += active;
  spare = utilization < 0.1 ? spare + idle : 0;
  if (spare > IDLE) late("never settles");
  else if (used > BUSY) late("takes for ever");
}, IDLE / 4);

activate();
try {
  await import(bundle!);
} catch (error) {
  kill(String(error));
}
for (job of jobs) {
  activate();
  await perform();
}
process.exit(0);

function activate(): void {
  Object.assign(stryker, { activeMutant: job.mutant, hitCount: 0, hitLimit: job.hits ?? Infinity });
}

async function perform(): Promise<void> {
  const measured: Measured[] = [];
  for (test of job.tests ?? tests.keys()) {
    stryker.currentTestId = test;
    seed = 1;
    const start = now();
    const failure = await failureOf(tests.get(test)!);
    if (failure !== undefined && job.mutant !== undefined) return kill(failure);
    if (job.mutant === undefined) {
      const reaches = stryker.mutantCoverage?.perTest[test] ?? {};
      measured.push({ name: test, ms: now() - start, reaches, failure });
    }
  }
  const always = Object.keys(stryker.mutantCoverage?.static ?? {});
  print(job.mutant === undefined ? { measured, always } : { mutant: job.mutant });
}

async function failureOf(body: () => unknown): Promise<string | undefined> {
  lost = [];
  used = spare = 0;
  const hangs = new Promise<never>((_, reject) => {
    late = (how) => reject(new Error(how));
  });
  try {
    await Promise.race([Promise.resolve().then(body), hangs]);
    // What is left unhandled shows by then.
    await new Promise((resolve) => void setTimeout(resolve, 0));
  } catch (error) {
    return String((error as Error)?.message ?? error).slice(0, 200);
  }
  if (lost.length > 0) return `uncaught ${String(lost[0])}`;
}

/** A failed assertion leaves nothing behind; anything else may, so that the process ends. */
function kill(how: string): void {
  print({ mutant: job.mutant, killedBy: test, how, fresh: job === jobs[0] });
  stryker.activeMutant = undefined;
  if (/^(uncaught|takes|never|Stryker)/.test(how) || test.startsWith("the import")) process.exit(0);
}

function print(report: Report): void {
  const bytes = new TextEncoder().encode(`\n${JSON.stringify(report)}\n`);
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += writeSync(1, bytes.subarray(sent));
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
    }
  }
}
