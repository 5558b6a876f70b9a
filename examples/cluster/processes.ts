/** Processes that are started, paused, killed and listened to: a NATS server, and programs of ours. */

import { buildSync } from "esbuild";
import { install, NATS_SERVER } from "../../tools/nats_server.ts";
import { binary } from "../../tools/runtimes.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** What a program runs in. */
export const RUNTIMES = ["deno", "bun", "node"] as const;
export type Runtime = typeof RUNTIMES[number];

/** The command that runs a program of the repository. Node needs it in one file. */
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

/** A process. Those that live are killed when this one ends. */
export class Child implements AsyncDisposable {
  readonly pid: number;
  /** The lines of its standard error, and those of its standard output if nobody else takes them. */
  readonly lines: string[] = [];
  /** Resolves with its exit code when it has ended and all that it printed was read. */
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
    // A process that was killed takes nothing more.
    this.#stdin.closed.catch(() => {});
    globalThis.addEventListener("unload", this.#kill);
    const keep = (line: string) => void this.lines.push(line);
    this.ended = this.#end(onLine ?? keep, keep);
  }

  /** What it has printed to its standard error. */
  get errors(): string {
    return this.lines.join("\n");
  }

  /** Writes a line to its standard input. */
  async tell(line: string): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(`${line}\n`));
  }

  /** SIGSTOP pauses it, SIGCONT has it go on, SIGKILL ends it. One that has ended hears nothing. */
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

/** What a killed process was in the middle of is no line. */
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

/** A NATS server with JetStream, on a port and a directory that stay when it is started again. */
export class NatsServer implements AsyncDisposable {
  readonly port: number;
  readonly #directory: string;
  #child: Child | undefined;

  private constructor(port: number, directory: string) {
    this.port = port;
    this.#directory = directory;
  }

  /** Starts one. The first time, Go builds it. */
  static async start(): Promise<NatsServer> {
    const missing = await install();
    if (missing !== undefined) {
      throw new Error(`${missing}\nA server of yours with JetStream will do: set NATS_URL`);
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

  /** Ends it with SIGKILL. What it has stored stays. */
  async kill(): Promise<void> {
    await this.#child?.kill();
    this.#child = undefined;
  }

  /** SIGSTOP pauses it, SIGCONT has it go on. */
  signal(signal: Deno.Signal): void {
    this.#child?.signal(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.#directory, { recursive: true });
  }
}

/** Below those that systems give to clients: a client that connects there could connect to itself. */
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
