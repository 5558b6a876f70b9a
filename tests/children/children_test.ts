/**
 * Tests that need a process: that it exits by itself, which errors end it, and that its heap is
 * enough. Each case runs in each runtime.
 */

import { assertEquals } from "@std/assert";
import type { Case } from "./case.ts";
import { cases } from "./cases.ts";
import { binary, title } from "../../tools/runtimes.ts";

const MAIN = "tests/children/main.ts";
// Pending timers take a day, and a busy machine takes less than this.
const LIMIT = 20_000;
const LIMIT_OF_SIZES = 120_000;
const RUNTIMES = ["deno", "bun", "node22", "node26"] as const;
type Runtime = typeof RUNTIMES[number];
// One runtime of each engine, for cases that take seconds.
const ENGINES: readonly Runtime[] = ["bun", "node26"];

for (const runtime of RUNTIMES) {
  const crowd = cases.filter((child) => !lonely(child));
  let together: Promise<boolean> | undefined;
  for (const child of cases) {
    if (child.heap !== undefined && !ENGINES.includes(runtime)) continue;
    Deno.test(`${child.name} in ${title(runtime)}`, async () => {
      // In one process: if that ends as expected, each case has.
      if (!lonely(child) && await (together ??= ended(runtime, crowd).then(asExpected))) return;
      const { actual, expected } = await ended(runtime, [child]);
      assertEquals(actual, expected);
    });
  }
}

function lonely({ alone, dies, heap }: Case): boolean {
  return alone === true || dies !== undefined || heap !== undefined;
}

/** The outcome of a process. */
interface Ending {
  /** `"0"`, `"not 0"`, or that it did not exit. */
  readonly exit: string;
  readonly printed: readonly string[];
  /** The standard error. An expected error counts as its expected text. */
  readonly complained: string;
}

interface Ended {
  readonly actual: Ending;
  readonly expected: Ending;
}

function asExpected({ actual, expected }: Ended): boolean {
  return JSON.stringify(actual) === JSON.stringify(expected);
}

async function ended(runtime: Runtime, children: readonly Case[]): Promise<Ended> {
  const [{ dies, heap }] = children as [Case];
  const limit = heap === undefined ? LIMIT : LIMIT_OF_SIZES;
  const signal = AbortSignal.timeout(limit);
  const [path, ...args] = await command(runtime, heap) as [string, ...string[]];
  const { code, stdout, stderr } = await new Deno.Command(path, {
    args: [...args, ...children.map(({ name }) => name)],
    stdin: "null",
    env: { NO_COLOR: "1" },
    signal,
  }).output();
  const [printed, complained] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return {
    actual: {
      exit: signal.aborted ? `not within ${limit} ms` : code === 0 ? "0" : "not 0",
      printed: printed!.split("\n").slice(0, -1),
      complained: dies !== undefined && complained!.includes(dies) ? dies : complained!,
    },
    expected: {
      exit: dies === undefined ? "0" : "not 0",
      printed: children.flatMap(({ name, prints }) => [`# ${name}`, ...prints]),
      complained: dies ?? "",
    },
  };
}

async function command(runtime: Runtime, heap: number | undefined): Promise<string[]> {
  const limit = heap === undefined ? [] : [`--max-old-space-size=${heap}`];
  switch (runtime) {
    case "deno":
      return [
        ...[Deno.execPath(), "run", "--no-check", "--quiet"],
        ...limit.map((flag) => `--v8-flags=${flag}`),
        MAIN,
      ];
    case "bun":
      return [await binary(runtime), MAIN];
    default:
      return [await binary(runtime), ...limit, MAIN];
  }
}
