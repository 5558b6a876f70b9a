/** `flatten: true`: sources of arrays, whose elements are the items. Also arrays as sources. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Aggregator, BatchStream, Fanout, MapStream, type Source } from "../mod.ts";
import { collect, gate, microtasks, streamOf, turn } from "./support/gate.ts";
import { rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { from, text, transforms, variants } from "./support/transforms.ts";

/** A source of these items, which records the reason for which it is left. */
function told<T>(pages: readonly T[]): { source: ReadableStream<T>; left: unknown[] } {
  const left: unknown[] = [];
  const rest = [...pages];
  const source = new ReadableStream<T>({
    pull(controller) {
      if (rest.length > 0) controller.enqueue(rest.shift()!);
      else controller.close();
    },
    cancel: (reason) => void left.push(reason),
  }, { highWaterMark: 0 });
  return { source, left };
}

async function* later<T>(values: readonly T[]): AsyncGenerator<T> {
  for (const value of values) yield await Promise.resolve(value);
}

/** Sources of every kind. */
const kinds: Record<string, <T>(pages: readonly T[]) => Source<T>> = {
  "an array": (pages) => [...pages],
  "a set": (pages) => new Set(pages),
  "an array of promises": (pages) => pages.map((page) => Promise.resolve(page)),
  "an asynchronous generator": later,
  "a stream": (pages) => streamOf([...pages]),
};

for (const transform of [...transforms, ...variants]) {
  const { name, items } = transform;
  const flat = (source: Source<unknown>) => {
    const busy = {
      ...transform,
      busy: (...given: Parameters<typeof transform.busy>) => ({
        ...transform.busy(...given),
        flatten: true,
      }),
    };
    return from(busy, source);
  };

  for (const [kind, open] of Object.entries(kinds)) {
    test(`${name}.from() takes the items in the arrays of ${kind} with flatten [4.19]`, async () => {
      const expected = text(await collect(from(transform, [...items])));
      for (const size of [1, 2, items.length]) {
        const pages: unknown[][] = [[]];
        for (let n = 0; n < items.length; n += size) pages.push(items.slice(n, n + size), []);
        assertEquals(text(await collect(flat(open(pages)))), expected);
      }
    });
  }

  test(`${name}.from() with flatten errors when a source gives no array, and leaves the source [4.19]`, async () => {
    const { source, left } = told<unknown>([[], "text", []]);
    const error = await rejection(collect(flat(source))) as Error;
    assertEquals(error.name, "TypeError");
    const owner = name.split(" ")[0];
    assertEquals(
      error.message,
      `${owner}.from: option "flatten" needs a source of arrays; got "text"`,
    );
    assertStrictEquals(left[0], error);
  });

  test(`${name} allows flatten only with a source [4.19] [7.1]`, () => {
    const options = { ...transform.least, flatten: true } as never;
    const error = assertThrows(() => transform.construct(options, () => {}), TypeError);
    assertEquals(/unknown option "flatten"/.test(error.message), true);
    const typo = { ...transform.least, flaten: true } as never;
    const meant = assertThrows(() => transform.from!([], typo, () => {}), TypeError);
    assertEquals(/did you mean "flatten"\?$/.test(meant.message), true);
  });
}

test("BatchStream.from() takes the pages of a source no faster than it is read, with flatten [4.19] [4.9]", async () => {
  let read = 0;
  function* pages() {
    for (;;) {
      read++;
      yield [1, 2, 3];
    }
  }
  const reader = BatchStream.from(pages(), { maxItems: 2, flatten: true }).getReader();
  await turn();
  assertEquals(read, 0);
  assertEquals((await reader.read()).value, [1, 2]);
  await turn();
  assertEquals(read, 2);
  await reader.cancel();
});

test("BatchStream.from() does not change a page, and a changed page does not change a batch [4.19] [4.1]", async () => {
  const page = [1, 2, 3, 4];
  const reader = BatchStream.from([page], { maxItems: 4, flatten: true }).getReader();
  const batch = (await reader.read()).value!;
  batch.reverse();
  assertEquals(page, [1, 2, 3, 4]);
  assertEquals(batch === page, false);
});

test("BatchStream.from() awaits promises in an array that is its source, and passes on promises in a page [4.19] [4.14]", async () => {
  const promise = Promise.resolve(2);
  assertEquals(await collect(BatchStream.from([1, promise, 3], 2)), [[1, 2], [3]]);
  const pages = BatchStream.from<unknown>([[1, promise]], { maxItems: 2, flatten: true });
  const [batch] = await collect(pages);
  assertEquals(batch![0], 1);
  assertStrictEquals(batch![1], promise);
});

test("BatchStream.from() reads an array when its turn comes, by its own iterator if it has one [4.19] [4.9]", async () => {
  const growing = [1, 2, 3];
  const batches = BatchStream.from(growing, 1);
  const reader = batches.getReader();
  assertEquals((await reader.read()).value, [1]);
  reader.releaseLock();
  growing.push(4);
  assertEquals(await collect(batches), [[2], [3], [4]]);
  const own = Object.assign([1, 2], {
    *[Symbol.iterator]() {
      yield 7;
    },
  });
  assertEquals(await collect(BatchStream.from(own, 2)), [[7]]);
});

for (const linger of [0, Infinity]) {
  test(`BatchStream.from() fills batches across pages, with a linger of ${linger} [4.19] [4.2]`, async () => {
    const pages = [[1], [2, 3], [4, 5, 6, 7, 8], [9]];
    const batches = await collect(BatchStream.from(pages, { maxItems: 3, linger, flatten: true }));
    assertEquals(batches.flat(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    if (linger > 0) assertEquals(batches.map(({ length }) => length), [3, 3, 3]);
  });
}

test("BatchStream.from() asks for no page while the last item of one fills the batch [4.19] [4.9] [4.3]", async () => {
  let asked = 0;
  const source = (async function* () {
    for (const page of [[8, 1, 9], [1]]) {
      asked++;
      yield page;
      await undefined;
    }
  })();
  const limits = { maxItems: Infinity, maxWeight: 5, weigh: (n: number) => n };
  const reader = BatchStream.from(source, { ...limits, flatten: true }).getReader();
  assertEquals((await reader.read()).value, [8]);
  await microtasks();
  // The 9 does not fit, and comes in after the 1 has gone out.
  assertEquals((await reader.read()).value, [1]);
  await microtasks();
  assertEquals(asked, 1);
  assertEquals((await reader.read()).value, [9]);
  await microtasks();
  assertEquals([asked, (await reader.read()).value], [2, [1]]);
});

test("A source of empty pages with flatten lets other tasks run [4.19] [4.16]", async () => {
  function* empty(): Generator<number[]> {
    for (;;) yield [];
  }
  const reader = BatchStream.from(empty(), { maxItems: 1, flatten: true }).getReader();
  const read = reader.read();
  await microtasks();
  await reader.cancel();
  assertEquals((await read).done, true);
});

test("A page without an await lets other tasks run [4.19] [4.16]", async () => {
  const page = Array.from({ length: 100_000 }, (_, i) => i);
  for (const source of [[page], later([page])]) {
    let calls = 0;
    const results = MapStream.from(source, () => {
      calls++;
      throw new Error("skipped");
    }, { onError: () => {}, flatten: true });
    const reader = results.getReader();
    const read = reader.read();
    await microtasks();
    await reader.cancel();
    assertEquals((await read).done, true);
    assert(calls > 0 && calls < page.length, `${calls} calls`);
  }
});

test("MapStream.from() calls onDiscard with the rest of a page that was read at an end [4.19] [4.M13]", async () => {
  const ends: Record<string, (reader: ReadableStreamDefaultReader, own: AbortController) => void> =
    {
      cancel: (reader) => void reader.cancel("over").catch(() => {}),
      signal: (_, own) => own.abort("over"),
    };
  for (const end of Object.values(ends)) {
    const own = new AbortController();
    const discarded: unknown[] = [];
    const results = MapStream.from(told([[1, 2, 3, 4], [5]]).source, () => gate().promise, {
      ...{ concurrency: 2, flatten: true, signal: own.signal },
      onDiscard: (items: number[], reason) => discarded.push(...items, reason),
    });
    const reader = results.getReader();
    reader.read().catch(() => {});
    await turn();
    end(reader, own);
    await turn();
    assertEquals(discarded, [3, 4, "over"]);
  }
});

test("BatchStream.from() calls onDiscard with a page that comes after the end [4.19] [4.11]", async () => {
  const page = gate<number[]>();
  const discarded: unknown[] = [];
  const source = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false as const, value: await page.promise }),
    }),
  };
  const reader = BatchStream.from(source, {
    ...{ maxItems: 9, flatten: true },
    onDiscard: (items: number[], reason) => discarded.push(...items, reason),
  }).getReader();
  reader.read();
  await turn();
  reader.cancel("over");
  page.resolve([1, 2]);
  await turn();
  assertEquals(discarded, [1, 2, "over"]);
});

const sinks = {
  Fanout: (handle: (item: number) => unknown, options: object) =>
    new Fanout<number>(handle, options),
  Aggregator: (handle: (item: number) => unknown, options: object) =>
    new Aggregator<number>(async (batch) => void await Promise.all(batch.map(handle)), {
      maxItems: 2,
      ...options,
    }),
};
for (const [name, make] of Object.entries(sinks)) {
  for (const [kind, open] of Object.entries(kinds)) {
    test(`${name}.consume() takes the items in the arrays of ${kind} with flatten [5.47]`, async () => {
      const handled: number[] = [];
      const sink = make((item) => handled.push(item), { capacity: 2 });
      await sink.consume(open([[1, 2, 3], [], [4, 5]]), { flatten: true });
      assertEquals(handled, [1, 2, 3, 4, 5]);
      await sink.consume(open([6, 7]), { flatten: false });
      assertEquals([handled.slice(5), sink.stats.done], [[6, 7], 7]);
      await sink.close();
    });
  }

  test(`${name}.consume() with flatten rejects when a source gives no array, and the sink keeps its items and goes on [5.47]`, async () => {
    const handled: number[] = [];
    const sink = make((item) => handled.push(item), {});
    const { source, left } = told<unknown>([[1, 2], 3, [4]]);
    const error = await rejection(sink.consume(source as Source<number[]>, { flatten: true }));
    const rule = 'option "flatten" needs a source of arrays; got 3';
    assertEquals((error as Error).message, `${name}.consume: ${rule}`);
    assertStrictEquals(left[0], error);
    assertEquals([handled, sink.stats.accepted, sink.stats.discarded], [[1, 2], 2, 0]);
    await sink.push(4);
    await sink.close();
  });

  test(`${name}.consume() refuses a flatten that is not a boolean [5.47] [7.10]`, async () => {
    const sink = make(() => {}, {});
    const source = streamOf([[1]]);
    const error = await rejection(sink.consume(source, { flatten: 1 } as never));
    assertEquals(
      (error as Error).message,
      `${name}.consume: option "flatten" must be a boolean; got 1`,
    );
    assertEquals(source.locked, false);
    await sink.close();
  });

  test(`${name}.consume() counts the rest of a page at its own signal, and calls onDiscard [5.47] [5.43]`, async () => {
    const own = new AbortController();
    const discarded: unknown[] = [];
    const hang = gate();
    const sink = make(() => hang.promise, {
      ...{
        capacity: 2,
        onDiscard: (items: number[], reason: unknown) => discarded.push(...items, reason),
      },
    });
    const pages = [[1, 2, 3, 4, 5, 6, 7, 8, 9]];
    const consumed = rejection(sink.consume(pages, { flatten: true, signal: own.signal }));
    await turn();
    const { accepted } = sink.stats;
    own.abort("over");
    await turn();
    const rest = [1, 2, 3, 4, 5, 6, 7, 8, 9].slice(accepted);
    assertEquals(discarded.filter((each) => each !== "over"), rest);
    hang.resolve();
    assertEquals(await consumed, "over");
    assertEquals([sink.stats.accepted, sink.stats.discarded], [9, rest.length]);
    await sink.close();
  });

  test(`${name}.consume() counts the rest of a page after an item whose key throws, but not that item [5.47] [5.27]`, async () => {
    const discarded: unknown[] = [];
    const handled: number[] = [];
    const sink = make((item) => handled.push(item), {
      key: (item: number) => {
        if (item === 3) throw "poison";
      },
      onDiscard: (items: number[], reason: unknown) => discarded.push(...items, reason),
    });
    assertEquals(
      await rejection(sink.consume([[1, 2, 3, 4, 5], [6]], { flatten: true })),
      "poison",
    );
    assertEquals([handled, discarded], [[1, 2], [4, 5, "poison"]]);
    const { accepted, done, discarded: count } = sink.stats;
    assertEquals([accepted, done, count], [4, 2, 2]);
    await sink.close();
  });

  test(`${name}.consume() counts the rest of a page at an abort of the sink [5.47] [3]`, async () => {
    const discarded: number[] = [];
    const sink = make(() => gate().promise, {
      ...{ capacity: 2, onDiscard: (items: number[]) => discarded.push(...items) },
    });
    const consumed = rejection(sink.consume([[1, 2, 3, 4, 5, 6, 7, 8, 9]], { flatten: true }));
    await turn();
    const { running } = sink.stats;
    sink.abort("over");
    assertEquals(await consumed, "over");
    await turn();
    assertEquals(discarded.length, 9 - running);
    const { stats } = sink;
    assertEquals([stats.accepted, stats.discarded], [9, 9 - running]);
  });
}

test("BatchStream.from() calls onDiscard with the items of a page that it holds when it is cancelled [4.19] [4.15]", async () => {
  const lost: number[] = [];
  const readable = BatchStream.from([[1, 2, 3, 4, 5]], {
    maxItems: 2,
    flatten: true,
    onDiscard: (items) => void lost.push(...items),
  });
  const reader = readable.getReader();
  assertEquals((await reader.read()).value, [1, 2]);
  await reader.cancel("enough");
  assertEquals(lost.slice(0, 2), [3, 4]);
});
