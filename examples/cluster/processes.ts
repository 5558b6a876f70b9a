/** Starts, pauses and kills processes, and reads their output: a NATS server, and the programs of the demo. */

import { buildSync } from "esbuild";
import { install, NATS_SERVER } from "../../tools/nats_server.ts";
import { binary } from "../../tools/runtimes.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** The runtimes of the programs. */
export const RUNTIMES = ["deno", "bun", "node"] as const;
export type Runtime = typeof RUNTIMES[number];

/** Returns the command that runs a program of the repository. For Node it makes one file of it. */
export async function command(runtime: Runtime, program: string): Promise<string[]> {
  if (runtime === "deno") return [Deno.execPath(), "run", "-A", "--no-check", ROOT + program];
  if (runtime === "bun") return [await binary("bun"), ROOT + program];
  bundles[program] ??= bundle(program);
  return [await binary("node24"), bundles[program]];
}

const bundles: Record<string, string> = {};

function bundle(program: string): string {
  const outfile = `${ROOT}.build/cluster/${program.replaceAll("/", "_").replace(/ts$/, "mjs")}`;
  buildSync({
    absWorkingDir: ROOT,
    entryPoints: [program],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node22",
    logLevel: "silent",
    banner: {
      js:
        'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
  });
  return outfile;
}

/** A child process. It is killed when this process ends. */
export class Child implements AsyncDisposable {
  readonly pid: number;
  /** The lines of its standard error. Also those of its standard output, if there is no `onLine`. */
  readonly lines: string[] = [];
  /** Resolves with its exit code when it has ended and its output was read. */
  readonly ended: Promise<number>;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #kill = (): void => this.signal("SIGKILL");

  constructor(
    [program, ...args]: readonly string[],
    onLine?: (line: string) => void,
    env: Record<string, string> = {},
  ) {
    this.#child = new Deno.Command(program!, {
      args,
      env: { NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.#stdin = this.#child.stdin.getWriter();
    // A killed process reads no more.
    this.#stdin.closed.catch(() => {});
    globalThis.addEventListener("unload", this.#kill);
    const keep = (line: string) => void this.lines.push(line);
    this.ended = this.#end(onLine ?? keep, keep);
  }

  /** Its standard error. */
  get errors(): string {
    return this.lines.join("\n");
  }

  /** Writes a line to its standard input. */
  async tell(line: string): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(`${line}\n`));
  }

  /** SIGSTOP pauses it, SIGCONT continues it, SIGKILL ends it. It has no effect after the end. */
  signal(signal: Deno.Signal): void {
    try {
      Deno.kill(this.pid, signal);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #end(onLine: (line: string) => void, onError: (line: string) => void): Promise<number> {
    const [, , { code }] = await Promise.all([
      eachLine(this.#child.stdout, onLine),
      eachLine(this.#child.stderr, onError),
      this.#child.status,
    ]);
    globalThis.removeEventListener("unload", this.#kill);
    await this.#stdin.close().catch(() => {});
    return code;
  }
}

/** Calls `onLine` for each whole line. A killed process may leave a part of a line. */
async function eachLine(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) onLine(line);
  }
}

/** A NATS server with JetStream. It keeps its port and its directory when it starts again. */
export class NatsServer implements AsyncDisposable {
  readonly port: number;
  readonly #directory: string;
  #child: Child | undefined;

  private constructor(port: number, directory: string) {
    this.port = port;
    this.#directory = directory;
  }

  /** Starts a server. The first time, Go builds it. */
  static async start(): Promise<NatsServer> {
    const missing = await install();
    if (missing !== undefined) {
      throw new Error(`${missing}\nYou can also use your own server with JetStream: set NATS_URL`);
    }
    const directory = await Deno.makeTempDir({ prefix: "weir-nats-" });
    const server = new NatsServer(freePort(), directory);
    await server.start();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    const where = ["-a", "127.0.0.1", "-p", `${this.port}`, "-js", "-sd", this.#directory];
    const child = new Child([NATS_SERVER, ...where]);
    this.#child = child;
    const failed = child.ended.then(() => {
      throw new Error(`The NATS server has ended:\n${child.errors}`);
    });
    failed.catch(() => {});
    while (!child.lines.some((line) => line.includes("Server is ready"))) {
      await Promise.race([failed, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
  }

  /** Ends it with SIGKILL. Its data stays. */
  async kill(): Promise<void> {
    await this.#child?.kill();
    this.#child = undefined;
  }

  /** SIGSTOP pauses it, SIGCONT continues it. */
  signal(signal: Deno.Signal): void {
    this.#child?.signal(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.#directory, { recursive: true });
  }
}

/** Returns a port below those that systems give to clients. A client could connect to itself there. */
function freePort(): number {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}
