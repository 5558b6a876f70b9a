/** Runs the main job as a process, and has the files for it. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { binary } from "./runtimes.ts";

const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);
const DEMO = "examples/ingest.ts";

/** Where the demo runs. */
export const hosts = ["deno", "bun", "node24"] as const;

/** One of them. */
export type Host = typeof hosts[number];

/** The command, in Deno with the permissions that the task has and no more. */
async function command(host: Host): Promise<string[]> {
  if (host !== "deno") return [await binary(host), DEMO];
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const [, ...args] = (tasks.demo.command as string).split(" ");
  return [Deno.execPath(), ...args];
}

/** A run of the demo. */
export class Run implements AsyncDisposable {
  stdout = "";
  stderr = "";
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<unknown>;
  #ended = false;

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#read = Promise.all([
      this.#collect(child.stdout, (text) => this.stdout += text),
      this.#collect(child.stderr, (text) => this.stderr += text),
    ]);
  }

  static async start(host: Host, args: readonly string[]): Promise<Run> {
    const [program, ...rest] = await command(host);
    const child = new Deno.Command(program!, {
      args: [...rest, ...args],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return new Run(child);
  }

  /** Waits until the output says so. */
  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stdout)) {
      assert(!this.#ended, `ended without ${pattern}: ${this.stdout}${this.stderr}`);
      await sleep(10);
    }
  }

  interrupt(): void {
    this.#child.kill("SIGINT");
  }

  /** The exit code. */
  async end(): Promise<number> {
    await this.#read;
    return (await this.#child.status).code;
  }

  /** A line of the table, or of what remains: its first number. */
  number(name: string): number {
    const line = this.#all.match(new RegExp(`^${name}\\s+([\\d,.]+)`, "m"));
    assert(line, `no "${name}" in: ${this.#all}`);
    return Number(line[1]!.replaceAll(",", ""));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.end();
  }

  get #all(): string {
    return this.stdout + this.stderr;
  }

  async #collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) add(decoder.decode(chunk, { stream: true }));
    this.#ended = true;
  }
}

/** Resolves after so many milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Places; each ten of them are in a country of their own, so that each ten need a look-up. */
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

/** Where a test has its files. */
export class Bench implements AsyncDisposable {
  readonly directory: string;
  readonly database: string;

  constructor(directory: string) {
    this.directory = directory;
    this.database = `${directory}/places.sqlite`;
  }

  async input(content: unknown): Promise<string> {
    const path = `${this.directory}/input.json`;
    const text = typeof content === "string" ? content : JSON.stringify(content, undefined, 1);
    await Deno.writeTextFile(path, text);
    return path;
  }

  /** Runs the demo on the database, ten rows a batch. */
  async run(host: Host, input: string, ...args: string[]): Promise<Run> {
    const files = ["--input", input, "--database", this.database];
    return await Run.start(host, [...files, "--batch", "10", ...args]);
  }

  open(): DatabaseSync {
    const database = new DatabaseSync(this.database);
    database.exec("PRAGMA busy_timeout = 5000");
    return database;
  }

  /** The rows, by SQL; 0 without a table. */
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

  /** That a failed or interrupted run said what is so, and left nothing but the database. */
  assertAccounts(run: Run, { whole = true }: { whole?: boolean } = {}): void {
    const rows = this.rows();
    assertEquals(run.number("written"), rows);
    if (whole) assertEquals(rows % 10, 0);
    const left = [...Deno.readDirSync(this.directory)].map((entry) => entry.name).sort();
    assertEquals(left.filter((name) => !name.startsWith("input")), ["places.sqlite"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.directory, { recursive: true });
  }
}
