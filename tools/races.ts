/**
 * Plays every race of the tests over many schedules.
 *
 * `--count` is the number of schedules of each race. `--total` is the number for all races
 * together, on every core. `--property` plays one race. The seed is new each time and printed,
 * unless you set `--seed`. With `--path` it replays a failure.
 */

import { parseArgs } from "node:util";
import { races } from "../tests/races/all.ts";
import { type Choice, type Failure, hold, newSeed, SEEDS } from "../tests/races/race.ts";
import { deno } from "./run.ts";
import type { Outcome } from "./suite.ts";
import { answer, ask, isThread } from "./thread.ts";

/** The number of schedules that a thread plays at a time, and the default number for each race. */
const PIECE = 20_000;

/** The work of a thread. */
interface Task extends Choice {
  readonly name: string;
}

/** Its outcome. */
interface Played {
  readonly seconds: number;
  readonly failure: Failure | undefined;
}

/** The number of schedules that a race has passed. */
interface Row {
  readonly name: string;
  schedules: number;
  seconds: number;
  failure?: Failure;
}

/** Runs as a step of the gate: `count` new schedules of each race. */
export async function playRaces(count: number): Promise<Outcome> {
  const args = ["run", "-A", "--no-check", "tools/races.ts", `--count=${count}`];
  const { success, output } = await deno(args);
  if (success) console.log(output.trimEnd());
  const passed = output.match(/^ok /gm)?.length ?? 0;
  const failed = output.match(/^FAIL /gm)?.length ?? 0;
  return { passed, failed: success ? failed : Math.max(failed, 1), output };
}

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const { values: { property, path, total, ...values } } = parseArgs({
    options: { property: text, seed: text, path: text, count: text, total: text },
  });
  const chosen = races.filter(({ name }) => property === undefined || name === property);
  if (chosen.length === 0) {
    console.error(`no property "${property}"; there are: ${races.map(({ name }) => name)}`);
    Deno.exit(2);
  }
  const seed = Number(values.seed ?? newSeed());
  const count = total ? Math.ceil(Number(total) / chosen.length) : Number(values.count ?? PIECE);
  console.log(`      seed ${seed}, ${figure(count)} schedules of each of ${chosen.length} races`);
  const rows = chosen.map(({ name }): Row => ({ name, schedules: 0, seconds: 0 }));
  const tasks = cut(rows, { seed, count, path });
  const threads = total ? navigator.hardwareConcurrency : 1;
  await Promise.all(Array.from({ length: threads }, () => work(tasks, count)));
  if (rows.some(({ failure }) => failure)) Deno.exitCode = 1;
}

/** Splits the races into pieces, in turns. Each piece has the next seed. */
function* cut(rows: readonly Row[], { seed, count, path }: Choice): Generator<[Row, Task]> {
  for (let done = 0, piece = 0; done < count; done += PIECE, piece++) {
    for (const row of rows) {
      if (row.failure) continue;
      const part = { seed: (seed + piece) % SEEDS, count: Math.min(PIECE, count - done), path };
      yield [row, { name: row.name, ...part }];
    }
  }
}

/** Runs a thread while there are pieces to play. */
async function work(tasks: Generator<[Row, Task]>, count: number): Promise<void> {
  const worker = new Worker(import.meta.url, { type: "module" });
  for (const [row, task] of tasks) {
    const { seconds, failure } = await ask<Task, Played>(
      worker,
      task,
      `${task.name}, seed ${task.seed}`,
    );
    row.seconds += seconds;
    row.schedules += failure ? failure.schedules : task.count;
    // Other threads may have played pieces of the same race.
    if (row.failure) continue;
    if (failure) row.failure = failure;
    if (failure || row.schedules === count) tell(row);
    else console.log(`      ${row.name}: ${figure(row.schedules)} of ${figure(count)}`);
  }
  worker.terminate();
}

function tell({ name, schedules, seconds, failure }: Row): void {
  const columns = [
    failure ? "FAIL " : "ok   ",
    name.padEnd(22),
    `${figure(schedules).padStart(9)} schedules`,
    `${seconds.toFixed(1).padStart(6)} s`,
  ];
  console.log(columns.join(" "));
  if (failure) console.log(`\n${failure.message}\n`);
}

function figure(count: number): string {
  return count.toLocaleString("en");
}

/** In a separate thread with a fake clock. */
async function play(task: Task): Promise<Played> {
  const start = performance.now();
  const failure = await hold(races.find(({ name }) => name === task.name)!, task);
  return { seconds: (performance.now() - start) / 1000, failure };
}

// The first module of a worker is also `main`.
if (isThread) answer(play);
else if (import.meta.main) await main();
