/**
 * `FixedChunkStream`: the kinds of bytes that it takes. The ids are in
 * `fixed_chunk_stream_test.ts`.
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { FixedChunkStream } from "../mod.ts";
import { reasonOf } from "./support/batching.ts";
import { collect, streamOf, turn } from "./support/gate.ts";
import { test } from "./support/test.ts";

type Chunk = ArrayBuffer | ArrayBufferView;

function open(size: number, signal?: AbortSignal) {
  const stream = new FixedChunkStream({ size, signal });
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  for (const promise of [writer.closed, writer.ready, reader.closed]) promise.catch(() => {});
  return { writer, reader };
}

const NO_BYTES =
  "FixedChunkStream: a chunk must be an ArrayBuffer or a view of one, and not detached";

const bytes = (...values: number[]) => Uint8Array.from(values);
const cut = (chunks: Iterable<Chunk>, size: number) =>
  collect(streamOf(chunks).pipeThrough(new FixedChunkStream({ size })));
const numbers = async (chunks: Iterable<Chunk>, size: number) =>
  (await cut(chunks, size)).map((piece) => [...piece]);
const detached = <C extends Chunk>(chunk: C): C => {
  structuredClone(chunk, { transfer: [ArrayBuffer.isView(chunk) ? chunk.buffer : chunk] as never });
  return chunk;
};

test("FixedChunkStream ignores empty chunks, and takes them even while it is full [4.X4] [F-09]", async () => {
  const empty = [
    bytes(),
    new ArrayBuffer(0),
    new DataView(new ArrayBuffer(4), 4),
    new Uint8Array(9).subarray(9),
  ];
  assertEquals(await numbers(empty, 2), []);
  assertEquals(await numbers([...empty, bytes(1), ...empty, bytes(2, 3), ...empty], 2), [[1, 2], [
    3,
  ]]);
  const { writer, reader } = open(1);
  await writer.write(bytes(1));
  for (const chunk of empty) await writer.write(chunk);
  await reader.cancel();
});

test("FixedChunkStream takes every kind of buffer and view, even shared and resizable ones [4.X4] [F-09]", async () => {
  const words = new Uint32Array([1, 0x01020304, 3]).subarray(1, 2);
  const expected = [...new Uint8Array(words.buffer, 4, 4)];
  const shared = new SharedArrayBuffer(3);
  new Uint8Array(shared).set([1, 2, 3]);
  const cases: [unknown, number[]][] = [
    [words, expected],
    [new DataView(words.buffer, 4, 4), expected],
    [words.buffer.slice(4, 8), expected],
    [new Float64Array(1), Array(8).fill(0)],
    [shared, [1, 2, 3]],
    [new Uint8Array(shared, 1), [2, 3]],
  ];
  const Resizable = ArrayBuffer as new (length: number, options: unknown) => ArrayBuffer;
  const resizable = new Resizable(2, { maxByteLength: 8 });
  // Older engines ignore the option.
  if ("resizable" in resizable) {
    new Uint8Array(resizable).set([1, 2]);
    cases.push([resizable, [1, 2]], [new Uint8Array(resizable), [1, 2]]);
  }
  for (const [chunk, expected] of cases) {
    const pieces = await cut([chunk as Chunk], 100);
    assertEquals([...pieces[0]!], expected);
    assert(pieces[0]!.buffer instanceof ArrayBuffer);
  }
});

test("FixedChunkStream takes the bytes that a buffer has when it is written [4.X2] [F-09]", async () => {
  const Resizable = ArrayBuffer as new (length: number, options: unknown) => ArrayBuffer;
  const buffer = new Resizable(4, { maxByteLength: 8 }) as ArrayBuffer & {
    resize(to: number): void;
  };
  if (!("resize" in buffer)) return;
  const { writer, reader } = open(2);
  const write = writer.write(buffer);
  await turn();
  buffer.resize(8);
  assertEquals((await reader.read()).value!.length, 2);
  await write;
  const closing = writer.close();
  assertEquals((await reader.read()).value!.length, 2);
  await closing;
  assertEquals((await reader.read()).done, true);
});

test("FixedChunkStream fails with a TypeError when a chunk is not bytes [4.X4] [7.3] [F-09]", async () => {
  const wrong: [unknown, string][] = [
    ["bytes", '"bytes"'],
    [5, "5"],
    [5n, "5n"],
    [undefined, "undefined"],
    [null, "null"],
    [Symbol("five"), "Symbol(five)"],
    [[1, 2], "an object"],
    [{ byteLength: 2, buffer: new ArrayBuffer(2) }, "an object"],
    [new Blob(["a"]), "an object"],
  ];
  for (const [chunk, shown] of wrong) {
    const { writer, reader } = open(4);
    await writer.write(bytes(1));
    const error = await reasonOf(writer.write(chunk as Chunk)) as TypeError;
    assert(error instanceof TypeError);
    assertEquals(error.message, `${NO_BYTES}; got ${shown}`);
    assertStrictEquals(await reasonOf(reader.read()), error);
    assertStrictEquals(await reasonOf(writer.closed), error);
  }
});

test("FixedChunkStream fails with a TypeError when a chunk is detached [4.X4] [F-09]", async () => {
  for (
    const chunk of [
      bytes(1, 2),
      new ArrayBuffer(2),
      new DataView(new ArrayBuffer(2)),
      new ArrayBuffer(0),
    ]
  ) {
    const { writer, reader } = open(4);
    const error = await reasonOf(writer.write(detached(chunk))) as TypeError;
    assert(error instanceof TypeError);
    assertEquals(error.message, `${NO_BYTES}; got an object`);
    assertStrictEquals(await reasonOf(reader.read()), error);
  }
});

test("FixedChunkStream never loses bytes silently when a chunk is detached while its write waits [4.X4] [F-09]", async () => {
  const { writer, reader } = open(2);
  const chunk = bytes(1, 2, 3, 4);
  const write = reasonOf(writer.write(chunk));
  await turn();
  detached(chunk);
  assertEquals([...(await reader.read()).value!], [1, 2]);
  const error = await reasonOf(reader.read()) as TypeError;
  assert(error instanceof TypeError);
  assertEquals(error.message, `${NO_BYTES}; got an object`);
  assertEquals(await write, error);
});

test("FixedChunkStream ends with the given reason when a chunk is detached while its write waits [4.X5] [F-09]", async () => {
  for (const how of ["cancel", "abort", "signal"]) {
    const own = new AbortController();
    const { writer, reader } = open(2, own.signal);
    const chunk = bytes(1, 2, 3, 4);
    const write = reasonOf(writer.write(chunk));
    await turn();
    detached(chunk);
    if (how === "cancel") await reader.cancel("the end");
    else if (how === "abort") await writer.abort("the end");
    else own.abort("the end");
    assertEquals([await write, await reasonOf(writer.closed)], ["the end", "the end"]);
  }
});
