/**
 * Our streams as Node streams, and the reverse: everything that works according to
 * docs/node-streams.md.
 */

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { addAbortSignal, PassThrough, Readable, type Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { createGunzip, createGzip, gunzipSync } from "node:zlib";
import { Buffer } from "node:buffer";
import { BatchStream, Fanout, FixedChunkStream, MapStream } from "../../mod.ts";
import { collect, gate } from "../support/gate.ts";
import { heard, rejection } from "../support/hand.ts";
import { test } from "../support/test.ts";
import {
  BAD_FOR_END,
  BAD_FOR_STAGE,
  errors,
  pushed,
  quiet,
  stage,
  Watched,
  web,
  written,
} from "./node_streams.ts";

const OBJECTS = { objectMode: true } as const;

test("pipeline() with a signal into a function rejects with an AbortError whose cause is the reason", async () => {
  const call = new AbortController();
  const sink = new Fanout<number>(() => {});
  const piped = pipeline(pushed(), (items) => sink.consume(items), { signal: call.signal });
  call.abort(errors.reason);
  const error = await rejection(piped) as Error;
  assertEquals(error.name, "AbortError");
  assertStrictEquals(error.cause, errors.reason);
});

test("pipeline() into a function hands over all items of Node's own stages, and leaves the sink open", async () => {
  const batches: number[][] = [];
  const sink = new Fanout((batch: number[]) => void batches.push(batch));
  const source = Readable.from([1, 2, 3, 4, 5]);
  await pipeline(
    source,
    new PassThrough(OBJECTS),
    (items) => sink.consume(BatchStream.from(items, 2)),
  );
  assertEquals(batches, [[1, 2], [3, 4], [5]]);
  assertEquals([source.destroyed, sink.tryPush([6])], [true, true]);
});

test("pipeline() into a function waits for accepted items when its signal aborts", async () => {
  const call = new AbortController();
  const [started, hold] = [gate(), gate()];
  const sink = new Fanout<number>(async () => {
    started.resolve();
    await hold.promise;
  });
  const source = pushed();
  const piped = new Watched(
    pipeline(source, (items) => sink.consume(items), { signal: call.signal }),
  );
  source.push(1);
  await started.promise;
  call.abort(errors.reason);
  await quiet();
  assertEquals([piped.state, source.destroyed], [undefined, true]);
  hold.resolve();
  assertEquals(await piped.settled, "rejects with an `AbortError`");
  assertEquals(sink.stats.done, 1);
});

test("pipeline() takes a function that returns a stream of ours between two of Node's", async () => {
  const { writable, items } = written();
  await pipeline(
    Readable.from([1, 2, 3]),
    (source) => BatchStream.from(source, 2),
    writable,
  );
  assertEquals(items, [[1, 2], [3]]);
});

test("consume() takes the rows of a Readable of pages", async () => {
  const rows: number[] = [];
  const sink = new Fanout((row: number) => void rows.push(row));
  await sink.consume(Readable.from([[1, 2], [], [3]]), { flatten: true });
  assertEquals(rows, [1, 2, 3]);
});

test("from() destroys a Readable that it leaves early", async () => {
  const source = Readable.from([1, 2, 3, 4, 5]);
  for await (const batch of BatchStream.from(source, 2)) {
    assertEquals(batch, [1, 2]);
    break;
  }
  await quiet();
  assertEquals(source.destroyed, true);
});

test("Duplex.fromWeb() makes a Duplex of a transform that gives all items, and ends", async () => {
  const { writable, items } = written();
  const duplex = web.toDuplex(new BatchStream<number>(2), OBJECTS);
  await pipeline(Readable.from([1, 2, 3]), duplex, writable);
  assertEquals(items, [[1, 2], [3]]);
});

test("Duplex.fromWeb() of a transform that fails ends both neighbours with its error, even a quiet source", async () => {
  const source = pushed();
  const { writable } = written();
  const piped = pipeline(source, web.toDuplex(new MapStream(stage), OBJECTS), writable);
  source.push(BAD_FOR_STAGE);
  assertStrictEquals(await rejection(piped), errors.stage);
  assertEquals([source.destroyed, writable.destroyed], [true, true]);
});

test("Duplex.fromWeb() of a transform whose signal aborts ends both neighbours with its reason", async () => {
  const stop = new AbortController();
  const source = pushed();
  const { writable } = written();
  const transform = new MapStream(stage, { signal: stop.signal });
  const piped = pipeline(source, web.toDuplex(transform, OBJECTS), writable);
  stop.abort(errors.reason);
  assertStrictEquals(await rejection(piped), errors.reason);
  assertEquals([source.destroyed, writable.destroyed], [true, true]);
});

test("Writable.fromWeb() of a sink hands over all items, and closes it", async () => {
  const items: number[] = [];
  const sink = new Fanout((item: number) => void items.push(item));
  await pipeline(Readable.from([1, 2, 3]), web.toWritable(sink, OBJECTS));
  await sink.closed;
  assertEquals(items, [1, 2, 3]);
});

test("Writable.fromWeb() of a sink whose handler fails ends a quiet source with the error", async () => {
  const source = pushed();
  const sink = new Fanout(() => {
    throw errors.handler;
  });
  const piped = pipeline(source, web.toWritable(sink, OBJECTS));
  source.push(1);
  assertStrictEquals(await rejection(piped), errors.handler);
  assertStrictEquals(await rejection(sink.closed), errors.handler);
  assertEquals(source.destroyed, true);
});

test("Writable.fromWeb() of a sink that is destroyed with an error aborts the sink with it", async () => {
  const sink = new Fanout<number>(() => {});
  const writable = web.toWritable(sink, OBJECTS);
  const ended = new Watched(finished(writable));
  writable.destroy(errors.writable);
  assertStrictEquals(await rejection(sink.closed), errors.writable);
  assertEquals(await ended.settled, "rejects with the `Writable`'s error");
});

test("Readable.fromWeb() that is destroyed cancels the stream and its source at once", async () => {
  const left = gate<unknown>();
  const source = new ReadableStream<number>({ cancel: left.resolve });
  const readable = web.toReadable(MapStream.from(source, stage), OBJECTS);
  readable.on("error", () => {}).resume();
  readable.destroy(errors.reason);
  assertStrictEquals(await left.promise, errors.reason);
});

test("A CompressionStream takes the pieces of a FixedChunkStream", async () => {
  const parts = FixedChunkStream.from(Readable.from([Buffer.alloc(2000)]), 700);
  const packed = await collect(parts.pipeThrough(new CompressionStream("gzip")));
  assertEquals(gunzipSync(Buffer.concat(packed)).length, 2000);
});

test("Duplex.toWeb() takes a transform of Node, such as gzip, into a pipe of ours", async () => {
  const packed: Uint8Array[] = await collect(
    FixedChunkStream.from([new Uint8Array(1000), new Uint8Array(1000)], 700)
      .pipeThrough(web.ofDuplex(createGzip())),
  );
  assertEquals(gunzipSync(Buffer.concat(packed)).length, 2000);
});

test("Duplex.toWeb() of a transform of Node that fails ends the pipe and its source", async () => {
  const left = gate();
  const source = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(1000)),
    cancel: () => left.resolve(),
  });
  const parts = FixedChunkStream.from(source, 700).pipeThrough(web.ofDuplex(createGunzip()));
  const error = await rejection(collect(parts)) as { code?: string };
  assertEquals(error.code, "Z_DATA_ERROR");
  await left.promise;
});

test("compose() of a Readable takes a function that gives a stream of ours", async () => {
  const batches = Readable.from([1, 2, 3]).compose((items: AsyncIterable<number>) =>
    BatchStream.from(items, 2)
  );
  assertEquals(await Array.fromAsync(batches), [[1, 2], [3]]);
});

test("finished() settles with a sink: at a close, a failure and an abort", async () => {
  const closed = new Fanout<number>(() => {});
  const ends = [new Watched(finished(closed as unknown as Writable))];
  await closed.close();
  const failed = new Fanout<number>(() => {
    throw errors.handler;
  });
  heard(failed);
  ends.push(new Watched(finished(failed as unknown as Writable)));
  failed.tryPush(1);
  const aborted = new Fanout<number>(() => {});
  heard(aborted);
  ends.push(new Watched(finished(aborted as unknown as Writable)));
  await aborted.abort(errors.reason);
  assertEquals(await Promise.all(ends.map(({ settled }) => settled)), [
    "fulfills",
    "rejects with the handler's error",
    "rejects with the reason",
  ]);
});

test("finished() settles with the stream that from() gives", async () => {
  const good = BatchStream.from([1], 1);
  const bad = MapStream.from([BAD_FOR_STAGE], stage);
  const ends = [good, bad].map((stream) => new Watched(finished(stream as unknown as Readable)));
  await collect(good);
  await assertRejects(() => collect(bad));
  assertEquals(await Promise.all(ends.map(({ settled }) => settled)), [
    "fulfills",
    "rejects with the stage's error",
  ]);
});

test("A failing Writable ends a Readable before a transform of ours at once, even a quiet one", async () => {
  const source = pushed();
  const { writable } = written();
  const piped = web.pipeline(source, new MapStream(stage), writable);
  source.push(BAD_FOR_END);
  assertStrictEquals(await rejection(piped), errors.writable);
  assertEquals(source.destroyed, true);
});

test("The signal of a transform ends a pipeline() from a Readable at once, even a quiet one", async () => {
  const stop = new AbortController();
  const source = pushed();
  const { writable } = written();
  const transform = new MapStream(stage, { signal: stop.signal });
  const piped = web.pipeline(source, transform, writable);
  stop.abort(errors.reason);
  assertStrictEquals(await rejection(piped), errors.reason);
  assertEquals([source.destroyed, writable.destroyed], [true, true]);
});

test("addAbortSignal() on the adapter of a sink aborts the sink", async () => {
  const call = new AbortController();
  const sink = new Fanout<number>(() => {});
  const writable = addAbortSignal(call.signal, web.toWritable(sink, OBJECTS));
  const ended = new Watched(finished(writable));
  call.abort(errors.reason);
  assertEquals(await ended.settled, "rejects with an `AbortError`");
  assertEquals((await rejection(sink.closed) as Error).name, "AbortError");
});
