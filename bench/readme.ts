/**
 * Fills the README and the pages of docs/ from a summary: the pictures, and the text in the marked
 * places.
 */

import { deno } from "../tools/run.ts";
import { overload } from "./curves.ts";
import { memory, speed } from "./pictures.ts";
import { json, type Summary } from "./summary.ts";
import {
  megabytes,
  overloaded,
  overloadHead,
  percent,
  piped,
  ratios,
  shareOf,
  verdictHead,
  verdicts,
} from "./tables.ts";
import { OVERLOAD } from "./targets.ts";

const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);
const SUMMARY = "bench/summary.json";

/** All pages that may have places. */
async function pages(): Promise<string[]> {
  const found = ["README.md"];
  for await (const { name } of Deno.readDir(`${ROOT}docs`)) {
    if (name.endsWith(".md")) found.push(`docs/${name}`);
  }
  return found;
}

/** The committed summary. */
export async function committed(): Promise<Summary> {
  return JSON.parse(await Deno.readTextFile(`${ROOT}${SUMMARY}`));
}

/** Returns every file that is made from a summary: its path and its content. */
export async function published(measured: Summary): Promise<Map<string, string>> {
  const text = json(measured);
  // From the committed summary, which is rounded, so that drawing it again gives the same.
  const summary: Summary = JSON.parse(text);
  const files = new Map([
    [SUMMARY, text],
    ["bench/speed.svg", speed(summary)],
    ["bench/memory.svg", memory(summary)],
    ["bench/overload.svg", overload(summary)],
  ]);
  for (const page of await pages()) {
    files.set(page, filled(await Deno.readTextFile(`${ROOT}${page}`), blocks(summary)));
  }
  for (const [path, content] of files) files.set(path, await formatted(path, content));
  return files;
}

/** Writes the files. */
export async function publish(summary: Summary): Promise<void> {
  for (const [path, content] of await published(summary)) {
    await Deno.writeTextFile(`${ROOT}${path}`, content);
  }
}

/** Fills the places of a page: `<!-- bench:NAME -->` to `<!-- /bench:NAME -->`. */
export function filled(page: string, blocks: Readonly<Record<string, string>>): string {
  for (const [name, content] of Object.entries(blocks)) {
    const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
    const [from, to] = [page.indexOf(open), page.indexOf(close)];
    if (from < 0) continue;
    if (to < from) throw new Error(`${open} has no end`);
    page = `${page.slice(0, from + open.length)}\n\n${content}\n\n${page.slice(to)}`;
  }
  return page;
}

/** Formats it as `deno fmt` does. */
async function formatted(path: string, content: string): Promise<string> {
  const scratch = await Deno.makeTempFile({ suffix: path.slice(path.lastIndexOf(".")) });
  await Deno.writeTextFile(scratch, content);
  const { success, output } = await deno(["fmt", "--quiet", "--line-width=100", scratch]);
  const text = await Deno.readTextFile(scratch);
  await Deno.remove(scratch);
  if (!success) throw new Error(`${path}: ${output}`);
  return text;
}

/** The text for the README and the docs, by the name of the place. */
function blocks(summary: Summary): Readonly<Record<string, string>> {
  return {
    "measured": measuredOn(summary),
    "speed": piped([["case", "weir", "beside it"], ...SHOWN.map(shown(summary))]),
    "memory": memoryHeld(summary),
    "latency": waited(summary),
    "overload": overloadIn(summary),
    "overload-table": overloadTable(summary),
    "size": sizes(summary),
    "targets": piped([verdictHead(summary), ...verdicts(summary)]),
    "options": beside(summary, "options", (least, first) => (least / first).toFixed(2)),
    "construction": beside(summary, "construction", (least) => (least / 1000).toFixed(1)),
    "latencies": latencies(summary),
    ...Object.fromEntries(
      Object.keys(summary.speed).map((group) => [`group-${group}`, grouped(summary, group)]),
    ),
  };
}

/** The cases of a group, each compared with the first. */
function beside(
  { runtimes, speed }: Summary,
  group: string,
  cell: (least: number, first: number) => string,
): string {
  const rows = speed[group] ?? [];
  const body = rows.map(([, name, ...least]) => [
    name,
    ...least.map((each, index) => cell(each, rows[0]![index + 2] as number)),
  ]);
  return piped([["", ...runtimes], ...body]);
}

/**
 * Every case of a group, as a multiple of the cost of the first. Libraries without a bound are
 * marked.
 */
function grouped({ runtimes, speed }: Summary, group: string): string {
  const rows = speed[group]!;
  const body = rows.map(([kind, name, ...least]) => [
    kind === "weir" ? `**${name}**` : kind === "unbounded" ? `${name}, unbounded` : name,
    ...least.map((each, index) => (each / (rows[0]![index + 2] as number)).toFixed(2)),
  ]);
  return piped([["case", ...runtimes], ...body]);
}

function latencies({ runtimes, latency }: Summary): string {
  const body = latency.map(([, name, ...each]) => [
    name,
    ...each.map((both) => both.map((time) => time.toFixed(1)).join(" / ")),
  ]);
  return piped([["", ...runtimes], ...body]);
}

/** The rows of the README: a case of ours, and the case to compare with. */
const SHOWN: readonly [title: string, group: string, name: string, ...beside: Beside[]][] = [
  ["pipe through `BatchStream`", "batching", "pipe, BatchStream", {
    "an identity `TransformStream`": "pipe through an identity TransformStream",
  }],
  ["`BatchStream.from`", "batching", "BatchStream.from", {
    "`batchWithTimeout`": "streaming-iterables batchWithTimeout",
  }],
  ["`Aggregator.tryPush`", "aggregator", "Aggregator.tryPush", {
    "RxJS `bufferTime`, unbounded,": "rxjs Subject, bufferTime",
    "`cargoQueue`, unbounded,": "async cargoQueue",
  }],
  ["`Fanout.tryPush`, 16 asynchronous", "fanout", "Fanout.tryPush", {
    "p-map": "p-map",
    "fastq, unbounded,": "fastq.promise",
    "p-queue, unbounded,": "p-queue",
  }],
  ["`Fanout.consume`", "fanout", "Fanout.consume", { "by hand": "ring of items, reader loop" }],
  ["pipe to `Fanout`", "fanout", "pipe to Fanout"],
  ["`MapStream.from`", "map", "MapStream.from", { "`pMapIterable`": "p-map pMapIterable" }],
  [
    "`Singleflight.do`, against a `Map`",
    "singleflight",
    "Singleflight.do, one after another",
    { "p-memoize": "p-memoize, no cache, one after another" },
  ],
];

type Beside = Readonly<Record<string, string>>;

function shown(summary: Summary): (row: typeof SHOWN[number]) => string[] {
  return ([title, group, name, beside = {}]) => {
    const floor = summary.speed[group]![0]![1];
    const of = (name: string) =>
      ratios(summary, { group, name, against: floor })!.map((each) => each.toFixed(2)).join(" / ");
    const others = Object.entries(beside).map(([title, name]) => `${title} ${of(name)}`);
    return [title, of(name), others.join("; ")];
  };
}

function measuredOn({ date, revision, machine, rounds, runtimes }: Summary): string {
  return `Least samples of ${rounds} rounds on ${date}, at revision ${revision}, on ${machine}: ` +
    `${runtimes.join(" / ")}.`;
}

function memoryHeld({ memory }: Summary): string {
  const most = (rows: Summary["memory"]) =>
    megabytes(Math.max(...rows.flatMap(([, , ...bytes]) => bytes)));
  const of = (name: string) => most(memory.filter((row) => row[1] === name));
  return `Of a million items before a sink that stands still, weir holds at most ` +
    `${most(memory.filter(([kind]) => kind === "weir"))} MB, fastq up to ${of("fastq.promise")}, ` +
    `and p-queue up to ${of("p-queue")}.`;
}

function waited({ latency }: Summary): string {
  const of = (name: string) => {
    const [, , ...each] = latency.find((row) => row[1] === name)!;
    const at = (index: 0 | 1) => each.map((both) => both[index].toFixed(1)).join(" / ");
    return `${at(0)} ms at the median and ${at(1)} ms at the 99th percentile`;
  };
  return `With a \`linger\` of 10 ms at 1000 items a second, an item waits ` +
    `${
      of("BatchStream.from")
    } for its batch from \`BatchStream.from\`; with an array and a timer ` +
    `${of("an array and a timer")}.`;
}

function overloadIn({ overload: { rows } }: Summary): string {
  const { times, deadline } = OVERLOAD;
  const served = (name: string) => {
    const [, , ...each] = rows.find((row) => row[1] === name)!;
    const shares = each.map((account, index) => percent(shareOf(rows, account, index)));
    return `${shares.join(" / ")} %`;
  };
  return `Offered ${times} times what its handlers can do, a \`Fanout\` serves ` +
    `${served("Fanout.tryPush")} of what they can do within ${deadline} ms by \`tryPush\`, and ` +
    `${served("Fanout.tryPush, with maxWait")} with \`maxWait\`. Where every caller waits, by ` +
    `\`push\`, it is ${served("Fanout.push")}, and with p-queue ${served("p-queue")}.`;
}

function overloadTable(summary: Summary): string {
  const { date, revision } = summary.overload;
  const table = piped([overloadHead(summary), ...overloaded(summary)]);
  return `Measured on ${date}, at revision ${revision}, on ${summary.machine}.\n\n${table}`;
}

function sizes({ size }: Summary): string {
  const [root, ...entries] = size.map(([, , gzipped]) => gzipped / 1000);
  return `An entry point adds ${Math.min(...entries).toFixed(1)} to ` +
    `${Math.max(...entries).toFixed(1)} kB to a bundle, minified and gzipped; all of it ` +
    `${root!.toFixed(1)} kB.`;
}
