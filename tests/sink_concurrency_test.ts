/** Sinks: you can change the concurrency while handlers run, and 0 pauses. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Aggregator, Fanout } from "../mod.ts";
import { tally } from "./support/aggregating.ts";
import { settled, streamOf, turn } from "./support/gate.ts";
import { assertConserved, counts, Hand, rejection } from "./support/hand.ts";
import { type Options, type Sink, sinks, thrower } from "./support/sinks.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

for (const [name, make] of Object.entries(sinks)) {
  const open = (options: Options) => {
    const hand = new Hand<number>();
    return { hand, sink: make(hand.handler, { capacity: 9, ...options }) };
  };

  test(`${name}.concurrency is its option, or the last value set [5.36]`, () => {
    const { sink } = open({});
    assertEquals([sink.concurrency, open({ concurrency: 0 }).sink.concurrency], [1, 0]);
    for (const value of [3, 0, Number.MAX_SAFE_INTEGER]) {
      sink.concurrency = value;
      assertEquals(sink.concurrency, value);
    }
  });

  test(`${name}.concurrency starts waiting items at once when you raise it, in order and no more [5.36] [5.1] [5.2]`, async () => {
    const { hand, sink } = open({ concurrency: 1 });
    for (const n of [1, 2, 3, 4, 5]) sink.tryPush(n);
    sink.concurrency = 3;
    assertEquals(hand.started, [1, 2, 3]);
    hand.call(2).resolve(0);
    await turn();
    assertEquals(hand.started, [1, 2, 3, 4]);
    sink.concurrency = 100;
    assertEquals(hand.started, [1, 2, 3, 4, 5]);
    assertEquals([sink.stats.waiting, sink.stats.running], [0, 4]);
  });

  test(`${name}.concurrency lets running handlers go on when you lower it, and starts the next when fewer run [5.36]`, async () => {
    const { hand, sink } = open({ concurrency: 3 });
    for (const n of [1, 2, 3, 4, 5]) sink.tryPush(n);
    sink.concurrency = 1;
    assertEquals([sink.stats.waiting, sink.stats.running], [2, 3]);
    for (const n of [2, 3]) {
      hand.call(n).resolve(0);
      await turn();
    }
    assertEquals(hand.started, [1, 2, 3]);
    hand.call(1).reject("own");
    await Promise.allSettled([sink.closed]);
    assertEquals(hand.started, [1, 2, 3]);
    assertEquals([sink.stats.done, sink.stats.failed, sink.stats.discarded], [2, 1, 2]);
  });

  test(`${name} starts nothing while its concurrency is 0, and accepts items while there is room [5.36] [5.1]`, async () => {
    const { hand, sink } = open({ concurrency: 0, capacity: 2 });
    assertEquals([1, 2, 3].map((n) => sink.tryPush(n)), [true, true, false]);
    const pushed = sink.push(4);
    assertEquals(await settled(pushed), "pending");
    assertEquals(hand.started, []);
    sink.concurrency = 1;
    await pushed;
    assertEquals([hand.started, sink.stats.waiting], [[1], 2]);
    sink.concurrency = 0;
    hand.call(1).resolve(0);
    await turn();
    assertEquals([hand.started, sink.stats.done], [[1], 1]);
    sink.concurrency = 2;
    assertEquals(hand.started, [1, 2, 4]);
  });

  test(`${name}.concurrency throws at a wrong value, and does not change [5.36] [7.2] [7.12]`, () => {
    const { hand, sink } = open({ concurrency: 0, name: "mails" });
    sink.tryPush(1);
    const must = `${name} "mails": option "concurrency" must be`;
    for (const value of [-1, 1.5, NaN, Infinity, 2 ** 53]) {
      const { message } = assertThrows(() => void (sink.concurrency = value), RangeError);
      assertEquals(message, `${must} an integer of at least 0; got ${value}`);
    }
    for (const value of ["1", 1n, null, undefined, {}, true]) {
      assertThrows(() => void (sink.concurrency = value as number), TypeError, must);
    }
    assertEquals([hand.started, sink.concurrency], [[], 0]);
  });

  test(`${name} runs one item of a key at a time even if its concurrency is raised [5.36] [5.2]`, async () => {
    const { hand, sink } = open({ concurrency: 1, key: (n) => n % 10 });
    for (const n of [1, 11, 2, 21]) sink.tryPush(n);
    sink.concurrency = 9;
    assertEquals(hand.started, [1, 2]);
    hand.call(1).resolve(0);
    await turn();
    assertEquals(hand.started, [1, 2, 11]);
  });

  /** Places where user code may set it, while the first of four items is handled. */
  const places: Record<string, (set: () => void) => [Options, (n: number) => unknown]> = {
    "a handler": (set) => [{}, (n) => void (n === 1 && set())],
    "a handler that is asynchronous": (set) => [{}, async (n) => {
      await undefined;
      if (n === 1) set();
    }],
    "onError": (set) => [{ onError: () => set() }, (n) => n === 1 ? thrower("own")() : n],
    "an onError that is asynchronous": (set) => [
      { onError: () => turn().then(set) },
      (n) => n === 1 ? thrower("own")() : n,
    ],
    "key": (set) => [{ key: (n) => (n === 4 && set(), n) }, (n) => n],
    "snapshot": (set) => [{ snapshot: () => (set(), (run) => run()) }, (n) => n],
  };
  for (const [place, act] of Object.entries(places)) {
    test(`${name} respects a concurrency that ${place} sets [5.36] [5.8]`, async () => {
      for (const [from, to] of [[1, 0], [1, 3], [4, 1]] as const) {
        let [running, most] = [0, 0];
        let set = false;
        const [options, handler] = act(() => {
          sink.concurrency = to;
          set = true;
        });
        const sink: Sink = make(async (n) => {
          if (set) most = Math.max(most, running + 1);
          running++;
          try {
            await handler(n);
          } finally {
            running--;
          }
        }, { capacity: 9, concurrency: from, ...options });
        for (const n of [1, 2, 3, 4]) sink.tryPush(n);
        for (let n = 0; n < 5; n++) await turn();
        assertEquals(sink.concurrency, to);
        assert(most <= to, `${most} run`);
        if (to === 0) assert(sink.stats.running === 0 && sink.stats.waiting >= 2);
        sink.concurrency = 1;
        await sink.close();
        assertEquals(sink.stats.done + sink.stats.failed, 4);
      }
    });
  }

  test(`${name} starts items when a handler raises its concurrency, before that handler ends [5.36] [5.8]`, () => {
    const seen: unknown[] = [];
    const sink: Sink = make((n) => {
      seen.push(n);
      if (n > 3) return;
      sink.concurrency++;
      seen.push(-n);
    }, { capacity: 9, concurrency: 0 });
    for (const n of [1, 2, 3, 4, 5]) sink.tryPush(n);
    sink.concurrency = 1;
    assertEquals(seen, [1, 2, 3, 4, 5, -3, -2, -1]);
    assertEquals([sink.concurrency, sink.stats.done], [4, 5]);
  });

  test(`${name}.close() waits until a concurrency of 0 is raised [5.36] [5.5]`, async () => {
    const { hand, sink } = open({ concurrency: 0, capacity: 2 });
    for (const n of [1, 2]) sink.tryPush(n);
    const pushed = sink.push(3);
    const closing = sink.close();
    assertEquals([await settled(closing), await settled(pushed)], ["pending", "pending"]);
    sink.concurrency = 3;
    await pushed;
    assertEquals(hand.started, [1, 2, 3]);
    for (const n of [1, 2, 3]) hand.call(n).resolve(0);
    await closing;
    assertEquals(sink.stats.done, 3);
  });

  test(`${name}.close() resolves when all running handlers have settled, even above its concurrency [5.36] [5.5]`, async () => {
    for (const lower of [0, 1]) {
      const { hand, sink } = open({ concurrency: 2 });
      for (const n of [1, 2]) sink.tryPush(n);
      sink.concurrency = lower;
      const closing = sink.close();
      hand.call(1).resolve(0);
      assertEquals(await settled(closing), "pending");
      hand.call(2).resolve(0);
      await closing;
    }
  });

  timed(
    `${name}.close({ timeout }) bounds the wait for its concurrency [5.36] [5.24]`,
    async (clock) => {
      const discarded: unknown[] = [];
      const { sink } = open({ concurrency: 0, onDiscard: (items) => discarded.push(...items) });
      for (const n of [1, 2]) sink.tryPush(n);
      const closing = rejection(sink.close({ timeout: 50 }));
      await clock.tick(50);
      assertEquals(((await closing) as Error).name, "TimeoutError");
      assertEquals(discarded, [1, 2]);
    },
  );

  test(`${name} makes flush, idle, submit, consume and a pipe wait while its concurrency is 0 [5.36] [5.13] [5.14] [5.15]`, async () => {
    const sink = make((n) => n, { concurrency: 0, capacity: 2 });
    const submitted = sink.submit(1);
    const calls = [sink.flush(), sink.idle(), sink.consume([2, 3, 4]), submitted];
    for (const call of calls) assertEquals(await settled(call), "pending");
    sink.concurrency = 1;
    await Promise.all(calls);
    assertEquals(await submitted, 1);
    sink.concurrency = 0;
    const piped = streamOf([5, 6, 7, 8]).pipeTo(sink);
    assertEquals(await settled(piped), "pending");
    assertEquals(sink.stats.waiting, 2);
    sink.concurrency = 2;
    await piped;
    assertEquals(sink.stats.done, 8);
  });

  test(`${name} discards waiting items when it is aborted while its concurrency is 0 [5.36] [5.6]`, async () => {
    const discarded: unknown[] = [];
    const { hand, sink } = open({ concurrency: 0, onDiscard: (...args) => discarded.push(args) });
    const submitted = rejection(sink.submit(1));
    sink.tryPush(2);
    await sink.abort("over");
    assertEquals([await submitted, discarded], ["over", [[[1, 2], "over"]]]);
    sink.concurrency = 5;
    await sink.idle();
    assertEquals(hand.started, []);
    assertConserved(sink);
  });

  test(`${name}.concurrency can be set after every end, and starts nothing [5.36] [5.11]`, async () => {
    for (const end of ["close", "abort", "fail"] as const) {
      const { hand, sink } = open({ concurrency: 2 });
      for (const n of [1, 2, 3]) sink.tryPush(n);
      if (end === "abort") await sink.abort("over");
      else if (end === "fail") {
        hand.call(1).reject("over");
        assertEquals(await rejection(sink.closed), "over");
      } else {
        const closing = sink.close();
        for (const n of [1, 2, 3]) {
          hand.call(n).resolve(0);
          await turn();
        }
        await closing;
      }
      const { started } = hand;
      for (const value of [0, 7]) {
        sink.concurrency = value;
        assertStrictEquals(sink.concurrency, value);
      }
      assertThrows(() => void (sink.concurrency = -1), RangeError);
      await turn();
      assertEquals(hand.started, started);
      assertConserved(sink);
    }
  });

  test(`${name} with await using ends when its concurrency is raised from 0 [5.36] [5.12]`, async () => {
    const { hand, sink } = open({ concurrency: 0 });
    sink.tryPush(1);
    const disposed = sink[Symbol.asyncDispose]();
    assertEquals(await settled(disposed), "pending");
    sink.concurrency = 1;
    hand.call(1).resolve(0);
    await disposed;
  });
}

test("Fanout without slots and room accepts items that start at once when its concurrency is raised [5.36] [5.33]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { concurrency: 0, capacity: 0 });
  assertEquals(fanout.tryPush(1), false);
  const pushed = [2, 3].map((n) => fanout.push(n));
  fanout.concurrency = 1;
  await pushed[0];
  assertEquals(hand.started, [2]);
  assertEquals(fanout.stats, counts({ accepted: 1, running: 1, refused: 1, blocked: 1 }));
  fanout.concurrency = 2;
  await pushed[1];
  assertEquals(fanout.stats, counts({ accepted: 2, running: 2, refused: 1 }));
});

timed(
  "Aggregator with a concurrency of 0 lets a linger end, and the due batch grows until you raise it [5.36] [4.4] [5.1]",
  async (clock) => {
    const hand = new Hand<number[]>();
    const sink = new Aggregator(hand.handler, { concurrency: 0, maxItems: 3, linger: 50 });
    sink.tryPush(1);
    await clock.tick(60);
    sink.tryPush(2);
    assertEquals([hand.started, clock.pending], [[], 0]);
    sink.concurrency = 1;
    // It was due 10 ms ago, and does not linger again.
    assertEquals([hand.started, clock.pending], [[[1, 2]], 0]);
    hand.calls[0]!.resolve(0);
    await turn();
    sink.concurrency = 0;
    for (const n of [3, 4]) sink.tryPush(n);
    await clock.tick(20);
    sink.concurrency = 1;
    assertEquals([hand.started.length, sink.stats.waiting], [1, 2]);
    await clock.tick(30);
    assertEquals(hand.started, [[1, 2], [3, 4]]);
    hand.calls[1]!.resolve(0);
    await sink.close();
  },
);

timed(
  "Aggregator with a concurrency of 0 fills batches after the due one, and keeps their order [5.36] [4.3] [5.2]",
  async (clock) => {
    const seen: number[][] = [];
    const sink = new Aggregator((batch: number[]) => void seen.push(batch), {
      ...{ concurrency: 0, maxItems: 2, capacity: 5, linger: 10 },
    });
    sink.tryPush(1);
    await clock.tick(10);
    assertEquals([2, 3, 4, 5, 6].map((n) => sink.tryPush(n)), [true, true, true, true, false]);
    sink.concurrency = 1;
    // At capacity the last one was also due, but now there is room.
    assertEquals(seen, [[1, 2], [3, 4]]);
    assertEquals(sink.stats, tally({ accepted: 5, waiting: 1, done: 4, batches: 2, refused: 1 }));
    await sink.close();
    assertEquals(seen, [[1, 2], [3, 4], [5]]);
  },
);

test("Aggregator at capacity starts its oldest batch when its concurrency is raised [5.36] [5.2]", () => {
  const hand = new Hand<number[]>();
  const sink = new Aggregator(hand.handler, {
    ...{ concurrency: 0, maxItems: 2, capacity: 2, linger: Infinity, key: (n: number) => n },
  });
  for (const n of [1, 2]) sink.tryPush(n);
  sink.concurrency = 2;
  assertEquals(hand.started, [[1]]);
});

test("Aggregator takes its default capacity from the concurrency option [5.36] [7.6]", () => {
  for (const [concurrency, capacity] of [[0, 10], [undefined, 20], [3, 40]] as const) {
    const sink = new Aggregator(() => new Promise(() => {}), { concurrency, maxItems: 10 });
    sink.concurrency = 0;
    let accepted = 0;
    while (sink.tryPush(0)) accepted++;
    assertEquals(accepted, capacity);
  }
});
