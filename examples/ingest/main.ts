/**
 * The main job: reads 170,000 places from a JSON file, asks a slow source for the name of each country, and
 * writes the places to SQLite, with one transaction for each batch. Then it writes them row by row, to
 * compare the two.
 *
 * `deno task demo`, `bun examples/ingest.js` or `node examples/ingest.js`; `--help` has the options.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { setImmediate as turn } from "node:timers/promises";
// In your project: from "@weir/streams".
import { BatchStream, Fanout } from "../../mod.ts";
import { explain } from "./advice.ts";
import { Countries } from "./countries.ts";
import { PlaceTable } from "./database.ts";
import { DeadLetters } from "./dead_letters.ts";
import { type Interrupts, interrupts } from "./interrupts.ts";
import { HELP, type Options, readOptions } from "./options.ts";
import type { Place } from "./place.ts";
import { PlaceFile } from "./places.ts";
import { count, Progress } from "./progress.ts";
import { remains, type Report, speed, table } from "./report.ts";

/** How long the program writes row by row, in milliseconds. */
const SAMPLE = 3000;

interface Job extends Options {
  readonly database: string;
  readonly countries: Countries;
  readonly letters: DeadLetters;
  /** How long the job may read, in milliseconds. */
  readonly time: number;
  /** When it aborts, the job reads no more, and writes what it has read. */
  readonly drain: AbortSignal;
  /** When it aborts, the job stops at once. */
  readonly discard: AbortSignal;
}

/** Reads the file, and writes its places in batches. */
async function ingest(job: Job, progress: Progress): Promise<Report> {
  const { countries, letters, workers, time } = job;
  const file = await PlaceFile.open(job.input);
  const places = new PlaceTable(job.database, job);
  const before = { asked: countries.asked, made: countries.made };
  const start = performance.now();
  let [written, skipped] = [0, 0];

  // While one worker writes, the others wait for the names that their batches need.
  const writers = new Fanout(async (batch: Place[], { signal }) => {
    const names = await Promise.all(batch.map((place) => countries.name(place.country, signal)));
    signal.throwIfAborted();
    places.insert(batch, names);
    written += batch.length;
    // SQLite blocks the event loop. This gives Ctrl-C and the progress bar a turn.
    await turn();
  }, { concurrency: workers, capacity: workers, signal: job.discard });

  /** The places that no earlier run has written. */
  async function* missing(): AsyncGenerator<Place, void, undefined> {
    for await (const place of file.read(job.limit, job.drain, (bad) => letters.add(bad))) {
      if (job.resume && places.has(place.record)) skipped++;
      else yield place;
    }
  }
  const fraction = () =>
    Math.max(file.fraction, file.records / job.limit, (performance.now() - start) / time);
  progress.start(() => ({ ...writers.stats, rows: written, fraction: fraction() }));
  let failure: Report["failure"];
  try {
    await BatchStream
      .from(missing(), { maxItems: job.batch, linger: 200 })
      .pipeTo(writers);
  } catch (error) {
    failure = { error };
    // An abort doesn't wait for handlers, but they use the database until they are done.
    await writers.idle();
  } finally {
    progress.stop();
  }
  const seconds = (performance.now() - start) / 1000;
  const counted = failure ? undefined : places.count(file.records);
  places.close();
  const good = file.records - letters.count;
  if (!failure && counted !== good) {
    failure = { error: new Error(`${good} places were read, but SQL counts ${counted}`) };
  }
  return {
    read: file.records,
    bad: letters.count,
    skipped,
    written,
    counted,
    batches: writers.stats.done,
    asked: countries.asked - before.asked,
    made: countries.made - before.made,
    seconds,
    fraction: file.fraction,
    failure,
  };
}

/** Runs the job twice, and returns the exit code. */
async function compare(
  options: Options,
  { drain, discard }: Interrupts,
  letters: DeadLetters,
  scratch: string,
  progress: Progress,
): Promise<number> {
  const countries = new Countries(options.latency);
  const database = options.database ?? join(scratch, "batches.sqlite");
  const job: Job = { ...options, database, countries, letters, time: Infinity, drain, discard };

  progress.print(`${options.input} to ${options.database ?? "a temporary database"}`);
  progress.print(`\n${count(options.batch)} rows a transaction:`);
  const batched = await ingest(job, progress);
  const left = remains(batched, options.database);
  if (batched.failure && !discard.aborted) {
    console.error(`${explain(batched.failure.error, options)}\n\n${left}`);
    return 1;
  }
  if (drain.aborted) {
    progress.print(`Interrupted.\n${left}`);
    return 130;
  }

  progress.print(`One row a transaction, for ${SAMPLE / 1000} seconds:`);
  const single = await ingest({
    ...job,
    database: join(scratch, "rows.sqlite"),
    letters: new DeadLetters(), // the first run has kept them
    batch: 1,
    resume: false,
    time: SAMPLE,
    drain: AbortSignal.any([drain, AbortSignal.timeout(SAMPLE)]),
  }, progress);
  if (single.failure && !discard.aborted) {
    console.error(`Row by row: ${explain(single.failure.error, options)}`);
    return 1;
  }

  progress.print(`\n${table({ batched, ...(!single.failure && { "row by row": single }) })}\n`);
  if (single.written > 0 && batched.written > 0) {
    const share = (single.written / batched.written * 100).toFixed(1);
    progress.print(
      `Batched is ${(speed(batched) / speed(single)).toFixed(1)} times as fast. Row by row wrote ` +
        `${share} % of the rows,\nand used the country names of the first run.`,
    );
  }
  if (drain.aborted) progress.print("Interrupted while it wrote row by row.");
  return drain.aborted ? 130 : 0;
}

async function main(args: string[]): Promise<number> {
  let options: Options | undefined;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${HELP}`);
    return 2;
  }
  if (!options) {
    console.log(HELP);
    return 0;
  }

  const interrupted = interrupts();
  const progress = new Progress(interrupted.stop);
  const letters = new DeadLetters(options.deadLetters, options.maxBad, options.resume);
  interrupted.drain.addEventListener("abort", () => {
    progress.print(
      "Stopping: writing the rows that were read. Press Ctrl-C again to discard them.",
    );
  });
  let scratch: string | undefined;
  try {
    // It is beside the database, so that both runs write to the same disk.
    const parent = options.database === undefined ? tmpdir() : dirname(options.database);
    scratch = await mkdtemp(join(parent, "weir-ingest-"));
    const code = await compare(options, interrupted, letters, scratch, progress);
    if (progress.failed) return 1;
    return code === 0 && letters.count > 0 ? 3 : code;
  } catch (error) {
    console.error(explain(error, options));
    return 1;
  } finally {
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
    if (letters.summary !== undefined) console.error(letters.summary);
    interrupted.release();
  }
}

process.exitCode = await main(process.argv.slice(2));
