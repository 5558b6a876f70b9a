/** Pipes between two of ours: they behave like the platform's pipe, and sometimes use it. */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import { Aggregator, BatchStream, Fanout, MapStream } from "../mod.ts";
import { collectGarbage } from "./support/garbage.ts";
import { gate, turn } from "./support/gate.ts";
import { Hand, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

const ROUNDS = 32;
// See `garbage_test.ts`.
const STRAY = "Bun" in globalThis ? ROUNDS / 4 : 0;

test("A pipe between two of ours hands over every item, and closes [7.19]", async () => {
  const batches: number[][] = [];
  const fanout = new Fanout((batch: number[]) => void batches.push(batch));
  await MapStream.from([1, 2, 3, 4, 5], (n) => Promise.resolve(n * 2), { concurrency: 3 })
    .pipeThrough(new BatchStream<number>(2))
    .pipeTo(fanout);
  assertEquals(batches, [[2, 4], [6, 8], [10]]);
  await fanout.closed;
});

test("A pipe between two of ours locks both until it is over [7.19]", async () => {
  const { promise, resolve } = gate();
  const readable = MapStream.from([1], (n) => n);
  const fanout = new Fanout(() => promise);
  const piped = readable.pipeTo(fanout);
  assertEquals([readable.locked, fanout.locked], [true, true]);
  assertThrows(() => readable.getReader(), TypeError);
  assertThrows(() => fanout.getWriter(), TypeError);
  await assertRejects(() => readable.pipeTo(new Fanout(() => {})), TypeError);
  assertThrows(() => readable.pipeThrough(new BatchStream(2)), TypeError);
  await turn();
  assertEquals(fanout.stats.running, 1);
  resolve();
  await piped;
  assertEquals([readable.locked, fanout.locked], [false, false]);
});

test("A pipe between two of ours uses the platform's pipe when something is queued, or one side is not ours [7.19]", async () => {
  const seen: unknown[] = [];
  const sink = () => new WritableStream({ write: (item) => void seen.push(item) });
  const fanout = () => new Fanout((item) => void seen.push(item));
  // A reader has read, and was released: the chunk is in the queue of the stream.
  const queued = new BatchStream<number>(1);
  const reader = queued.readable.getReader();
  reader.read().catch(() => {});
  await turn();
  reader.releaseLock();
  const writer = queued.writable.getWriter();
  await writer.write(1);
  await turn();
  const piped = queued.readable.pipeTo(fanout());
  await writer.write(2);
  await writer.close();
  await piped;

  await MapStream.from([3], (n) => n).pipeTo(sink());
  const ours = MapStream.from([0], (n) => n);
  const theirs = new ReadableStream({
    start(controller) {
      controller.enqueue(4);
      controller.close();
    },
  });
  await ours.pipeTo.call(theirs, fanout());
  assert(!ours.locked);
  assertEquals(seen, [[1], [2], 3, 4]);
});

test("A pipe between two of ours first passes the items that a writer of the sink has left in its queue [7.19]", async () => {
  const seen: unknown[] = [];
  const fanout = new Fanout((item) => void seen.push(item), { concurrency: 0, capacity: 0 });
  const writer = fanout.getWriter();
  // The sink already has the first. Workers reject pending writes when the writer releases its
  // lock.
  for (const n of [1, 2]) writer.write(n).catch(() => {});
  await turn();
  writer.releaseLock();
  const piped = MapStream.from([3], (n) => n).pipeTo(fanout);
  await turn();
  fanout.concurrency = 1;
  await piped;
  assertEquals(seen, [1, 2, 3]);
});

test("A pipe between two of ours reads its options as the standard does, once [7.19]", async () => {
  const read: PropertyKey[] = [];
  const options = new Proxy({}, {
    get: (_, name) => (read.push(name), undefined),
  });
  await MapStream.from([1], (n) => n).pipeTo(new Fanout(() => {}), options);
  assertEquals(read, ["preventAbort", "preventCancel", "preventClose", "signal"]);

  const error = new Error("getter");
  const broken = {
    get preventClose(): boolean {
      throw error;
    },
  };
  const readable = MapStream.from([1], (n) => n);
  assertEquals(await rejection(readable.pipeTo(new Fanout(() => {}), broken)), error);
  assertThrows(() => readable.pipeThrough(new BatchStream(1), broken), Error, "getter");
  for (const wrong of [5, { signal: 5 }] as never[]) {
    await assertRejects(() => readable.pipeTo(new Fanout(() => {}), wrong), TypeError);
    assertThrows(() => readable.pipeThrough(new BatchStream(1), wrong), TypeError);
  }
  assertThrows(() => readable.pipeThrough(undefined as never), TypeError);
  const { writable } = new BatchStream(1);
  assertThrows(() => readable.pipeThrough({ writable, readable: 5 } as never), TypeError);
  assertEquals([readable.locked, writable.locked], [false, false]);
});

test("A pipe between two of ours leaves a wrong signal to the platform [7.19]", async () => {
  const addEventListener = () => {
    throw new Error("no signal");
  };
  const signal = { aborted: false, addEventListener, removeEventListener() {} } as never;
  const told = async (readable: ReadableStream, writable: WritableStream) => {
    const { name } = await rejection(readable.pipeTo(writable, { signal })) as Error;
    return [name, readable.locked, writable.locked];
  };
  const ours = await told(new BatchStream(1).readable, new Fanout(() => {}));
  assertEquals(ours, await told(new ReadableStream(), new WritableStream()));
});

test("A pipe between two of ours loses nothing with preventCancel when its signal ends it [7.19] [3]", async () => {
  const own = new AbortController();
  const { promise, resolve } = gate<number>();
  const readable = MapStream.from([1, 2], (n) => n === 1 ? promise : n);
  const fanout = new Fanout(() => {});
  const piped = readable.pipeTo(fanout, { signal: own.signal, preventCancel: true });
  await turn();
  own.abort("enough");
  resolve(1);
  assertEquals(await rejection(piped), "enough");
  const numbers: number[] = [];
  for await (const n of readable) numbers.push(n);
  assertEquals([numbers, fanout.stats.accepted], [[1, 2], 0]);
});

test("A pipe between two of ours with an aborted signal ends both, and passes nothing [7.19] [F-33]", async () => {
  let begun = 0;
  const readable = MapStream.from([1], () => begun++);
  const fanout = new Fanout(() => {});
  const signal = AbortSignal.abort("before");
  assertEquals(await rejection(readable.pipeTo(fanout, { signal })), "before");
  assertEquals(await rejection(fanout.closed), "before");
  assertEquals([begun, readable.locked, fanout.locked], [0, false, false]);
});

test("A pipe between two of ours whose signal aborts when one side has failed rejects with the signal's reason [7.19]", async () => {
  for (const side of ["source", "sink"]) {
    const [first, own] = [new AbortController(), new AbortController()];
    const given = (name: string) => name === side ? { signal: first.signal } : {};
    const readable = MapStream.from([1], () => gate().promise, given("source"));
    const fanout = new Fanout(() => {}, given("sink"));
    const piped = readable.pipeTo(fanout, { signal: own.signal });
    await turn();
    // The first failure has not been reported when the second comes.
    first.abort("first");
    own.abort("own");
    assertEquals(await rejection(piped), "own");
    assertEquals(await rejection(fanout.closed), side === "sink" ? "first" : "own");
    assertEquals([readable.locked, fanout.locked], [false, false]);
  }
});

test("A pipe between two of ours ends each side when the other ends [7.19] [7.3]", async () => {
  const bad = new Error("bad");
  const thrower = () => {
    throw bad;
  };
  const chunks = new BatchStream<number>(1);
  const failing = new Fanout<unknown>(thrower);
  const piped = chunks.readable.pipeTo(failing as WritableStream);
  const writer = chunks.writable.getWriter();
  const closed = rejection(writer.closed);
  await writer.write(1);
  assertEquals([await rejection(piped), await closed], [bad, bad]);

  const aggregator = new Aggregator<number>(() => {});
  assertEquals(await rejection(MapStream.from([1], thrower).pipeTo(aggregator)), bad);
  assertEquals(await rejection(aggregator.closed), bad);
});

test("A readable side of ours has own methods that do not show [7.19] [4.18] [7.13]", () => {
  const { readable } = new BatchStream(1);
  assertEquals(Reflect.ownKeys(readable), Reflect.ownKeys(new ReadableStream()));
  assertEquals(readable.constructor, ReadableStream);
  assertEquals(String(readable), "[object ReadableStream]");
  for (const name of ["pipeTo", "pipeThrough", "values", Symbol.asyncIterator] as const) {
    let holder: object = readable;
    while (!Object.hasOwn(holder, name)) holder = Object.getPrototypeOf(holder);
    const { value, ...flags } = Object.getOwnPropertyDescriptor(holder, name)!;
    assertEquals(flags, { writable: true, enumerable: false, configurable: true });
    assert(value !== ReadableStream.prototype[name as "pipeTo"]);
    assertEquals(value.name, typeof name === "string" ? name : "values");
  }
});

test("Fanout without snapshot runs in the context of the pipe that brings an item [7.20]", async () => {
  const trace = new AsyncLocalStorage();
  const seen: unknown[] = [];
  const see = (place: string) => seen.push([place, trace.getStore()]);
  const readable = trace.run("made", () =>
    MapStream.from([1, 2], async () => {
      see("map");
      await turn();
    }));
  const fanout = trace.run("made", () => new Fanout(() => see("handler")));
  await turn();
  await trace.run("pipe", () => readable.pipeTo(fanout));
  const places = ["handler", "handler", "map", "map"];
  assertEquals(seen.sort(), places.map((place) => [place, "pipe"]));
});

test("Fanout keeps none of the sources that were piped to it, and their streams neither [7.5] [F-36]", async () => {
  const traces: WeakRef<object>[] = [];
  const had: ReadableStream[] = [];
  const fanout = new Fanout(() => {});
  const pipeOne = (): Promise<void> => {
    const mapping = () => traces.length;
    traces.push(new WeakRef(mapping));
    const readable = MapStream.from([{}], mapping);
    had.push(readable);
    return readable.pipeTo(fanout, { preventClose: true });
  };
  for (let round = 0; round < ROUNDS; round++) await pipeOne();
  await collectGarbage();
  const left = traces.filter((trace) => trace.deref()).length;
  assert(left <= STRAY, `${left} are left`);
  assertEquals(had.length, ROUNDS);
  await fanout.close();
});

test("A pipe between two of ours rejects with an error of a hook of its sink [7.19] [5.27]", async () => {
  const failure = new Error("key");
  const given: number[] = [];
  const fanout = new Fanout<number>((n) => void given.push(n), {
    key: (n) => {
      if (n === 2) throw failure;
      return n;
    },
  });
  const readable = MapStream.from([1, 2, 3], (n) => n);
  assertStrictEquals(await rejection(readable.pipeTo(fanout)), failure);
  assertEquals([given, readable.locked, fanout.locked], [[1], false, false]);
  assertStrictEquals(await rejection(fanout.closed), failure);
});

test("A pipe between two of ours rejects with a failure of the sink after the last read [7.19]", async () => {
  const failure = new Error("handler");
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { capacity: 1 });
  const piped = MapStream.from([1, 2, 3], (n) => n).pipeTo(fanout);
  await turn();
  assertEquals([fanout.stats.accepted, fanout.stats.blocked], [2, 1]);
  hand.call(1).reject(failure);
  assertStrictEquals(await rejection(piped), failure);
  assertEquals(fanout.locked, false);
});

test("A pipe between two of ours cancels its source when its sink fails, and loses nothing silently [7.19]", async () => {
  const failure = new Error("handler");
  const left: unknown[] = [];
  const lost: number[] = [];
  function* numbers() {
    try {
      for (let n = 1;; n++) yield n;
    } finally {
      left.push("finally");
    }
  }
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, {
    capacity: 1,
    onDiscard: (items) => void lost.push(...items),
  });
  const readable = MapStream.from(numbers(), (n) => n);
  const piped = readable.pipeTo(fanout);
  await turn();
  hand.call(1).reject(failure);
  assertStrictEquals(await rejection(piped), failure);
  assertEquals([left, lost, readable.locked], [["finally"], [2], false]);
});

test("A pipe between two of ours rejects when a close of its sink is queued, and cancels its source [7.19]", async () => {
  const left: unknown[] = [];
  const source = {
    *[Symbol.iterator]() {
      try {
        yield* [1, 2];
      } finally {
        left.push("finally");
      }
    },
  };
  const batches = new BatchStream<number>(2);
  const writer = batches.writable.getWriter();
  const closed = writer.close();
  writer.releaseLock();
  const readable = MapStream.from(source, (n) => n);
  assert(await rejection(readable.pipeTo(batches.writable)) instanceof TypeError);
  await closed;
  assertEquals([readable.locked, batches.writable.locked], [false, false]);
  // The write was not started.
  assertEquals([left, (await batches.readable.getReader().read()).done], [[], true]);
});

test("A pipe between two of ours writes nothing to a sink that has ended since the item was handed over [7.19]", async () => {
  const own = new AbortController();
  const given: number[] = [];
  const fanout = new Fanout<number>((n) => void given.push(n), { signal: own.signal });
  const result = gate<number>();
  const readable = MapStream.from([1], () => result.promise);
  const piped = readable.pipeTo(fanout);
  await turn();
  // Called after the stream's own listener, whose chunk is on its way by then.
  result.promise.then(() => own.abort("enough"));
  result.resolve(1);
  assertEquals(await rejection(piped), "enough");
  assertEquals([given, fanout.stats.accepted, readable.locked, fanout.locked], [
    [],
    0,
    false,
    false,
  ]);
});
