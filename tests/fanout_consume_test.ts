/** `Fanout.consume()`: it takes all items of a source, as fast as there is room. */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Fanout, type Source } from "../mod.ts";
import { counted, gate, settled, streamOf, turn } from "./support/gate.ts";
import { counts, Hand, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

/** A source of some kind that records how it ends. */
class Probe {
  taken = 0;
  ended: unknown = "no";
  readonly stuck: boolean;
  constructor(stuck = false) {
    this.stuck = stuck;
  }

  stream = (): Source<number> =>
    new ReadableStream<number>({
      pull: (controller) =>
        this.stuck ? new Promise(() => {}) : controller.enqueue(counted(++this.taken)),
      cancel: (reason) => void (this.ended = reason),
    }, { highWaterMark: 0 });

  asynchronous = (): Source<number> => {
    const next = () =>
      this.stuck
        ? new Promise<IteratorResult<number>>(() => {})
        : Promise.resolve({ done: false as const, value: counted(++this.taken) });
    const end = () => {
      this.ended = "returned";
      return new Promise<IteratorResult<number>>(() => {});
    };
    return { [Symbol.asyncIterator]: () => ({ next, return: end }) };
  };

  synchronous = (): Source<number> => ({
    [Symbol.iterator]: () => ({
      next: () => ({ done: false, value: counted(++this.taken) }),
      return: () => {
        this.ended = "returned";
        return { done: true, value: undefined };
      },
    }),
  });
}

async function* generate(items: number[]) {
  for (const item of items) yield await Promise.resolve(item);
}

const kinds: Record<string, (items: number[]) => Source<number>> = {
  "an array": (items) => items,
  "a generator": (items) =>
    (function* () {
      yield* items;
    })(),
  "an async generator": generate,
  "a ReadableStream": (items) => streamOf(items),
  "a Set": (items) => new Set(items),
};

for (const [kind, make] of Object.entries(kinds)) {
  test(`Fanout.consume() resolves when all items of ${kind} have settled [5.14]`, async () => {
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { concurrency: 2, capacity: 1 });
    const consumed = fanout.consume(make([1, 2, 3, 4]));
    for (const n of [1, 2, 3, 4]) {
      assertEquals(await settled(consumed), "pending");
      hand.call(n).resolve(0);
      await turn();
    }
    await consumed;
    assertEquals(hand.started, [1, 2, 3, 4]);
    assertEquals(fanout.stats, counts({ accepted: 4, done: 4 }));
    // The sink stays open.
    assertEquals(fanout.tryPush(5), true);
    hand.call(5).resolve(0);
    await fanout.close();
  });
}

test("Fanout.consume() of an empty source resolves [5.14]", async () => {
  const fanout = new Fanout(() => {});
  await fanout.consume([]);
  await fanout.consume(streamOf<number>([]));
  assertEquals(fanout.stats, counts({}));
});

test("Fanout.consume() takes no more than there is room for [5.1]", async () => {
  for (const kind of ["stream", "asynchronous", "synchronous"] as const) {
    const probe = new Probe();
    const fanout = new Fanout((_: number) => new Promise(() => {}), {
      concurrency: 2,
      capacity: 3,
    });
    const consumed = rejection(fanout.consume(probe[kind]()));
    for (let i = 0; i < 20; i++) await turn();
    assertEquals(fanout.stats, counts({ accepted: 5, waiting: 3, running: 2, blocked: 1 }), kind);
    // One item waits for room.
    assertEquals(probe.taken, 6, kind);
    await fanout.abort("over");
    assertEquals(await consumed, "over");
    assertEquals(probe.ended, kind === "stream" ? "over" : "returned");
  }
});

for (const how of ["abort", "close", "failure"] as const) {
  for (const kind of ["stream", "asynchronous"] as const) {
    test(`Fanout.consume() of a source that never yields ends at ${how}: ${kind} [5.6] [5.5]`, async () => {
      const reason = new Error(how);
      const probe = new Probe(true);
      const hand = new Hand<number>();
      const fanout = new Fanout(hand.handler);
      fanout.tryPush(1);
      const consumed = fanout.consume(probe[kind]());
      const lost = await unhandled(async () => {
        await turn();
        if (how === "abort") await fanout.abort(reason);
        if (how === "failure") hand.call(1).reject(reason);
        const closed = how === "close" && fanout.close();
        const error = await rejection(consumed);
        if (closed) assert(error instanceof TypeError);
        else assertStrictEquals(error, reason);
        assertStrictEquals(probe.ended, kind === "stream" ? error : "returned");
        if (!closed) return;
        hand.call(1).resolve(0);
        await closed;
      });
      assertEquals(lost, []);
    });
  }
}

test("Fanout.consume() rejects with the source's error and leaves the sink open [5.3]", async () => {
  const error = new Error("source");
  const broken: Source<number>[] = [
    (function* () {
      yield 1;
      throw error;
    })(),
    (async function* () {
      yield await Promise.resolve(1);
      throw error;
    })(),
    new ReadableStream({
      start(controller) {
        controller.enqueue(1);
      },
      pull(controller) {
        controller.error(error);
      },
    }, { highWaterMark: 0 }),
  ];
  for (const source of broken) {
    const fanout = new Fanout((n: number) => n);
    assertStrictEquals(await rejection(fanout.consume(source)), error);
    assertEquals(fanout.stats, counts({ accepted: 1, done: 1 }));
    await fanout.close();
  }
});

test("Fanout.consume() rejects a source whose next() returns no object [5.14]", async () => {
  const fanout = new Fanout(() => {});
  const broken = { [Symbol.iterator]: () => ({ next: () => undefined }) };
  await assertRejects(() => fanout.consume(broken as never), TypeError);
  await fanout.close();
});

test("Fanout.consume() cancels the source when key throws [5.0]", async () => {
  const error = new Error("key");
  for (const kind of ["stream", "asynchronous", "synchronous"] as const) {
    const probe = new Probe();
    const fanout = new Fanout((_: number) => {}, {
      key(n) {
        if (n === 3) throw error;
      },
    });
    assertStrictEquals(await rejection(fanout.consume(probe[kind]())), error);
    assertEquals(probe.ended, kind === "stream" ? error : "returned");
    assertEquals(fanout.stats, counts({ accepted: 2, done: 2 }));
    await fanout.close();
  }
});

test("Fanout.consume() rejects with the sink's error, even if the source fails to stop [5.3]", async () => {
  const stubborn: Source<number>[] = [
    new ReadableStream({
      cancel() {
        throw new Error("cancel");
      },
    }),
    {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<number>>(() => {}),
        return() {
          throw new Error("return");
        },
      }),
    },
    {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<number>>(() => {}),
        return: () => Promise.reject(new Error("return")),
      }),
    },
    {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<number>>(() => {}) }),
    },
  ];
  for (const source of stubborn) {
    const fanout = new Fanout(() => {});
    const consumed = fanout.consume(source);
    const lost = await unhandled(async () => {
      await fanout.abort("over");
      assertEquals(await rejection(consumed), "over");
    });
    assertEquals(lost, []);
  }
});

test("Fanout.consume() releases the lock of a stream, however it ends [5.14]", async () => {
  const whole = streamOf([1]);
  const fanout = new Fanout((n: number) => n);
  await fanout.consume(whole);
  assertEquals(whole.locked, false);
  const failing = new ReadableStream<number>({ start: (controller) => controller.error("own") });
  assertEquals(await rejection(fanout.consume(failing)), "own");
  assertEquals(failing.locked, false);
  const silent = new ReadableStream<number>();
  const consumed = fanout.consume(silent);
  await turn();
  assertEquals(silent.locked, true);
  await fanout.abort("over");
  await rejection(consumed);
  assertEquals(silent.locked, false);
  await silent.getReader().closed;
});

test("Fanout.consume() reads a stream that can't be iterated [5.14]", async () => {
  const stream = streamOf([1, 2, 3]);
  Object.defineProperty(stream, Symbol.asyncIterator, { value: undefined });
  const items: number[] = [];
  await using fanout = new Fanout((n: number) => void items.push(n));
  await fanout.consume(stream);
  assertEquals(items, [1, 2, 3]);
});

test("Fanout.consume() rejects a value that is not a source [5.14] [7]", async () => {
  const fanout = new Fanout(() => {});
  for (const source of [null, undefined, 5, {}, Symbol("s"), 5n, "letters"]) {
    await assertRejects(
      () => fanout.consume(source as never),
      TypeError,
      "Fanout.consume: source must be a ReadableStream, an AsyncIterable or an Iterable",
    );
  }
  const locked = new ReadableStream();
  locked.getReader();
  await assertRejects(() => fanout.consume(locked), TypeError);
  await fanout.close();
});

for (const how of ["abort", "close"] as const) {
  test(`Fanout.consume() discards an item that a read gives after ${how}, and calls onDiscard [5.29] [5.6]`, async () => {
    const step = gate<IteratorResult<number>>();
    const hand = new Hand<number>();
    const keys: number[] = [];
    const discarded: unknown[] = [];
    const fanout = new Fanout(hand.handler, {
      key: (n) => keys.push(n),
      onDiscard: (...args) => discarded.push(args),
    });
    const consumed = fanout.consume({
      [Symbol.asyncIterator]: () => ({ next: () => step.promise }),
    });
    await turn();
    await (how === "abort" ? fanout.abort("over") : fanout.close());
    const error = await rejection(consumed);
    assertEquals(
      how === "abort" ? error : (error as Error).name,
      how === "abort" ? "over" : "TypeError",
    );
    step.resolve({ done: false, value: 1 });
    await turn();
    assertEquals([keys, hand.started], [[], []]);
    assertEquals(discarded, [[[1], error]]);
    assertEquals(fanout.stats, counts({ accepted: 1, discarded: 1 }));
  });
}

test("Fanout.consume() discards the item that waits for room at an abort, and calls onDiscard [5.29] [5.6]", async () => {
  const discarded: unknown[] = [];
  const fanout = new Fanout((_: number) => new Promise(() => {}), {
    capacity: 1,
    onDiscard: (...args) => discarded.push(args),
  });
  const pushed = fanout.consume([1, 2, 3, 4]);
  await turn();
  await fanout.abort("over");
  assertEquals(await rejection(pushed), "over");
  assertEquals(discarded, [[[2], "over"], [[3], "over"]]);
  assertEquals(fanout.stats, counts({ accepted: 3, running: 1, discarded: 2 }));
});

test("Fanout.consume() does not wait for the items of others [5.29]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 5 });
  fanout.tryPush(1);
  const first = fanout.consume([2, 3]);
  const second = fanout.consume(streamOf([4]));
  await turn();
  fanout.tryPush(5);
  hand.call(4).resolve(0);
  await second;
  assertEquals(await settled(first), "pending");
  hand.call(2).resolve(0);
  assertEquals(await settled(first), "pending");
  hand.call(3).resolve(0);
  await first;
  assertEquals(fanout.stats, counts({ accepted: 5, running: 2, done: 3 }));
  await fanout.abort();
});

for (const what of ["source", "key"] as const) {
  test(`Fanout.consume() rejects with a failure of its ${what} when its items have settled [5.29]`, async () => {
    const error = new Error(what);
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, {
      key(n) {
        if (n === 3 && what === "key") throw error;
      },
      onError: () => {},
    });
    const source = function* () {
      yield* [1, 2];
      if (what === "key") yield 3;
      throw error;
    };
    const consumed = fanout.consume(source());
    assertEquals(await settled(consumed), "pending");
    hand.call(1).reject("of an item");
    assertEquals(await settled(consumed), "pending");
    hand.call(2).resolve(0);
    assertStrictEquals(await rejection(consumed), error);
    assertEquals(fanout.stats, counts({ accepted: 2, done: 1, failed: 1 }));
    await fanout.close();
  });
}

test("Fanout.consume() rejects with a failure of the sink at once, even if its source has ended or failed [5.29]", async () => {
  for (const failing of [false, true]) {
    const error = new Error("sink");
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { concurrency: 2 });
    fanout.tryPush(1);
    const consumed = fanout.consume((function* () {
      yield 2;
      if (failing) throw new Error("source");
    })());
    assertEquals(await settled(consumed), "pending");
    hand.call(1).reject(error);
    assertStrictEquals(await rejection(consumed), error);
    assertEquals(fanout.stats, counts({ accepted: 2, running: 1, failed: 1 }));
  }
});

test("Fanout.consume() waits for its own items when others fail and go to onError [5.14]", async () => {
  const failed: number[] = [];
  const fanout = new Fanout((n: number) => {
    if (n % 2) throw n;
    return turn();
  }, { concurrency: 2, capacity: 2, onError: (n) => failed.push(n as number) });
  await Promise.all([fanout.consume([1, 2, 3]), fanout.consume(generate([4, 5, 6]))]);
  assertEquals(failed.toSorted(), [1, 3, 5]);
  assertEquals(fanout.stats, counts({ accepted: 6, done: 3, failed: 3 }));
});

test("Fanout.consume() rejects with the error of a promise in an array, and keeps what came before it [5.14] [4.14]", async () => {
  const handled: number[] = [];
  const fanout = new Fanout((item: number) => void handled.push(item));
  const items = [1, Promise.resolve(2), Promise.reject<number>("bad"), 4];
  assertEquals(await rejection(fanout.consume(items)), "bad");
  assertEquals(handled, [1, 2]);
  assertEquals(fanout.stats, counts({ accepted: 2, done: 2 }));
  await fanout.close();
});

test("Fanout discards the item that a promise in an array gives after its end, or that then waits for room [5.14] [5.6]", async () => {
  for (const late of [true, false]) {
    const discarded: unknown[] = [];
    const item = gate<number>();
    const fanout = new Fanout(() => gate().promise, {
      capacity: 0,
      onDiscard: (items, reason) => discarded.push(...items, reason),
    });
    const consumed = fanout.consume([1, item.promise, 3]);
    await turn();
    if (!late) item.resolve(2);
    await turn();
    await fanout.abort("over");
    assertEquals(await rejection(consumed), "over");
    item.resolve(2);
    await turn();
    assertEquals(discarded, [2, "over"]);
    assertEquals(fanout.stats, counts({ accepted: 2, running: 1, discarded: 1 }));
  }
});
