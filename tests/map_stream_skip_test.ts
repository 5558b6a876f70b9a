/**
 * `MapStream`: a capacity larger than its concurrency, skipped failures, and the outcome of items.
 */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { MapStream, type MapStreamOptions } from "../mod.ts";
import { reasonOf } from "./support/batching.ts";
import { collect, counted, gate, settled, streamOf, turn } from "./support/gate.ts";
import { assertConserved, Hand, mapped } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";
import { unhandled } from "./support/unhandled.ts";

type Options = MapStreamOptions<number>;

function open(options?: Options) {
  const hand = new Hand<number>();
  const stream = new MapStream<number, unknown>(hand.handler, options);
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  for (const promise of [writer.closed, writer.ready, reader.closed]) promise.catch(() => {});
  return { hand, writer, reader, stream };
}

const value = async (read: Promise<{ value?: unknown }>) => (await read).value;

test("MapStream starts later calls during a slow one when its capacity allows it [4.M11]", async () => {
  const { hand, writer, reader, stream } = open({ concurrency: 2, capacity: 5 });
  const writes = [1, 2, 3, 4, 5, 6].map((n) => writer.write(n));
  await turn();
  assertEquals(hand.started, [1, 2]);
  for (const n of [2, 3, 4]) {
    hand.call(n).resolve(n);
    await turn();
  }
  // Two calls run, three results wait, and no more items are taken.
  assertEquals(hand.started, [1, 2, 3, 4, 5]);
  assertEquals(stream.stats, mapped({ accepted: 5, running: 2, done: 3 }));
  assertEquals(await settled(writes[5]!), "pending");
  const reads = [1, 2, 3].map(() => value(reader.read()));
  hand.call(1).resolve(1);
  assertEquals(await Promise.all(reads), [1, 2, 3]);
  await writes[5];
  await turn();
  assertEquals(hand.started, [1, 2, 3, 4, 5, 6]);
  await reader.cancel();
});

test("MapStream reads ahead for free keys when its capacity allows it [4.M11] [4.M4]", async () => {
  const { hand, writer, reader, stream } = open({
    concurrency: 3,
    capacity: 5,
    key: (n) => n % 10,
  });
  const writes = [1, 11, 21, 2, 3, 4].map((n) => writer.write(n));
  assertEquals(await settled(writes[5]!), "pending");
  assertEquals(hand.started, [1, 2, 3]);
  assertEquals(stream.stats, mapped({ accepted: 5, waiting: 2, running: 3 }));
  await reader.cancel();
  await Promise.allSettled(writes);
});

test("MapStream.from() pulls as many items as its capacity, and not one more [4.M11] [4.M9]", async () => {
  let pulled = 0;
  const source = new ReadableStream<number>({
    pull: (controller) => controller.enqueue(counted(pulled++)),
  }, { highWaterMark: 0 });
  const hand = new Hand<number>();
  const reader = MapStream.from(source, hand.handler, { concurrency: 2, capacity: 7 }).getReader();
  const read = reader.read();
  for (let i = 0; i < 5; i++) await turn();
  assertEquals([pulled, hand.calls.length], [7, 2]);
  await reader.cancel();
  await read;
});

test("MapStream throws a RangeError when its capacity is below its concurrency [4.M11] [7.2]", () => {
  for (
    const make of [
      () => new MapStream((n: number) => n, { concurrency: 4, capacity: 3 }),
      () => MapStream.from([1], (n) => n, { concurrency: 4, capacity: 3 }),
    ]
  ) {
    assertEquals(
      assertThrows(make, RangeError).message,
      'MapStream: option "capacity" must be at least option "concurrency" of 4; got 3',
    );
  }
});

for (const how of ["throws", "rejects"] as const) {
  test(`MapStream calls onError when a call ${how}, skips its item and goes on [4.M12] [F-13] [F-14]`, async () => {
    const errors = [new Error("own"), undefined, null, 0, "a word", Object.freeze({})];
    for (const ordered of [true, false]) {
      for (const error of errors) {
        const told: unknown[] = [];
        const fn = (n: number) => {
          if (n % 2 === 1) return n;
          if (how === "rejects") return Promise.reject(error);
          throw error;
        };
        const options: Options = {
          ...{ ordered, concurrency: 2 },
          onError(given, item) {
            told.push([given, item]);
          },
        };
        const stream = new MapStream(fn, options);
        const lost = await unhandled(async () => {
          const results = await collect(streamOf([0, 1, 2, 3, 4]).pipeThrough(stream));
          assertEquals(results, [1, 3]);
        });
        assertEquals(lost, []);
        assertEquals(told, [0, 2, 4].map((n) => [error, n]));
        assertEquals(stream.stats, mapped({ accepted: 5, done: 2, failed: 3 }));
        assertEquals(await collect(MapStream.from([0, 1, 2, 3, 4], fn, options)), [1, 3]);
      }
    }
  });
}

test("MapStream keeps the place of a skipped item until its turn, and no longer [4.M12] [4.M1]", async () => {
  for (const ordered of [true, false]) {
    const { hand, writer, reader, stream } = open({ concurrency: 2, ordered, onError() {} });
    const writes = [1, 2, 3].map((n) => writer.write(n));
    await turn();
    hand.call(2).reject("skipped");
    assertEquals(await settled(writes[2]!), ordered ? "pending" : "fulfilled");
    const read = value(reader.read());
    hand.call(1).resolve("a");
    assertEquals(await read, "a");
    await writes[2];
    hand.call(3).resolve("c");
    await writer.close();
    assertEquals(await value(reader.read()), "c");
    assertEquals((await reader.read()).done, true);
    assertEquals(stream.stats, mapped({ accepted: 3, done: 2, failed: 1 }));
  }
});

test("MapStream frees the place of a skipped item even without demand [4.M12]", async () => {
  const { writer, stream } = (() => {
    const stream = new MapStream<number, never>((n) => {
      throw n;
    }, { onError() {} });
    return { stream, writer: stream.writable.getWriter() };
  })();
  for (let n = 0; n < 100; n++) await writer.write(n);
  await writer.close();
  assertEquals(stream.stats, mapped({ accepted: 100, failed: 100 }));
  assertEquals((await stream.readable.getReader().read()).done, true);
});

test("MapStream awaits onError, and keeps the slot and the key of the call meanwhile [4.M12] [4.M4]", async () => {
  const handled = gate();
  const { hand, writer, reader, stream } = open({
    ...{ concurrency: 2, capacity: 3, key: () => "same" },
    onError: () => handled.promise,
  });
  await writer.write(1);
  await writer.write(2);
  hand.call(1).reject("failed");
  await turn();
  assertEquals(hand.started, [1]);
  assertEquals(stream.stats, mapped({ accepted: 2, waiting: 1, running: 1 }));
  const closing = writer.close();
  handled.resolve();
  await turn();
  assertEquals(hand.started, [1, 2]);
  assertEquals(await settled(closing), "pending");
  hand.call(2).resolve("b");
  await closing;
  assertEquals(stream.stats, mapped({ accepted: 2, done: 1, failed: 1 }));
  await reader.cancel();
});

for (const how of ["throws", "rejects"] as const) {
  test(`MapStream errors both sides with the same error when onError ${how} [4.M12] [4.M5]`, async () => {
    const thrown = new Error("enough");
    const { hand, writer, reader, stream } = open({
      concurrency: 2,
      onError() {
        if (how === "rejects") return Promise.reject(thrown);
        throw thrown;
      },
    });
    await writer.write(1);
    await writer.write(2);
    const closing = reasonOf(writer.close());
    const lost = await unhandled(async () => {
      hand.call(1).reject("failed");
      assertStrictEquals(await reasonOf(reader.read()), thrown);
      assertStrictEquals(await closing, thrown);
      assertStrictEquals(hand.call(2).signal.reason, thrown);
    });
    assertEquals(lost, []);
    assertEquals(stream.stats, mapped({ accepted: 2, running: 1, failed: 1 }));
  });
}

timed(
  "MapStream calls onError for a call that times out, and goes on [4.M12] [4.M6]",
  async (clock) => {
    const told: unknown[] = [];
    const { hand, writer, reader, stream } = open({
      timeout: 10,
      onError: (error, item) => void told.push([(error as Error).name, item]),
    });
    await writer.write(1);
    const write = writer.write(2);
    await clock.tick(10);
    await write;
    assertEquals(told, [["TimeoutError", 1]]);
    hand.call(1).resolve("late");
    hand.call(2).resolve("b");
    assertEquals(await value(reader.read()), "b");
    assertEquals(stream.stats, mapped({ accepted: 2, done: 1, failed: 1 }));
  },
);

/** Ways to end a stream early. */
const ends: Record<string, (both: ReturnType<typeof open>, own: AbortController) => unknown> = {
  "the consumer cancels": ({ reader }) => reader.cancel("the end"),
  "the producer aborts": ({ writer }) => writer.abort("the end"),
  "the signal aborts": (_, own) => own.abort("the end"),
  "a call fails": ({ hand }) => hand.call(1).reject("the end"),
};

for (const [event, end] of Object.entries(ends)) {
  test(`MapStream calls onDiscard with the items whose calls have not started when ${event} [4.M13] [3]`, async () => {
    const own = new AbortController();
    const told: unknown[] = [];
    const both = open({
      ...{ concurrency: 2, capacity: 5, key: (n) => n % 10, signal: own.signal },
      onDiscard: (items, reason) => void told.push([items, reason]),
    });
    const { hand, writer, stream } = both;
    for (const n of [1, 11, 2, 21, 3]) await writer.write(n);
    const waits = reasonOf(writer.write(4));
    await turn();
    const lost = await unhandled(() => end(both, own));
    assertEquals(lost, []);
    // The item outside was not accepted, and its write rejects.
    assertEquals(told, [[[11, 21, 3], "the end"]]);
    assertEquals(await waits, "the end");
    const failed = event === "a call fails" ? 1 : 0;
    const ended = { accepted: 5, discarded: 3, failed };
    assertEquals(stream.stats, mapped({ ...ended, running: 2 - failed }));
    hand.call(2).resolve("late");
    if (!failed) hand.call(1).reject("late");
    await turn();
    assertEquals(stream.stats, mapped({ ...ended, done: 1, failed: 1 }));
    assertEquals(told.length, 1);
  });
}

test("MapStream surfaces an error of onDiscard [4.M13]", async () => {
  const thrown = new Error("from onDiscard");
  const { writer, reader } = open({
    capacity: 2,
    onDiscard() {
      throw thrown;
    },
  });
  await writer.write(1);
  await writer.write(2);
  assertEquals(await unhandled(() => reader.cancel()), [thrown]);
});

test("MapStream does not call onDiscard without waiting items, or when it ends by itself [4.M13]", async () => {
  const told: unknown[] = [];
  const options: Options = { concurrency: 2, onDiscard: (items) => void told.push(items) };
  await collect(MapStream.from([1, 2, 3], (n) => n, options));
  const { writer, reader } = open(options);
  await writer.write(1);
  await reader.cancel();
  assertEquals(told, []);
});

test("MapStream.stats adds up at every moment, even inside user code [4.M13] [3]", async () => {
  const seen: unknown[] = [];
  const look = () => {
    assertConserved(stream);
    seen.push(stream.stats);
  };
  const stream: MapStream<number, number> = new MapStream((n: number) => {
    look();
    if (n === 2) throw n;
    return n;
  }, { key: (n) => (look(), n), onError: look });
  const writer = stream.writable.getWriter();
  look();
  await writer.write(1);
  const waits = writer.write(2);
  await turn();
  look();
  await stream.readable.getReader().read();
  await waits;
  look();
  assertEquals(seen, [
    mapped({}),
    mapped({}),
    mapped({ accepted: 1, running: 1 }),
    mapped({ accepted: 1, done: 1 }),
    mapped({ accepted: 1, done: 1 }),
    mapped({ accepted: 2, running: 1, done: 1 }),
    mapped({ accepted: 2, running: 1, done: 1 }),
    mapped({ accepted: 2, done: 1, failed: 1 }),
  ]);
});

test("MapStream takes values and promises from one function, and its type says so [4.M14]", async () => {
  const mixed = (n: number) => n % 2 ? "odd" as const : Promise.resolve(n);
  const results: ("odd" | number)[] = await collect(MapStream.from([1, 2], mixed));
  assertEquals(results, ["odd", 2]);
  const stream: ReadableStream<"odd" | number> =
    new MapStream<number, "odd" | number>(mixed).readable;
  await stream.cancel();
  const promised: MapStream<number, string> = new MapStream(async (n: number) => {
    await undefined;
    return `${n}`;
  });
  await promised.readable.cancel();
});

test("MapStream resolves a write whose call ends the stream at once: its item was accepted [4.13] [4.M10]", async () => {
  for (const how of ["throws", "cancels"] as const) {
    for (const waits of [false, true]) {
      const told: unknown[] = [];
      const stream: MapStream<number, number> = new MapStream((n: number) => {
        if (n === 1) return n;
        if (how === "throws") throw "the end";
        void reader.cancel("the end");
        return n;
      }, { onDiscard: (items) => void told.push(items) });
      const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
      for (const promise of [writer.closed, writer.ready, reader.closed]) promise.catch(() => {});
      if (waits) await writer.write(1);
      const write = settled(writer.write(2));
      await turn();
      if (waits) await reader.read();
      assertEquals(await write, waits ? "pending" : "fulfilled");
      const { accepted, done, failed } = stream.stats;
      assertEquals([accepted, done + failed], [waits ? 2 : 1, waits ? 2 : 1]);
      assertEquals(told, []);
    }
  }
});

test("MapStream.from() calls onDiscard with the item at which key throws, and with none that fn has got [4.M13] [4.13]", async () => {
  for (const place of ["key", "fn"] as const) {
    const thrown = new Error(place);
    const told: unknown[] = [];
    const act = (here: string, n: number) => {
      if (here === place && n === 2) throw thrown;
      return n;
    };
    const results = MapStream.from([1, 2, 3], (n) => act("fn", n), {
      key: (n) => act("key", n),
      onDiscard: (items, reason) => void told.push([items, reason]),
    });
    assertStrictEquals(await reasonOf(collect(results)), thrown);
    await turn();
    assertEquals(told, place === "key" ? [[[2], thrown]] : []);
  }
});
