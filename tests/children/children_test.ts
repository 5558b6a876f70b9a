/**
 * What only a process can show: that it exits by itself, what ends it, and that it makes do with
 * its heap. Each case runs in each runtime.
 */

import { assertEquals } from "@std/assert";
import type { Case } from "./case.ts";
import { cases } from "./cases.ts";
import { binary, title } from "../../tools/runtimes.ts";

const MAIN = "tests/children/main.ts";
// What is left pending is so for a day, and what a busy machine takes is less.
const LIMIT = 20_000;
const LIMIT_OF_SIZES = 120_000;
const RUNTIMES = ["deno", "bun", "node22", "node26"] as const;
type Runtime = typeof RUNTIMES[number];
// One of each engine, for what takes seconds.
const ENGINES: readonly Runtime[] = ["bun", "node26"];

for (const runtime of RUNTIMES) {
  const crowd = cases.filter((child) => !lonely(child));
  let together: Promise<boolean> | undefined;
  for (const child of cases) {
    if (child.heap !== undefined && !ENGINES.includes(runtime)) continue;
    Deno.test(`${child.name} in ${title(runtime)}`, async () => {
      // In one process: if that ends as it should, each of them has.
      if (!lonely(child) && await (together ??= ended(runtime, crowd).then(asExpected))) return;
      const { actual, expected } = await ended(runtime, [child]);
      assertEquals(actual, expected);
    });
  }
}

function lonely({ alone, dies, heap }: Case): boolean {
  return alone === true || dies !== undefined || heap !== undefined;
}

/** How a process ended. */
interface Ending {
  /** `"0"`, `"not 0"`, or that it did not. */
  readonly exit: string;
  readonly printed: readonly string[];
  /** On the standard error; of a complaint that is expected, what is expected. */
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
