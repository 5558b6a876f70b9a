/** A Redis of a test's own: a process that it starts, stops, kills and brings back. */

import { createClient } from "redis";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import process from "node:process";

/** A server on a port of its own, which keeps nothing on disk. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  #process: ChildProcess | undefined;

  private constructor(port: number) {
    this.port = port;
  }

  /** A server that does not run yet. */
  static async reserve(): Promise<RedisServer> {
    for (;;) {
      // Below those that systems give to clients: one that connects there could connect to itself.
      const port = 10_000 + Math.floor(Math.random() * 20_000);
      const listener = createServer();
      const free = await new Promise<boolean>((resolve) => {
        listener.once("error", () => resolve(false));
        listener.listen(port, "127.0.0.1", () => listener.close(() => resolve(true)));
      });
      if (free) return new RedisServer(port);
    }
  }

  /** A server that is ready. */
  static async start(): Promise<RedisServer> {
    const server = await RedisServer.reserve();
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    const where = ["--port", `${this.port}`, "--bind", "127.0.0.1"];
    const child = spawn("redis-server", [...where, "--save", "", "--appendonly", "no"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process = child;
    // Where the runner ends early, nobody else would end it.
    process.once("exit", this.#kill);
    let output = "";
    for await (const chunk of child.stdout!) {
      output += chunk;
      if (output.includes("Ready to accept connections")) break;
    }
    if (!output.includes("Ready")) throw new Error(`redis-server has not started:\n${output}`);
  }

  /** It is gone, with all that it held. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (!child) return;
    this.#process = undefined;
    process.removeListener("exit", this.#kill);
    const ended = once(child, "exit");
    if (send(child, "SIGKILL")) await ended;
  }

  /** From here on it replies to nobody, and its connections stay. */
  stall(): void {
    send(this.#process!, "SIGSTOP");
  }

  /** It goes on. */
  resume(): void {
    send(this.#process!, "SIGCONT");
  }

  /** What a command gives, by a connection of its own. */
  async ask(...command: string[]): Promise<unknown> {
    const client = createClient({ url: this.url, socket: { reconnectStrategy: false } });
    client.on("error", () => {}); // the command rejects
    await client.connect();
    try {
      return await client.sendCommand(command);
    } finally {
      await client.close();
    }
  }

  /** How often each command was run, of those that a cache sends. */
  async counts(): Promise<Record<"get" | "set" | "del", number>> {
    const stats = String(await this.ask("INFO", "commandstats"));
    const count = (name: string) => {
      const [, calls = 0] = new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats) ?? [];
      return Number(calls);
    };
    return { get: count("get"), set: count("set"), del: count("del") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  readonly #kill = (): void => {
    if (this.#process) send(this.#process, "SIGKILL");
  };
}

/** Says whether the process is there. In Deno `child.kill` takes any signal for the end. */
function send({ pid }: ChildProcess, signal: string): boolean {
  try {
    return process.kill(pid!, signal);
  } catch {
    return false;
  }
}
