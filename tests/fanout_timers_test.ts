/** `Fanout`: one timer for all handlers, which never outlives them. */

import { assert, assertEquals } from "@std/assert";
import { Fanout } from "../mod.ts";
import { microtasks, turn } from "./support/gate.ts";
import { counts, Hand, heard } from "./support/hand.ts";
import { timed } from "./support/timed.ts";

timed("Fanout gives each handler its full time from its start [5.7]", async (clock) => {
  const failed: number[] = [];
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, {
    timeout: 100,
    concurrency: 3,
    onError: (_, n) => failed.push(n),
  });
  fanout.tryPush(0);
  await clock.tick(60);
  fanout.tryPush(60);
  await clock.tick(30);
  fanout.tryPush(90);
  hand.call(0).resolve(0);
  await clock.tick(69);
  assertEquals([clock.now, failed], [159, []]);
  await clock.tick(1);
  assertEquals(failed, [60]);
  await clock.tick(29);
  assertEquals(failed, [60]);
  await clock.tick(1);
  assertEquals(failed, [60, 90]);
});

timed("Fanout times handlers out in order, no matter which settle between [5.7]", async (clock) => {
  const failed: number[] = [];
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, {
    timeout: 100,
    concurrency: 10,
    onError: (_, n) => failed.push(n),
  });
  for (let n = 0; n < 10; n++) {
    fanout.tryPush(n);
    await clock.tick(5);
  }
  // The first, two neighbours, and the last.
  for (const n of [0, 4, 5, 9]) hand.call(n).resolve(0);
  await clock.tick(1000);
  assertEquals(failed, [1, 2, 3, 6, 7, 8]);
});

timed(
  "Fanout has one timer over all handlers, and none when none runs [5.7] [F-36]",
  async (clock) => {
    const hand = new Hand<number>();
    const fanout = new Fanout(hand.handler, { timeout: 100, concurrency: 50 });
    assertEquals(clock.pending, 0);
    for (let n = 0; n < 50; n++) fanout.tryPush(n);
    assertEquals(clock.pending, 1);
    for (const call of hand.calls.slice(1)) call.resolve(0);
    await turn();
    assertEquals(clock.pending, 1);
    hand.call(0).resolve(0);
    await turn();
    assertEquals(clock.pending, 0);
  },
);

timed("Fanout makes no timer for synchronous handlers [5.7]", async (clock) => {
  const fanout = new Fanout((n: number) => n, { timeout: 100 });
  for (let n = 0; n < 10; n++) fanout.tryPush(n);
  assertEquals(clock.pending, 0);
  assertEquals(fanout.stats.done, 10);
  await fanout.close();
});

for (const how of ["close", "abort", "failure", "signal"] as const) {
  timed(`Fanout has no timer left after ${how} [5.7] [F-36]`, async (clock) => {
    const hand = new Hand<number>();
    const controller = new AbortController();
    const fanout = new Fanout(hand.handler, {
      timeout: 100,
      concurrency: 2,
      signal: controller.signal,
    });
    heard(fanout);
    await turn();
    for (const n of [1, 2, 3]) fanout.tryPush(n);
    assertEquals(clock.pending, 1);
    if (how === "abort") fanout.abort();
    if (how === "signal") controller.abort();
    if (how === "failure") {
      hand.call(1).reject("x");
      await microtasks();
    }
    if (how === "close") {
      const closed = fanout.close();
      for (const n of [1, 2, 3]) {
        hand.call(n).resolve(0);
        await microtasks();
      }
      await closed;
    }
    assertEquals(clock.pending, 0);
  });
}

timed(
  "Fanout has no timer left when a handler aborts it before it returns its promise [5.7] [F-36]",
  async (clock) => {
    const own = new AbortController();
    const handler = () => {
      own.abort("over");
      return new Promise(() => {});
    };
    const fanout = new Fanout(handler, { timeout: 100, signal: own.signal });
    await turn();
    fanout.tryPush(1);
    assertEquals(clock.pending, 0);
    await clock.tick(100);
    assertEquals(fanout.stats.running, 1);
  },
);

timed(
  "Fanout starts a waiting item when a timeout frees a slot, and its time counts from then [5.7]",
  async (clock) => {
    const hand = new Hand<number>();
    const failed: unknown[] = [];
    const fanout = new Fanout(hand.handler, {
      timeout: 100,
      capacity: 1,
      onError: (_, n) => failed.push([n, clock.now]),
    });
    const pushes = [1, 2, 3, 4].map((n) => fanout.push(n));
    await clock.tick(400);
    await Promise.all(pushes);
    assertEquals(failed, [[1, 100], [2, 200], [3, 300], [4, 400]]);
  },
);

timed(
  "Fanout fails each late handler once after the event loop was blocked [5.7] [F-35]",
  async (clock) => {
    const hand = new Hand<number>();
    const failed: number[] = [];
    const fanout = new Fanout(hand.handler, {
      timeout: 100,
      concurrency: 3,
      onError: (_, n) => failed.push(n),
    });
    for (const n of [1, 2, 3, 4]) fanout.tryPush(n);
    await microtasks();
    clock.jumpWall(-86_400_000);
    clock.block(5000);
    // Settled before the timer fires.
    hand.call(2).resolve(0);
    await microtasks();
    await clock.tick(0);
    assertEquals(failed, [1, 3]);
    assertEquals(
      fanout.stats,
      counts({ accepted: 4, running: 1, done: 1, failed: 2, overrunning: 2 }),
    );
    clock.jumpWall(86_400_000 * 2);
    await clock.tick(99);
    assertEquals(failed, [1, 3]);
    await clock.tick(1);
    assertEquals(failed, [1, 3, 4]);
  },
);

timed(
  "Fanout has as many timeouts as starts when handlers are nested [5.7]",
  async (clock) => {
    const failed: number[] = [];
    const fanout: Fanout<number> = new Fanout((n: number) => {
      // The turn takes time before the next starts: all count from the end of that turn.
      clock.block(10);
      if (n < 4) fanout.tryPush(n + 1);
      return new Promise(() => {});
    }, { timeout: 100, concurrency: 4, onError: (_, n) => failed.push(n) });
    fanout.tryPush(1);
    await clock.tick(99);
    assertEquals([clock.now, failed], [139, []]);
    await clock.tick(1);
    assertEquals(failed.sort(), [1, 2, 3, 4]);
  },
);

timed(
  "Fanout fails no handler before its time, even after a long turn [5.7]",
  async (clock) => {
    const started = new Map<number, number>();
    const took: number[] = [];
    const fanout: Fanout<number> = new Fanout((n: number) => {
      started.set(n, clock.now);
      clock.block(n % 3);
      // If another one starts inside it, the clock may be read again before its own time has begun.
      if (n < 100 && n % 2 === 1) fanout.tryPush(n + 100);
      return new Promise(() => {});
    }, {
      timeout: 100,
      concurrency: 60,
      onError: (_, n) => void took.push(clock.now - started.get(n)!),
    });
    for (let n = 0; n < 40; n++) fanout.tryPush(n);
    await clock.tick(300);
    assertEquals(took.length, 60);
    assert(Math.min(...took) >= 100, `after ${Math.min(...took)} ms`);
  },
);

timed(
  "Fanout counts the time of a single handler from its start [5.7]",
  async (clock) => {
    const failed: number[] = [];
    const fanout = new Fanout((_: number) => {
      clock.block(30);
      return new Promise(() => {});
    }, { timeout: 100, onError: (_, n) => failed.push(n) });
    fanout.tryPush(1);
    await clock.tick(69);
    assertEquals(failed, []);
    await clock.tick(1);
    assertEquals(failed, [1]);
  },
);

timed(
  "Fanout forgets the timeout of a nested handler that has settled [5.7]",
  async (clock) => {
    const failed: number[] = [];
    const hand = new Hand<number>();
    const fanout: Fanout<number> = new Fanout((n: number, context) => {
      clock.block(10);
      if (n === 1) fanout.tryPush(2);
      return hand.handler(n, context);
    }, { timeout: 100, concurrency: 2, onError: (_, n) => failed.push(n) });
    fanout.tryPush(1);
    hand.call(2).resolve(0);
    await clock.tick(200);
    assertEquals(failed, [1]);
    assertEquals(fanout.stats, counts({ accepted: 2, done: 1, failed: 1, overrunning: 1 }));
  },
);
