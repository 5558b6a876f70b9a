/** The HTTP ingest server, as a process in each runtime, under more load than it can take. */

import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { readOptions } from "./http_ingest/options.ts";
import { explain } from "./http_ingest/serve.ts";
import { type Host, inEach, Program } from "./support/program.ts";

const SERVER = "examples/http_ingest.js";
const CONNECTIONS = 64;
/** How many requests come before the test first reads the memory, before SIGTERM, and in all. */
const [WARM, CALM, ALL] = [2000, 11_000, 13_000];
/** How much the memory may grow after the warm-up, in bytes. */
const GROWTH = 48 * 1024 * 1024;

/** A running server, with a database in the directory. */
class Server implements AsyncDisposable {
  readonly program: Program;
  readonly port: number;
  readonly #database: string;
  readonly #client = Deno.createHttpClient({ poolMaxIdlePerHost: CONNECTIONS });

  private constructor(program: Program, database: string, port: number) {
    this.program = program;
    this.#database = database;
    this.port = port;
  }

  static async start(host: Host, directory: string, ...args: string[]): Promise<Server> {
    const database = `${directory}/events.sqlite`;
    const files = ["--port", "0", "--database", database];
    const program = await Program.start(host, SERVER, [...files, ...args]);
    const [, port] = await program.says(/listening on http:\/\/127\.0\.0\.1:(\d+)/);
    return new Server(program, database, Number(port));
  }

  async post(body: string): Promise<Response> {
    const init = { method: "POST", body, client: this.#client };
    const response = await fetch(`http://127.0.0.1:${this.port}/events`, init);
    await response.body?.cancel();
    return response;
  }

  // deno-lint-ignore no-explicit-any
  async stats(): Promise<any> {
    const init = { client: this.#client };
    return await (await fetch(`http://127.0.0.1:${this.port}/stats`, init)).json();
  }

  /** By SQL. */
  open(): DatabaseSync {
    return new DatabaseSync(this.#database);
  }

  /** The ids in the database. */
  rows(): string[] {
    const database = this.open();
    const rows = database.prepare("SELECT id FROM events").all();
    database.close();
    return rows.map((row) => String(row["id"]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]();
    this.#client.close();
  }
}

/** Sends events, and notes the answers. */
class Load {
  readonly accepted: string[] = [];
  readonly refused: string[] = [];
  /** Events that got no answer. */
  readonly failed: string[] = [];
  #sent = 0;
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  get counts(): [accepted: number, refused: number, failed: number] {
    return [this.accepted.length, this.refused.length, this.failed.length];
  }

  /** Sends events over all connections, until there were `count`. */
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

inEach(
  "HTTP ingest: under overload and SIGTERM every 202 is in the database",
  async (host, directory) => {
    // It takes 500 events a second, and 200 may wait.
    const limits = ["--batch", "50", "--capacity", "200", "--latency", "100", "--linger", "20"];
    await using server = await Server.start(host, directory, ...limits);
    const { program } = server;
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
    program.signal("SIGTERM");
    await rest;
    assertEquals([await program.end(), program.stderr], [0, ""]);
    assertEquals(load.counts.reduce((sum, count) => sum + count), ALL);
    assertEquals(server.rows().sort(), load.accepted.sort());

    const [accepted, refused, failed] = load.counts;
    const last = JSON.parse(program.stdout.trim().split("\n").at(-1)!);
    assertEquals([last.accepted, last.done], [accepted, accepted]);
    console.log(
      `${host}: ${ALL} requests, ${accepted} times 202, ${refused} times 503, ${failed} without an ` +
        `answer after SIGTERM; RSS ${[warm, calm, last].map(({ rss }) => mib(rss)).join(", ")} MiB`,
    );
    assert(Math.max(calm.rss, last.rss) - warm.rss < GROWTH, "memory grew");
  },
);

inEach(
  "HTTP ingest: a body that isn't an event is refused with a reason",
  async (host, directory) => {
    await using server = await Server.start(host, directory, "--latency", "200");
    const { program } = server;
    const bodies = ["", "{", "null", "3", '"id"', "[]", "{}", '{"id":1}', "x".repeat(65 * 1024)];
    const statuses: number[] = [];
    for (const body of bodies) statuses.push((await server.post(body)).status);
    assertEquals(statuses, [...Array(8).fill(400), 413]);
    // "a" comes twice, as from a client that got no answer.
    for (const id of ["a", "b", "a"]) {
      assertEquals((await server.post(`{"id":"${id}"}`)).status, 202);
    }
    program.signal("SIGTERM");
    await program.says(/draining/);
    program.signal("SIGTERM"); // changes nothing
    assertEquals([await program.end(), server.rows().sort()], [0, ["a", "b"]], program.output);
  },
);

inEach("HTTP ingest: the error names a file that isn't a database", async (host, directory) => {
  const database = `${directory}/no.sqlite`;
  await Deno.writeTextFile(database, "this is some text, and not a database");
  await using program = await Program.start(host, SERVER, ["--port", "0", "--database", database]);
  assertEquals([await program.end(), program.stdout], [1, ""]);
  assertEquals(program.stderr, `${database}: file is not a database\n`);
});

inEach("HTTP ingest: events that can't be written make it fail", async (host, directory) => {
  await using server = await Server.start(host, directory);
  const { program } = server;
  const other = server.open();
  other.exec("DROP TABLE events");
  other.close();
  assertEquals((await server.post('{"id":"a"}')).status, 202);
  assertEquals(await program.end(), 1);
  assertMatch(program.output, /no such table: events/);
  assertMatch(program.output, /"accepted":1,.*"failed":1/);
});

inEach(
  "HTTP ingest: a connection without a request doesn't delay the end",
  async (host, directory) => {
    await using server = await Server.start(host, directory);
    using _silent = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    // A later request has its answer, so the server knows the silent connection.
    assertEquals((await server.post('{"id":"a"}')).status, 202);
    server.program.signal("SIGTERM");
    assertEquals(await server.program.end(), 0);
  },
);

inEach(
  "HTTP ingest: the error names a port that is in use, and says what to do",
  async (host, directory) => {
    using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = other.addr as Deno.NetAddr;
    await using program = await Program.start(host, SERVER, [
      ...["--port", `${port}`, "--database", `${directory}/events.sqlite`],
    ]);
    assertEquals([await program.end(), program.stdout], [1, ""]);
    assertEquals(
      program.stderr,
      `Port ${port} is in use. Give another one with --port, or 0 for a free one.\n`,
    );
  },
);

inEach(
  "HTTP ingest: wrong options are explained before anything is done",
  async (host, directory) => {
    await using program = await Program.start(host, SERVER, [
      ...["--port", "65536", "--database", `${directory}/events.sqlite`],
    ]);
    assertEquals([await program.end(), program.stdout], [2, ""]);
    assertMatch(program.stderr, /^--port must be a whole number from 0 to 65535; got "65536"\n\n/);
    assertEquals([...Deno.readDirSync(directory)], []);
  },
);

Deno.test("HTTP ingest: each option has a rule", () => {
  const wrong: Array<[args: string[], rule: string]> = [
    [["--port", "http"], "--port must be a whole number from 0 to 65535"],
    [["--batch", "0"], "--batch must be a whole number from 1 "],
    [["--capacity", "0"], "--capacity must be a whole number from 1 "],
    [["--linger", "1.5"], "--linger must be a whole number from 0 "],
    [["--latency", "x"], "--latency must be a whole number from 0 "],
    [["--database", "/nonexistent/x.db"], "--database must be in a directory that exists"],
    [["--nonsense"], "--nonsense"],
  ];
  for (const [args, rule] of wrong) {
    assertStringIncludes(assertThrows(() => readOptions(args), Error).message, rule);
  }
  const denied = Object.assign(new Error("listen EACCES"), { code: "EACCES" });
  assertEquals(
    String(explain(denied, 80)),
    "Error: Port 80 is not permitted. Give one of 1024 or higher with --port.",
  );
});

function mib(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
