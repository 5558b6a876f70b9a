/** A function of a `MapStream` that returns values, or values and promises. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { type HandlerContext, MapStream } from "../mod.ts";
import { collect, gate, turn } from "./support/gate.ts";
import { rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

for (const ordered of [true, false]) {
  test(`MapStream takes values, promises and throws from one function, ordered ${ordered} [4.M14] [4.M12] [3]`, async () => {
    const failed: unknown[] = [];
    const stream = new MapStream<number, number>((n) => {
      if (n % 4 === 3) throw `no ${n}`;
      return n % 4 === 2 ? Promise.resolve(n) : n;
    }, { ordered, onError: (error) => failed.push(error) });
    const results = collect(stream.readable);
    const writer = stream.writable.getWriter();
    for (let n = 0; n < 8; n++) await writer.write(n);
    await writer.close();
    assertEquals(await results, [0, 1, 2, 4, 5, 6]);
    assertEquals(failed, ["no 3", "no 7"]);
    const { accepted, waiting, running, done, failed: count } = stream.stats;
    assertEquals([accepted, waiting, running, done, count], [8, 0, 0, 6, 2]);
  });
}

test("MapStream counts a call as running until it is over, with any outcome [3]", async () => {
  const seen: number[][] = [];
  const see = () => {
    const { accepted, waiting, running, done } = stream.stats;
    seen.push([accepted, waiting, running, done]);
  };
  const hang = gate<number>();
  const stream = new MapStream<number, number>((n) => {
    see();
    return n === 2 ? hang.promise : n;
  }, { concurrency: 3 });
  const writer = stream.writable.getWriter();
  for (const n of [1, 2]) await writer.write(n);
  see();
  hang.resolve(2);
  await turn();
  see();
  assertEquals(seen, [[1, 0, 1, 0], [2, 0, 1, 1], [2, 0, 1, 1], [2, 0, 0, 2]]);
});

test("MapStream gives each call its own signal, which does not abort after the call [4.M7] [4.M5]", async () => {
  const signals: AbortSignal[] = [];
  const stream = new MapStream<number, number>((n, { signal }) => {
    signals.push(signal);
    return n === 3 ? new Promise(() => {}) : n;
  }, { concurrency: 4 });
  const writer = stream.writable.getWriter();
  writer.closed.catch(() => {});
  for (const n of [1, 2, 3]) await writer.write(n);
  await writer.abort("over");
  assertEquals(new Set(signals).size, 3);
  assertEquals(signals.map(({ aborted }) => aborted), [false, false, true]);
});

test("MapStream allows its function to end it, with any outcome [4.M10] [4.M7]", async () => {
  const gives: Record<string, () => unknown> = {
    value: () => 1,
    promise: () => Promise.resolve(1),
    failure: () => {
      throw "failed";
    },
  };
  for (const [name, give] of Object.entries(gives)) {
    const own = new AbortController();
    let context: HandlerContext | undefined;
    const stream = new MapStream<number, unknown>((_, given) => {
      context = given;
      own.abort("over");
      return give();
    }, { signal: own.signal, concurrency: 2 });
    const writer = stream.writable.getWriter();
    writer.closed.catch(() => {});
    const read = rejection(stream.readable.getReader().read());
    await writer.write(1);
    assertEquals(await read, "over", name);
    await turn();
    const { accepted, done, failed, running, discarded } = stream.stats;
    const failures = name === "failure" ? 1 : 0;
    assertEquals([accepted, running, discarded], [1, 0, 0], name);
    assertEquals([done, failed], [1 - failures, failures], name);
    assertStrictEquals(typeof context!.signal.aborted, "boolean");
  }
});

test("MapStream aborts the signal of a call that ends it and goes on [4.M7] [4.M10]", async () => {
  const own = new AbortController();
  let signal: AbortSignal | undefined;
  const stream = new MapStream<number, unknown>((_, context) => {
    signal = context.signal;
    own.abort("over");
    return new Promise(() => {});
  }, { signal: own.signal });
  const writer = stream.writable.getWriter();
  writer.closed.catch(() => {});
  await writer.write(1);
  assertEquals([signal!.aborted, signal!.reason], [true, "over"]);
});

test("MapStream makes no second call while onError runs for the first, even without promises [4.M12] [4.M1]", async () => {
  const calls: number[] = [];
  const handled = gate();
  const stream = new MapStream<number, number>((n) => {
    calls.push(n);
    if (n === 1) throw "no";
    return n;
  }, { concurrency: 1, capacity: 3, onError: () => handled.promise });
  const results = collect(stream.readable);
  const writer = stream.writable.getWriter();
  for (const n of [1, 2]) await writer.write(n);
  await turn();
  assertEquals(calls, [1]);
  handled.resolve();
  await writer.close();
  assertEquals([calls, await results], [[1, 2], [2]]);
});
