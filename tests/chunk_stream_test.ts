/** `ChunkStream`: how many bytes an item has, and go-zero's `ChunkExecutor`. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Aggregator, byteLength, ChunkStream } from "../mod.ts";
import { reasonOf } from "./support/batching.ts";
import { withClock } from "./support/clock.ts";
import { collect, settled, streamOf, turn } from "./support/gate.ts";
import { test } from "./support/test.ts";

/** Finds the length of `item`: it fits with that much room, and not with less. */
async function measured(item: unknown): Promise<number> {
  const oversize = "error";
  let length = 0;
  const probe = async (maxBytes: number) =>
    await collect(ChunkStream.from([item], { maxBytes, oversize })).then(() => true, () => false);
  while (!(await probe(++length)));
  return length;
}

test("ChunkStream counts the bytes of strings, buffers, views and blobs [4.8]", async () => {
  const buffer = new ArrayBuffer(8);
  assertEquals(await measured("abc"), 3);
  assertEquals(await measured(buffer), 8);
  assertEquals(await measured(new SharedArrayBuffer(5)), 5);
  assertEquals(await measured(new Uint8Array(buffer, 2, 3)), 3);
  assertEquals(await measured(new Float64Array(buffer)), 8);
  assertEquals(await measured(new DataView(buffer, 1, 4)), 4);
  assertEquals(await measured(new Blob(["grün"])), 5);
});

test("ChunkStream counts the UTF-8 bytes of a string [4.8]", async () => {
  // Each is followed by another item, which must not be skipped.
  const bounds = ["\x7f", "\x80", "\u07ff", "\u0800", "\uffff", "\u{10000}"];
  const lengths = await Promise.all(bounds.map((char) => measured(`${char}ü`)));
  assertEquals(lengths.map((length) => length - 2), [1, 2, 2, 3, 3, 4]);
  const encoder = new TextEncoder();
  const unit = fc.string({ unit: "binary", minLength: 1, maxLength: 20 });
  // Also halves of surrogate pairs, alone and together.
  const halves = fc.array(fc.constantFrom("\ud83d", "\ude00", "\ud800", "\udfff", "a", "ü", "€"), {
    minLength: 1,
    maxLength: 12,
  }).map((parts) => parts.join(""));
  await fc.assert(
    fc.asyncProperty(fc.oneof(unit, halves), async (text) => {
      const expected = encoder.encode(text).length;
      const fits = ChunkStream.from([text], { maxBytes: expected, oversize: "error" });
      assertEquals(await collect(fits), [[text]]);
      if (expected === 1) return;
      const over = ChunkStream.from([text], { maxBytes: expected - 1, oversize: "error" });
      assert(await reasonOf(collect(over)) instanceof RangeError);
    }),
    { numRuns: 100 },
  );
});

test("ChunkStream refuses an item without a byte length, and asks for byteLength [4.8]", async () => {
  // Like a response: it can be read, but has no known size.
  const blank = { arrayBuffer() {} };
  for (
    const item of [undefined, null, 5, 5n, true, Symbol("s"), {}, [], { size: 5 }, () => 5, blank]
  ) {
    const reason = await reasonOf(collect(ChunkStream.from<unknown>([item], { maxBytes: 5 })));
    assert(reason instanceof TypeError);
    assert(reason.message.startsWith("ChunkStream: only strings, buffers, views and blobs"));
    assert(reason.message.includes('pass "byteLength"'), reason.message);
  }
});

test("ChunkStream passes on empty items, which take no room [4.8]", async () => {
  const batches = ChunkStream.from(["", "ab", "", "", "c"], { maxBytes: 2 });
  assertEquals(await collect(batches), [["", "ab"], ["", "", "c"]]);
});

test("ChunkStream hands items over unchanged [4.1]", async () => {
  const bytes = new Uint8Array([1, 2]);
  const [batch] = await collect(ChunkStream.from([bytes], { maxBytes: 8 }));
  assertStrictEquals(batch![0], bytes);
});

test("ChunkStream calls byteLength once for each item, with no other argument [4.3]", async () => {
  const asked: unknown[][] = [];
  const byteLength = (...args: [string]) => asked.push(args) && 3;
  const stream = new ChunkStream<string>({ maxBytes: 7, byteLength });
  const batches = await collect(streamOf(["a", "b", "c"]).pipeThrough(stream));
  assertEquals(batches, [["a", "b"], ["c"]]);
  assertEquals(asked, [["a"], ["b"], ["c"]]);
});

test("ChunkStream keeps maxItems as well [4.3]", async () => {
  const batches = ChunkStream.from(["a", "b", "c", "dddd"], { maxBytes: 4, maxItems: 2 });
  assertEquals(await collect(batches), [["a", "b"], ["c"], ["dddd"]]);
});

test('ChunkStream errors with both numbers when an item is too large and oversize is "error" [4.3] [F-08]', async () => {
  const reason = await reasonOf(
    collect(ChunkStream.from(["a", "bcdef"], { maxBytes: 4, oversize: "error" })),
  );
  assert(reason instanceof RangeError);
  const message = 'ChunkStream: an item of weight 5 is over option "maxBytes" of 4';
  assertEquals(reason.message, message);
});

for (const wrong of [NaN, -1, Infinity, "5", undefined]) {
  test(`ChunkStream errors and names byteLength when it returns ${wrong} [F-10]`, async () => {
    const byteLength = () => wrong as number;
    const stream = new ChunkStream<string>({ maxBytes: Infinity, maxItems: 5, byteLength });
    const reason = await reasonOf(stream.writable.getWriter().write("a"));
    assert(reason instanceof (typeof wrong === "number" ? RangeError : TypeError));
    assert(reason.message.startsWith('ChunkStream: option "byteLength" must return a finite'));
    assertStrictEquals(await reasonOf(stream.readable.getReader().read()), reason);
  });
}

test("ChunkStream errors both sides, emits nothing more and stops its timer when byteLength throws [4.7] [F-10] [F-29]", () =>
  withClock(async (clock) => {
    const thrown = new Error("from byteLength");
    const byteLength = (item: string) => {
      if (item === "bad") throw thrown;
      return 1;
    };
    const stream = new ChunkStream<string>({ maxBytes: 9, byteLength, linger: 10 });
    const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
    const read = reasonOf(reader.read());
    await writer.write("good");
    assertEquals(clock.pending, 1);
    assertStrictEquals(await reasonOf(writer.write("bad")), thrown);
    assertStrictEquals(await read, thrown);
    assertStrictEquals(await reasonOf(writer.closed), thrown);
    assertEquals(clock.pending, 0);
    assertEquals(stream.stats, { accepted: 1, waiting: 0, done: 0, discarded: 1, batches: 0 });
  }));

const sized = { maxBytes: 10, byteLength: (size: number) => size };

test("go-zero ChunkExecutor: sizes 4, 4, 100, 1 under a cap of 10 give 4 and 4, 100, and 1", async () => {
  const expected = [[4, 4], [100], [1]];
  const sizes = [4, 4, 100, 1];
  assertEquals(await collect(streamOf(sizes).pipeThrough(new ChunkStream(sized))), expected);
  assertEquals(await collect(ChunkStream.from(sizes, sized)), expected);
});

test("go-zero ChunkExecutor: a full chunk goes out before the interval ends", async () => {
  const ones = Array.from({ length: 50 }, () => 1);
  const batches = ChunkStream.from(ones, { ...sized, linger: 60_000 });
  assertEquals((await collect(batches)).map((batch) => batch.length), [10, 10, 10, 10, 10]);
});

test("go-zero ChunkExecutor: a chunk goes out after the interval, and by Flush", () =>
  withClock(async (clock) => {
    const stream = new ChunkStream({ ...sized, linger: 100 });
    const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
    const read = reader.read();
    for (let count = 0; count < 5; count++) await writer.write(1);
    await clock.tick(99);
    assertEquals(await settled(read), "pending");
    await clock.tick(1);
    assertEquals((await read).value, [1, 1, 1, 1, 1]);
    await writer.write(2);
    stream.flush();
    assertEquals((await reader.read()).value, [2]);
    await turn();
    assertEquals(clock.pending, 0);
  }));

test("go-zero ChunkExecutor: no items give no chunk", () =>
  withClock(async (clock) => {
    const stream = new ChunkStream({ ...sized, linger: 1 });
    const read = stream.readable.getReader().read();
    await clock.tick(100);
    assertEquals(await settled(read), "pending");
    assertEquals(clock.pending, 0);
  }));

test("byteLength() counts the same bytes as ChunkStream, for an Aggregator by bytes [4.8]", async () => {
  const sizes: number[] = [];
  const sink = new Aggregator((batch: string[]) => void sizes.push(batch.length), {
    maxWeight: 8,
    weigh: byteLength,
  });
  await sink.consume(["ok", "grün", "a longer message"]);
  assertEquals(sizes, [2, 1]);
  const error = assertThrows(() => byteLength(5), TypeError);
  assert(error.message.startsWith("byteLength: only strings"));
});
