/** `MapStream`: timeouts, and early ends. The ids are in `map_stream_test.ts`. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { type MapFunction, MapStream, type MapStreamOptions } from "../mod.ts";
import { reasonOf } from "./support/batching.ts";
import { collect, gate, settled, streamOf, turn } from "./support/gate.ts";
import { Hand } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";
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

timed(
  "MapStream fails a call that has not settled in time with a TimeoutError [4.M6] [F-16] [F-17]",
  async (clock) => {
    const { hand, writer, reader } = open({ concurrency: 3, timeout: 100 });
    assertEquals(clock.pending, 0);
    await writer.write(1);
    await clock.tick(60);
    await writer.write(2);
    await writer.write(3);
    assertEquals(clock.pending, 1);
    hand.call(3).resolve("in time");
    await clock.tick(39);
    assert(!hand.call(1).signal.aborted);
    const lost = await unhandled(async () => {
      await clock.tick(1);
      const error = await reasonOf(reader.read()) as DOMException;
      assert(error instanceof DOMException);
      assertEquals(error.name, "TimeoutError");
      assertEquals(error.message, "MapStream: the handler has not settled within 100 ms");
      assertStrictEquals(await reasonOf(writer.closed), error);
      for (const n of [1, 2]) assertStrictEquals(hand.call(n).signal.reason, error);
      assert(!hand.call(3).signal.aborted);
      hand.call(1).resolve("late");
      hand.call(2).reject("late");
    });
    assertEquals(lost, []);
  },
);

test("MapStream starts no call in the turn of an abort that a pending write holds up [4.M7] [4.M4] [4.M11]", async () => {
  const waiting: Options[] = [{ capacity: 2 }, { concurrency: 2, key: () => 0 }];
  for (const options of waiting) {
    const told: unknown[] = [];
    const onDiscard = (items: number[], reason: unknown) => void told.push(items, reason);
    const { hand, writer, reader } = open({ ...options, onDiscard });
    const writes = [1, 2, 3].map((n) => writer.write(n));
    await writes[1];
    await turn();
    hand.call(1).resolve("done");
    await Promise.all([
      writer.abort("the end"),
      reasonOf(writes[2]!).then((reason) => assertEquals(reason, "the end")),
      reasonOf(reader.read()).then((reason) => assertEquals(reason, "the end")),
    ]);
    await turn();
    assertEquals([hand.started, told], [[1], [[2], "the end"]]);
  }
});

timed(
  "MapStream counts neither the time that a result waits nor the time before the call [4.M6]",
  async (clock) => {
    const { hand, writer, reader } = open({ concurrency: 2, timeout: 100, key: () => 0 });
    await writer.write(1);
    await writer.write(2);
    await clock.tick(99);
    hand.call(1).resolve("a");
    await clock.tick(99);
    assertEquals(hand.started, [1, 2]);
    hand.call(2).resolve("b");
    await turn();
    assertEquals(clock.pending, 0);
    await clock.tick(1000);
    assertEquals((await reader.read()).value, "a");
    assertEquals((await reader.read()).value, "b");
  },
);

timed(
  "MapStream rejects close() when a call does not settle in time [4.M6] [4.M8] [F-20]",
  async (clock) => {
    const { writer, reader } = open({ timeout: 10 });
    await writer.write(1);
    const closing = reasonOf(writer.close());
    await clock.tick(10);
    assertEquals((await closing as Error).name, "TimeoutError");
    assertStrictEquals(await reasonOf(reader.read()), await closing);
  },
);

timed(
  "MapStream has no timer when the timeout is Infinity, or calls settle at once [4.M6] [F-03]",
  async (clock) => {
    const endless = open({ timeout: Infinity });
    await endless.writer.write(1);
    assertEquals(clock.pending, 0);
    await endless.reader.cancel();
    const quick = ends((n) => n, { timeout: 10, concurrency: 2 });
    await quick.writer.write(1);
    assertEquals(clock.pending, 0);
  },
);

/** Ways to end a stream whose calls hang. */
const early: [string, (both: ReturnType<typeof open>, own: AbortController) => Promise<unknown>][] =
  [
    ["the consumer cancels [F-30]", ({ reader }) => reader.cancel("the end")],
    ["the producer aborts [F-31]", ({ writer }) => writer.abort("the end")],
    ["the signal aborts [F-33]", (_, own) => Promise.resolve(own.abort("the end"))],
  ];
for (const [event, end] of early) {
  for (const timeout of [Infinity, 1000]) {
    const title = timeout === Infinity ? "" : " and has a timeout";
    timed(
      `MapStream aborts its calls and does not wait for them when ${event}${title} [4.M7] [F-16]`,
      async (clock) => {
        const own = new AbortController();
        const both = open({ concurrency: 2, timeout, signal: own.signal });
        const { hand, writer } = both;
        const writes = [1, 2, 3].map((n) => writer.write(n));
        const waits = reasonOf(writes[2]!);
        await turn();
        hand.call(2).resolve("waits");
        await turn();
        const lost = await unhandled(async () => {
          assertEquals(await settled(end(both, own)), "fulfilled");
          assertEquals(await waits, "the end");
          assertEquals(await reasonOf(writer.closed), "the end");
          assertEquals(hand.call(1).signal.reason, "the end");
          assertEquals(clock.pending, 0);
          hand.call(1).reject("late");
        });
        assertEquals(lost, []);
        assertEquals(hand.started, [1, 2]);
      },
    );
  }

  test(`MapStream does not wait for its calls when ${event} while it closes [4.M7] [4.M8] [F-31]`, async () => {
    const own = new AbortController();
    const both = open({ signal: own.signal });
    await both.writer.write(1);
    const closing = reasonOf(both.writer.close());
    await turn();
    const lost = await unhandled(async () => {
      await end(both, own).catch(() => {});
      assertEquals(await closing, "the end");
      assertEquals(both.hand.call(1).signal.reason, "the end");
    });
    assertEquals(lost, []);
  });
}

test("MapStream gives the waiting results after close, and a later signal has no effect [4.M7] [4.M8]", async () => {
  const own = new AbortController();
  const { writer, reader } = ends((n) => n, { concurrency: 2, signal: own.signal });
  await writer.write(1);
  await writer.write(2);
  await writer.close();
  assertEquals((await reader.read()).value, 1);
  own.abort("ends what waits");
  assertEquals(await reasonOf(reader.read()), "ends what waits");
});

/** Places where user code runs, and its actions there. */
for (const place of ["fn", "fn, later", "key"] as const) {
  for (const how of ["cancel", "abort", "signal", "throw"] as const) {
    test(`MapStream ends when its ${place} ends it by ${how} [4.M10] [F-18]`, async () => {
      const own = new AbortController();
      const later = gate();
      const act = () => {
        if (how === "cancel") reader.cancel("own");
        else if (how === "abort") writer.abort("own").catch(() => {});
        else if (how === "signal") own.abort("own");
        else throw "own";
      };
      const at = (here: typeof place, n: number) => place === here && n === 2 && act();
      const called: number[] = [];
      const fn = async (n: number, signal: AbortSignal) => {
        await later.promise;
        at("fn, later", n);
        if (place !== "fn, later" && place !== "key") assertEquals(signal.aborted, true);
      };
      const { writer, reader } = ends((n, { signal }) => {
        called.push(n);
        at("fn", n);
        return fn(n, signal);
      }, { concurrency: 3, key: (n) => (at("key", n), n), signal: own.signal });
      const lost = await unhandled(async () => {
        const writes = [1, 2, 3].map((n) => writer.write(n).catch((error) => error));
        await turn();
        later.resolve();
        await Promise.all(writes);
        assertEquals(await reasonOf(writer.closed), "own");
        if (how === "cancel") assertEquals((await reader.read()).done, true);
        else assertEquals(await reasonOf(reader.read()), "own");
      });
      assertEquals(lost, []);
      const expected = { "fn": [1, 2], "fn, later": [1, 2, 3], "key": [1] };
      assertEquals(called, expected[place]);
    });
  }
}

test("MapStream takes items that its function writes to it [4.M10]", async () => {
  const { writer, reader } = ends((n) => {
    if (n < 3) writer.write(n + 1);
    return n;
  });
  await writer.write(1);
  for (const n of [1, 2, 3]) assertEquals((await reader.read()).value, n);
  await writer.close();
});

test("MapStream's context has only its signal, even after the end [4.M5]", async () => {
  const contexts: { readonly signal: AbortSignal }[] = [];
  const results = MapStream.from([1], (_, context) => void contexts.push(context));
  await collect(results.pipeThrough(new MapStream((n) => n)));
  assert(!contexts[0]!.signal.aborted);
  const failed = streamOf([1, 2]).pipeThrough(
    new MapStream((_: number, context) => {
      contexts.push(context);
      throw "over";
    }),
  );
  assertEquals(await reasonOf(collect(failed)), "over");
  assertEquals(contexts[1]!.signal.reason, "over");
});
