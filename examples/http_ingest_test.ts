/** The HTTP ingest server, as a process in each runtime, under more load than it can take. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { binary } from "../tools/runtimes.ts";

const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);
const SERVER = "examples/http_ingest.ts";
const CONNECTIONS = 64;
/** Before memory is read first, before SIGTERM, and in all. */
const [WARM, CALM, ALL] = [4000, 16_000, 20_000];
/** The most that memory may grow by after the warm-up, in bytes. */
const GROWTH = 64 * 1024 * 1024;

const hosts = ["deno", "bun", "node24"] as const;
type Host = typeof hosts[number];

/** A server that runs on a database in a directory of its own. */
class Server implements AsyncDisposable {
  output = "";
  readonly #directory: string;
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<unknown>;
  readonly #client = Deno.createHttpClient({ poolMaxIdlePerHost: CONNECTIONS });
  #url = "";

  constructor(directory: string, [program, ...args]: string[]) {
    this.#directory = directory;
    this.#child = new Deno.Command(program!, {
      args: [...args, "--port", "0", "--database", this.database],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#read = Promise.all([this.#child.stdout, this.#child.stderr].map(async (stream) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) this.output += text;
    }));
  }

  static async start(host: Host, ...args: string[]): Promise<Server> {
    const directory = await Deno.makeTempDir({ prefix: "weir-http-" });
    const runtime = host === "deno" ? [Deno.execPath(), "run", "-A"] : [await binary(host)];
    const server = new Server(directory, [...runtime, SERVER, ...args]);
    server.#url = (await server.says(/listening on (\S+)/))[1]!;
    return server;
  }

  get database(): string {
    return `${this.#directory}/events.sqlite`;
  }

  /** Waits until the output says so. */
  async says(pattern: RegExp): Promise<RegExpMatchArray> {
    let ended = false;
    this.#child.status.then(() => ended = true);
    for (;;) {
      const match = this.output.match(pattern);
      if (match) return match;
      assert(!ended, `ended without ${pattern}: ${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async post(body: string): Promise<Response> {
    const init = { method: "POST", body, client: this.#client };
    const response = await fetch(`${this.#url}/events`, init);
    await response.body?.cancel();
    return response;
  }

  // deno-lint-ignore no-explicit-any
  async stats(): Promise<any> {
    return await (await fetch(`${this.#url}/stats`, { client: this.#client })).json();
  }

  terminate(): void {
    this.#child.kill("SIGTERM");
  }

  /** The exit code. */
  async end(): Promise<number> {
    await this.#read;
    return (await this.#child.status).code;
  }

  /** The ids in the database, by SQL. */
  rows(): string[] {
    const database = new DatabaseSync(this.database);
    const rows = database.prepare("SELECT id FROM events").all();
    database.close();
    return rows.map((row) => String(row["id"]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.end();
    this.#client.close();
    await Deno.remove(this.#directory, { recursive: true });
  }
}

/** What became of the events that were sent. */
class Load {
  readonly accepted: string[] = [];
  readonly refused: string[] = [];
  /** There was no answer. */
  readonly failed: string[] = [];
  #sent = 0;
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  get counts(): [accepted: number, refused: number, failed: number] {
    return [this.accepted.length, this.refused.length, this.failed.length];
  }

  /** Sends events until there were so many, over all connections. */
  async until(count: number): Promise<void> {
    await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
      while (this.#sent < count) await this.#send(String(++this.#sent));
    }));
  }

  async #send(id: string): Promise<void> {
    const response = await this.#server.post(JSON.stringify({ id, text: "x".repeat(200) }))
      .catch(() => undefined);
    if (!response) {
      this.failed.push(id);
    } else if (response.status === 202) {
      this.accepted.push(id);
    } else {
      assertEquals([response.status, response.headers.get("retry-after")], [503, "1"]);
      this.refused.push(id);
    }
  }
}

for (const host of hosts) {
  Deno.test(`HTTP ingest in ${host}: under overload and SIGTERM every 202 is in the database`, async () => {
    // 500 events a second, and 200 wait.
    const limits = ["--batch", "50", "--capacity", "200", "--latency", "100", "--linger", "20"];
    await using server = await Server.start(host, ...limits);
    const load = new Load(server);

    await load.until(WARM);
    const warm = await server.stats();
    await load.until(CALM);
    const calm = await server.stats();
    assert(load.accepted.length > 0 && load.refused.length > 0, `${load.counts}`);
    assertEquals(load.failed, []);
    assertEquals(calm.accepted, load.accepted.length);
    assertEquals(calm.accepted, calm.waiting + calm.running + calm.done);
    assert(calm.waiting <= 200 && calm.running <= 50, JSON.stringify(calm));

    const rest = load.until(ALL);
    server.terminate();
    await rest;
    assertEquals(await server.end(), 0, server.output);
    assertEquals(load.counts.reduce((sum, count) => sum + count), ALL);
    assertEquals(server.rows().sort(), load.accepted.sort());

    const [accepted, refused, failed] = load.counts;
    const last = JSON.parse(server.output.trim().split("\n").at(-1)!);
    assertEquals([last.accepted, last.done], [accepted, accepted]);
    console.log(
      `${host}: ${ALL} requests, ${accepted} times 202, ${refused} times 503, ${failed} without an ` +
        `answer after SIGTERM; RSS ${[warm, calm, last].map(({ rss }) => mib(rss)).join(", ")} MiB`,
    );
    assert(Math.max(calm.rss, last.rss) - warm.rss < GROWTH, "memory grew");
  });

  Deno.test(`HTTP ingest in ${host}: what is no event is refused with a reason`, async () => {
    await using server = await Server.start(host, "--latency", "200");
    const bodies = ["", "{", "null", "3", '"id"', "[]", "{}", '{"id":1}', "x".repeat(65 * 1024)];
    const statuses: number[] = [];
    for (const body of bodies) statuses.push((await server.post(body)).status);
    assertEquals(statuses, [...Array(8).fill(400), 413]);
    // Twice, as a client does that had no answer.
    for (const id of ["a", "b", "a"]) {
      assertEquals((await server.post(`{"id":"${id}"}`)).status, 202);
    }
    server.terminate();
    await server.says(/draining/);
    server.terminate(); // changes nothing
    assertEquals([await server.end(), server.rows().sort()], [0, ["a", "b"]], server.output);
  });

  Deno.test(`HTTP ingest in ${host}: what cannot be written is no success`, async () => {
    await using server = await Server.start(host);
    const other = new DatabaseSync(server.database);
    other.exec("DROP TABLE events");
    other.close();
    assertEquals((await server.post('{"id":"a"}')).status, 202);
    assertEquals(await server.end(), 1);
    assertMatch(server.output, /no such table: events/);
    assertMatch(server.output, /"accepted":1,.*"failed":1/);
  });
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
