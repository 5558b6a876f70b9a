/**
 * Everything that does not work according to docs/node-streams.md. Each claim must be true, or
 * leave the page.
 */

import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { addAbortSignal, Duplex, PassThrough, Readable, type Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { BatchStream, Fanout, MapStream } from "../../mod.ts";
import { collect, settled } from "../support/gate.ts";
import { rejection } from "../support/hand.ts";
import { test } from "../support/test.ts";
import {
  among,
  BAD_FOR_END,
  errors,
  pushed,
  quiet,
  stage,
  Tap,
  Watched,
  web,
  written,
} from "./node_streams.ts";

const OBJECTS = { objectMode: true } as const;

test("pipe() to a sink or a transform throws a TypeError, and reads nothing", () => {
  for (const stream of [new Fanout(() => {}), new BatchStream(1)]) {
    const source = pushed();
    assertThrows(() => source.pipe(stream as unknown as Writable), TypeError);
    assertEquals(source.readableDidRead, false);
  }
});

test("pipe() to the adapter of a sink leaves the sink open when the source fails", async () => {
  const source = pushed();
  source.on("error", () => {});
  const sink = new Fanout<number>(() => {});
  const writable = web.toWritable(sink, OBJECTS);
  source.pipe(writable);
  source.push(1);
  await quiet();
  source.destroy(errors.source);
  await quiet();
  assertEquals([sink.stats.done, writable.destroyed], [1, false]);
  assertEquals(await settled(sink.closed), "pending");
});

test("pipeline() with a stream of Node right before a sink rejects, except in Node 22", async () => {
  const items: number[] = [];
  const sink = new Fanout((item: number) => void items.push(item));
  const piped = web.pipeline(Readable.from([1, 2]), sink);
  if (among("node22")) {
    await piped;
    assertEquals(items, [1, 2]);
  } else {
    await assertRejects(() => piped);
    assertEquals(items, []);
  }
});

test("pipeline() of Node 22 and Deno may reject with an AbortError instead of the error of a function after a Duplex", async () => {
  const source = new Readable({
    objectMode: true,
    read() {
      this.push(1);
    },
  });
  const piped = pipeline(source, new PassThrough(OBJECTS), async (items) => {
    for await (const _ of items) throw errors.handler;
  });
  const error = await rejection(piped);
  if (among("node22", "deno")) assertEquals((error as Error).name, "AbortError");
  else assertStrictEquals(error, errors.handler);
});

test("pipeline() without a stream of Node ignores its signal, and ends with its source", async () => {
  for (
    const transform of [new MapStream(stage), new TransformStream<number, number>()]
  ) {
    const call = new AbortController();
    const source = new Tap();
    const piped = new Watched(
      web.pipeline(source, transform, new WritableStream(), { signal: call.signal }),
    );
    source.give(1);
    await quiet();
    call.abort(errors.reason);
    source.give(2);
    await quiet();
    assertEquals([piped.state, source.fate], [undefined, undefined]);
    source.end();
    await piped.settled;
  }
});

test("pipeline() from a web stream ends at the next chunk after a stage behind a transform has failed", async () => {
  const source = new Tap();
  const piped = new Watched(web.pipeline(source, new MapStream(stage), written().writable));
  source.give(BAD_FOR_END);
  await quiet();
  assertEquals([piped.state, source.fate], [undefined, undefined]);
  source.give(1);
  assertEquals(await piped.settled, "rejects with the `Writable`'s error");
  assertEquals(source.fate, "left");
});

test("pipeline() from Readable.from() of a stream ends at the next chunk after the Writable has failed", async () => {
  const source = new Tap();
  const piped = new Watched(
    pipeline(Readable.from(MapStream.from(source, stage)), written().writable),
  );
  source.give(BAD_FOR_END);
  await quiet();
  assertEquals([piped.state, source.fate], [undefined, undefined]);
  source.give(1);
  assertEquals(await piped.settled, "rejects with the `Writable`'s error");
  assertEquals(source.fate, "left");
});

test("pipeline() never ends in Bun with a pair of streams that is not a TransformStream", async () => {
  const { readable, writable } = new BatchStream<number>(2);
  const { writable: last, items } = written();
  const piped = new Watched(web.pipeline(Readable.from([1, 2]), { readable, writable }, last));
  await quiet();
  if (among("bun")) assertEquals([piped.state, items], [undefined, []]);
  else assertEquals([await piped.settled, items], ["fulfills", [[1, 2]]]);
});

test("compose() and Duplex.from() of a transform give bytes only", async () => {
  const composed = Readable.from([1, 2]).compose(new BatchStream(2) as unknown as Duplex);
  const error = await rejection(Array.fromAsync(composed)) as { code?: string };
  assertEquals(error.code, "ERR_INVALID_ARG_TYPE");
  assertEquals(Duplex.from(new BatchStream(2) as never).readableObjectMode, false);
});

test("finished() refuses a transform, except in Deno", async () => {
  const transform = new BatchStream(1);
  const ended = Promise.resolve().then(() => finished(transform as unknown as Duplex));
  if (among("deno")) {
    await transform.writable.close();
    await collect(transform.readable);
    await ended;
  } else {
    assertEquals((await rejection(ended) as { code?: string }).code, "ERR_INVALID_ARG_TYPE");
  }
});

test("addAbortSignal() on a sink does not abort it for callers of push", async () => {
  const controller = new AbortController();
  const sink = new Fanout((item: number) => item);
  addAbortSignal(controller.signal, sink as unknown as Writable);
  controller.abort(errors.reason);
  await quiet();
  assertEquals(await sink.submit(1), 1);
  assertEquals(await settled(sink.closed), "pending");
});

test("addAbortSignal() on a stream of ours ends its iteration, and leaves the source at its next chunk [4.18]", async () => {
  const controller = new AbortController();
  const source = new Tap();
  const batches = BatchStream.from(source, { maxItems: 1 });
  addAbortSignal(controller.signal, batches as unknown as Readable);
  const collected = new Watched(Array.fromAsync(batches));
  source.give(1);
  await quiet();
  controller.abort(errors.reason);
  await quiet();
  assertEquals(collected.state, "rejects with an `AbortError`");
  assertEquals([batches.locked, source.fate], [false, undefined]);
  source.give(2);
  await quiet();
  assertEquals(source.fate, "left");
});
