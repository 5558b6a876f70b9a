/**
 * Real files and gzip between Node's streams and ours: no data is lost, and every file is closed at
 * every end.
 */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip, gunzipSync, gzipSync } from "node:zlib";
import { eachBatch, linesOf } from "../../examples/recipes/node_pipeline.ts";
import { BatchStream, ChunkStream, Fanout, FixedChunkStream, MapStream } from "../../mod.ts";
import { gate, turn } from "../support/gate.ts";
import { heard, rejection } from "../support/hand.ts";
import { test } from "../support/test.ts";
import { errors, web } from "./node_streams.ts";

/** Enough for many chunks of a file, with lines of different lengths that chunks cut anywhere. */
const LINES: readonly string[] = Array.from(
  { length: 20_000 },
  (_, i) => `zeile ${i} ${"ü".repeat(i % 30)}`,
);
const TEXT = Buffer.from(`${LINES.join("\n")}\n`);

/** Waits until a stream has closed its file. A test whose file stays open never ends. */
async function closed(stream: Readable | Writable): Promise<void> {
  if (!stream.closed) await new Promise((resolve) => stream.once("close", resolve));
}

/** Runs a test in a separate directory with a text file, and the same as gzip. */
function withFiles(body: (path: (name: string) => string) => Promise<void>): () => Promise<void> {
  return async () => {
    const directory = mkdtempSync(join(tmpdir(), "weir-node-streams-"));
    try {
      const path = (name: string) => join(directory, name);
      writeFileSync(path("text"), TEXT);
      writeFileSync(path("gzip"), gzipSync(TEXT));
      await body(path);
    } finally {
      rmSync(directory, { recursive: true });
    }
  };
}

test(
  "recipe node pipeline: every line of a gzip file is in one batch, and the file is closed",
  withFiles(async (path) => {
    const file = createReadStream(path("gzip"), { highWaterMark: 1000 });
    const lines: string[] = [];
    const sizes = new Set<number>();
    const count = await eachBatch(file, (batch) => {
      lines.push(...batch);
      sizes.add(batch.length);
    }, { maxItems: 1000, concurrency: 1 });
    assertEquals([count, sizes], [LINES.length, new Set([1000])]);
    assertEquals(lines, LINES);
    await closed(file);
  }),
);

test("recipe node pipeline: lines end in \\n or \\r\\n, wherever the chunks are cut", async () => {
  const text = Buffer.from("one\r\n\r\nü\rtwo\nthree\r\n\n 🏞\r\r\nend");
  async function* chunks(size: number) {
    for (let from = 0; from < text.length; from += size) yield text.subarray(from, from + size);
  }
  for (let size = 1; size <= text.length; size++) {
    const lines: string[] = [];
    for await (const line of linesOf(chunks(size))) lines.push(line);
    assertEquals(lines, ["one", "", "ü\rtwo", "three", "", " 🏞\r", "end"]);
  }
});

test("recipe node pipeline: a character that is cut at the end of the text is a line", async () => {
  const lines: string[] = [];
  async function* cut() {
    yield Buffer.from("one\nü").subarray(0, -1);
  }
  for await (const line of linesOf(cut())) lines.push(line);
  assertEquals(lines, ["one", "\ufffd"]);
});

test("recipe node pipeline: a long line costs work in proportion to its length", async () => {
  const chunk = Buffer.from("x".repeat(100));
  async function* chunks() {
    for (let count = 0; count < 100_000; count++) {
      if (count % 1000 === 0) await turn(); // so that the limit of the test can end it
      yield chunk;
    }
  }
  const lengths: number[] = [];
  // With quadratic cost it would take minutes, and reach the limit of the test.
  for await (const line of linesOf(chunks())) lengths.push(line.length);
  assertEquals(lengths, [10_000_000]);
});

test(
  "recipe node pipeline: a handler that fails ends all with its error, and the file is closed",
  withFiles(async (path) => {
    const file = createReadStream(path("gzip"), { highWaterMark: 100 });
    const error = await rejection(eachBatch(file, () => Promise.reject(errors.handler)));
    assertStrictEquals(error, errors.handler);
    await closed(file);
  }),
);

test(
  "recipe node pipeline: a signal ends all with its reason while a handler runs",
  withFiles(async (path) => {
    const file = createReadStream(path("gzip"), { highWaterMark: 100 });
    const stop = new AbortController();
    const [started, heard] = [gate(), gate<unknown>()];
    const counted = rejection(eachBatch(file, (_, { signal }) => {
      signal.addEventListener("abort", () => heard.resolve(signal.reason));
      started.resolve();
      return new Promise(() => {});
    }, { signal: stop.signal }));
    await started.promise;
    stop.abort(errors.reason);
    assertStrictEquals(await counted, errors.reason);
    assertStrictEquals(await heard.promise, errors.reason);
    await closed(file);
  }),
);

test(
  "recipe node pipeline: a broken or incomplete gzip file is the error of the call",
  withFiles(async (path) => {
    const whole = readFileSync(path("gzip"));
    writeFileSync(path("half"), whole.subarray(0, whole.length / 2));
    for (const [name, code] of [["text", "Z_DATA_ERROR"], ["half", "Z_BUF_ERROR"]] as const) {
      const file = createReadStream(path(name));
      const error = await rejection(eachBatch(file, () => {})) as { code?: string };
      assertEquals([name, error.code], [name, code]);
      await closed(file);
    }
  }),
);

test(
  "A missing file is the error of consume() and of pipeline(), and the sink goes on",
  withFiles(async (path) => {
    const sink = new Fanout<Uint8Array>(() => {});
    const none = () => createReadStream(path("none"));
    const errors = await Promise.all([
      rejection(sink.consume(none())),
      rejection(pipeline(none(), (bytes: AsyncIterable<Uint8Array>) => sink.consume(bytes))),
      rejection(FixedChunkStream.from(none(), 10).pipeTo(new WritableStream())),
    ]) as { code?: string }[];
    assertEquals(errors.map(({ code }) => code), ["ENOENT", "ENOENT", "ENOENT"]);
    assertEquals(sink.tryPush(TEXT), true);
  }),
);

test(
  "consume() of a file closes it when a handler fails",
  withFiles(async (path) => {
    const file = createReadStream(path("text"), { highWaterMark: 1000 });
    const sink = heard(
      new Fanout<Uint8Array>(() => {
        throw errors.handler;
      }),
    );
    assertStrictEquals(await rejection(sink.consume(file)), errors.handler);
    await closed(file);
  }),
);

test(
  "A FixedChunkStream works between files and gzip, as a function and as a transform",
  withFiles(async (path) => {
    const sizes = new Set<number>();
    const look = async function* (parts: AsyncIterable<Uint8Array>) {
      for await (const part of parts) {
        sizes.add(part.length);
        yield part;
      }
    };
    for (
      const cut of [
        (bytes: AsyncIterable<Uint8Array>) => FixedChunkStream.from(bytes, 777),
        new FixedChunkStream(777),
      ]
    ) {
      const from = createReadStream(path("text"));
      const to = createWriteStream(path("out"));
      await web.pipeline(from, cut, look, createGzip(), to);
      assertEquals(gunzipSync(readFileSync(path("out"))).equals(TEXT), true);
      assertEquals(sizes, new Set([777, TEXT.length % 777]));
      await Promise.all([closed(from), closed(to)]);
    }
  }),
);

/** The ways out. */
const ways: Record<string, (stream: ReadableStream<Uint8Array>, to: Writable) => Promise<unknown>> =
  {
    "pipeline() from Readable.fromWeb()": (stream, to) => pipeline(web.toReadable(stream), to),
    "pipeTo(Writable.toWeb())": (stream, to) => stream.pipeTo(Writable.toWeb(to)),
  };

for (const [name, copy] of Object.entries(ways)) {
  test(
    `${name} copies a file in pieces, and closes both files`,
    withFiles(async (path) => {
      const from = createReadStream(path("text"));
      const to = createWriteStream(path("out"));
      await copy(FixedChunkStream.from(from, 1000), to);
      assertEquals(readFileSync(path("out")).equals(TEXT), true);
      await Promise.all([closed(from), closed(to)]);
    }),
  );

  test(
    `${name} to a file that can't be written closes the file that is read`,
    withFiles(async (path) => {
      const from = createReadStream(path("text"), { highWaterMark: 1000 });
      const to = createWriteStream(path("none/out"));
      const copied = copy(FixedChunkStream.from(from, 1000), to);
      assertEquals((await rejection(copied) as { code?: string }).code, "ENOENT");
      await Promise.all([closed(from), closed(to)]);
    }),
  );

  test(
    `${name} closes both files when a stage fails`,
    withFiles(async (path) => {
      const from = createReadStream(path("text"), { highWaterMark: 1000 });
      const to = createWriteStream(path("out"));
      const results = MapStream.from(
        ChunkStream.from(from, { maxBytes: 3000 }),
        (): Uint8Array => {
          throw errors.stage;
        },
      );
      assertStrictEquals(await rejection(copy(results, to)), errors.stage);
      await Promise.all([closed(from), closed(to)]);
    }),
  );
}

test(
  "from() closes a file when the consumer leaves",
  withFiles(async (path) => {
    const file = createReadStream(path("text"), { highWaterMark: 1000 });
    for await (const batch of BatchStream.from(linesOf(file), 10)) {
      assertEquals(batch, LINES.slice(0, 10));
      break;
    }
    await closed(file);
  }),
);

test(
  "consume() takes the lines of readline in batches, and the file is closed",
  withFiles(async (path) => {
    const file = createReadStream(path("text"));
    const lines: string[] = [];
    const sink = new Fanout((batch: string[]) => void lines.push(...batch));
    await sink.consume(BatchStream.from(createInterface({ input: file }), 300));
    assertEquals(lines, LINES);
    await closed(file);
  }),
);
