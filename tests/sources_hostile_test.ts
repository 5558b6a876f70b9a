/** Sources of every kind, in `from` and `consume`. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Aggregator, BatchStream, Fanout, MapStream, type Source, ThrottleStream } from "../mod.ts";
import { reasonOf } from "./support/batching.ts";
import { collect, counted, gate, settled, turn } from "./support/gate.ts";
import { rejection } from "./support/hand.ts";
import { from, text, transforms, variants } from "./support/transforms.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

const iterable = (next: () => unknown, more: object = {}): Source<unknown> => ({
  [Symbol.iterator]: () => ({ next: next as () => IteratorResult<unknown>, ...more }),
});
const asynchronous = (next: () => unknown, more: object = {}): Source<unknown> => ({
  [Symbol.asyncIterator]: () => ({
    next: next as () => Promise<IteratorResult<unknown>>,
    ...more,
  }),
});

for (const transform of [...transforms, ...variants]) {
  const { name, items, results } = transform;
  const owner = name.split(" ")[0]!;

  test(`${name}.from() gives the same for every source as a pipe from a stream [4.14] [4.9] [4.M9] [4.X6] [4.T10]`, async () => {
    const sources: (() => Source<unknown>)[] = [
      () => items,
      () => items.values(),
      () => items.map((item) => Promise.resolve(item)),
      () => items.map((item, n) => n % 2 ? Promise.resolve(item) : item),
      async function* () {
        yield* items;
      },
      () => ReadableStream.from(items),
    ];
    for (const source of sources.slice(0, "from" in ReadableStream ? 6 : 5)) {
      assertEquals(text(await collect(from(transform, source()))), text(results));
    }
  });

  test(`${name}.from() throws a TypeError when its source is a string [4.14]`, () => {
    const wrong = `${owner}.from: source must be a ReadableStream, an AsyncIterable or an Iterable`;
    const { message } = assertThrows(() => from(transform, "letters"), TypeError);
    assertEquals(message, `${wrong}, and no string; got "letters"`);
  });

  test(`${name}.from() errors with a TypeError when next() gives no object [4.14]`, async () => {
    for (const make of [iterable, asynchronous]) {
      for (const [step, shown] of [[undefined, "undefined"], [null, "null"], [5, "5"]]) {
        let left = 0;
        const source = make(() => step, { return: () => (left++, {}) });
        const error = await reasonOf(collect(from(transform, source))) as Error;
        assert(error instanceof TypeError);
        assertEquals(
          error.message,
          `${owner}.from: next() must give an object; got ${shown}`,
        );
        // As in a `for` loop: a source that breaks the protocol gets no more calls.
        assertEquals(left, 0);
      }
    }
  });

  test(`${name}.from() does not wait for a running generator when it is cancelled [4.15]`, async () => {
    const [asked, over] = [gate(), gate()];
    let left = 0;
    const source = async function* () {
      try {
        for (const item of items) {
          yield item;
          await asked.promise;
        }
      } finally {
        await over.promise;
        left++;
      }
    };
    const reader = from(transform, source()).getReader();
    const read = reader.read();
    await turn();
    assertEquals(await settled(reader.cancel()), "fulfilled");
    asked.resolve();
    over.resolve();
    await turn();
    assertEquals(left, 1);
    await read;
  });
}

/** Streams that hold one batch, or one result, and read no more. */
const full = {
  "BatchStream.from()": (source: Source<number>) => BatchStream.from(source, 1),
  "MapStream.from()": (source: Source<number>) => MapStream.from(source, (n) => n),
  "ThrottleStream.from()": (source: Source<number>) =>
    ThrottleStream.from(source, { interval: Number.MIN_VALUE }),
};

for (const [name, open] of Object.entries(full)) {
  test(`${name} waits for the finally of a paused generator when it is cancelled [4.15]`, async () => {
    for (const thrown of [undefined, new Error("from finally")]) {
      const over = gate();
      const source = async function* () {
        try {
          for (let n = 0; counted(n) >= 0; n++) yield n;
        } finally {
          await over.promise;
          // deno-lint-ignore no-unsafe-finally
          if (thrown) throw thrown;
        }
      };
      const reader = open(source()).getReader();
      await reader.read();
      await turn();
      const cancelled = reader.cancel();
      assertEquals(await settled(cancelled), "pending");
      over.resolve();
      if (thrown) assertStrictEquals(await rejection(cancelled), thrown);
      else assertEquals(await cancelled, undefined);
    }
  });
}

const endless = function* () {
  for (let n = 0;; n++) yield n;
};

test("ThrottleStream.from(), MapStream.from() and BatchStream.from() of an endless synchronous iterator can be cancelled [4.16]", async () => {
  const none = () => ({ size: 0, full: false, add() {}, take: () => [] });
  const opened: ReadableStream<unknown>[] = [
    ThrottleStream.from(endless(), { interval: Infinity, edge: "both" }),
    BatchStream.from(endless(), { collector: none }),
    MapStream.from<number, never>(endless(), () => {
      throw "skipped";
    }, { onError() {} }),
  ];
  for (const stream of opened) {
    const reader = stream.getReader();
    const read = reader.read();
    for (let n = 0; n < 10; n++) await undefined;
    await reader.cancel();
    await read;
  }
});

const sinks = {
  Fanout: (handler: (given: number | number[]) => void) => new Fanout<number>(handler),
  Aggregator: (handler: (given: number | number[]) => void) => new Aggregator<number>(handler),
};
for (const [name, make] of Object.entries(sinks)) {
  test(`${name}.consume() of an endless synchronous iterator ends with its sink [4.16] [5.14]`, async () => {
    const sink = make(() => {});
    await turn();
    const consumed = rejection(sink.consume(endless()));
    for (let n = 0; n < 10; n++) await undefined;
    await sink.abort("over");
    assertEquals(await consumed, "over");
  });

  test(`${name}.consume() awaits promises in an iterable, and leaves it when one rejects [4.14] [5.14]`, async () => {
    const done: number[] = [];
    const sink = make((given) => void done.push(...[given].flat()));
    await sink.consume([1, Promise.resolve(2), 3]);
    assertEquals(done, [1, 2, 3]);
    let left = 0;
    const source = (function* () {
      try {
        yield Promise.resolve(4);
        yield Promise.reject(new Error("no item"));
        yield 5;
      } finally {
        left++;
      }
    })();
    assertEquals((await rejection(sink.consume(source)) as Error).message, "no item");
    assertEquals(left, 1);
    await sink.close();
    assertEquals(done, [1, 2, 3, 4]);
    assertEquals(sink.stats.done, 4);
  });
}

test("BatchStream.from() reads the value of each iterator result once, and none at the end [4.14]", async () => {
  let reads = 0;
  const step = (done?: boolean) => ({
    done,
    get value() {
      return ++reads;
    },
  });
  const steps = [step(), step(false), step(true)];
  assertEquals(await collect(BatchStream.from(iterable(() => steps.shift()), 9)), [[1, 2]]);
  assertEquals(reads, 2);
});

test("BatchStream.from() hands over the items before a promise that rejects, and leaves the iterable [4.14] [4.12]", async () => {
  const thrown = new Error("no item");
  let left = 0;
  const source = iterable(
    (() => {
      const values = [1, Promise.resolve(2), Promise.reject(thrown), 4];
      return () => ({ done: false, value: values.shift() });
    })(),
    { return: () => (left++, {}) },
  );
  const reader = BatchStream.from(source, 9).getReader();
  assertEquals((await reader.read()).value, [1, 2]);
  assertStrictEquals(await reasonOf(reader.read()), thrown);
  assertEquals(left, 1);
});

test("BatchStream.from() waits for no promise of an iterable when it is cancelled, and calls onDiscard with its item [4.14] [4.11]", async () => {
  for (const how of ["resolve", "reject"] as const) {
    const item = gate<string>();
    let left = 0;
    const told: unknown[] = [];
    const next = () => ({ done: false, value: item.promise });
    const source = iterable(next, { return: () => (left++, {}) });
    const onDiscard = (items: unknown[], reason: unknown) => void told.push([items, reason]);
    const reader = BatchStream.from(source, { maxItems: 9, onDiscard }).getReader();
    const read = reader.read();
    await turn();
    const lost = await unhandled(async () => {
      assertEquals(await settled(reader.cancel("enough")), "fulfilled");
      item[how]("late");
      await turn();
    });
    await read;
    assertEquals([lost, left], [[], 1]);
    assertEquals(told, how === "resolve" ? [[["late"], "enough"]] : []);
  }
});

test("BatchStream.from() passes on promises of an AsyncIterable or a ReadableStream unchanged [4.14]", async () => {
  const item = Promise.resolve(1);
  const stream = new ReadableStream<Promise<number>>({
    start(controller) {
      controller.enqueue(item);
      controller.close();
    },
  });
  const steps = [{ done: false, value: item }, { done: true, value: undefined }];
  for (const source of [stream, asynchronous(() => Promise.resolve(steps.shift()))]) {
    const [[first] = []] = await collect(BatchStream.from(source as Source<unknown>, 9));
    assertStrictEquals(first, item);
  }
});
