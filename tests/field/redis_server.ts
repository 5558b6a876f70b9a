/** A Redis server for one test: a process that the test starts, stops, kills and restarts. */

import { createClient } from "redis";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import process from "node:process";

/** A server on a separate port, which keeps nothing on disk. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  #process: ChildProcess | undefined;

  private constructor(port: number) {
    this.port = port;
  }

  /** A server that is not running yet. */
  static async reserve(): Promise<RedisServer> {
    for (;;) {
      // Below the ports that systems give to clients, because a client that connects to such a port
      // could connect to itself.
      const port = 10_000 + Math.floor(Math.random() * 20_000);
      const listener = createServer();
      const free = await new Promise<boolean>((resolve) => {
        listener.once("error", () => resolve(false));
        listener.listen(port, "127.0.0.1", () => listener.close(() => resolve(true)));
      });
      if (free) return new RedisServer(port);
    }
  }

  /** Starts a server, and waits until it is ready. */
  static async start(): Promise<RedisServer> {
    const server = await RedisServer.reserve();
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it. Resolves when it is ready. */
  async start(): Promise<void> {
    const where = ["--port", `${this.port}`, "--bind", "127.0.0.1"];
    const child = spawn("redis-server", [...where, "--save", "", "--appendonly", "no"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process = child;
    // If the runner ends early, nothing else would end the server.
    process.once("exit", this.#kill);
    let output = "";
    for await (const chunk of child.stdout!) {
      output += chunk;
      if (output.includes("Ready to accept connections")) break;
    }
    if (!output.includes("Ready")) throw new Error(`redis-server has not started:\n${output}`);
  }

  /** Kills it. All its data is lost. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (!child) return;
    this.#process = undefined;
    process.removeListener("exit", this.#kill);
    const ended = once(child, "exit");
    if (send(child, "SIGKILL")) await ended;
  }

  /** Stalls it: it no longer replies, and its connections stay open. */
  stall(): void {
    send(this.#process!, "SIGSTOP");
  }

  /** Lets it go on. */
  resume(): void {
    send(this.#process!, "SIGCONT");
  }

  /** Returns the reply to a command, over a separate connection. */
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

  /** How often each command of a cache was run. */
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

/**
 * Sends a signal. Returns whether the process exists. In Deno `child.kill` treats any signal as the
 * end.
 */
function send({ pid }: ChildProcess, signal: string): boolean {
  try {
    return process.kill(pid!, signal);
  } catch {
    return false;
  }
}
