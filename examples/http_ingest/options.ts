/** The command line. */

import { parseArgs } from "node:util";
import { whole, writable } from "../usage.ts";

export const HELP = `Takes events by HTTP, and writes them to SQLite in batches.

  --database <file>   where to write (events.sqlite)
  --port <n>          where to listen; 0 is any that is free (8080)
  --batch <events>    the most events in a transaction (1000)
  --linger <ms>       how long the first of them may wait (100)
  --capacity <n>      the most events in memory that no worker has yet (10000)
  --latency <ms>      how much slower than it is the database should be (0)
  --help              this

Exit code: 0 all that was accepted is written; 1 it failed; 2 an option is wrong.`;

/** What was asked for. */
export interface Options {
  readonly database: string;
  readonly port: number;
  readonly batch: number;
  readonly linger: number;
  readonly capacity: number;
  readonly latency: number;
}

/** `undefined` where help is wanted. Throws an `Error` that says what is wrong. */
export function readOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      database: { type: "string", default: "events.sqlite" },
      port: { type: "string", default: "8080" },
      batch: { type: "string", default: "1000" },
      linger: { type: "string", default: "100" },
      capacity: { type: "string", default: "10000" },
      latency: { type: "string", default: "0" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return undefined;
  return {
    database: writable("database", values.database),
    port: whole("port", values.port, 0, 65535),
    batch: whole("batch", values.batch, 1),
    linger: whole("linger", values.linger, 0),
    capacity: whole("capacity", values.capacity, 1),
    latency: whole("latency", values.latency, 0),
  };
}
