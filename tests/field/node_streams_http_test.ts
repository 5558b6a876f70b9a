/**
 * Servers and processes of Node with our streams: a client that hangs up ends only its own work.
 */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import process from "node:process";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { linesOf } from "../../examples/recipes/node_pipeline.ts";
import { ChunkStream, Fanout, FixedChunkStream, MapStream } from "../../mod.ts";
import { gate } from "../support/gate.ts";
import { heard, rejection } from "../support/hand.ts";
import { here } from "../support/host.ts";
import { test } from "../support/test.ts";
import { errors, web } from "./node_streams.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<unknown>;

/** Runs `body` with the port of a server, and reports errors of its handler. */
async function withServer(handler: Handler, body: (port: number) => Promise<void>): Promise<void> {
  const handled: Promise<unknown>[] = [];
  const server = createServer((request, response) => {
    handled.push(handler(request, response));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await body((server.address() as AddressInfo).port);
    await Promise.all(handled);
  } finally {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  }
}

/** The server sends its input back in pieces of another size. */
const echoes: Record<string, Handler> = {
  "pipeline()": (request, response) =>
    pipeline(
      request,
      (bytes: AsyncIterable<Buffer>) => ChunkStream.from(bytes, { maxBytes: 5000 }),
      (batches: AsyncIterable<Buffer[]>) =>
        MapStream.from(batches, (batch) => Buffer.concat(batch)),
      response,
    ),
  "pipeTo(Writable.toWeb())": (request, response) =>
    MapStream.from(
      ChunkStream.from(request as AsyncIterable<Buffer>, { maxBytes: 5000 }),
      (batch) => Buffer.concat(batch),
    ).pipeTo(Writable.toWeb(response)),
};

for (const [name, echo] of Object.entries(echoes)) {
  test(`A server hands the body of a request through a ChunkStream to the response, by ${name}`, () =>
    withServer(echo, async (port) => {
      const body = "grün".repeat(50_000);
      const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body });
      assertEquals(await response.text() === body, true);
    }));
}

test("A client that hangs up during its request ends only pipeline() and consume()", async () => {
  const sink = new Fanout<Uint8Array>(() => {});
  const ways: Array<(request: IncomingMessage) => Promise<unknown>> = [
    (request) => pipeline(request, (bytes) => sink.consume(bytes)),
    (request) => sink.consume(request),
  ];
  for (const way of ways) {
    const started = gate();
    const ended = gate<unknown>();
    const handle = async (request: IncomingMessage) => {
      request.once("readable", () => started.resolve());
      ended.resolve(await rejection(way(request)));
      assertEquals(request.destroyed, true);
    };
    await withServer(handle, async (port) => {
      const client = connect(port, "127.0.0.1").on("error", () => {});
      client.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhello");
      await started.promise;
      client.destroy();
      assertEquals((await ended.promise as { code?: string }).code, "ECONNRESET");
    });
  }
  assertEquals(sink.tryPush(new Uint8Array()), true);
});

const answers: Record<
  string,
  (stream: ReadableStream<Buffer>, response: ServerResponse) => Promise<unknown>
> = {
  "pipeline() from Readable.fromWeb()": (stream, response) =>
    pipeline(web.toReadable(stream, { objectMode: true }), response),
  "pipeTo(Writable.toWeb())": (stream, response) => stream.pipeTo(Writable.toWeb(response)),
};

for (const [name, answer] of Object.entries(answers)) {
  test(`A client that hangs up during a response ends handler and source, by ${name}`, async () => {
    const [reason, left, ended] = [gate<unknown>(), gate(), gate<unknown>()];
    const source = async function* () {
      try {
        for (let n = 0;; n++) yield n;
      } finally {
        left.resolve();
      }
    };
    const handle: Handler = async (_, response) => {
      const results = MapStream.from(source(), async (n, { signal }) => {
        if (n === 0) return Buffer.from("first");
        signal.addEventListener("abort", () => reason.resolve(signal.reason));
        return await new Promise<Buffer>(() => {}); // a long query
      });
      ended.resolve(await rejection(answer(results, response)));
    };
    await withServer(handle, async (port) => {
      const client = connect(port, "127.0.0.1").on("error", () => {});
      client.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
      await once(client, "data");
      client.destroy();
      const { code } = await ended.promise as { code?: string };
      assertEquals(code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ABORT_ERR", true);
      assertStrictEquals(await reason.promise, await ended.promise);
      await left.promise;
    });
  });
}

/** This runtime, with a script. */
function run(script: string): ChildProcess {
  const program = `const process = globalThis.process; ${script}`;
  const args = here === "deno" ? ["eval", program] : ["-e", program];
  return spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
}

test("consume() takes the output of a process, line by line", async () => {
  const child = run('for (const n of [1, 2, 3]) console.log("line " + n)');
  const exited = once(child, "exit");
  const lines: string[] = [];
  const sink = new Fanout((line: string) => void lines.push(line));
  await sink.consume(linesOf(child.stdout!));
  assertEquals(lines, ["line 1", "line 2", "line 3"]);
  assertEquals((await exited)[0], 0);
});

test("A FixedChunkStream goes to the input of a process, and its output comes back", async () => {
  const child = run("process.stdin.pipe(process.stdout)");
  const exited = once(child, "exit");
  const sent = new Uint8Array(300_000).map((_, i) => i);
  const received: Uint8Array[] = [];
  const sink = new Fanout((bytes: Uint8Array) => void received.push(bytes));
  await Promise.all([
    pipeline(web.toReadable(FixedChunkStream.from([sent], 1000)), child.stdin!),
    sink.consume(child.stdout!),
  ]);
  assertEquals(Buffer.concat(received).equals(sent), true);
  await exited;
});

test("A process that exits before it has read everything ends the pipe to it, and its source", async () => {
  const child = run("process.exit(0)");
  const exited = once(child, "exit");
  const left = gate();
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(100_000)),
    cancel: () => left.resolve(),
  });
  const piped = pipeline(web.toReadable(FixedChunkStream.from(endless, 65_536)), child.stdin!);
  await rejection(piped); // a broken pipe or a close, depending on the runtime
  await left.promise;
  child.stdout!.resume();
  await exited;
});

test("pipeline() into a function destroys the output of a quiet process when a handler fails", async () => {
  const child = run('console.log("ready"); setInterval(() => {}, 1000)');
  const exited = once(child, "exit");
  const sink = heard(
    new Fanout<Uint8Array>(() => {
      throw errors.handler;
    }),
  );
  const piped = pipeline(child.stdout!, (bytes: AsyncIterable<Uint8Array>) => sink.consume(bytes));
  assertStrictEquals(await rejection(piped), errors.handler);
  assertEquals(child.stdout!.destroyed, true);
  child.kill("SIGKILL");
  await exited;
});
