/** Helpers for the tests of the main job: input, a database, and the numbers that it prints. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { type Host, inEach, Program } from "./program.ts";

export const INGEST = "examples/ingest.js";

/** A test of the main job in each runtime. */
export function demo(name: string, body: (host: Host, bench: Bench) => Promise<void>): void {
  inEach(`demo: ${name}`, (host, directory) => body(host, new Bench(directory)));
}

/** Makes places. Ten places have the same country, so each ten need one look-up. */
export function places(count: number): unknown[] {
  const letter = (n: number) => String.fromCharCode(65 + n % 26);
  return Array.from({ length: count }, (_, i) => ({
    name: `Place ${i} {"é"}`,
    lat: `${i % 90}.5`,
    lng: "-1.25",
    country: letter(Math.floor(i / 260)) + letter(Math.floor(i / 10)),
    admin1: "",
    admin2: "",
  }));
}

/** Returns the first number of a line of the report. */
export function number({ output }: Program, name: string): number {
  const line = output.match(new RegExp(`^${name}\\s+([\\d,.]+)`, "m"));
  assert(line, `no "${name}" in: ${output}`);
  return Number(line[1]!.replaceAll(",", ""));
}

/** The files of a test. */
export class Bench {
  readonly directory: string;
  readonly database: string;

  constructor(directory: string) {
    this.directory = directory;
    this.database = `${directory}/places.sqlite`;
  }

  async input(content: unknown): Promise<string> {
    const path = `${this.directory}/input.json`;
    if (content instanceof Uint8Array) await Deno.writeFile(path, content);
    else {
      const text = typeof content === "string" ? content : JSON.stringify(content, undefined, 1);
      await Deno.writeTextFile(path, text);
    }
    return path;
  }

  /** Runs the demo on the database, ten rows a batch. */
  async run(host: Host, input: string, ...args: string[]): Promise<Program> {
    const files = ["--input", input, "--database", this.database];
    return await Program.start(host, INGEST, [...files, "--batch", "10", ...args]);
  }

  open(): DatabaseSync {
    const database = new DatabaseSync(this.database);
    database.exec("PRAGMA busy_timeout = 5000");
    return database;
  }

  /** The number of rows, by SQL. 0 if there is no table. */
  rows(): number {
    const database = this.open();
    try {
      return Number(database.prepare("SELECT count(*) AS n FROM places").get()!["n"]);
    } catch (error) {
      assertStringIncludes(String(error), "no such table");
      return 0;
    } finally {
      database.close();
    }
  }

  /** The names of the files, without the input. */
  files(): string[] {
    const names = [...Deno.readDirSync(this.directory)].map((entry) => entry.name).sort();
    return names.filter((name) => !name.startsWith("input"));
  }

  /** Asserts that a failed or interrupted run reported the truth, and left only the database. */
  assertAccounts(run: Program, { whole = true }: { whole?: boolean } = {}): void {
    const rows = this.rows();
    assertEquals(number(run, "written"), rows);
    if (whole) assertEquals(rows % 10, 0);
    assertEquals(this.files(), ["places.sqlite"]);
  }
}
