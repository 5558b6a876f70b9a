/** `for await` over the readable of a transform. */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { BatchStream, ChunkStream, MapStream } from "../mod.ts";
import { gate, streamOf, turn } from "./support/gate.ts";
import { rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

type Iterated<T> = ReadableStream<T> & {
  values(options?: { preventCancel?: boolean }): AsyncIterableIterator<T>;
};
const iterated = <T>(stream: ReadableStream<T>) => stream as Iterated<T>;

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** A source that records its pulls, and the reason for which it is left. */
function asked(count: number) {
  const seen: unknown[] = [];
  let n = 0;
  const source = new ReadableStream<number>({
    pull(controller) {
      seen.push("pull");
      if (n < count) controller.enqueue(n++);
      else controller.close();
    },
    cancel: (reason) => void seen.push(reason),
  }, { highWaterMark: 0 });
  return { source, seen };
}

const streams: Record<string, (items: number[]) => ReadableStream<unknown>> = {
  "BatchStream.from()": (items) => BatchStream.from(items, 1),
  "ChunkStream.from()": (items) => ChunkStream.from(items, { maxBytes: 1, byteLength: () => 1 }),
  "MapStream.from()": (items) => MapStream.from(items, (n) => [n]),
  "BatchStream": (items) => streamOf(items).pipeThrough(new BatchStream<number>(1)),
  "MapStream": (items) => streamOf(items).pipeThrough(new MapStream((n: number) => [n])),
};

for (const [name, open] of Object.entries(streams)) {
  test(`${name} can be iterated to its end, and gives nothing the second time [4.18]`, async () => {
    const stream = iterated(open([1, 2, 3]));
    assertEquals(await all(stream), [[1], [2], [3]]);
    assertEquals([stream.locked, await all(stream)], [false, []]);
  });

  test(`${name} gives an iterator the chunk that a released reader had asked for [4.18]`, async () => {
    const stream = iterated(open([1, 2, 3]));
    const reader = stream.getReader();
    // In Workers the answer has come by then.
    const read = reader.read().then(({ value }) => [value], () => []);
    reader.releaseLock();
    await turn();
    assertEquals([...await read, ...await all(stream)], [[1], [2], [3]]);
  });

  test(`${name} cancels when a loop ends early, except with preventCancel [4.18]`, async () => {
    const stream = iterated(open([1, 2, 3]));
    for await (const first of stream.values({ preventCancel: true })) {
      assertEquals([first, stream.locked], [[1], true]);
      break;
    }
    assertEquals(stream.locked, false);
    for await (const second of stream) {
      assertEquals(second, [2]);
      break;
    }
    assertEquals([stream.locked, await all(stream)], [false, []]);
  });

  test(`${name} answers an iterator's calls in their order [4.18]`, async () => {
    const iterator = iterated(open([1, 2])).values();
    const told: unknown[] = [];
    const tell = ({ value, done }: IteratorResult<unknown>) => told.push(value, done);
    const calls = [
      ...[iterator.next(), iterator.next(), iterator.return!("left"), iterator.next()],
      iterator.return!("again"),
    ];
    for (const call of calls) call.then(tell);
    await Promise.all(calls);
    const ends = ["left", true, undefined, true, "again", true];
    assertEquals(told, [[1], false, [2], false, ...ends]);
  });

  test(`${name} is locked by its iterator, which has all methods of iterators [4.18]`, async () => {
    const stream = iterated(open([1]));
    const iterator = stream.values();
    assertStrictEquals(iterator[Symbol.asyncIterator](), iterator);
    assertThrows(() => stream.values(), TypeError);
    assertThrows(() => stream.getReader(), TypeError);
    assertEquals((await rejection(stream.cancel()) as Error).name, "TypeError");
    await iterator.return!();
    stream.getReader().releaseLock();
    const proto = Object.getPrototypeOf(async function* () {}.prototype);
    assertStrictEquals(Object.getPrototypeOf(iterator), Object.getPrototypeOf(proto));
  });
}

test("MapStream.from() rejects a waiting iterator with a failure, and releases the lock [4.18] [4.M5]", async () => {
  const call = gate<number>();
  const { source, seen } = asked(9);
  const stream = iterated(MapStream.from(source, () => call.promise));
  const iterator = stream.values();
  const failed = rejection(iterator.next());
  await turn();
  call.reject("failed");
  assertEquals([await failed, stream.locked], ["failed", false]);
  assertEquals(seen, ["pull", "failed"]);
  const { value, done } = await iterator.next();
  assertEquals([value, done], [undefined, true]);
});

test("BatchStream.from() passes the reason of an early end to its source, and pulls nothing ahead of an iterator [4.18] [4.9]", async () => {
  const { source, seen } = asked(9);
  const iterator = iterated(BatchStream.from(source, 2)).values();
  await turn();
  assertEquals(seen, []);
  assertEquals((await iterator.next()).value, [0, 1]);
  await turn();
  assertEquals(seen, ["pull", "pull", "pull", "pull"]);
  await iterator.return!("enough");
  assertEquals(seen.at(-1), "enough");
});

test("MapStream.from() hands an iterator a ready result at once, even before a signal of the same turn [4.18] [4.M7]", async () => {
  const own = new AbortController();
  const results = MapStream.from([1, 2, 3, 4], (n) => n, { concurrency: 2, signal: own.signal });
  const iterator = iterated(results).values();
  assertEquals((await iterator.next()).value, 1);
  await turn();
  const second = iterator.next();
  own.abort("over");
  assertEquals((await second).value, 2);
  assertEquals(await rejection(iterator.next()), "over");
});

test("MapStream.from() allows its own function to call its iterator [4.18] [4.M10]", async () => {
  const asks: Promise<IteratorResult<number>>[] = [];
  const iterator = iterated(MapStream.from([1, 2, 3], (n) => {
    asks.push(iterator.next());
    return n;
  }, { concurrency: 2 })).values();
  const first = await iterator.next();
  const others = await Promise.all(asks);
  assertEquals([first, ...others].map(({ value }) => value), [1, 2, 3, undefined]);
});

test("MapStream.from() gives an iterator nothing after a reader has read it to its end [4.18]", async () => {
  const stream = iterated(MapStream.from([1], (n) => n));
  const reader = stream.getReader();
  while (!(await reader.read()).done);
  reader.releaseLock();
  assertEquals([await all(stream), stream.locked], [[], false]);
});

interface NodeLike {
  process?: {
    getBuiltinModule?(name: "node:stream"): {
      addAbortSignal(signal: AbortSignal, stream: ReadableStream): void;
    };
  };
}

test("An iteration ends when Node's addAbortSignal errors its stream from outside [4.18]", async () => {
  const node = (globalThis as NodeLike).process?.getBuiltinModule?.("node:stream");
  const own = new AbortController();
  const stage = new MapStream((item: number) => item);
  const stream = iterated(stage.readable);
  try {
    node!.addAbortSignal(own.signal, stream);
  } catch {
    // Not testable: the module is missing, or takes no web streams.
    return;
  }
  const iterator = stream.values();
  const writer = stage.writable.getWriter();
  await writer.write(1);
  assertEquals(await iterator.next(), { value: 1, done: false });
  const waiting = rejection(iterator.next() as Promise<unknown>);
  await turn();
  own.abort();
  assertEquals((await waiting as Error).name, "AbortError");
  assertEquals([await iterator.next(), stream.locked], [{ value: undefined, done: true }, false]);
});
