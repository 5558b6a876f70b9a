/**
 * `FixedChunkStream`. Its promises:
 *
 * - [4.X1] Every piece except the last has exactly `size` bytes, and together they are the input.
 * - [4.X2] It holds at most `size` bytes. A write waits until all its bytes are copied.
 * - [4.X3] Every piece has its own fresh buffer.
 * - [4.X4] It takes buffers and views, and ignores empty ones. Anything else is a `TypeError`.
 * - [4.X5] Close hands over the rest. Cancel, abort, signal and failure end both sides with the
 *   reason.
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { FixedChunkStream } from "../mod.ts";
import { reasonOf } from "./support/batching.ts";
import { collect, counted, settled, streamOf, turn } from "./support/gate.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

type Chunk = ArrayBuffer | ArrayBufferView;

function open(size: number, signal?: AbortSignal) {
  const stream = new FixedChunkStream({ size, signal });
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  for (const promise of [writer.closed, writer.ready, reader.closed]) promise.catch(() => {});
  return { writer, reader };
}

const bytes = (...values: number[]) => Uint8Array.from(values);
const cut = (chunks: Iterable<Chunk>, size: number) =>
  collect(streamOf(chunks).pipeThrough(new FixedChunkStream({ size })));
const numbers = async (chunks: Iterable<Chunk>, size: number) =>
  (await cut(chunks, size)).map((piece) => [...piece]);

test("FixedChunkStream cuts long chunks and joins short ones [4.X1]", async () => {
  assertEquals(await numbers([bytes(1, 2, 3, 4, 5)], 2), [[1, 2], [3, 4], [5]]);
  assertEquals(await numbers([bytes(1), bytes(2), bytes(3)], 2), [[1, 2], [3]]);
  assertEquals(await numbers([bytes(1, 2, 3), bytes(4), bytes(5, 6)], 4), [[1, 2, 3, 4], [5, 6]]);
  assertEquals(await numbers([bytes(1, 2), bytes(3, 4)], 2), [[1, 2], [3, 4]]);
  assertEquals(await numbers([bytes(1, 2)], 1), [[1], [2]]);
  assertEquals(await numbers([bytes(1)], 1e6), [[1]]);
  assertEquals(await numbers([], 3), []);
});

test("FixedChunkStream gives the same bytes in pieces of the size for any chunks [4.X1] [4.X3] [F-09]", async () => {
  const part = fc.record({
    length: fc.oneof(fc.nat({ max: 9 }), fc.nat({ max: 300 })),
    offset: fc.nat({ max: 8 }),
    kind: fc.constantFrom("bytes", "view", "buffer", "words", "data"),
  });
  const size = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 2000 }));
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 20 }), size, async (parts, size) => {
      const all: number[] = [];
      const chunks = parts.map(({ length, offset, kind }): Chunk => {
        const own = Uint8Array.from({ length }, (_, index) => (all.length * 7 + index) % 251);
        const words = kind === "words"
          ? new Uint16Array(new ArrayBuffer(2 * length + 16), 8, length)
          : null;
        if (words) {
          words.set(own);
          all.push(...new Uint8Array(words.buffer, 8, 2 * length));
          return words;
        }
        all.push(...own);
        if (kind === "bytes") return own;
        if (kind === "buffer") return own.buffer;
        const room = new Uint8Array(offset + length + 3).fill(255);
        room.set(own, offset);
        if (kind === "view") return room.subarray(offset, offset + length);
        return new DataView(room.buffer, offset, length);
      });
      const pieces = await cut(chunks, size);
      assertEquals(pieces.flatMap((piece) => [...piece]), all);
      const lengths = Array(Math.floor(all.length / size)).fill(size);
      if (all.length % size > 0) lengths.push(all.length % size);
      assertEquals(pieces.map(({ length }) => length), lengths);
      assertEquals(new Set(pieces.map(({ buffer }) => buffer)).size, pieces.length);
    }),
    { numRuns: 200 },
  );
});

test("FixedChunkStream copies each of 16 MiB of small chunks into big pieces once [4.X1]", async () => {
  const chunk = new Uint8Array(1024);
  const { set } = Uint8Array.prototype;
  let copied = 0;
  Uint8Array.prototype.set = function (source, offset) {
    copied += source.length;
    set.call(this, source, offset);
  };
  try {
    const pieces = await cut(Array(16 * 1024).fill(chunk), 4 * 1024 * 1024);
    assertEquals(pieces.map(({ length }) => length), Array(4).fill(4 * 1024 * 1024));
  } finally {
    // The method is inherited.
    Reflect.deleteProperty(Uint8Array.prototype, "set");
  }
  assertEquals(copied, 16 * 1024 * 1024);
});

test("FixedChunkStream holds at most size bytes, and makes the write wait [4.X2]", async () => {
  const { writer, reader } = open(3);
  await writer.write(bytes(1, 2));
  const write = writer.write(bytes(3, 4, 5, 6, 7, 8, 9));
  assertEquals(await settled(write), "pending");
  assertEquals([...(await reader.read()).value!], [1, 2, 3]);
  assertEquals(await settled(write), "pending");
  assertEquals([...(await reader.read()).value!], [4, 5, 6]);
  // It holds the last three, and no byte waits outside.
  assertEquals(await settled(write), "fulfilled");
  const next = writer.write(bytes(10));
  assertEquals(await settled(next), "pending");
  assertEquals([...(await reader.read()).value!], [7, 8, 9]);
  await next;
  await writer.close();
  assertEquals([...(await reader.read()).value!], [10]);
});

test("FixedChunkStream pulls no more than it may hold, and one waiting chunk [4.X2]", async () => {
  let pulled = 0;
  const source = new ReadableStream<Uint8Array>(
    { pull: (controller) => controller.enqueue(bytes(counted(pulled++))) },
    { highWaterMark: 0 },
  );
  const reader = source.pipeThrough(new FixedChunkStream({ size: 4 })).getReader();
  for (let i = 0; i < 8; i++) await turn();
  assertEquals(pulled, 5);
  assertEquals([...(await reader.read()).value!], [0, 1, 2, 3]);
  for (let i = 0; i < 8; i++) await turn();
  assertEquals(pulled, 9);
  await reader.cancel();
});

test("FixedChunkStream hands over a piece as soon as it is full and there is demand [4.X1] [4.X2]", async () => {
  const { writer, reader } = open(2);
  const reads = [reader.read(), reader.read(), reader.read()];
  await writer.write(bytes(1));
  assertEquals(await settled(reads[0]!), "pending");
  await writer.write(bytes(2, 3, 4, 5));
  assertEquals([...(await reads[0]!).value!, ...(await reads[1]!).value!], [1, 2, 3, 4]);
  assertEquals(await settled(reads[2]!), "pending");
  await writer.close();
  assertEquals([...(await reads[2]!).value!], [5]);
});

test("FixedChunkStream gives pieces that share no memory [4.X3] [F-11]", async () => {
  const { writer, reader } = open(4);
  const own = bytes(1, 2, 3);
  await writer.write(own);
  own.fill(9);
  const read = reader.read();
  await writer.write(own.subarray(1));
  own.fill(8);
  const first = (await read).value!;
  assertEquals([...first], [1, 2, 3, 9]);
  first.fill(7);
  assertEquals([first.byteOffset, first.buffer.byteLength], [0, 4]);
  structuredClone(first, { transfer: [first.buffer] });
  await writer.write(bytes(5));
  await writer.close();
  assertEquals([...(await reader.read()).value!], [9, 5]);
});

test("FixedChunkStream closes the writable at once, and the readable after the rest [4.X5]", async () => {
  const { writer, reader } = open(4);
  await writer.write(bytes(1, 2, 3, 4));
  assertEquals(await settled(writer.close()), "fulfilled");
  assertEquals((await reader.read()).value!.length, 4);
  assertEquals((await reader.read()).done, true);
});

test("FixedChunkStream gives the rest, and the end, to reads from before the close [4.X5]", async () => {
  const { writer, reader } = open(4);
  const reads = [reader.read(), reader.read(), reader.read()];
  await writer.write(bytes(1));
  assertEquals(await unhandled(() => writer.close()), []);
  const [rest, ...after] = await Promise.all(reads);
  assertEquals([...rest!.value!], [1]);
  assertEquals(after.map(({ done }) => done), [true, true]);
});

test("FixedChunkStream fails with the engine's error when it can't make a piece [F-02]", async () => {
  const { writer, reader } = open(Number.MAX_SAFE_INTEGER);
  const error = await reasonOf(writer.write(bytes(1)));
  assert(error instanceof RangeError);
  assertStrictEquals(await reasonOf(reader.read()), error);
});
