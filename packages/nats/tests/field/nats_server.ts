/** A NATS server for one test: a process that the test starts, stops, kills and restarts. */

import { type ConnectionOptions, type NatsConnection, wsconnect } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";

const runFile = promisify(execFile);
const BINARY = ".runtimes/nats-server-2.15.3/nats-server";

/** A server with JetStream on separate ports. Its storage survives its end. */
export class NatsServer implements AsyncDisposable {
  readonly port: number;
  readonly #webPort: number;
  readonly #home: string;
  readonly #extra: string;
  readonly #connections: NatsConnection[] = [];
  #process: ChildProcess | undefined;

  private constructor(port: number, webPort: number, home: string, extra: string) {
    this.port = port;
    this.#webPort = webPort;
    this.#home = home;
    this.#extra = extra;
  }

  /** A server that is not running yet. `extra` is added to its configuration. */
  static async reserve(extra = ""): Promise<NatsServer> {
    const home = await mkdtemp(join(tmpdir(), "weir-nats-"));
    return new NatsServer(await freePort(10_000), await freePort(20_000), home, extra);
  }

  /** Starts a server, and waits until it is ready. */
  static async start(extra?: string): Promise<NatsServer> {
    const server = await NatsServer.reserve(extra);
    await server.start();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** The address for clients without sockets. */
  get webUrl(): string {
    return `ws://127.0.0.1:${this.#webPort}`;
  }

  /** Opens a connection that reconnects quickly, and is closed with the server. */
  async connect(options: ConnectionOptions = {}): Promise<NatsConnection> {
    const { url: servers } = this;
    return this.#own(await connect({ ...RECONNECTING, servers, ...options }));
  }

  /** The same over a WebSocket. */
  async connectWeb(options: ConnectionOptions = {}): Promise<NatsConnection> {
    return this.#own(await wsconnect({ ...RECONNECTING, servers: this.webUrl, ...options }));
  }

  /** Starts it, also after a `kill` or `stop` with its storage. Resolves when it is ready. */
  async start(): Promise<void> {
    const config = join(this.#home, "server.conf");
    await writeFile(
      config,
      `listen: "127.0.0.1:${this.port}"
jetstream { store_dir: "${join(this.#home, "store")}" }
websocket { listen: "127.0.0.1:${this.#webPort}", no_tls: true }
${this.#extra}
`,
    );
    const child = spawn(BINARY, ["-c", config], { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = child;
    // If the runner ends early, nothing else would end the server.
    process.once("exit", this.#kill);
    let output = "";
    const ready = new Promise<boolean>((resolve) => {
      child.stderr!.on("data", (chunk) => {
        if (output.includes("Server is ready")) return;
        output += chunk;
        if (output.includes("Server is ready")) resolve(true);
      });
      child.once("exit", () => resolve(false));
    });
    if (!await ready) throw new Error(`nats-server has not started:\n${output}`);
  }

  /** Kills it at once. Unwritten data is lost. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** Stops it after it has written everything. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** Stalls it. Resolves when it no longer replies. Its connections stay open. */
  async stall(): Promise<void> {
    const child = this.#process!;
    send(child, "SIGSTOP");
    for (let state = ""; !state.startsWith("T");) {
      ({ stdout: state } = await runFile("ps", ["-o", "state=", "-p", `${child.pid}`]));
    }
  }

  /** Lets it go on. */
  resume(): void {
    send(this.#process!, "SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process) this.resume();
    await Promise.all(this.#connections.map((connection) => connection.close()));
    await this.kill();
    await rm(this.#home, { recursive: true, force: true });
  }

  #own(connection: NatsConnection): NatsConnection {
    this.#connections.push(connection);
    return connection;
  }

  async #end(signal: string): Promise<void> {
    const child = this.#process;
    if (!child) return;
    this.#process = undefined;
    process.removeListener("exit", this.#kill);
    const ended = once(child, "exit");
    if (send(child, signal)) await ended;
  }

  readonly #kill = (): void => {
    if (this.#process) send(this.#process, "SIGKILL");
  };
}

const RECONNECTING: ConnectionOptions = { maxReconnectAttempts: -1, reconnectTimeWait: 50 };

/**
 * Returns a port, one of the 10,000 from `first` on. It isn't one that systems give to clients,
 * because a client that connects to such a port could connect to itself.
 */
async function freePort(first: number): Promise<number> {
  for (;;) {
    const port = first + Math.floor(Math.random() * 10_000);
    const listener = createServer();
    const free = await new Promise<boolean>((resolve) => {
      listener.once("error", () => resolve(false));
      listener.listen(port, "127.0.0.1", () => listener.close(() => resolve(true)));
    });
    if (free) return port;
  }
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
