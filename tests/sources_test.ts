/** Sources whose own code ends their reader: it leaves them as soon as they return. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { Aggregator, BatchStream, Fanout, MapStream, type Source } from "../mod.ts";
import { collect, streamOf, turn } from "./support/gate.ts";
import { rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

/** A generator that ends its reader before its second item, and counts how often it was left. */
function ending(
  end: () => void,
): { readonly source: Iterable<number>; readonly left: () => number } {
  let left = 0;
  function* source() {
    try {
      yield 1;
      end();
      yield 2;
      yield 3;
    } finally {
      left++;
    }
  }
  return { source: source(), left: () => left };
}

const over = new Error("over");
const froms = {
  "BatchStream.from()": (source: Source<number>, signal: AbortSignal) =>
    BatchStream.from(source, { maxItems: 10, signal }),
  "MapStream.from()": (source: Source<number>, signal: AbortSignal) =>
    MapStream.from(source, (n) => n, { signal, concurrency: 3 }),
};
const sinks = {
  Fanout: (signal: AbortSignal) => new Fanout<number>(() => {}, { signal }),
  Aggregator: (signal: AbortSignal) => new Aggregator<number>(() => {}, { signal }),
};

for (const [name, from] of Object.entries(froms)) {
  test(`${name} leaves a generator that aborts its signal from within [4.7] [4.9]`, async () => {
    const own = new AbortController();
    const { source, left } = ending(() => own.abort(over));
    const reader = from(source, own.signal).getReader();
    const read = async () => {
      while (!(await reader.read()).done);
    };
    assertStrictEquals(await rejection(read()), over);
    await turn();
    assertEquals(left(), 1);
  });

  test(`${name} leaves a generator that cancels it from within, and the cancel resolves [4.9] [F-30]`, async () => {
    let cancelled: Promise<void> | undefined;
    const { source, left } = ending(() => cancelled = reader.cancel("enough"));
    const reader = from(source, new AbortController().signal).getReader();
    await reader.read();
    await turn();
    assertEquals([await cancelled, left()], [undefined, 1]);
  });
}

for (const [name, open] of Object.entries(sinks)) {
  const ends: Record<
    string,
    (sink: Fanout<number> | Aggregator<number>, own: AbortController) => void
  > = {
    "aborts the sink": (sink) => void sink.abort(over),
    "closes the sink": (sink) => void sink.close(),
    "aborts its signal": (_, own) => own.abort(over),
  };
  for (const [how, end] of Object.entries(ends)) {
    test(`${name}.consume() leaves a generator that ${how} from within [5.14] [5.8]`, async () => {
      const own = new AbortController();
      const sink = open(own.signal);
      await turn();
      const { source, left } = ending(() => end(sink, own));
      const error = await rejection(sink.consume(source));
      if (how === "closes the sink") assertEquals((error as Error).name, "TypeError");
      else assertStrictEquals(error, over);
      await turn();
      assertEquals(left(), 1);
    });

    test(`${name}.consume() rejects when a source ${how} as it is opened, and leaves it [5.11] [5.8]`, async () => {
      const own = new AbortController();
      const sink = open(own.signal);
      await turn();
      const steps: string[] = [];
      const source: AsyncIterable<number> = {
        [Symbol.asyncIterator]() {
          end(sink, own);
          return {
            next: () => {
              steps.push("next");
              return new Promise<never>(() => {});
            },
            return: () => {
              steps.push("return");
              return Promise.resolve({ done: true, value: undefined });
            },
          };
        },
      };
      const error = await rejection(sink.consume(source));
      if (how === "closes the sink") assertEquals((error as Error).name, "TypeError");
      else assertStrictEquals(error, over);
      assertEquals(steps, ["return"]);
    });
  }

  test(`${name}.consume() does not touch a source after the sink has closed [5.11]`, async () => {
    const sink = open(new AbortController().signal);
    await sink.close();
    const source = streamOf([1, 2]);
    assertEquals((await rejection(sink.consume(source)) as Error).name, "TypeError");
    assertEquals([source.locked, await collect(source)], [false, [1, 2]]);
  });

  test(`${name}.consume() does not leave an iterator that ends, or throws, while it ends the sink [5.14]`, async () => {
    for (
      const last of [() => ({ done: true as const, value: undefined }), () => {
        throw new Error("last");
      }]
    ) {
      const own = new AbortController();
      const sink = open(own.signal);
      await turn();
      let left = 0;
      const iterator: Iterator<number> = {
        next() {
          own.abort(over);
          return last();
        },
        return: () => (left++, { done: true, value: undefined }),
      };
      const source = { [Symbol.iterator]: () => iterator };
      assertStrictEquals(await rejection(sink.consume(source)), over);
      await turn();
      assertEquals(left, 0);
    }
  });
}
