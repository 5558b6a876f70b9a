/**
 * Everything that does not work in an adapter according to docs/node-streams.md. Each claim must be
 * true, or leave the page.
 */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { PassThrough, Readable, Writable } from "node:stream";
import { Fanout, FixedChunkStream, MapStream } from "../../mod.ts";
import { collect } from "../support/gate.ts";
import { heard, rejection } from "../support/hand.ts";
import { test } from "../support/test.ts";
import { unhandled } from "../support/unhandled.ts";
import { among, BAD_FOR_STAGE, errors, pushed, quiet, Watched, web } from "./node_streams.ts";

const OBJECTS = { objectMode: true } as const;

test("Writable.fromWeb() in Node 22 leaves an error unhandled when several writes wait and the sink fails", async () => {
  const sink = heard(
    new Fanout(() => {
      throw errors.handler;
    }),
  );
  const lost = await unhandled(async () => {
    const writable = web.toWritable(sink, OBJECTS);
    writable.on("error", () => {});
    for (const item of [1, 2, 3]) writable.write(item);
    await quiet();
    assertStrictEquals(writable.errored, errors.handler);
  });
  assertEquals(lost.length > 0, among("node22"), String(lost));
});

test("Writable.fromWeb() of a sink that is destroyed without an error closes the sink as if the items were complete", async () => {
  const sink = new Fanout<number>(() => {});
  const lost = await unhandled(async () => {
    const writable = web.toWritable(sink, OBJECTS);
    writable.write(1);
    writable.destroy();
    await quiet();
    await sink.closed;
  });
  assertEquals(lost.length > 0, among("node22"), String(lost));
});

for (
  const [name, toWeb] of Object.entries({
    Writable: () => Writable.toWeb(new Writable({ write() {} })),
    Duplex: () => web.ofDuplex(new PassThrough()).writable as WritableStream<Uint8Array>,
  })
) {
  test(`${name}.toWeb() of bytes reads a whole source ahead in Node 22 and Deno`, async () => {
    let chunks = 0;
    const source = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(16_384));
        if (++chunks === 100) controller.close();
      },
    }, { highWaterMark: 0 });
    const stop = new AbortController();
    const parts = FixedChunkStream.from(source, { size: 16_384, signal: stop.signal });
    const piped = new Watched(parts.pipeTo(toWeb(), { signal: stop.signal }));
    await quiet();
    assertEquals(chunks === 100, among("node22", "deno"), `${chunks}`);
    stop.abort();
    await quiet();
    assertEquals(piped.state, undefined);
  });
}

test("Readable.toWeb() crashes Node 22, Node 24 and Deno when its reader leaves before the end", async () => {
  const lost = await unhandled(async () => {
    let items = 0;
    for await (const _ of Readable.toWeb(Readable.from([1, 2, 3, 4, 5]))) {
      if (++items === 2) break;
    }
    await quiet();
  });
  assertEquals(lost.length > 0, among("node22", "node24", "deno"), String(lost));
});

test("Readable.toWeb() of a destroyed Readable ends as if it were complete in Node 22 and Deno", async () => {
  const source = pushed();
  source.destroy();
  await quiet();
  const collected = new Watched(collect(Readable.toWeb(source) as ReadableStream<unknown>));
  const ended = await collected.settled;
  assertEquals(
    ended,
    among("node22", "deno") ? "fulfills" : "rejects with an `AbortError`",
  );
  const error = await rejection(new Fanout<number>(() => {}).consume(source)) as { code?: string };
  assertEquals(error.code, "ERR_STREAM_PREMATURE_CLOSE");
});

test("A null item ends Readable.fromWeb() as if it were the last, and fails Readable.from()", async () => {
  const items = () => MapStream.from([1, BAD_FOR_STAGE, 2], (item) => item < 0 ? null : item);
  assertEquals(await Array.fromAsync(web.toReadable(items(), OBJECTS)), [1]);
  const error = await rejection(Array.fromAsync(Readable.from(items()))) as { code?: string };
  assertEquals(error.code, "ERR_STREAM_NULL_VALUES");
});
