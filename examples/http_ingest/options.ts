/** The command line. */

import { parseArgs } from "node:util";
import { whole, writable } from "../usage.ts";

export const HELP = `Takes events by HTTP, and writes them to SQLite in batches.

  --database <file>   the file to write (events.sqlite)
  --port <n>          the port to listen on; 0 takes a free one (8080)
  --batch <events>    the most events in a transaction (1000)
  --linger <ms>       how long the first event of a batch may wait (100)
  --capacity <n>      the most events that wait for a worker (10000)
  --latency <ms>      how much longer each transaction takes (0)
  --help              print this

Exit code: 0 all accepted events are written; 1 it failed; 2 an option is wrong.`;

/** The options of a run. */
export interface Options {
  readonly database: string;
  readonly port: number;
  readonly batch: number;
  readonly linger: number;
  readonly capacity: number;
  readonly latency: number;
}

/** Reads the options. Returns `undefined` for `--help`. Throws an `Error` that says what is wrong. */
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
