/**
 * Every race of `tests/races`, over many schedules.
 *
 * `--count` schedules of each, or `--total` of all together on every core; `--property` plays one
 * of them. The seed is a new one each time, and printed, unless `--seed` gives it; with `--path` it
 * replays a failure. `--record` adds what was survived, if the seed is new, to docs/schedules.json
 * and docs/guarantees.md.
 */

import { parseArgs } from "node:util";
import { races } from "../tests/races/all.ts";
import type { Failure } from "../tests/races/race.ts";
import type { Played, Task } from "./race_worker.ts";
import { deno } from "./run.ts";
import { EACH, figure, record } from "./schedules.ts";
import type { Outcome } from "./suite.ts";

const SEEDS = 2 ** 31;
/** For `EACH` schedules, the most in one go; they take some seconds. */
const LIMIT = 5 * 60_000;
const REPORT = ".build/races.json";

/** What a race has survived. */
interface Row {
  readonly property: string;
  readonly promise: string;
  /** Of the first `EACH` schedules; the next have the next. */
  readonly seed: number;
  schedules: number;
  seconds: number;
  failure?: Failure;
}

/** As a step of the gate: so many schedules of each. */
export async function playRaces(count: number): Promise<Outcome> {
  const args = ["run", "-A", "--no-check", "tools/races.ts", "--count", String(count)];
  const { success, output } = await deno(args);
  if (success) console.log(output.trimEnd());
  const passed = output.match(/^ok /gm)?.length ?? 0;
  const failed = output.match(/^FAIL /gm)?.length ?? 0;
  return { passed, failed: success ? failed : Math.max(failed, 1), output };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      property: { type: "string" },
      seed: { type: "string" },
      path: { type: "string" },
      count: { type: "string" },
      total: { type: "string" },
      record: { type: "boolean" },
    },
  });
  const { property, path, total } = values;
  const chosen = races.filter(({ name }) => property === undefined || name === property);
  if (chosen.length === 0) {
    console.error(`no property "${property}"; there are: ${races.map(({ name }) => name)}`);
    Deno.exit(2);
  }
  const seed = Number(values.seed ?? Math.trunc(Math.random() * SEEDS));
  const each = total ? Math.ceil(Number(total) / chosen.length) : Number(values.count ?? EACH);
  const rows = chosen.map(({ name, promise }): Row => {
    return { property: name, promise, seed, schedules: 0, seconds: 0 };
  });
  const tasks = cut(rows, { seed, count: each, path });
  const threads = total ? navigator.hardwareConcurrency : 1;
  await Promise.all(Array.from({ length: threads }, () => work(tasks, rows, each)));

  if (property === undefined) {
    await Deno.mkdir(".build", { recursive: true });
    await Deno.writeTextFile(REPORT, JSON.stringify(rows, undefined, 2));
  }
  if (rows.some(({ failure }) => failure)) Deno.exitCode = 1;
  else if (values.record && values.seed === undefined) {
    await record(rows);
    // In a process of its own: it loads the tests.
    const { success, output } = await deno(["run", "-A", "tools/guarantees.ts"]);
    if (!success) throw new Error(output);
    console.log("\ndocs/schedules.json and docs/guarantees.md have it: commit them");
  }
}

/** In pieces, those of all races by turns. */
function* cut(rows: readonly Row[], { seed, count, path }: Omit<Task, "name">): Generator<Task> {
  for (let done = 0, piece = 0; done < count; done += EACH, piece++) {
    for (const { property, failure } of rows) {
      if (failure) continue;
      yield {
        name: property,
        seed: (seed + piece) % SEEDS,
        count: Math.min(EACH, count - done),
        path,
      };
    }
  }
}

/** A thread, for as long as there is something to play. */
async function work(tasks: Generator<Task>, rows: readonly Row[], each: number): Promise<void> {
  const worker = new Worker(new URL("race_worker.ts", import.meta.url), { type: "module" });
  for (const task of tasks) {
    const { seconds, failure } = await play(worker, task);
    const row = rows.find(({ property }) => property === task.name)!;
    row.seconds += seconds;
    row.schedules += failure ? failure.schedules : task.count;
    // Others of it may have been at work.
    if (row.failure) continue;
    if (failure) row.failure = failure;
    if (failure || row.schedules === each) tell(row);
    else console.log(`      ${task.name}: ${figure(row.schedules)} of ${figure(each)}`);
  }
  worker.terminate();
}

function play(worker: Worker, task: Task): Promise<Played> {
  return new Promise((resolve, reject) => {
    const fail = (what: string) => reject(new Error(`${task.name}, seed ${task.seed}: ${what}`));
    const timer = setTimeout(() => fail("it hangs"), LIMIT);
    worker.onmessage = ({ data }) => {
      clearTimeout(timer);
      resolve(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      fail(event.message);
    };
    worker.postMessage(task);
  });
}

function tell({ property, seed, schedules, seconds, failure }: Row): void {
  const columns = [
    failure ? "FAIL " : "ok   ",
    property.padEnd(22),
    `${figure(schedules).padStart(9)} schedules`,
    `${seconds.toFixed(1).padStart(6)} s`,
    `  seed ${seed}`,
  ];
  console.log(columns.join(" "));
  if (failure) console.log(`\n${failure.message}\n`);
}

if (import.meta.main) await main();
