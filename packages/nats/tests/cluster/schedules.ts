/**
 * Plays schedules with real processes and a real server: `deno task schedules --count 100 --seed 1`. Prints
 * a line for each, and the seed of one that fails.
 */

import { parseArgs } from "node:util";
import { prepare } from "./cast.ts";
import { play, type Played } from "./play.ts";
import { scheduleOf } from "./schedule.ts";

const REASONS = [
  "nak",
  "restart",
  "crash",
  "pause",
] as const;

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
    messages: { type: "string", default: "10000" },
  },
});
const [count, seed, messages] = [values.count, values.seed, values.messages].map(Number);

const COLUMNS: ReadonlyArray<readonly [string, (played: Played) => number]> = [
  ["messages", ({ published }) => published],
  ["executions", ({ executions }) => executions],
  ["again", ({ repeats }) => repeats.length],
  ...REASONS.map((reason) => [reason, ({ reasons }: Played) => reasons[reason] ?? 0] as const),
  ["unexplained", ({ unexplained }) => unexplained.length],
  ["poison", ({ poison }) => poison],
  ["lost", ({ lost }) => lost.length],
  ["seconds", ({ seconds }) => Math.round(seconds)],
];

const row = (title: string, cells: readonly (string | number)[]) =>
  title.padEnd(10) +
  cells.map((cell, i) => `${cell}`.padStart(Math.max(COLUMNS[i]![0].length, 8) + 1)).join("");

console.log(row("seed", COLUMNS.map(([title]) => title)));
// The processes end with it.
Deno.addSignalListener("SIGINT", () => Deno.exit(130));
await prepare();
const all: Played[] = [];
for (let i = 0; i < count!; i++) {
  const played = await play(scheduleOf(seed! + i, messages!));
  all.push(played);
  console.log(row(`${played.seed}`, COLUMNS.map(([, cell]) => cell(played))));
  for (const complaint of played.complaints) console.log(`  ${complaint}`);
  if (played.directory) console.log(`  its history is in ${played.directory}`);
}
console.log(row("all", COLUMNS.map(([, cell]) => all.reduce((sum, each) => sum + cell(each), 0))));
const failed = all.filter(({ complaints }) => complaints.length > 0).map(({ seed }) => seed);
console.log(failed.length > 0 ? `FAILED: seeds ${failed.join(", ")}` : "OK");
Deno.exit(failed.length > 0 ? 1 : 0);
