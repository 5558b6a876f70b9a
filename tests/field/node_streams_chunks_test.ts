/**
 * The chunks between Node's streams and ours: bytes, strings and objects, and how many are read
 * ahead.
 */

import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { Readable, Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { Buffer } from "node:buffer";
import { BatchStream, ChunkStream, Fanout, FixedChunkStream, MapStream } from "../../mod.ts";
import { rejection } from "../support/hand.ts";
import { here } from "../support/host.ts";
import { test } from "../support/test.ts";
import { unhandled } from "../support/unhandled.ts";
import { isDocumented, quiet, stage, web } from "./node_streams.ts";

const OBJECTS = { objectMode: true } as const;
const AHEAD = "Backpressure";

test("FixedChunkStream and ChunkStream take the Buffers of a Readable", async () => {
  const bytes = () => Readable.from([Buffer.from("abc"), Buffer.from("de")]);
  const parts = await Array.fromAsync(FixedChunkStream.from(bytes(), 2));
  assertEquals(parts.map((part) => Buffer.from(part).toString()), ["ab", "cd", "e"]);
  const batches = await Array.fromAsync(ChunkStream.from(bytes(), { maxBytes: 4 }));
  assertEquals(batches.map((batch) => Buffer.concat(batch).toString()), ["abc", "de"]);
});

test("FixedChunkStream copies the Buffers of a Readable, and ChunkStream passes them on", async () => {
  const chunk = Buffer.from("abcd");
  const [part] = await Array.fromAsync(FixedChunkStream.from(Readable.from([chunk]), 4));
  const [batch] = await Array.fromAsync(ChunkStream.from(Readable.from([chunk]), { maxBytes: 4 }));
  assertNotStrictEquals(part!.buffer, chunk.buffer);
  assertEquals(part!.buffer.byteLength, 4);
  assertStrictEquals(batch![0], chunk);
});

test("A Readable with an encoding gives strings, which ChunkStream weighs and FixedChunkStream refuses", async () => {
  const strings = () => {
    const source = new Readable({ encoding: "utf8", read() {} });
    source.push(Buffer.from("grün"));
    source.push(null);
    return source;
  };
  assertEquals(await Array.fromAsync(ChunkStream.from(strings(), { maxBytes: 5 })), [["grün"]]);
  const tooLarge = Array.fromAsync(
    ChunkStream.from(strings(), { maxBytes: 4, oversize: "error" }),
  );
  assertEquals((await rejection(tooLarge) as Error).name, "RangeError");
  const source = strings();
  const parts = Array.fromAsync(FixedChunkStream.from(source as AsyncIterable<never>, 2));
  assertEquals((await rejection(parts) as Error).name, "TypeError");
  assertEquals(source.destroyed, true);
});

test("Two pushes to a Readable that is not in object mode may be one item", async () => {
  const items: unknown[] = [];
  const sink = new Fanout((item: unknown) => void items.push(item));
  const source = new Readable({ encoding: "utf8", read() {} });
  for (const chunk of ["ab", "cd", null]) source.push(chunk);
  await sink.consume(source);
  assertEquals(items, ["abcd"]);
  items.length = 0;
  await sink.consume(Readable.from(["ab", "cd"]));
  assertEquals(items, ["ab", "cd"]);
});

test("Readable.fromWeb() without object mode refuses arrays, and makes Buffers of strings", async () => {
  const arrays = Array.fromAsync(web.toReadable(BatchStream.from([1], 1)));
  assertEquals((await rejection(arrays) as { code?: string }).code, "ERR_INVALID_ARG_TYPE");
  const strings = web.toReadable(MapStream.from(["a"], (text) => text));
  assertEquals(await Array.fromAsync(strings), [Buffer.from("a")]);
});

test("Writable.fromWeb() without object mode makes Buffers of strings, unless decodeStrings is false", async () => {
  for (
    const [options, expected] of [[{}, Buffer.from("a")], [{ decodeStrings: false }, "a"]] as const
  ) {
    const items: unknown[] = [];
    const sink = new Fanout((item: unknown) => void items.push(item));
    const writable = web.toWritable(sink, options);
    writable.end("a");
    await finished(writable);
    assertEquals(items, [expected]);
  }
});

/**
 * The ways into a sink, and for each the number of items that it has read and the full sink has not
 * accepted.
 */
const into: Record<string, (source: Readable, sink: Fanout<number>) => Promise<unknown>> = {
  "`consume`": (source, sink) => sink.consume(source),
  "`pipeline` into a function": (source, sink) => pipeline(source, (items) => sink.consume(items)),
  "`pipeline` into `Writable.fromWeb(sink, { objectMode: true })`": (source, sink) =>
    pipeline(source, web.toWritable(sink, OBJECTS)),
};
const expectedInto: Record<string, readonly [small: number, usual: number]> = {
  "`consume`": [2, 17],
  "`pipeline` into a function": [2, 17],
  "`pipeline` into `Writable.fromWeb(sink, { objectMode: true })`": [15, 30],
};

/** The ways out, and for each the number of items that it has read when the first write hangs. */
const out: Record<string, (results: ReadableStream<number>, last: Writable) => Promise<unknown>> = {
  "`pipeTo(Writable.toWeb(writable))`": (results, last) => results.pipeTo(Writable.toWeb(last)),
  "`pipeline` from a web stream": (results, last) => pipeline(results, last),
  "`pipeline` from `Readable.fromWeb(stream, { objectMode: true })`": (results, last) =>
    pipeline(web.toReadable(results, OBJECTS), last),
  "`pipeline` from `Readable.fromWeb(stream, { objectMode: true, highWaterMark: 1 })`": (
    results,
    last,
  ) => pipeline(web.toReadable(results, { ...OBJECTS, highWaterMark: 1 }), last),
};
const expectedOut: Record<string, readonly [small: number, usual: number]> = {
  "`pipeTo(Writable.toWeb(writable))`": [2, 32],
  "`pipeline` from a web stream": [2, 17],
  "`pipeline` from `Readable.fromWeb(stream, { objectMode: true })`": [18, 33],
  "`pipeline` from `Readable.fromWeb(stream, { objectMode: true, highWaterMark: 1 })`": [3, 18],
};

for (const [name, way] of Object.entries(into)) {
  test(`A sink that stands still makes a Readable wait, by ${name.replaceAll("`", "")}`, async () => {
    const reads = [];
    for (const highWaterMark of [1, 16]) {
      let count = 0;
      const source = new Readable({
        objectMode: true,
        highWaterMark,
        read() {
          this.push(++count);
        },
      });
      const stop = new AbortController();
      const sink = new Fanout<number>(() => new Promise(() => {}), {
        capacity: 1,
        signal: stop.signal,
      });
      const ended = rejection(way(source, sink));
      await quiet();
      reads.push(count - sink.stats.accepted);
      const lost = await unhandled(async () => {
        stop.abort();
        await ended;
      });
      source.destroy();
      // See the tests of the limits for the reason.
      assertEquals(lost.length > 0, here === "node22" && name.includes("Writable.fromWeb"));
    }
    check(name, reads, expectedInto);
  });
}

for (const [name, way] of Object.entries(out)) {
  test(`A Writable that stands still makes a source wait, by ${name.replaceAll("`", "")}`, async () => {
    const reads = [];
    for (const highWaterMark of [1, 16]) {
      let count = 0;
      const source = new ReadableStream<number>({
        pull: (controller) => controller.enqueue(++count),
      }, { highWaterMark: 0 });
      const writable = new Writable({ objectMode: true, highWaterMark, write() {} });
      const stop = new AbortController();
      const ended = rejection(
        way(MapStream.from(source, stage, { signal: stop.signal }), writable),
      );
      await quiet();
      reads.push(count);
      writable.destroy(new Error("stop"));
      stop.abort(new Error("stop"));
      await ended;
    }
    check(name, reads, expectedOut);
  });
}

/** Also compares with the page. */
function check(
  name: string,
  reads: readonly number[],
  expected: Record<string, readonly number[]>,
): void {
  assertEquals(reads, [...expected[name]!]);
  assertEquals(isDocumented(AHEAD, [name, ...reads.map(String)]), true, "the page says otherwise");
}
