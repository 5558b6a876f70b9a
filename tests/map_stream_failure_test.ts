/** `MapStream`: failures. The ids are in `map_stream_test.ts`. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { type MapFunction, MapStream, type MapStreamOptions } from "../mod.ts";
import { reasonOf } from "./support/batching.ts";
import { collect, counted, turn } from "./support/gate.ts";
import { Hand } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

type Options = MapStreamOptions<number>;

function ends(fn: MapFunction<number, unknown>, options?: Options) {
  const stream = new MapStream(fn, options);
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  for (const promise of [writer.closed, writer.ready, reader.closed]) promise.catch(() => {});
  return { writer, reader };
}

function open(options?: Options) {
  const hand = new Hand<number>();
  return { hand, ...ends(hand.handler, options) };
}

const failures = [new Error("own"), undefined, null, 0, "a word", Object.freeze({})];

for (const how of ["throws", "rejects"] as const) {
  const fail = (error: unknown) => {
    if (how === "rejects") return Promise.reject(error);
    throw error;
  };

  test(`MapStream errors both sides with the same error when a call ${how} [4.M5] [7.3] [F-13] [F-14]`, async () => {
    for (const error of failures) {
      const { writer, reader } = ends(() => fail(error));
      const lost = await unhandled(async () => {
        const read = reader.read();
        writer.write(1).catch(() => {});
        assertStrictEquals(await reasonOf(read), error);
        assertStrictEquals(await reasonOf(writer.closed), error);
        assertStrictEquals(await reasonOf(writer.write(2)), error);
      });
      assertEquals(lost, []);
    }
  });

  test(`MapStream cancels its source and makes no more calls when a call ${how} [4.M5]`, async () => {
    for (const error of failures) {
      const [heard, items]: [unknown[], number[]] = [[], []];
      let pulled = 0;
      const source = new ReadableStream<number>({
        pull: (controller) => controller.enqueue(counted(pulled++)),
        cancel: (reason) => void heard.push(reason),
      }, { highWaterMark: 0 });
      const fn = (n: number) => (items.push(n), n === 2 ? fail(error) : n);
      const results = source.pipeThrough(new MapStream(fn, { concurrency: 2 }));
      assertStrictEquals(await reasonOf(collect(results)), error);
      await turn();
      const before = pulled;
      await turn();
      assertEquals([pulled, heard], [before, [error]]);
      assertEquals(items, [0, 1, 2]);
    }
  });
}

test("MapStream aborts the other calls with the failure, and ignores their outcome [4.M5] [F-17]", async () => {
  for (const options of [{}, { timeout: 60_000 }, { ordered: false }, { key: (n: number) => n }]) {
    const { hand, writer, reader } = open({ concurrency: 4, ...options });
    for (const n of [1, 2, 3]) await writer.write(n);
    const error = new Error("first");
    const lost = await unhandled(async () => {
      hand.call(2).reject(error);
      assertStrictEquals(await reasonOf(reader.read()), error);
      for (const n of [1, 3]) assertStrictEquals(hand.call(n).signal.reason, error);
      hand.call(1).resolve("late");
      hand.call(3).reject(new Error("late"));
    });
    assertEquals(lost, []);
    assertEquals(hand.started, [1, 2, 3]);
    assertStrictEquals(await reasonOf(writer.closed), error);
  }
});

test("MapStream drops waiting results and running calls when a call fails [4.M5]", async () => {
  const { hand, writer, reader } = open({ concurrency: 3, key: (n) => n % 10 });
  for (const n of [1, 2, 11]) await writer.write(n);
  hand.call(1).resolve("waits");
  await turn();
  hand.call(2).reject("over");
  await turn();
  assertEquals(await reasonOf(reader.read()), "over");
  hand.call(11).resolve("late");
  await turn();
  assertEquals(hand.started, [1, 2, 11]);
});

test("MapStream makes no call for an item that waits for its key when the call before it fails [4.M4] [4.M5]", async () => {
  const { hand, writer, reader } = open({ concurrency: 3, key: () => 0 });
  for (const n of [1, 2, 3]) await writer.write(n);
  hand.call(1).reject("over");
  assertEquals(await reasonOf(reader.read()), "over");
  await turn();
  assertEquals(hand.started, [1]);
});

test("MapStream fails with the first of two failures in one tick [4.M5] [F-19]", async () => {
  const { hand, writer, reader } = open({ concurrency: 2 });
  await writer.write(1);
  await writer.write(2);
  const lost = await unhandled(async () => {
    hand.call(2).reject("first");
    hand.call(1).reject("second");
    assertEquals(await reasonOf(reader.read()), "first");
    assertEquals(await reasonOf(writer.closed), "first");
  });
  assertEquals(lost, []);
});

test("MapStream rejects the waiting write when a call fails [4.M5] [F-21]", async () => {
  const { hand, writer, reader } = open();
  await writer.write(1);
  const waits = [reasonOf(writer.write(2)), reasonOf(writer.write(3))];
  await turn();
  hand.call(1).reject("over");
  assertEquals(await Promise.all(waits), ["over", "over"]);
  assertEquals(hand.started, [1]);
  assertEquals(await reasonOf(reader.read()), "over");
});

test("MapStream errors both sides with an error of key, and makes no call [4.M4] [4.M5]", async () => {
  const thrown = new Error("from key");
  const items: number[] = [];
  const key = () => {
    throw thrown;
  };
  const { writer, reader } = ends((n) => items.push(n), { key });
  assertStrictEquals(await reasonOf(writer.write(1)), thrown);
  assertStrictEquals(await reasonOf(reader.read()), thrown);
  assertStrictEquals(
    await reasonOf(MapStream.from([1], (n) => n, { key }).getReader().read()),
    thrown,
  );
  assertEquals(items, []);
});

test("MapStream rejects close() when a call fails after it [4.M8] [F-20]", async () => {
  for (const error of failures) {
    const { hand, writer, reader } = open({ concurrency: 2 });
    await writer.write(1);
    await writer.write(2);
    const closing = reasonOf(writer.close());
    hand.call(2).resolve("b");
    await turn();
    const lost = await unhandled(() => hand.call(1).reject(error));
    assertEquals(lost, []);
    assertStrictEquals(await closing, error);
    assertStrictEquals(await reasonOf(writer.closed), error);
    assertStrictEquals(await reasonOf(reader.read()), error);
  }
});

test("MapStream takes the first settlement of a thenable, and never synchronously [4.M2] [F-15]", async () => {
  const thrower = {
    then() {
      throw new Error("from then");
    },
  };
  const getter = Object.defineProperty({}, "then", {
    get() {
      throw new Error("from the getter");
    },
  });
  for (
    const [thenable, message] of [[thrower, "from then"], [getter, "from the getter"]] as const
  ) {
    const reason = await reasonOf(MapStream.from([1], () => thenable).getReader().read());
    assertEquals((reason as Error).message, message);
  }
  type Settle = (value: unknown) => void;
  const twice = (yes: Settle, no: Settle) => (yes("first"), no("second"), yes("third"));
  const lost = await unhandled(async () => {
    const order: unknown[] = [];
    const fn = (n: number) => {
      order.push(`call ${n}`);
      return { then: (yes: Settle, no: Settle) => (order.push(`then ${n}`), twice(yes, no)) };
    };
    const results = MapStream.from([1, 2], fn, { concurrency: 2 });
    assertEquals(await collect(results), ["first", "first"]);
    assertEquals(order, ["call 1", "call 2", "then 1", "then 2"]);
  });
  assertEquals(lost, []);
});

test("MapStream ignores a key and an onError that every object inherits [7.8] [F-06]", async () => {
  const prototype = Object.prototype as Record<string, unknown>;
  const called: string[] = [];
  for (const name of ["key", "onError", "onDiscard"]) {
    Object.defineProperty(prototype, name, { value: () => called.push(name), configurable: true });
  }
  try {
    const failed = new Error("failed");
    const fail = () => Promise.reject(failed);
    const mapped = MapStream.from([1, 2], fail).getReader().read();
    assertStrictEquals(await mapped.then(() => undefined, (error) => error), failed);
  } finally {
    for (const name of ["key", "onError", "onDiscard"]) delete prototype[name];
  }
  assertEquals(called, []);
});
