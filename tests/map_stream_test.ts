/**
 * `MapStream`: the number and the order of calls. Its promises:
 *
 * - [4.M1] Running calls and waiting results together are at most `concurrency`, and it pulls no
 *   more.
 * - [4.M2] Results come in the order of their items, in any order of settlement.
 * - [4.M3] `ordered: false`: results come as the calls settle.
 * - [4.M4] `key`: one call at a time for each key, in order. Different keys run concurrently.
 * - [4.M5] The first failure errors both sides with the same error, and aborts the other calls.
 * - [4.M6] `timeout`: a call that has not settled by then fails with a `TimeoutError`.
 * - [4.M7] `signal`, cancel and abort end it at once. They abort the calls' signals, and wait for
 *   no call.
 * - [4.M8] The writable closes when the calls have settled, and the readable when the results are
 *   read.
 * - [4.M9] `from`: the same for a source. It starts at the first demand, and cancels the source.
 * - [4.M10] `fn` and `key` may end their own stream.
 */

import { assert, assertEquals } from "@std/assert";
import { MapStream, type MapStreamOptions } from "../mod.ts";
import { collect, gate, settled, streamOf, turn } from "./support/gate.ts";
import { Hand } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

type Ready = "pending" | "fulfilled" | "rejected";

function open(options?: MapStreamOptions<number>) {
  const hand = new Hand<number>();
  const stream = new MapStream<number, unknown>(hand.handler, options);
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  for (const promise of [writer.closed, writer.ready, reader.closed]) promise.catch(() => {});
  return { hand, writer, reader, stream };
}

const states = (promises: Promise<unknown>[]): Promise<Ready[]> =>
  Promise.all(promises.map(settled));

test("MapStream gives the results of its function, through a pipe and by hand [4.M2]", async () => {
  const doubled = streamOf([1, 2, 3]).pipeThrough(new MapStream((n: number) => n * 2));
  assertEquals(await collect(doubled), [2, 4, 6]);
  const later = new MapStream(async (n: number) => (await turn(), n * 2), { concurrency: 2 });
  assertEquals(await collect(streamOf([1, 2, 3]).pipeThrough(later)), [2, 4, 6]);
});

test("MapStream closes without items [4.M8]", async () => {
  const never = () => {
    throw new Error("called");
  };
  assertEquals(await collect(streamOf([]).pipeThrough(new MapStream(never))), []);
  assertEquals(await collect(MapStream.from([], never)), []);
});

test("MapStream starts a call as soon as its item is written, even without demand [4.M1]", async () => {
  const { hand, writer } = open();
  await writer.write(1);
  assertEquals(hand.started, [1]);
});

for (const concurrency of [1, 2, 5]) {
  const options = { ...(concurrency > 1 && { concurrency }) };
  const title = concurrency > 1 ? `with a concurrency of ${concurrency}` : "by default";

  test(`MapStream makes writes wait while as many calls run as allowed, ${title} [4.M1]`, async () => {
    const { hand, writer, reader } = open(options);
    const writes = Array.from({ length: concurrency + 2 }, (_, n) => writer.write(n));
    const taken = Array<Ready>(concurrency).fill("fulfilled");
    assertEquals(await states(writes), [...taken, "pending", "pending"]);
    assertEquals(hand.calls.length, concurrency);
    assertEquals(await settled(writer.ready), "pending");
    // A waiting result keeps the place of its call.
    for (const call of hand.calls.slice()) call.resolve(call.item);
    assertEquals(await states(writes), [...taken, "pending", "pending"]);
    assertEquals(hand.calls.length, concurrency);
    assertEquals((await reader.read()).value, 0);
    assertEquals(await states(writes), [...taken, "fulfilled", "pending"]);
    assertEquals(hand.calls.length, concurrency + 1);
    await reader.cancel();
  });
}

test("MapStream pulls one item more than its calls through a pipe, and that item waits [4.M1]", async () => {
  let pulled = 0;
  const source = new ReadableStream<number>(
    { pull: (controller) => controller.enqueue(pulled++) },
    { highWaterMark: 0 },
  );
  const hand = new Hand<number>();
  const results = source.pipeThrough(new MapStream(hand.handler, { concurrency: 3 }));
  for (let i = 0; i < 5; i++) await turn();
  assertEquals([hand.calls.length, pulled], [3, 4]);
  await results.cancel();
});

test("MapStream is ready for items before a result is read [4.M1]", async () => {
  const { writer } = open();
  await writer.ready;
  assertEquals(writer.desiredSize, 1);
});

test("MapStream keeps the order of items when calls settle in another order [4.M2]", async () => {
  const { hand, writer, reader } = open({ concurrency: 3 });
  for (const n of [1, 2, 3]) await writer.write(n);
  const reads = [reader.read(), reader.read(), reader.read()];
  hand.call(3).resolve("c");
  hand.call(2).resolve("b");
  assertEquals(await states(reads), ["pending", "pending", "pending"]);
  hand.call(1).resolve("a");
  assertEquals((await Promise.all(reads)).map(({ value }) => value), ["a", "b", "c"]);
});

test("MapStream gives an early result at once, while later calls run [4.M2]", async () => {
  const { hand, writer, reader } = open({ concurrency: 2 });
  await writer.write(1);
  await writer.write(2);
  const read = reader.read();
  hand.call(1).resolve("a");
  assertEquals((await read).value, "a");
  await reader.cancel();
});

test("MapStream without order gives results as calls settle [4.M3]", async () => {
  const { hand, writer, reader } = open({ concurrency: 3, ordered: false });
  for (const n of [1, 2, 3]) await writer.write(n);
  const reads = [reader.read(), reader.read()];
  hand.call(3).resolve("c");
  await turn();
  hand.call(1).resolve("a");
  assertEquals((await Promise.all(reads)).map(({ value }) => value), ["c", "a"]);
  // There is room for two, although the first item still runs.
  const writes = [writer.write(4), writer.write(5), writer.write(6)];
  assertEquals(await states(writes), ["fulfilled", "fulfilled", "pending"]);
  await reader.cancel().catch(() => {});
  await Promise.allSettled(writes);
});

test("MapStream without order counts waiting results as places [4.M1] [4.M3]", async () => {
  const { hand, writer, reader } = open({ concurrency: 2, ordered: false });
  const writes = [1, 2, 3].map((n) => writer.write(n));
  await turn();
  hand.call(2).resolve("b");
  assertEquals(await settled(writes[2]!), "pending");
  hand.call(1).resolve("a");
  assertEquals(await settled(writes[2]!), "pending");
  assertEquals((await reader.read()).value, "b");
  await writes[2];
  assertEquals((await reader.read()).value, "a");
  await reader.cancel();
});

test("MapStream makes one call at a time for a key, in order, and calls for other keys meanwhile [4.M4]", async () => {
  const { hand, writer, reader } = open({ concurrency: 4, key: (n) => n % 10 });
  for (const n of [1, 11, 2, 21]) await writer.write(n);
  assertEquals(hand.started, [1, 2]);
  const read = reader.read();
  hand.call(2).resolve("2");
  assertEquals((await read).value, "2");
  hand.call(1).resolve("1");
  await turn();
  assertEquals(hand.started, [1, 2, 11]);
  hand.call(11).resolve("11");
  await turn();
  hand.call(21).resolve("21");
  await writer.close();
  reader.releaseLock();
});

test("MapStream also bounds items that wait for their key [4.M1] [4.M4]", async () => {
  const { hand, writer, reader } = open({ concurrency: 2, key: () => "same" });
  const writes = [1, 2, 3].map((n) => writer.write(n));
  assertEquals(await states(writes), ["fulfilled", "fulfilled", "pending"]);
  assertEquals(hand.started, [1]);
  await reader.cancel();
  await Promise.allSettled(writes);
});

test("MapStream with a key keeps the order of all items when ordered is true [4.M2] [4.M4]", async () => {
  const { hand, writer, reader } = open({ concurrency: 5, key: (n) => n % 10, ordered: true });
  for (const n of [1, 11, 2, 21, 3]) await writer.write(n);
  const reads = [reader.read(), reader.read(), reader.read(), reader.read(), reader.read()];
  for (const n of [2, 3, 1, 11]) {
    hand.call(n).resolve(n);
    await turn();
  }
  assertEquals(hand.started, [1, 2, 3, 11, 21]);
  const taken = ["fulfilled", "fulfilled", "fulfilled", "pending", "pending"] as Ready[];
  assertEquals(await states(reads), taken);
  hand.call(21).resolve(21);
  assertEquals((await Promise.all(reads)).map(({ value }) => value), [1, 11, 2, 21, 3]);
});

test("MapStream calls key once for each item, in order, and compares as a Map does [4.M4]", async () => {
  const keys: Record<number, unknown> = {
    1: NaN,
    2: NaN,
    3: 0,
    4: -0,
    5: {},
    6: {},
    7: "__proto__",
  };
  const asked: number[] = [];
  const key = (n: number) => (asked.push(n), keys[n]);
  const { hand, writer, reader } = open({ concurrency: 6, key });
  const writes = [1, 2, 3, 4, 5, 6, 7].map((n) => writer.write(n));
  await turn();
  assertEquals(hand.started, [1, 3, 5, 6]);
  hand.call(5).resolve("5");
  await reader.read();
  await writes[6];
  assertEquals(hand.started, [1, 3, 5, 6, 7]);
  assertEquals(asked, [1, 2, 3, 4, 5, 6, 7]);
  await reader.cancel();
});

test("MapStream carries undefined, null, 0 and false, as items and results [4.M2] [F-12]", async () => {
  const values = [undefined, null, 0, false, "", NaN, [], new Error("a value")];
  for (const ordered of [true, false]) {
    const options = { concurrency: 3, ordered };
    assertEquals(await collect(MapStream.from(values, (value) => value, options)), values);
    const later = new MapStream((value: unknown) => Promise.resolve(value), options);
    assertEquals(await collect(streamOf(values).pipeThrough(later)), values);
  }
});

test("MapStream gives each call its own signal [5.31]", async () => {
  const signals: AbortSignal[] = [];
  const results = MapStream.from([1, 2, 3], (n, { signal }) => {
    signals.push(signal);
    return Promise.resolve(n);
  });
  assertEquals(await collect(results), [1, 2, 3]);
  assertEquals(new Set(signals).size, 3);
});

test("MapStream gives its function the item and a context with a signal, and nothing else [4.M5]", async () => {
  const seen: unknown[][] = [];
  await collect(MapStream.from(["a"], (...args: unknown[]) => void seen.push(args)));
  const [item, context, ...rest] = seen[0]!;
  assertEquals([item, rest], ["a", []]);
  const { signal } = context as { signal: AbortSignal };
  assert(!signal.aborted);
});

test("MapStream closes the writable with the calls, and the readable with the results [4.M8]", async () => {
  for (const ordered of [true, false]) {
    const { hand, writer, reader } = open({ concurrency: 2, ordered });
    await writer.write(1);
    await writer.write(2);
    const closing = writer.close();
    hand.call(1).resolve("a");
    assertEquals(await settled(closing), "pending");
    hand.call(2).resolve("b");
    assertEquals(await settled(closing), "fulfilled");
    assertEquals(await settled(reader.closed), "pending");
    assertEquals((await reader.read()).value, "a");
    assertEquals((await reader.read()).value, "b");
    assertEquals((await reader.read()).done, true);
    assert(hand.calls.every(({ signal }) => !signal.aborted));
  }
});

timed(
  "MapStream closes after its last result when a read waits for it [4.M8] [F-36]",
  async () => {
    const { hand, writer, reader } = open({ timeout: 1000 });
    await writer.write(1);
    const reads = [reader.read(), reader.read()];
    const closing = writer.close();
    const late = gate();
    hand.call(1).resolve(late.promise.then(() => "a"));
    assertEquals(await states([...reads, closing]), ["pending", "pending", "pending"]);
    late.resolve();
    await closing;
    assertEquals(await Promise.all(reads), [
      { value: "a", done: false },
      { value: undefined, done: true },
    ]);
  },
);
