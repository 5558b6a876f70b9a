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
    "peers": peers(summary),
    "memory": memoryHeld(summary),
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

/** The README's rows about libraries that a reader may know, each with two cases to compare. */
const PEERS: readonly Peer[] = [
  {
    name: "p-queue",
    better: "you need priorities, or a queue of functions",
    adds: "a hard bound on what waits, backpressure, batches, keys, retries",
    cases: ["fanout", "Fanout.tryPush", "p-queue"],
  },
  {
    name: "p-map",
    better: "you have all items in an array",
    adds: "pipes, order by key, a rate, skipping what fails, `stats`",
    cases: ["map", "MapStream.from", "p-map pMapIterable"],
  },
  {
    name: "dataloader",
    better: "you want its cache for each request",
    adds: "a bound on batches at once and on what waits, cancelling, retries",
    cases: ["aggregator", "Aggregator.submit", "dataloader"],
  },
  {
    name: "RxJS",
    better: "you combine events with its many operators",
    adds: "backpressure: `bufferTime` and `mergeMap` queue without a bound",
    cases: ["aggregator", "Aggregator.tryPush", "rxjs Subject, bufferTime"],
  },
  {
    name: "`@std`",
    better: "you need one small helper in Deno",
    adds: "`linger`, weights, unordered results, sinks; npm",
    cases: ["map", "MapStream.from", "@std/async pooledMap"],
  },
];

interface Peer {
  readonly name: string;
  /** When to use it instead. */
  readonly better: string;
  /** What weir adds. */
  readonly adds: string;
  readonly cases: readonly [group: string, ours: string, theirs: string];
}

function peers(summary: Summary): string {
  const rows = PEERS.map(({ name, better, adds, cases: [group, ours, theirs] }) => {
    const times = ratios(summary, { group, name: ours, against: theirs })!;
    const shown = times.map((each) => each.toFixed(2)).join(" / ");
    return [name, better, adds, `\`${ours}\` / \`${theirs.split(" ").at(-1)}\`: ${shown}`];
  });
  return piped([["instead of", "it is better when", "weir adds", "time"], ...rows]);
}

function measuredOn({ date, revision, machine, rounds, runtimes }: Summary): string {
  return `One run on ${date}, at revision ${revision}, the fastest of ${rounds} rounds each, on ` +
    `${machine}: ${runtimes.join(" / ")}.`;
}

function memoryHeld({ memory }: Summary): string {
  const most = (rows: Summary["memory"]) =>
    megabytes(Math.max(...rows.flatMap(([, , ...bytes]) => bytes)));
  const of = (name: string) => most(memory.filter((row) => row[1] === name));
  return `A million items are sent to a sink that does not take any. weir then holds at most ` +
    `${most(memory.filter(([kind]) => kind === "weir"))} MB, fastq up to ${
      of("fastq.promise")
    } MB, ` +
    `and p-queue up to ${of("p-queue")} MB.`;
}

function overloadIn({ overload: { rows } }: Summary): string {
  const { times, deadline } = OVERLOAD;
  const served = (name: string) => {
    const [, , ...each] = rows.find((row) => row[1] === name)!;
    const shares = each.map((account, index) => percent(shareOf(rows, account, index)));
    return `${shares.join(" / ")} %`;
  };
  return `A \`Fanout\` gets ${times} times the items that its handlers can handle. Of the items that ` +
    `they could handle, this share is done within ${deadline} ms: ${
      served("Fanout.tryPush")
    } with ` +
    `\`tryPush\`, ${served("Fanout.tryPush, with maxWait")} with \`maxWait\`, ` +
    `${served("Fanout.push")} with \`push\`, where every caller waits, and ` +
    `${served("p-queue")} with p-queue.`;
}

function overloadTable(summary: Summary): string {
  const { date, revision } = summary.overload;
  const table = piped([overloadHead(summary), ...overloaded(summary)]);
  return `Measured on ${date}, at revision ${revision}, on ${summary.machine}.\n\n${table}`;
}

function sizes({ size }: Summary): string {
  const [root, ...entries] = size.map(([, , gzipped]) => gzipped / 1000);
  return `An entry point adds ${Math.min(...entries).toFixed(1)} to ` +
    `${
      Math.max(...entries).toFixed(1)
    } kB to a bundle (minified, gzipped), and everything together ` +
    `${root!.toFixed(1)} kB. Bundlers drop what you don't use.`;
}
