/**
 * Runs every exploration of the tests on every core: all sequences of a number of events.
 *
 * `--only` selects explorations by the start of their names. `--depth` sets the depth for each, and
 * `--at-most` limits it for all. `--path` plays one sequence, in the form that a failure prints.
 */

import { parseArgs } from "node:util";
import { explorations } from "../tests/races/all.ts";
import { type Exploration, lengthOf, type Visit, visitAll } from "../tests/races/explore.ts";
import { deno } from "./run.ts";
import type { Outcome } from "./suite.ts";
import { answer, ask, isThread } from "./thread.ts";

/** The number of paths that a thread gets at a time. */
const PIECE = 200;

/** The paths that a thread visits. */
interface Task {
  readonly name: string;
  readonly paths: readonly string[];
  readonly depth: number;
}

/** The depth in the gate. One more event takes ten minutes on two cores. */
const GATE = "5";

/** Runs as a step of the gate. */
export async function exploreAll(): Promise<Outcome> {
  const args = ["run", "-A", "--no-check", "tools/explore.ts", "--at-most", GATE];
  const { success, output } = await deno(args);
  if (success) console.log(output.trimEnd());
  const passed = output.match(/^ok /gm)?.length ?? 0;
  const failed = output.match(/^FAIL /gm)?.length ?? 0;
  return { passed, failed: success ? failed : Math.max(failed, 1), output };
}

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const { values: { only = "", depth, path, "at-most": most = "Infinity" } } = parseArgs({
    options: { only: text, depth: text, path: text, "at-most": text },
  });
  const chosen = explorations.filter(({ name }) => name.startsWith(only));
  if (chosen.length === 0) {
    console.error(`no exploration "${only}"; there are: ${explorations.map(({ name }) => name)}`);
    Deno.exit(2);
  }
  if (path !== undefined) {
    const exploration = chosen.find(({ name }) => name === only) ?? chosen[0]!;
    tell(exploration, 0, 0, await visitAll(exploration, [path], 0));
    return;
  }
  const threads = Array.from(
    { length: navigator.hardwareConcurrency },
    () => new Worker(import.meta.url, { type: "module" }),
  );
  let all = 0;
  for (const exploration of chosen) {
    const start = performance.now();
    const deep = Math.min(Number(depth ?? exploration.depth), Number(most));
    const visit = await explore(exploration, deep, threads);
    all += visit.sequences;
    tell(exploration, deep, performance.now() - start, visit);
  }
  console.log(`      ${figure(all)} sequences of ${chosen.length} explorations`);
  for (const thread of threads) thread.terminate();
}

/** One level after the other, so that a failure is one of the shortest. */
async function explore(
  { name }: Exploration,
  depth: number,
  threads: readonly Worker[],
): Promise<Visit> {
  const levels = Array.from({ length: depth + 1 }, (): string[] => []);
  levels[0]!.push("");
  let sequences = 0;
  for (const level of levels) {
    const pieces = Array.from({ length: Math.ceil(level.length / PIECE) }, (_, piece): Task => {
      return { name, depth, paths: level.slice(piece * PIECE, (piece + 1) * PIECE) };
    });
    const failures: string[] = [];
    const queue = pieces.entries();
    await Promise.all(threads.map(async (thread) => {
      for (const [piece, task] of queue) {
        if (failures.length > 0) break;
        const visit = await ask<Task, Visit>(thread, task, name);
        sequences += visit.sequences;
        if (visit.failure !== undefined) failures[piece] = visit.failure;
        for (const longer of visit.longer) levels[lengthOf(longer)]!.push(longer);
      }
    }));
    const failure = failures.find((failure) => failure !== undefined);
    if (failure !== undefined) return { sequences, failure, longer: [] };
    level.length = 0;
  }
  return { sequences, longer: [] };
}

function tell({ name }: Exploration, depth: number, ms: number, { sequences, failure }: Visit) {
  const columns = [
    failure === undefined ? "ok   " : "FAIL ",
    name.padEnd(26),
    `${figure(sequences).padStart(11)} sequences of ${depth} events`,
    `${(ms / 1000).toFixed(1).padStart(6)} s`,
  ];
  console.log(columns.join(" "));
  if (failure === undefined) return;
  console.log(`\n${failure}\n`);
  Deno.exitCode = 1;
}

function figure(count: number): string {
  return count.toLocaleString("en");
}

if (isThread) {
  answer(({ name, paths, depth }: Task) =>
    visitAll(explorations.find((exploration) => exploration.name === name)!, paths, depth)
  );
} else if (import.meta.main) await main();
