/**
 * `new BatchStream(size)` passes the tests of `BatchStream` of `@std/streams`, under the same
 * names.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { BatchStream } from "../mod.ts";
import { collect, counted, gate, settled, streamOf } from "./support/gate.ts";
import { test } from "./support/test.ts";

const batched = <T>(items: T[], size: number): Promise<T[][]> =>
  collect(streamOf(items).pipeThrough(new BatchStream(size)));

test("std: BatchStream() emits at the configured size", async () => {
  assertEquals(await batched([1, 2, 3, 4, 5, 6], 3), [[1, 2, 3], [4, 5, 6]]);
});

test("std: BatchStream() flushes a final partial batch on close", async () => {
  assertEquals(await batched([1, 2, 3, 4, 5], 3), [[1, 2, 3], [4, 5]]);
});

test("std: BatchStream() does not emit an empty batch when input is empty", async () => {
  assertEquals(await batched([], 3), []);
});

test("std: BatchStream() does not emit an empty batch when input length is a multiple of size", async () => {
  assertEquals(await batched([1, 2, 3, 4], 2), [[1, 2], [3, 4]]);
  assertEquals(await batched([1, 2], 2), [[1, 2]]);
});

test("std: BatchStream() with size 1 emits single-record batches", async () => {
  assertEquals(await batched(["a", "b", "c"], 1), [["a"], ["b"], ["c"]]);
});

test("std: BatchStream() preserves input order", async () => {
  const input = Array.from({ length: 1000 }, (_, index) => index);
  assertEquals((await batched(input, 7)).flat(), input);
});

test("std: BatchStream() throws RangeError on non-positive size", () => {
  for (const size of [0, -0, -1, -Infinity]) {
    const rule = 'BatchStream: option "maxItems" must be an integer of at least 1';
    const error = assertThrows(() => new BatchStream(size), RangeError, rule);
    assert(error.message.endsWith(`got ${size}`));
  }
});

test("std: BatchStream() throws RangeError on non-integer size", () => {
  for (const size of [1.5, NaN, Infinity]) {
    const error = assertThrows(() => new BatchStream(size), RangeError, 'option "maxItems"');
    assert(error.message.endsWith(`got ${size}`));
  }
});

test("std: BatchStream() respects downstream backpressure", async () => {
  let pulled = 0;
  const source = new ReadableStream<number>({
    pull: (controller) => controller.enqueue(counted(pulled++)),
  }, { highWaterMark: 0 });
  const seen: number[][] = [];
  const slow = gate();
  const own = new AbortController();
  const piping = source.pipeThrough(new BatchStream(2)).pipeTo(
    new WritableStream({
      async write(batch) {
        seen.push(batch);
        await slow.promise;
      },
    }),
    { signal: own.signal },
  );
  assertEquals(await settled(piping), "pending");
  const reached = pulled;
  assertEquals(seen, [[0, 1]]);
  // The written batch, the held one, and an item at each side of the writable.
  assert(reached <= 7, `pulled ${reached}`);
  assertEquals(await settled(piping), "pending");
  assertEquals(pulled, reached);
  own.abort();
  slow.resolve();
  assertEquals(await settled(piping), "rejected");
});

test("std: BatchStream() propagates downstream cancellation upstream", async () => {
  const cancelled = gate<unknown>();
  const source = new ReadableStream<number>({
    pull: (controller) => controller.enqueue(1),
    cancel: cancelled.resolve,
  });
  const reader = source.pipeThrough(new BatchStream(1)).getReader();
  await reader.read();
  await reader.cancel("enough");
  assertEquals(await cancelled.promise, "enough");
});

test("std: BatchStream<T> infers T from the surrounding pipeThrough", async () => {
  const source: ReadableStream<{ id: number }> = streamOf([{ id: 1 }, { id: 2 }, { id: 3 }]);
  const batches: ReadableStream<{ id: number }[]> = source.pipeThrough(new BatchStream(2));
  assertEquals(await collect(batches), [[{ id: 1 }, { id: 2 }], [{ id: 3 }]]);
});

/** Never called: this code must not compile. */
export function misuses(): void {
  const numbers = streamOf([1, 2, 3]);
  // @ts-expect-error: a stream of numbers gives no strings
  numbers.pipeThrough(new BatchStream<string>(2));

  const batches: ReadableStream<number[]> = streamOf([1, 2]).pipeThrough(new BatchStream(2));
  // @ts-expect-error: a batch is no item
  batches.pipeTo(new WritableStream<number>());
}
