/** `from`: how it reads its source, and how it leaves it. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { BatchStream, type Source } from "../mod.ts";
import { kinds, reasonOf } from "./support/batching.ts";
import { withClock } from "./support/clock.ts";
import { collect, counted, gate, settled, streamOf, turn } from "./support/gate.ts";
import { countListeners } from "./support/listeners.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

/** An endless source that counts the taken items, and records how it is left. */
function endless(kind: "Iterable" | "AsyncIterable" | "ReadableStream") {
  const seen: { taken: number; ends: unknown[] } = { taken: 0, ends: [] };
  const next = () => ({ done: false, value: counted(seen.taken++) } as const);
  const end = (reason: unknown) => void seen.ends.push(reason);
  const ended = { done: true, value: undefined } as const;
  const sources: Record<typeof kind, Source<number>> = {
    Iterable: {
      [Symbol.iterator]: () => ({ next, return: () => (end("return"), ended) }),
    },
    AsyncIterable: {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve(next()),
        return: () => Promise.resolve((end("return"), ended)),
      }),
    },
    ReadableStream: new ReadableStream({
      pull: (controller) => controller.enqueue(next().value),
      cancel: end,
    }, { highWaterMark: 0 }),
  };
  return { seen, source: sources[kind] };
}

for (const { name, from } of kinds) {
  for (const kind of ["Iterable", "AsyncIterable", "ReadableStream"] as const) {
    const heard = kind === "ReadableStream" ? "enough" : "return";

    test(`${name}.from() takes nothing from its ${kind} before the first demand [4.9]`, async () => {
      const { seen, source } = endless(kind);
      const batches = from(source, 3);
      await turn();
      assertEquals(seen, { taken: 0, ends: [] });
      await batches.cancel("enough");
      assertEquals(seen, { taken: 0, ends: [heard] });
    });

    test(`${name}.from() takes one batch of its ${kind} ahead, and more only on demand [4.5] [4.9] [F-27]`, async () => {
      const { seen, source } = endless(kind);
      const reader = from(source, 3).getReader();
      assertEquals((await reader.read()).value, [0, 1, 2]);
      await turn();
      assertEquals(seen.taken, 6);
      assertEquals((await reader.read()).value, [3, 4, 5]);
      await turn();
      assertEquals(seen.taken, 9);
      await reader.cancel("enough");
      assertEquals(seen, { taken: 9, ends: [heard] });
    });

    test(`${name}.from() cancels its ${kind} once when the signal aborts [4.7] [4.9] [F-33]`, async () => {
      const { seen, source } = endless(kind);
      const own = new AbortController();
      const reader = from(source, 3, { signal: own.signal }).getReader();
      await reader.read();
      own.abort("enough");
      assertEquals(await reasonOf(reader.read()), "enough");
      await reader.cancel("again").catch(() => {});
      assertEquals(seen.ends, [heard]);
    });
  }

  test(`${name}.from() gives all items of the source, and ends [4.9]`, async () => {
    const expected = [[1, 2], [3]];
    assertEquals(await collect(from([1, 2, 3], 2)), expected);
    assertEquals(await collect(from(new Set([1, 2, 3]).values(), 2)), expected);
    assertEquals(await collect(from(streamOf([1, 2, 3]), 2)), expected);
    const generator = (async function* () {
      yield 1;
      await turn();
      yield* [2, 3];
    })();
    assertEquals(await collect(from(generator, 2)), expected);
    assertEquals(await collect(from([], 2)), []);
  });

  test(`${name}.from() hands over the items that it has read before its source fails, and then errors with the same error [4.12] [4.9] [7.3]`, async () => {
    for (const thrown of [new Error("from the source"), undefined, 0]) {
      const sync = (function* () {
        yield 1;
        throw thrown;
      })();
      const async = (async function* () {
        yield 1;
        await turn();
        throw thrown;
      })();
      const stream = new ReadableStream({
        start: (controller) => controller.enqueue(1),
        pull: (controller) => controller.error(thrown),
      });
      for (const source of [sync, async, stream]) {
        const told: unknown[] = [];
        const onDiscard = (items: unknown[]) => void told.push(items);
        const reader = from(source, 2, { onDiscard }).getReader();
        assertEquals((await reader.read()).value, [1]);
        assertStrictEquals(await reasonOf(reader.read()), thrown);
        assertEquals(told, []);
      }
    }
  });

  test(`${name}.from() keeps the error of its source until the batch before it is read [4.12] [4.4] [7.5]`, () =>
    withClock(async (clock) => {
      for (const cancels of [false, true]) {
        const own = new AbortController();
        const listeners = countListeners(own.signal);
        let fail!: (reason: unknown) => void;
        const source = new ReadableStream({
          start(controller) {
            for (const item of [1, 2, 3]) controller.enqueue(item);
            fail = (reason) => controller.error(reason);
          },
        });
        const told: unknown[] = [];
        const onDiscard = (items: unknown[], reason: unknown) => void told.push([items, reason]);
        const options = { linger: 1000, signal: own.signal, onDiscard };
        const reader = from(source, 2, options).getReader();
        assertEquals((await reader.read()).value, [1, 2]);
        await turn();
        assertEquals(clock.pending, 1);
        fail("from the source");
        await turn();
        assertEquals([clock.pending, listeners.live], [0, 1]);
        if (cancels) {
          await reader.cancel("enough");
          assertEquals(told, [[[3], "enough"]]);
        } else {
          assertEquals((await reader.read()).value, [3]);
          assertEquals(await reasonOf(reader.read()), "from the source");
          assertEquals(told, []);
        }
        assertEquals([clock.pending, listeners.live], [0, 0]);
      }
    }));

  test(`${name}.from() locks a stream, and releases it at its end [4.9]`, async () => {
    const source = streamOf([1]);
    const batches = from(source, 2);
    assert(source.locked);
    await collect(batches);
    assert(!source.locked);
    const other = streamOf([1]);
    await from(other, 2).cancel();
    assert(!other.locked);
  });

  test(`${name}.from() does not wait for a source that hangs when the consumer cancels [4.9]`, async () => {
    const hung = gate();
    const generator = (async function* () {
      yield 1;
      await hung.promise;
    })();
    const own = new AbortController();
    const cancelled = from(generator, 2).getReader();
    const read = cancelled.read();
    await turn();
    assertEquals(await settled(cancelled.cancel()), "fulfilled");
    assertEquals((await read).done, true);

    const silent = new ReadableStream({ cancel: () => hung.promise });
    const aborted = reasonOf(from(silent, 2, { signal: own.signal }).getReader().read());
    await turn();
    own.abort("enough");
    assertEquals(await aborted, "enough");
    hung.resolve();
    await turn();
  });

  test(`${name}.from() gives nothing more when it is cancelled while its source ends [4.9] [F-31]`, async () => {
    const reader = from([1], 2).getReader();
    await turn();
    const read = reader.read();
    assertEquals(await unhandled(() => reader.cancel()), []);
    assertEquals((await read).done, true);
  });

  test(`${name}.from() has no timer for batches that fill at once [4.4]`, () =>
    withClock(async (clock) => {
      let made = 0;
      const { setTimeout } = globalThis;
      globalThis.setTimeout = ((callback: () => void, ms: number) => {
        made++;
        return setTimeout(callback, ms);
      }) as typeof setTimeout;
      await collect(from([1, 2, 3, 4, 5, 6], 2, { linger: 10 }));
      assertEquals([made, clock.pending], [0, 0]);
    }));

  test(`${name}.from() measures linger by the monotonic clock [4.4] [F-35]`, () =>
    withClock(async (clock) => {
      for (const jump of [86_400_000, -86_400_000]) {
        const steps = [
          () => ({ value: "a" }),
          () => {
            clock.jumpWall(jump);
            clock.block(4);
            return { value: "b" };
          },
          () => new Promise(() => {}),
        ];
        const iterator = { next: () => steps.shift()!() as IteratorResult<unknown> };
        const reader = from({ [Symbol.iterator]: () => iterator }, 3, { linger: 10 }).getReader();
        const read = reader.read();
        await turn();
        await clock.tick(5);
        assertEquals(await settled(read), "pending");
        await clock.tick(1);
        assertEquals((await read).value, ["a", "b"]);
        await reader.cancel();
      }
    }));

  test(`${name}.from() keeps items together that come at once when linger is 0 [4.6]`, async () => {
    assertEquals(await collect(from([1, 2, 3, 4, 5], 3, { linger: 0 })), [[1, 2, 3], [4, 5]]);
  });

  test(`${name}.from() keeps its batch and the item that does not fit while it waits for demand [4.9]`, async () => {
    const read = from([1, 2, 3, 4, 5], 2).getReader();
    const seen: unknown[] = [];
    for (let next = await read.read(); !next.done; next = await read.read()) {
      seen.push(next.value);
      await turn();
    }
    assertEquals(seen, [[1, 2], [3, 4], [5]]);
  });
}

test("BatchStream.from() takes one more item if that does not fit, and keeps it [4.3] [4.9]", async () => {
  const { seen, source } = endless("Iterable");
  const options = { maxWeight: 10, weigh: () => 4 };
  const reader = BatchStream.from(source, options).getReader();
  assertEquals((await reader.read()).value, [0, 1]);
  await turn();
  assertEquals(seen.taken, 5);
  assertEquals((await reader.read()).value, [2, 3]);
  assertEquals((await reader.read()).value, [4, 5]);
  await reader.cancel();
});

test("BatchStream.from() prefers the async iterator, and needs no return [4.9]", async () => {
  let count = 0;
  const source = {
    [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ value: counted(++count) }) }),
    [Symbol.iterator](): Iterator<number> {
      throw new Error("asked for the other one");
    },
  };
  const reader = BatchStream.from(source as unknown as Source<number>, 2).getReader();
  assertEquals((await reader.read()).value, [1, 2]);
  await reader.cancel();
});

test("BatchStream.from() passes on an error with which the source answers cancel [4.9] [7.3]", async () => {
  const thrown = new Error("from the end of the source");
  const stream = new ReadableStream({ cancel: () => Promise.reject(thrown) });
  assertStrictEquals(await reasonOf(BatchStream.from(stream, 2).cancel()), thrown);
  const source = (function* () {
    try {
      for (let n = 1; counted(n); n++) yield 1;
    } finally {
      // deno-lint-ignore no-unsafe-finally
      throw thrown;
    }
  })();
  const reader = BatchStream.from(source, 2).getReader();
  await reader.read();
  assertStrictEquals(await reasonOf(reader.cancel()), thrown);
});

test("BatchStream.from() leaves the error of an async source uncaught when the consumer has left [4.9]", async () => {
  const thrown = new Error("too late");
  const source = (async function* () {
    try {
      for (let n = 1; counted(n); n++) yield 1;
    } finally {
      await turn();
      // deno-lint-ignore no-unsafe-finally
      throw thrown;
    }
  })();
  const reader = BatchStream.from(source, 2).getReader();
  await reader.read();
  assertEquals(await unhandled(() => reader.cancel()), [thrown]);
});

test("BatchStream.from() errors with the signal's reason when the source fails to cancel [4.7] [F-33]", async () => {
  const own = new AbortController();
  const source = new ReadableStream({ cancel: () => Promise.reject(new Error("comes second")) });
  const reader = BatchStream.from(source, { signal: own.signal }).getReader();
  const reason = reasonOf(reader.read());
  assertEquals(await unhandled(() => own.abort("comes first")), []);
  assertEquals(await reason, "comes first");
});

test("BatchStream.from() pulls no more when the waiting item fills the next batch [4.9] [4.5]", async () => {
  let pulled = 0;
  const source = (function* () {
    for (const weight of [10, 5, 10, 1, 1]) {
      pulled++;
      yield weight;
    }
  })();
  const batches = BatchStream.from(source, { maxWeight: 10, weigh: (n) => n });
  const reader = batches.getReader();
  assertEquals(await reader.read(), { done: false, value: [10] });
  await turn();
  assertEquals(await reader.read(), { done: false, value: [5] });
  await turn();
  // The held batch, which is full.
  assertEquals(pulled, 3);
  await reader.cancel();
});
