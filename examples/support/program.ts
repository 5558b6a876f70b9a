/** Runs a program as a user does: as a process, in each runtime. */

import { assert } from "@std/assert";
import { binary } from "../../tools/runtimes.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

const hosts = ["deno", "bun", "node24"] as const;

/** The runtimes of the programs. */
export type Host = typeof hosts[number];

/** A test with a step in each runtime. The steps run at once, because they mostly wait. */
export function inEach(
  name: string,
  body: (host: Host, directory: string) => Promise<void>,
  { ignore = false }: { ignore?: boolean } = {},
): void {
  const sanitizers = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };
  Deno.test({ name, ignore, ...sanitizers }, async (t) => {
    const steps = hosts.map((host) => {
      const fn = async () => {
        const directory = await Deno.makeTempDir({ prefix: "weir-example-" });
        try {
          await body(host, directory);
        } finally {
          await Deno.remove(directory, { recursive: true });
        }
      };
      return t.step({ name: host, fn, ...sanitizers });
    });
    await Promise.all(steps);
  });
}

/** Returns the command. In Deno it has only the permissions of the task, if there is a task. */
export async function command(host: Host, program: string): Promise<string[]> {
  if (host !== "deno") return [await binary(host), program];
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const demo = (tasks.demo.command as string).split(" ");
  return [Deno.execPath(), ...demo.at(-1) === program ? demo.slice(1) : ["run", "-A", program]];
}

/** After how many milliseconds a program that should have ended is killed, so that its test fails. */
const PATIENCE = 120_000;

/** A running program. */
export class Program implements AsyncDisposable {
  stdout = "";
  stderr = "";
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<unknown>;
  readonly #timer: ReturnType<typeof setTimeout>;
  #ended = false;

  constructor([program, ...args]: readonly string[]) {
    this.#child = new Deno.Command(program!, {
      args,
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#timer = setTimeout(() => this.signal("SIGKILL"), PATIENCE);
    this.#read = Promise.all([
      this.#collect(this.#child.stdout, (text) => this.stdout += text),
      this.#collect(this.#child.stderr, (text) => this.stderr += text),
    ]);
  }

  static async start(host: Host, program: string, args: readonly string[]): Promise<Program> {
    return new Program([...await command(host, program), ...args]);
  }

  get output(): string {
    return this.stdout + this.stderr;
  }

  /** Waits until the output matches. */
  async says(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = this.output.match(pattern);
      if (match) return match;
      assert(!this.#ended, `ended without ${pattern}: ${this.output}`);
      await sleep(10);
    }
  }

  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** The exit code. */
  async end(): Promise<number> {
    await this.#read;
    clearTimeout(this.#timer);
    return (await this.#child.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.signal("SIGKILL");
    await this.end();
  }

  async #collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) add(decoder.decode(chunk, { stream: true }));
    this.#ended = true;
  }
}

/** Resolves after `ms` milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
