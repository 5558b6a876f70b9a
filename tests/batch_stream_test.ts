/** `BatchStream` by weight, and in the role of go-zero's `BulkExecutor`. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { BatchStream } from "../mod.ts";
import { reasonOf } from "./support/batching.ts";
import { withClock } from "./support/clock.ts";
import { collect, gate, settled, streamOf, turn } from "./support/gate.ts";
import { test } from "./support/test.ts";

const range = (length: number) => Array.from({ length }, (_, index) => index);
const self = (item: number) => item;

test("BatchStream starts the next batch with the item that would exceed maxWeight [4.3]", async () => {
  const stream = new BatchStream({ maxWeight: 10, weigh: self });
  const batches = await collect(streamOf([4, 4, 3, 7, 0, 5, 5, 9]).pipeThrough(stream));
  assertEquals(batches, [[4, 4], [3, 7], [0, 5, 5], [9]]);
  assertEquals(stream.stats, { accepted: 8, waiting: 0, done: 8, discarded: 0, batches: 4 });
});

test("BatchStream keeps both limits when you set both [4.3]", async () => {
  const options = { maxItems: 3, maxWeight: 10, weigh: self };
  const batches = await collect(
    streamOf([1, 1, 1, 1, 9, 1, 5]).pipeThrough(new BatchStream(options)),
  );
  assertEquals(batches, [[1, 1, 1], [1, 9], [1, 5]]);
});

test("BatchStream emits a batch at once when an item does not fit, and keeps the item [4.2] [4.3]", async () => {
  const stream = new BatchStream({ maxWeight: 10, weigh: self });
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  const read = reader.read();
  await writer.write(6);
  assertEquals(await settled(read), "pending");
  await writer.write(5);
  assertEquals((await read).value, [6]);
  assertEquals(stream.stats.waiting, 1);
});

test("BatchStream holds no more when an item does not fit and there is no demand [4.5] [F-27]", async () => {
  const stream = new BatchStream({ maxWeight: 10, weigh: self });
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  await writer.write(6);
  const writes = [5, 4, 1].map((weight) => writer.write(weight));
  assertEquals(await Promise.all(writes.map(settled)), ["pending", "pending", "pending"]);
  assertEquals(stream.stats, { accepted: 1, waiting: 1, done: 0, discarded: 0, batches: 0 });
  assertEquals((await reader.read()).value, [6]);
  assertEquals((await reader.read()).value, [5, 4, 1]);
  await Promise.all(writes);
});

test("BatchStream emits items without weight like all others [4.3]", async () => {
  const batches = streamOf(range(5)).pipeThrough(
    new BatchStream({ maxItems: 3, maxWeight: 10, weigh: () => 0 }),
  );
  assertEquals(await collect(batches), [[0, 1, 2], [3, 4]]);
});

test("BatchStream emits an item alone that is heavier than maxWeight [4.3] [F-08]", async () => {
  for (const items of [[100], [100, 100], [1, 100], [100, 1], [1, 100, 1]]) {
    const source = streamOf(items).pipeThrough(new BatchStream({ maxWeight: 10, weigh: self }));
    assertEquals(await collect(source), items.map((item) => [item]));
  }
});

test('BatchStream errors with both numbers when an item is too heavy and oversize is "error" [4.3] [F-08]', async () => {
  const stream = new BatchStream({ maxWeight: 10, weigh: self, oversize: "error" });
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  await writer.write(10 - 1);
  const reason = await reasonOf(writer.write(11));
  assert(reason instanceof RangeError);
  const message = 'BatchStream: an item of weight 11 is over option "maxWeight" of 10';
  assertEquals(reason.message, message);
  assertStrictEquals(await reasonOf(reader.read()), reason);
  assertStrictEquals(await reasonOf(writer.closed), reason);
  assertEquals(stream.stats, { accepted: 1, waiting: 0, done: 0, discarded: 1, batches: 0 });
});

test("BatchStream calls weigh once for each item [4.3]", async () => {
  const asked: number[] = [];
  const weigh = (item: number) => asked.push(item) && 4;
  const batches = collect(
    streamOf(range(7)).pipeThrough(new BatchStream({ maxWeight: 10, weigh })),
  );
  assertEquals(await batches, [[0, 1], [2, 3], [4, 5], [6]]);
  assertEquals(asked, range(7));
});

const thrown = new Error("from weigh");
for (
  const [what, weigh, type] of [
    ["throws", (): never => {
      throw thrown;
    }, undefined],
    ["returns NaN", () => NaN, RangeError],
    ["returns a negative number", () => -1, RangeError],
    ["returns Infinity", () => Infinity, RangeError],
    ["returns a string", () => "5", TypeError],
    ["returns undefined", () => undefined, TypeError],
    ["returns a symbol", () => Symbol("5"), TypeError],
  ] as [string, () => number, typeof RangeError | undefined][]
) {
  test(`BatchStream errors both sides and emits nothing more when weigh ${what} [4.7] [F-10] [F-29]`, () =>
    withClock(async (clock) => {
      for (const maxWeight of [10, Infinity]) {
        const choose = (item: string) => item === "bad" ? weigh() : 1;
        const stream = new BatchStream({ maxItems: 5, maxWeight, weigh: choose, linger: 10 });
        const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
        const read = reasonOf(reader.read());
        await writer.write("good");
        const reason = await reasonOf(writer.write("bad"));
        if (type) assert(reason instanceof type, String(reason));
        else assertStrictEquals(reason, thrown);
        assertStrictEquals(await read, reason);
        assertStrictEquals(await reasonOf(writer.closed), reason);
        assertEquals(clock.pending, 0);
        assertEquals(stream.stats, { accepted: 1, waiting: 0, done: 0, discarded: 1, batches: 0 });
      }
    }));
}

test("BatchStream takes at most a thousand items by default", async () => {
  const batches = await collect(streamOf(range(2500)).pipeThrough(new BatchStream()));
  assertEquals(batches.map((batch) => batch.length), [1000, 1000, 500]);
});

test("go-zero BulkExecutor: a full batch goes out before the interval ends", () =>
  withClock(async (clock) => {
    const values: number[] = [];
    const stream = new BatchStream<number>({ maxItems: 10, linger: 60_000 });
    const done = stream.readable.pipeTo(
      new WritableStream({ write: (items) => void values.push(items.length) }),
    );
    const writer = stream.writable.getWriter();
    for (let count = 0; count < 50; count++) {
      await writer.write(1);
      await clock.tick(1);
    }
    assertEquals(values, [10, 10, 10, 10, 10]);
    await writer.close();
    await done;
    assertEquals([values.length, clock.pending], [5, 0]);
  }));

test("go-zero BulkExecutor: a batch goes out one interval after its first item", () =>
  withClock(async (clock) => {
    const stream = new BatchStream<number>({ maxItems: 10, linger: 100 });
    const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
    const read = reader.read();
    for (const item of range(5)) await writer.write(item);
    await clock.tick(99);
    assertEquals(await settled(read), "pending");
    await clock.tick(1);
    assertEquals((await read).value, range(5));
    assertEquals(clock.pending, 0);
  }));

test("go-zero BulkExecutor: no items give no batch", () =>
  withClock(async (clock) => {
    const stream = new BatchStream<number>({ maxItems: 10, linger: 1 });
    const read = stream.readable.getReader().read();
    await clock.tick(100);
    assertEquals(await settled(read), "pending");
    assertEquals(clock.pending, 0);
  }));

test("go-zero BulkExecutor: Flush", async () => {
  const stream = new BatchStream<number>({ maxItems: 10, linger: 60_000 });
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  const read = reader.read();
  for (const item of range(5)) await writer.write(item);
  stream.flush();
  assertEquals((await read).value, range(5));
});

test("go-zero BulkExecutor: Flush and Wait with slow tasks", async () => {
  const slow = gate();
  const result: number[] = [];
  const stream = new BatchStream<number>(1000);
  const done = stream.readable.pipeTo(
    new WritableStream({
      async write(items) {
        await slow.promise;
        result.push(...items);
      },
    }),
  );
  const writer = stream.writable.getWriter();
  for (const item of range(1500)) await writer.write(item);
  stream.flush();
  await turn();
  assertEquals(result.length, 0);
  slow.resolve();
  await writer.close();
  await done;
  assertEquals(result, range(1500));
});
