/** `retry`: a failed item runs again. Meanwhile its slot is free, and its key is not. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Aggregator, backoff, Fanout, RateLimit, type Runner } from "../mod.ts";
import { summing, tally } from "./support/aggregating.ts";
import { gate, microtasks, settled, turn } from "./support/gate.ts";
import { counts, Hand, heard, rejection } from "./support/hand.ts";
import { type Sink, sinks } from "./support/sinks.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

/** Fails a number of times, and then returns the item. */
function failing(times: number, error: unknown = new Error("busy")): (item: number) => number {
  const calls = new Map<number, number>();
  return (item) => {
    const call = (calls.get(item) ?? 0) + 1;
    calls.set(item, call);
    if (call <= times) throw error;
    return item;
  };
}

type Options = ConstructorParameters<typeof Fanout<number>>[1] & {
  retry: () => number | undefined;
};
const accounts = ({ stats }: Sink) => {
  const { accepted, waiting, running, done, failed, discarded, retried } = stats;
  return { accepted, waiting, running, done, failed, discarded, retried };
};
const NONE = { accepted: 0, waiting: 0, running: 0, done: 0, failed: 0, discarded: 0, retried: 0 };

for (const [name, make] of Object.entries(sinks)) {
  const open = (handler: Parameters<typeof make>[0], options: Partial<Options>) =>
    make(handler, options as never);

  timed(
    `${name} calls the handler again for a failed item, and its submit gets the result [5.40]`,
    async (clock) => {
      const asked: unknown[] = [];
      const attempts: number[] = [];
      const fails = failing(2);
      const sink = open((item, context) => {
        attempts.push((context as unknown as { attempt: number }).attempt);
        return fails(item);
      }, { retry: ((_error: unknown, attempt: number) => asked.push(attempt) * 10) as never });
      const result = sink.submit(7);
      assertEquals(accounts(sink), { ...NONE, accepted: 1, waiting: 1, retried: 1 });
      await clock.tick(9);
      assertEquals(attempts, [1]);
      await clock.tick(1);
      assertEquals([attempts, await settled(result)], [[1, 2], "pending"]);
      await clock.tick(20);
      assertEquals([await result, attempts, asked], [7, [1, 2, 3], [1, 2]]);
      assertEquals(accounts(sink), { ...NONE, accepted: 1, done: 1, retried: 2 });
      await sink.close();
    },
  );

  timed(`${name} frees the slot while a failed item waits [5.40]`, async (clock) => {
    const seen: number[] = [];
    const fails = failing(1);
    const sink = open((item) => {
      seen.push(item);
      if (item === 1) fails(item);
    }, { concurrency: 1, retry: () => 100 });
    for (const n of [1, 2, 3]) sink.tryPush(n);
    await microtasks();
    assertEquals(seen, [1, 2, 3]);
    await clock.tick(100);
    assertEquals([seen, sink.stats.done], [[1, 2, 3, 1], 3]);
    await sink.close();
  });

  timed(
    `${name} reports the last failure when retry gives up, as it does without a retry [5.40] [5.3]`,
    async (clock) => {
      const told: unknown[] = [];
      const errors = [1, 2, 3].map((n) => new Error(String(n)));
      const retry = (_error: unknown, attempt: number) => attempt < 3 ? 5 : undefined;
      let call = 0;
      const handler = () => {
        throw errors[call++ % 3];
      };
      const sink = open(handler, {
        retry: retry as never,
        onError: (error: unknown) => told.push(error),
      });
      sink.tryPush(1);
      await clock.tick(10);
      assertEquals([told, sink.stats.failed], [[errors[2]], 1]);
      const result = rejection(sink.submit(2));
      await clock.tick(10);
      assertStrictEquals(await result, errors[2]);
      assertEquals(told.length, 1);
      await sink.close();

      const silent = heard(open(handler, { retry: retry as never }));
      silent.tryPush(1);
      await clock.tick(10);
      assertStrictEquals(await rejection(silent.closed), errors[2]);
    },
  );

  timed(
    `${name} keeps the key while a failed item waits, to keep the order [5.40] [5.2]`,
    async (clock) => {
      const seen: string[] = [];
      const fails = failing(1);
      const sink = open((item) => {
        seen.push(`${item}`);
        if (item === 10) fails(item);
      }, { concurrency: 9, retry: () => 50, key: (n: number) => Math.trunc(n / 10) });
      for (const n of [10, 11, 20, 12]) sink.tryPush(n);
      await microtasks();
      assertEquals(seen, ["10", "20"]);
      await clock.tick(50);
      assertEquals(seen, ["10", "20", "10", "11", "12"]);
      await sink.close();
    },
  );

  timed(
    `${name} starts a failed item before later ones, and lets it exceed the bound [5.40] [5.1]`,
    async (clock) => {
      const hand = new Hand<number>();
      const sink = open(([hand.handler as never][0])!, {
        ...{ concurrency: 2, capacity: 2, retry: () => 10 },
      });
      for (const n of [1, 2, 3, 4]) assert(sink.tryPush(n));
      hand.calls[0]!.reject("busy");
      hand.calls[1]!.reject("busy");
      await microtasks();
      // Their slots went to 3 and 4.
      assertEquals([hand.started, sink.stats.waiting], [[1, 2, 3, 4], 2]);
      assertEquals(sink.tryPush(5), false);
      await clock.tick(10);
      hand.calls[2]!.resolve(0);
      await microtasks();
      assertEquals(hand.started, [1, 2, 3, 4, 1]);
      assert(sink.tryPush(5));
      for (const call of [3, 4, 5, 6]) {
        hand.calls[call]!.resolve(0);
        await microtasks();
      }
      assertEquals(hand.started, [1, 2, 3, 4, 1, 2, 5]);
      await sink.close();
    },
  );

  timed(
    `${name}.close() and flush() wait for items in a retry [5.40] [5.5] [5.13]`,
    async (clock) => {
      const sink = open(failing(2), { retry: () => 10 });
      sink.tryPush(1);
      const flushed = sink.flush();
      const closed = sink.close();
      await clock.tick(19);
      assertEquals([await settled(flushed), await settled(closed)], ["pending", "pending"]);
      await clock.tick(1);
      await Promise.all([flushed, closed]);
      assertEquals(sink.stats.done, 1);
    },
  );

  timed(
    `${name}.consume() waits for its items in a retry [5.40] [5.29]`,
    async (clock) => {
      const sink = open(failing(1), { capacity: 9, retry: () => 10 });
      const consumed = sink.consume([1, 2, 3]);
      await clock.tick(9);
      assertEquals(await settled(consumed), "pending");
      await clock.tick(1);
      await consumed;
      assertEquals(accounts(sink), { ...NONE, accepted: 3, done: 3, retried: 3 });
      await sink.close();
    },
  );

  timed(
    `${name} discards items that wait for a retry at an abort, and calls onDiscard [5.40] [5.6]`,
    async (clock) => {
      const discarded: unknown[] = [];
      const sink = open(failing(9), {
        retry: () => 10,
        onDiscard: (items: number[], reason: unknown) => discarded.push([items, reason]),
      });
      sink.tryPush(1);
      const result = rejection(sink.submit(2));
      await microtasks();
      await sink.abort("stop");
      assertEquals([discarded, await result], [[[[1, 2], "stop"]], "stop"]);
      assertEquals(accounts(sink), { ...NONE, accepted: 2, discarded: 2, retried: 2 });
      assertEquals(clock.pending, 0);
      await sink.idle();
    },
  );

  test(`${name} does not call retry after an end [5.40] [5.21]`, async () => {
    const asked: unknown[] = [];
    const told: unknown[] = [];
    const { promise, reject } = gate<never>();
    const sink = open(() => promise, {
      retry: ((error: unknown) => asked.push(error)) as never,
      onError: (error: unknown) => told.push(error),
    });
    sink.tryPush(1);
    await microtasks();
    await sink.abort("stop");
    reject("late");
    await sink.idle();
    assertEquals([asked, told], [[], ["late"]]);
  });

  for (
    const [wrong, message] of [
      [-1, "return at least 0"],
      [NaN, "return at least 0"],
      [Infinity, "return at least 0"],
      [2147483648, "return at least 0"],
      ["1", "return at least 0"],
      [null, "return at least 0"],
      [Promise.resolve(1), "return at least 0"],
    ] as const
  ) {
    test(`${name} fails when retry returns ${String(wrong)} of type ${typeof wrong} [5.40] [7]`, async () => {
      const told: unknown[] = [];
      const sink = heard(open(() => {
        throw "busy";
      }, { retry: (() => wrong) as never, onError: (error: unknown) => told.push(error) }));
      sink.tryPush(1);
      const error = await rejection(sink.closed) as Error;
      assertEquals(error.name, typeof wrong === "number" ? "RangeError" : "TypeError");
      assert(error.message.startsWith(`${name}: option "retry" must ${message}`), error.message);
      assertEquals([told, sink.stats.failed], [["busy"], 1]);
    });
  }

  test(`${name} fails with an error of retry, and reports the handler's failure [5.40]`, async () => {
    const told: unknown[] = [];
    const bug = new Error("bug");
    const sink = heard(open(() => {
      throw bug;
    }, {
      retry: () => {
        throw bug;
      },
      onError: (error: unknown) => told.push(error),
    }));
    sink.tryPush(1);
    assertStrictEquals(await rejection(sink.closed), bug);
    assertEquals([told, sink.stats.failed], [[bug], 1]);
  });

  timed(`${name} bounds each attempt by the timeout [5.40] [5.7]`, async (clock) => {
    const hand = new Hand<number>();
    const told: unknown[] = [];
    const sink = open(hand.handler as never, {
      timeout: 10,
      retry: ((_error: unknown, attempt: number) => attempt < 3 ? 5 : undefined) as never,
      onError: (error: unknown) => told.push((error as Error).name),
    });
    sink.tryPush(1);
    await clock.tick(10 + 5 + 10 + 5 + 9);
    assertEquals([hand.calls.length, told], [3, []]);
    await clock.tick(1);
    assertEquals(told, ["TimeoutError"]);
    assertEquals(hand.calls.map(({ signal }) => signal.aborted), [true, true, true]);
    for (const call of hand.calls) call.resolve(0);
    await sink.close();
  });

  timed(
    `${name} with overrun "hold" retries no item before its handler has settled [5.40] [5.37]`,
    async (clock) => {
      const hand = new Hand<number>();
      const sink = open(hand.handler as never, {
        ...{ timeout: 10, overrun: "hold", concurrency: 1, retry: () => 5 },
      });
      for (const n of [1, 2]) sink.tryPush(n);
      await clock.tick(100);
      assertEquals([hand.started, sink.stats.retried], [[1], 1]);
      hand.calls[0]!.reject("late");
      await microtasks();
      assertEquals(hand.started, [1, 2]);
      hand.calls[1]!.resolve(0);
      await clock.tick(5);
      assertEquals(hand.started, [1, 2, 1]);
      hand.calls[2]!.resolve(0);
      await sink.close();
      assertEquals(sink.stats.done, 2);
    },
  );

  timed(
    `${name} with overrun "hold" discards an item that waits for its handler at an abort [5.40] [5.37]`,
    async (clock) => {
      const hand = new Hand<number>();
      const discarded: unknown[] = [];
      const sink = open(hand.handler as never, {
        ...{ timeout: 10, overrun: "hold", retry: () => 5 },
        onDiscard: (items: number[]) => discarded.push(items),
      });
      const result = rejection(sink.submit(1));
      await clock.tick(10);
      await sink.abort("stop");
      assertEquals([discarded, await result, clock.pending], [[[1]], "stop", 0]);
      hand.calls[0]!.resolve(0);
      await sink.idle();
      assertEquals([hand.calls.length, clock.pending], [1, 0]);
    },
  );

  timed(`${name} counts each attempt as a start of its rate [5.40] [8.1]`, async (clock) => {
    const rate = new RateLimit({ limit: 1, interval: 100 });
    const starts: number[] = [];
    const fails = failing(2);
    const sink = open((item) => {
      starts.push(clock.now);
      return fails(item);
    }, { rate, retry: () => 5 });
    sink.tryPush(1);
    await clock.tick(200);
    assertEquals(starts, [0, 100, 200]);
    await sink.close();
  });

  test(`${name} calls retry in the context of the item [5.40] [5.32]`, async () => {
    let context = "none";
    const asked: string[] = [];
    const snapshot = (): Runner => {
      const own = context;
      return (run) => {
        const outer = context;
        context = own;
        try {
          return run();
        } finally {
          context = outer;
        }
      };
    };
    const sink = heard(open(() => {
      throw "busy";
    }, { snapshot, retry: () => void asked.push(context) as undefined }));
    context = "mine";
    sink.tryPush(1);
    context = "other";
    await rejection(sink.closed);
    assertEquals(asked, ["mine"]);
  });
}

timed(
  "Aggregator calls the handler again with only the failed items, as a separate batch [5.40] [5.18]",
  async (clock) => {
    const seen: number[][] = [];
    const attempts: number[] = [];
    const asked: unknown[] = [];
    const busy = new Error("busy");
    const sink = new Aggregator((batch: number[], { attempt }) => {
      seen.push([...batch]);
      attempts.push(attempt);
      // A handler may change its batch.
      const entries = batch.map((n) => attempt === 1 && n % 2 ? busy : n * 10);
      batch.length = 0;
      return entries;
    }, {
      maxItems: 4,
      retry: (error, attempt, items) => {
        asked.push([error, attempt, items]);
        return 10;
      },
    });
    const results = [1, 2].map((n) => sink.submit(n));
    for (const n of [3, 4]) sink.tryPush(n);
    assertEquals(sink.stats, tally({ accepted: 4, waiting: 2, done: 2, retried: 2, batches: 1 }));
    assertEquals(await results[1], 20);
    await clock.tick(10);
    assertEquals([seen, attempts], [[[1, 2, 3, 4], [1, 3]], [1, 2]]);
    assertEquals([asked, await results[0]], [[[busy, 1, [1, 3]]], 10]);
    assertEquals(sink.stats, tally({ accepted: 4, done: 4, retried: 2, batches: 2 }));
    await sink.close();
  },
);

timed(
  "Aggregator calls retry once for each distinct error, and onError for the items that it gives up [5.40] [5.17]",
  async (clock) => {
    const told: unknown[] = [];
    const seen: number[][] = [];
    const sink = new Aggregator((batch: number[], { attempt }) => {
      seen.push(batch);
      const errors = [new Error("a"), new Error("b"), new Error("c")];
      return batch.map((n) => attempt === 1 ? errors[n % 3]! : n);
    }, {
      maxItems: 6,
      retry: (error) => ({ a: 10, b: 30 })[(error as Error).message],
      onError: (error, items) => told.push([(error as Error).message, items]),
    });
    for (const n of [0, 1, 2, 3, 4, 5]) sink.tryPush(n);
    assertEquals(told, [["c", [2, 5]]]);
    await clock.tick(29);
    assertEquals(seen.length, 1);
    await clock.tick(1);
    // One batch, at the time of the last of them.
    assertEquals(seen[1], [0, 3, 1, 4]);
    assertEquals(sink.stats, tally({ accepted: 6, done: 4, failed: 2, retried: 4, batches: 2 }));
    await sink.close();
  },
);

timed(
  "Aggregator retries the batch of a collector unchanged, and only if all of it has failed [5.40]",
  async (clock) => {
    const seen: unknown[] = [];
    const told: unknown[] = [];
    const sink = new Aggregator<number, unknown, { sum: number }>((batch, { attempt }) => {
      seen.push(batch);
      if (attempt === 1) throw "busy";
      return [new Error("one"), 2];
    }, {
      collector: summing(2) as never,
      retry: () => 10,
      onError: (error, items) => told.push([(error as Error).message, items]),
    });
    for (const n of [3, 4]) sink.tryPush(n);
    await clock.tick(10);
    assertStrictEquals(seen[0], seen[1]);
    assertEquals(told, [["one", [3]]]);
    assertEquals(sink.stats, tally({ accepted: 2, done: 1, failed: 1, retried: 2, batches: 2 }));
    await sink.close();
  },
);

timed(
  "Aggregator holds the slot while onError runs, and retries the others after that [5.40]",
  async (clock) => {
    const { promise, resolve } = gate();
    const seen: number[][] = [];
    const sink = new Aggregator((batch: number[], { attempt }) => {
      seen.push(batch);
      return batch.map((n) => attempt > 1 ? n : new Error(n > 1 ? "again" : "given up"));
    }, {
      maxItems: 3,
      retry: (error) => (error as Error).message === "again" ? 10 : undefined,
      onError: () => promise,
    });
    for (const n of [1, 2, 3]) sink.tryPush(n);
    await clock.tick(10);
    assertEquals([seen.length, sink.stats.running], [1, 3]);
    resolve();
    await clock.tick(10);
    assertEquals([seen[1], sink.stats.failed, sink.stats.done], [[2, 3], 1, 2]);
    await sink.close();
  },
);

test("Aggregator discards items that wait for a retry when onError ends the sink [5.40] [5.6]", async () => {
  const discarded: unknown[] = [];
  const bug = new Error("bug");
  const sink = heard(
    new Aggregator((batch: number[]) => batch.map((n) => new Error(String(n))), {
      maxItems: 2,
      retry: (error) => (error as Error).message === "1" ? 10 : undefined,
      onError: () => Promise.reject(bug),
      onDiscard: (items, reason) => discarded.push([items, reason]),
    }),
  );
  const result = rejection(sink.submit(1));
  sink.tryPush(2);
  assertStrictEquals(await result, bug);
  await sink.idle();
  assertEquals(discarded, [[[1], bug]]);
  assertEquals(sink.stats, tally({ accepted: 2, failed: 1, discarded: 1, retried: 1, batches: 1 }));
});

timed(
  "Fanout handles the items of healthy hosts at once while one of four fails [5.40]",
  async (clock) => {
    const done: number[] = [];
    const sick = (host: number) => host === 0 && clock.now < 3000;
    const fanout = new Fanout(async (item: number) => {
      await undefined;
      if (sick(item % 4)) throw new Error("sick");
      done.push(item);
    }, { concurrency: 2, retry: backoff({ attempts: 20, min: 1000, jitter: false }) });
    for (let n = 0; n < 12; n++) fanout.tryPush(n);
    await turn();
    assertEquals(done.length, 9);
    await clock.tick(3000);
    assertEquals([done.length, fanout.stats], [
      12,
      counts({ accepted: 12, done: 12, retried: 6 }),
    ]);
    await fanout.close();
  },
);

timed(
  "Fanout accepts nothing while more items wait than allowed, even with a free slot [5.40] [5.1]",
  async (clock) => {
    const fanout = new Fanout(failing(1), { concurrency: 2, capacity: 1, retry: () => 10 });
    assertEquals([1, 2, 3].map((n) => fanout.tryPush(n)), [true, true, false]);
    const pushed = fanout.push(3);
    await clock.tick(9);
    assertEquals([fanout.stats.waiting, fanout.stats.blocked], [2, 1]);
    await clock.tick(1);
    await pushed;
    assertEquals([fanout.stats.done, fanout.stats.retried], [2, 3]);
    await clock.tick(10);
    await fanout.close();
    assertEquals(fanout.stats.done, 3);
  },
);

timed(
  "Aggregator does not check the number of results when it retries only pushed items [5.40] [5.18]",
  async (clock) => {
    let calls = 0;
    const aggregator = new Aggregator((items: number[]) => {
      return ++calls === 1 ? [items[0]!, new Error("busy")] : [];
    }, { maxItems: 2, retry: () => 10 });
    const result = aggregator.submit(1);
    aggregator.tryPush(2);
    assertEquals(await result, 1);
    await clock.tick(10);
    assertEquals([calls, aggregator.stats.done, aggregator.stats.retried], [2, 2, 1]);
    await aggregator.close();
  },
);

timed(
  "Aggregator counts a caller once that has left a batch whose other items are retried [5.40] [5.42]",
  async (clock) => {
    const hand = new Hand<number[]>();
    const aggregator = new Aggregator(hand.handler, { maxItems: 2, retry: () => 10 });
    const caller = new AbortController();
    const result = rejection(aggregator.submit(1, caller));
    aggregator.tryPush(2);
    caller.abort("left");
    hand.calls[0]!.reject("left");
    await clock.tick(10);
    hand.calls[1]!.resolve([]);
    await aggregator.close();
    assertEquals(await result, "left");
    assertEquals(accounts(aggregator as never), {
      ...NONE,
      ...{ accepted: 2, done: 1, discarded: 1, retried: 1 },
    });
  },
);

test("backoff() waits longer each time, up to max, and gives up [5.41]", () => {
  const delays = (options?: Parameters<typeof backoff>[0], count = 6) => {
    const retry = backoff({ jitter: false, ...options });
    return Array.from({ length: count }, (_, n) => retry(new Error(), n + 1));
  };
  assertEquals(delays(), [100, 200, 400, 800, undefined, undefined]);
  assertEquals(delays({ min: 20_000 }), [...Array(4).fill(20_000), undefined, undefined]);
  assertEquals(delays({ factor: 1, attempts: 3 }), [100, 100, ...Array(4).fill(undefined)]);
  assertEquals(delays({ attempts: 1 }), Array(6).fill(undefined));
  assertEquals(delays({ min: 0, max: 0 }), [0, 0, 0, 0, undefined, undefined]);
  assertEquals(delays({ attempts: 2000, factor: 10 }, 1500).at(-1), 10_000);
  const drawn = Array.from({ length: 1000 }, () => backoff()(new Error(), 2)!);
  assert(drawn.every((delay) => delay >= 100 && delay < 200));
  assert(new Set(drawn).size > 500);
});
