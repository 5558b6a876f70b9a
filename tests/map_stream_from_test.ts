/**
 * `MapStream.from`: how it reads its source, and leaves it. The ids are in `map_stream_test.ts`.
 */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { MapStream, type Source } from "../mod.ts";
import { reasonOf } from "./support/batching.ts";
import { collect, counted, gate, settled, streamOf, turn } from "./support/gate.ts";
import { Hand } from "./support/hand.ts";
import { countListeners } from "./support/listeners.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";
import { unhandled } from "./support/unhandled.ts";

/** Endless sources that count the taken items, and record how they are left. */
function endless(): { name: string; source: Source<number>; seen: number[]; heard: unknown[] }[] {
  return ["Iterable", "AsyncIterable", "ReadableStream"].map((name) => {
    const [seen, heard]: [number[], unknown[]] = [[], []];
    const take = () => counted(seen.push(seen.length)) - 1;
    const iterate = function* () {
      try {
        for (;;) yield take();
      } finally {
        heard.push("return");
      }
    };
    const sources: Record<string, () => Source<number>> = {
      Iterable: iterate,
      AsyncIterable: async function* () {
        yield* iterate();
      },
      ReadableStream: () =>
        new ReadableStream({
          pull: (controller) => controller.enqueue(take()),
          cancel: (reason) => void heard.push(reason),
        }, { highWaterMark: 0 }),
    };
    return { name, source: sources[name]!(), seen, heard };
  });
}

test("MapStream.from() takes nothing before the first demand [4.M9]", async () => {
  for (const { source, seen } of endless()) {
    const results = MapStream.from(source, (n) => n, { concurrency: 3 });
    await turn();
    assertEquals(seen, []);
    await results.cancel();
  }
});

test("MapStream.from() takes as many items as calls may run, and not one more [4.M1] [4.M9]", async () => {
  for (const concurrency of [1, 3]) {
    for (const { name, source, seen } of endless()) {
      const hand = new Hand<number>();
      const reader = MapStream.from(source, hand.handler, { concurrency }).getReader();
      const read = reader.read();
      for (let i = 0; i < 5; i++) await turn();
      assertEquals([seen.length, hand.calls.length], [concurrency, concurrency], name);
      // Waiting results keep the places of their calls. A read makes room.
      for (const call of hand.calls.slice()) call.resolve(call.item);
      assertEquals((await read).value, 0);
      for (let i = 0; i < 5; i++) await turn();
      assertEquals([seen.length, hand.calls.length], [concurrency + 1, concurrency + 1], name);
      assertEquals(await settled(reader.cancel()), "fulfilled");
    }
  }
});

test("MapStream.from() leaves its source when the consumer cancels [4.M7] [4.M9] [F-30]", async () => {
  for (const reason of [new Error("enough"), undefined]) {
    for (const { name, source, heard } of endless()) {
      const hand = new Hand<number>();
      const reader = MapStream.from(source, hand.handler, { concurrency: 2 }).getReader();
      const read = reader.read();
      await turn();
      const lost = await unhandled(() => reader.cancel(reason));
      assertEquals(lost, []);
      assertEquals((await read).done, true);
      assertEquals(heard, [name === "ReadableStream" ? reason : "return"]);
      assert(hand.calls.every(({ signal }) => signal.aborted));
    }
  }
});

test("MapStream.from() leaves its source when a call fails, and gives the same error [4.M5] [4.M9]", async () => {
  for (const error of [new Error("own"), undefined]) {
    for (const { name, source, heard } of endless()) {
      const hand = new Hand<number>();
      const reader = MapStream.from(source, hand.handler, { concurrency: 3 }).getReader();
      const read = reasonOf(reader.read());
      await turn();
      const lost = await unhandled(() => hand.call(1).reject(error));
      assertEquals(lost, []);
      assertStrictEquals(await read, error);
      await turn();
      assertEquals(heard, [name === "ReadableStream" ? error : "return"]);
      assertEquals(hand.calls.length, 3);
    }
  }
});

test("MapStream.from() gives the results of items before the error of the source, and then that error [4.12] [4.M9]", async () => {
  for (const thrown of [new Error("from the source"), undefined, 0]) {
    const sync = function* () {
      yield 1;
      throw thrown;
    };
    const async = async function* () {
      yield* sync();
    };
    const stream = new ReadableStream<number>({
      start: (controller) => controller.enqueue(1),
      pull: (controller) => controller.error(thrown),
    });
    for (const source of [sync(), async(), stream]) {
      const hand = new Hand<number>();
      const reader = MapStream.from(source, hand.handler, { concurrency: 2 }).getReader();
      const reads = [reader.read(), reader.read()] as const;
      reads[1].catch(() => {});
      assertEquals(await settled(reads[0]), "pending");
      assertEquals(hand.calls.map(({ signal }) => signal.aborted), [false]);
      hand.call(1).resolve("a");
      assertEquals((await reads[0]).value, "a");
      assertStrictEquals(await reasonOf(reads[1]), thrown);
      if (source === stream) assert(!stream.locked);
    }
  }
});

test("MapStream.from() waits for neither a call nor a source that hangs [4.M7] [4.M9] [F-16]", async () => {
  const hung = gate();
  const generator = async function* () {
    yield 1;
    await hung.promise;
  };
  const reader = MapStream.from(generator(), () => hung.promise, { concurrency: 2 }).getReader();
  const read = reader.read();
  await turn();
  assertEquals(await settled(reader.cancel("enough")), "fulfilled");
  assertEquals((await read).done, true);

  const own = new AbortController();
  const silent = new ReadableStream<number>({ cancel: () => hung.promise });
  const results = MapStream.from(silent, (n) => n, { signal: own.signal });
  const reason = reasonOf(results.getReader().read());
  await turn();
  own.abort("enough");
  assertEquals(await reason, "enough");
  hung.resolve();
  await turn();
});

timed(
  "MapStream.from() has no timer when the source has ended and the results wait [4.M6] [F-36]",
  async (clock) => {
    const hand = new Hand<number>();
    const { signal } = new AbortController();
    const listeners = countListeners(signal);
    const options = { concurrency: 3, timeout: 10, signal };
    const reader = MapStream.from([1, 2], hand.handler, options).getReader();
    const read = reader.read();
    await turn();
    assertEquals([clock.pending, listeners.live], [1, 1]);
    for (const call of hand.calls) call.resolve(call.item);
    assertEquals((await read).value, 1);
    await turn();
    assertEquals([clock.pending, listeners.live], [0, 1]);
    assertEquals((await reader.read()).value, 2);
    assertEquals((await reader.read()).done, true);
    assertEquals(listeners.live, 0);
  },
);

timed(
  "MapStream.from() errors when a call does not settle in time, even if the source has ended [4.M6] [4.M8]",
  async (clock) => {
    const never = new Promise(() => {});
    const read = reasonOf(MapStream.from([1], () => never, { timeout: 10 }).getReader().read());
    await clock.tick(10);
    assertEquals((await read as Error).name, "TimeoutError");
  },
);

test("MapStream.from() ends when its function cancels it or its signal aborts, and takes no more [4.M10] [F-18]", async () => {
  for (const how of ["cancel", "signal", "throw"]) {
    for (const place of ["fn", "key"]) {
      for (const { name, source, seen, heard } of endless()) {
        const own = new AbortController();
        const act = (n: number) => {
          if (n < 1) return;
          if (how === "cancel") reader.cancel("own");
          else if (how === "signal") own.abort("own");
          else throw "own";
        };
        const called: number[] = [];
        const fn = (n: number) => (called.push(n), place === "fn" && act(n), n);
        const key = (n: number) => place === "key" && act(n);
        const options = { key, signal: own.signal };
        const reader: ReadableStreamDefaultReader<number> = MapStream.from(source, fn, options)
          .getReader();
        const lost = await unhandled(async () => {
          assertEquals((await reader.read()).value, 0);
          await reader.read().catch(() => {});
          await turn();
        });
        assertEquals(lost, []);
        assertEquals([called, seen, heard], [
          place === "fn" ? [0, 1] : [0],
          [0, 1],
          [name === "ReadableStream" ? "own" : "return"],
        ]);
        if (how === "cancel") assertEquals((await reader.read()).done, true);
        else assertEquals(await reasonOf(reader.read()), "own");
      }
    }
  }
});

test("MapStream.from() throws a TypeError without a source, or with a locked one, which it leaves alone [4.M9]", () => {
  for (const none of [undefined, null, 5, {}, () => {}]) {
    assertThrows(
      () => MapStream.from(none as never, (n) => n),
      TypeError,
      "MapStream.from: source",
    );
  }
  const locked = streamOf([1]);
  locked.getReader();
  assertThrows(() => MapStream.from(locked, (n) => n), TypeError);
  const source = streamOf([1]);
  assertThrows(() => MapStream.from(source, 5 as never), TypeError);
  assertThrows(() => MapStream.from(source, (n) => n, { concurrency: 0 }), RangeError);
  assert(!source.locked);
});

test("MapStream.from() reads a long source without a deep stack [4.M9]", async () => {
  const many = Array.from({ length: 20_000 }, (_, n) => n);
  for (
    const options of [{}, { concurrency: 30_000 }, {
      concurrency: 7,
      key: (n: number) => n % 3,
    }]
  ) {
    const results = await collect(MapStream.from(many, (n) => n, options));
    assertEquals(results.length, many.length);
  }
});
