/**
 * An HTTP ingest server. It answers `POST /events` with 202 when it has accepted the event, and with 503 when
 * it is full. Workers write batches of events to SQLite. SIGTERM or Ctrl-C drains it.
 *
 * 202 means that the event is in memory and will be written. It isn't on disk yet, so a crash may lose it.
 * Clients may send an event again: its `id` makes it one row.
 *
 * `deno run -A examples/http_ingest.js`, or with `bun` or `node`; `--help` has the options. Then
 * `curl -id '{"id":"1","text":"hello"}' localhost:8080/events`, and `curl localhost:8080/stats`.
 */

import process from "node:process";
import { EventTable } from "./events.ts";
import { Ingest } from "./ingest.ts";
import { HELP, type Options, readOptions } from "./options.ts";
import { serve } from "./serve.ts";

/** Serves until a signal comes. Rejects when it can't write. */
async function run({ database, port, ...options }: Options): Promise<void> {
  const table = new EventTable(database);
  try {
    const ingest = new Ingest(table, options);
    const server = await serve(ingest.handle, port);
    console.log(`listening on http://127.0.0.1:${server.port}`);
    try {
      await Promise.race([terminated(), ingest.closed]);
      // It still listens meanwhile, and answers 503.
      console.log("draining");
      await ingest.drain();
    } finally {
      await server.stop();
      console.log(JSON.stringify(ingest.stats));
    }
  } finally {
    table.close();
  }
}

/** Resolves at the first signal. Later ones change nothing, because task runners may send one twice. */
function terminated(): Promise<void> {
  return new Promise((resolve) => {
    process.on("SIGTERM", () => resolve());
    process.on("SIGINT", () => resolve());
  });
}

async function main(args: string[]): Promise<number> {
  let options: Options | undefined;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${HELP}`);
    return 2;
  }
  try {
    if (options) await run(options);
    else console.log(HELP);
    return 0;
  } catch (error) {
    const { code, message } = error as Error & { code?: unknown };
    console.error(code === "ERR_SQLITE_ERROR" ? `${options!.database}: ${message}` : message);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
