/** `from` of the transforms that don't batch, numbers as options, and `stats` of bytes. */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { BatchStream, ChunkStream, FixedChunkStream, ThrottleStream } from "../mod.ts";
import { reasonOf } from "./support/batching.ts";
import { collect, counted, streamOf, turn } from "./support/gate.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

const bytes = (...values: number[]) => new Uint8Array(values);
const values = (pieces: Uint8Array[]) => pieces.map((piece) => [...piece]);

/** A source that counts the taken items, and records its end. */
function probe<T>(item: (n: number) => T) {
  const seen: { taken: number; ended: unknown } = { taken: 0, ended: "no" };
  const source = new ReadableStream<T>({
    pull: (controller) => controller.enqueue(item(counted(seen.taken++))),
    cancel: (reason) => void (seen.ended = reason),
  }, { highWaterMark: 0 });
  return { seen, source };
}

function* failing<T>(items: T[], error: unknown): Generator<T> {
  yield* items;
  throw error;
}

test("FixedChunkStream.from() gives exact pieces of buffers and views [4.X6] [4.X1]", async () => {
  const source = [bytes(1, 2, 3), new Uint8Array([4, 5]).buffer, bytes(), bytes(6, 7)];
  for (const options of [3, { size: 3 }]) {
    assertEquals(values(await collect(FixedChunkStream.from(source, options))), [
      [1, 2, 3],
      [4, 5, 6],
      [7],
    ]);
    const written = streamOf<ArrayBuffer | ArrayBufferView>(source);
    assertEquals(values(await collect(written.pipeThrough(new FixedChunkStream(options)))), [
      [1, 2, 3],
      [4, 5, 6],
      [7],
    ]);
  }
});

test("FixedChunkStream.from() takes nothing before the first demand, and one piece ahead [4.X6] [4.X2]", async () => {
  const { seen, source } = probe((n) => bytes(n));
  const reader = FixedChunkStream.from(source, 2).getReader();
  await turn();
  assertEquals(seen.taken, 0);
  assertEquals([...(await reader.read()).value!], [0, 1]);
  await turn();
  assertEquals(seen.taken, 4);
  await reader.cancel("enough");
  assertEquals(seen, { taken: 4, ended: "enough" });
});

test("FixedChunkStream.from() hands over the bytes before the error of its source [4.X6] [4.12]", async () => {
  const error = new Error("from the source");
  const reader = FixedChunkStream.from(failing([bytes(1, 2, 3)], error), 2).getReader();
  assertEquals([...(await reader.read()).value!], [1, 2]);
  assertEquals([...(await reader.read()).value!], [3]);
  assertStrictEquals(await reasonOf(reader.read()), error);
});

test("FixedChunkStream.from() ends with the signal, and leaves its source [4.X6] [4.X5]", async () => {
  const own = new AbortController();
  const { seen, source } = probe((n) => bytes(n));
  const reader = FixedChunkStream.from(source, { size: 2, signal: own.signal }).getReader();
  await reader.read();
  own.abort("enough");
  assertEquals(await reasonOf(reader.read()), "enough");
  assertEquals(seen.ended, "enough");
});

test("FixedChunkStream.from() errors when its source gives an item without bytes, and leaves the source [4.X6] [4.X4]", async () => {
  const { seen, source } = probe(() => "text");
  const reader = FixedChunkStream.from(source as never, 2).getReader();
  const error = await reasonOf(reader.read());
  assertEquals((error as Error).name, "TypeError");
  assertStrictEquals(seen.ended, error);
});

test("FixedChunkStream.stats counts the bytes at every moment [4.X7] [3]", async () => {
  const stream = new FixedChunkStream(4);
  const seen: number[][] = [];
  const see = () => {
    const { accepted, waiting, done, discarded } = stream.stats;
    seen.push([accepted, waiting, done, discarded]);
  };
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  writer.closed.catch(() => {});
  see();
  await writer.write(bytes(1, 2, 3));
  see();
  const waits = writer.write(bytes(4, 5, 6));
  waits.catch(() => {});
  await turn();
  see();
  await reader.read();
  await waits;
  see();
  await writer.abort("enough");
  see();
  assertEquals(seen, [[0, 0, 0, 0], [3, 3, 0, 0], [4, 4, 0, 0], [6, 2, 4, 0], [6, 0, 4, 2]]);
});

test("ThrottleStream.from() passes the same items as a pipe, at each edge [4.T10] [4.T1] [4.T2] [4.T3]", async () => {
  const expected = { leading: [1], trailing: [3], both: [1, 3] };
  for (const edge of ["leading", "trailing", "both"] as const) {
    const options = { interval: 100, edge };
    assertEquals(await collect(ThrottleStream.from([1, 2, 3], options)), expected[edge]);
    const error = new Error("from the source");
    const reader = ThrottleStream.from(failing([1, 2, 3], error), options).getReader();
    for (const item of expected[edge]) assertEquals((await reader.read()).value, item);
    assertStrictEquals(await reasonOf(reader.read()), error);
  }
});

test("ThrottleStream.from() takes nothing before the first demand, and waits at the leading edge [4.T10] [4.T8]", async () => {
  const { seen, source } = probe((n) => n);
  const options = { interval: Number.MIN_VALUE };
  const reader = ThrottleStream.from(source, options).getReader();
  await turn();
  assertEquals(seen.taken, 0);
  assertEquals((await reader.read()).value, 0);
  await turn();
  const { taken } = seen;
  await turn();
  assertEquals(seen.taken, taken);
  await reader.cancel("enough");
  assertEquals(seen.ended, "enough");
});

timed(
  "ThrottleStream.from() reads on at the trailing edge, and passes the latest [4.T10] [4.T9]",
  async (clock) => {
    let controller!: ReadableStreamDefaultController<number>;
    const source = new ReadableStream<number>({ start: (given) => void (controller = given) });
    const reader = ThrottleStream.from(source, { interval: 10, edge: "trailing" }).getReader();
    const read = reader.read();
    await turn();
    for (const n of [1, 2]) controller.enqueue(n);
    await clock.tick(10);
    assertEquals((await read).value, 2);
    // There is no demand, so the latest item replaces the passed one.
    for (const n of [3, 4]) {
      controller.enqueue(n);
      await clock.tick(10);
    }
    assertEquals((await reader.read()).value, 4);
    await reader.cancel();
  },
);

test("ChunkStream takes a number as its maxBytes [4.X6]", async () => {
  assertEquals(await collect(ChunkStream.from(["a", "b", "c"], 2)), [["a", "b"], ["c"]]);
  const words = streamOf(["a", "b", "c"]).pipeThrough(new ChunkStream<string>(2));
  assertEquals(await collect(words), [["a", "b"], ["c"]]);
  assertEquals(
    assertThrows(() => new ChunkStream(0.5), RangeError).message,
    'ChunkStream: option "maxBytes" must be an integer of at least 1, or Infinity; got 0.5',
  );
  assertEquals(
    assertThrows(() => new FixedChunkStream(0.5), RangeError).message,
    'FixedChunkStream: option "size" must be an integer of at least 1; got 0.5',
  );
});

test("BatchStream takes any weight of more than 0 [4.3] [7.2]", async () => {
  const weigh = (n: number) => n;
  assertEquals(await collect(BatchStream.from([0.25, 0.5, 0.5], { maxWeight: 0.8, weigh })), [
    [0.25, 0.5],
    [0.5],
  ]);
  assertEquals(
    assertThrows(() => new BatchStream({ maxWeight: 0, weigh }), RangeError).message,
    'BatchStream: option "maxWeight" must be more than 0; got 0',
  );
});
