/** `Aggregator`: a collector may push to, flush, close or abort its own sink. */

import { assertEquals, assertThrows } from "@std/assert";
import { Aggregator, type Collector } from "../mod.ts";
import { type Sum, summing, tally } from "./support/aggregating.ts";
import { gate, settled, turn } from "./support/gate.ts";
import { assertConserved, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

type Act = (sink: Aggregator<number, unknown, Sum>) => unknown;

/** A sink whose collector runs `act` at the `nth` call of one method. */
function acting(method: string, nth: number, keyed: boolean, act: Act) {
  let calls = 0;
  const sums: number[] = [];
  const sink: Aggregator<number, unknown, Sum> = new Aggregator<number, unknown, Sum>(
    ({ sum }) => void sums.push(sum),
    {
      collector: summing(2, (here) => {
        if (here === method && ++calls === nth) act(sink);
      }),
      key: keyed ? (n) => n % 2 : undefined,
      linger: Infinity,
    },
  );
  return { sink, sums };
}

test("Aggregator keeps a batch that a key's collector opens for the same key in add [5.8] [3]", async () => {
  let inner: boolean | undefined;
  const sums: number[] = [];
  const sink: Aggregator<number, unknown, Sum> = new Aggregator<number, unknown, Sum>(
    ({ sum }) => void sums.push(sum),
    {
      collector: summing(3, (here) => {
        if (here === "add") inner ??= (inner = false, sink.tryPush(10));
      }),
      key: () => "k",
      linger: Infinity,
    },
  );
  assertEquals(sink.tryPush(1), true);
  await sink.flush();
  assertEquals([inner, sums], [true, [10, 1]]);
  assertEquals([sink.stats.accepted, sink.stats.done], [2, 2]);
});

test("Aggregator has the results in the places of a collector that pushes items before it keeps its own [5.3] [5.8]", async () => {
  const inner: unknown[] = [];
  const sink: Aggregator<string, string> = new Aggregator(
    (batch: string[]) => batch.map((item) => `result of ${item}`),
    {
      collector: () => {
        let items: string[] = [];
        return {
          get size() {
            return items.length;
          },
          full: false,
          add(item) {
            if (item === "b") sink.submit("before b").then((result) => inner.push(result));
            items.push(item);
          },
          take: () => [items, items = []][0]!,
        };
      },
      linger: Infinity,
    },
  );
  const results = ["a", "b", "c"].map((item) => sink.submit(item));
  await sink.close();
  assertEquals(await Promise.all(results), ["result of a", "result of b", "result of c"]);
  assertEquals(inner, ["result of before b"]);
});

for (const method of ["size", "full", "fits", "add", "take"]) {
  for (const keyed of [false, true]) {
    const where = `a ${keyed ? "key's " : ""}collector in ${method}`;
    const nths = [1, 2];

    test(`Aggregator loses no item that ${where} pushes to it [5.8] [3]`, async () => {
      for (const nth of nths) {
        const pushes: Promise<unknown>[] = [];
        const { sink, sums } = acting(method, nth, keyed, (sink) => {
          pushes.push(sink.push(10), sink.push(100));
        });
        for (const n of [1, 2, 3, 4]) sink.tryPush(n);
        await turn();
        await Promise.all(pushes);
        await sink.close();
        assertConserved(sink);
        assertEquals([sink.stats.accepted, sink.stats.done], [6, 6]);
        assertEquals(sums.reduce((sum, n) => sum + n, 0), 120);
      }
    });

    test(`Aggregator can be flushed, closed and aborted by ${where} [5.8] [3]`, async () => {
      for (const how of ["flush", "close", "abort"] as const) {
        for (const nth of nths) {
          let ended: Promise<unknown> | undefined;
          const { sink } = acting(method, nth, keyed, (sink) => {
            ended = how === "abort" ? sink.abort("own") : sink[how]();
          });
          await turn();
          for (const n of [1, 2, 3, 4]) await sink.push(n).catch(() => {});
          if (how === "flush") await sink.close();
          await ended;
          if (how !== "flush") assertThrows(() => sink.tryPush(5));
          if (how === "abort") assertEquals(await rejection(sink.flush()), "own");
          await sink.idle();
          assertConserved(sink);
          assertEquals([sink.stats.waiting, sink.stats.running], [0, 0]);
        }
      }
    });
  }
}

test("Aggregator has no room for an item that a collector tries to push in take, and takes it afterwards [5.8]", async () => {
  const took: unknown[] = [];
  const { sink, sums } = acting("take", 1, false, (sink) => {
    took.push(sink.tryPush(50), sink.push(60));
  });
  for (const n of [1, 2]) sink.tryPush(n);
  assertEquals(took[0], false);
  await took[1];
  assertEquals(sink.stats, tally({ accepted: 3, waiting: 1, done: 2, batches: 1, refused: 1 }));
  await sink.close();
  assertEquals(sums, [3, 60]);
});

test("Aggregator adds nothing to a collector whose fits has aborted it [5.8] [5.11]", async () => {
  const calls: string[] = [];
  const sink: Aggregator<number, unknown, Sum> = new Aggregator<number, unknown, Sum>(() => {}, {
    collector: summing(9, (call) => {
      calls.push(call);
      if (call === "fits") void sink.abort("own");
    }),
  });
  assertEquals(await rejection(sink.push(1)), "own");
  assertEquals(calls.includes("add"), false);
  assertEquals(sink.stats, tally({}));
});

timed(
  "Aggregator has no timer left for an item whose add has aborted it [5.8] [F-36]",
  async () => {
    for (const key of [undefined, () => 1]) {
      const discarded: number[] = [];
      const sink: Aggregator<number, unknown, Sum> = new Aggregator<number, unknown, Sum>(
        () => {},
        {
          collector: summing(9, (call) => call === "add" && void sink.abort("own")),
          linger: 10,
          key,
          onDiscard: (items) => discarded.push(...items),
        },
      );
      assertEquals(assertThrows(() => sink.tryPush(1)), "own");
      await turn();
      assertEquals(discarded, []);
      assertEquals(sink.stats, tally({}));
    }
  },
);

/** Batches of two numbers. Numbers that cancel out are swallowed. `on` gets each call. */
function pairs(on: (call: string, items: number[]) => void) {
  return (): Collector<number, number[]> => {
    let items: number[] = [];
    return {
      get size() {
        return items.length;
      },
      get full() {
        const full = items.length >= 2;
        on("full", items);
        return full;
      },
      add(item) {
        on("add", items);
        if (items.includes(-item)) items = items.filter((other) => other !== -item);
        else items.push(item);
      },
      take: () => (on("take", items), [items, items = []][0]!),
    };
  };
}

/** A sink whose only worker is busy, so that batches wait. */
function busy(on: Parameters<typeof pairs>[0], options?: { capacity?: number }) {
  const { promise, resolve } = gate();
  const seen: number[][] = [];
  const sink: Aggregator<number, unknown, number[]> = new Aggregator<number, unknown, number[]>(
    (batch) => (seen.push(batch), promise),
    { collector: pairs(on), linger: Infinity, ...options },
  );
  sink.tryPush(0);
  sink.flush();
  return { sink, seen, resolve };
}

test("Aggregator.flush() lets a waiting caller in when it makes room while all workers are busy [5.1] [5.13]", async () => {
  const { sink, resolve } = busy(() => {}, { capacity: 2 });
  for (const n of [1, -1]) sink.tryPush(n);
  assertEquals(sink.tryPush(2), false);
  const pushed = sink.push(3);
  assertEquals(await settled(pushed), "pending");
  sink.flush();
  assertEquals([await settled(pushed), sink.tryPush(4)], ["fulfilled", true]);
  resolve();
  await sink.close();
  assertEquals(sink.stats.done, 5);
});

test("Aggregator lets an item in that a collector pushes in take while all workers are busy [5.1] [5.8]", async () => {
  const pushes: Promise<void>[] = [];
  const { sink, seen, resolve } = busy((call, items) => {
    if (call === "take" && items.includes(1)) pushes.push(sink.push(10));
  });
  for (const n of [1, 2]) sink.tryPush(n);
  assertEquals([await settled(pushes[0]!), sink.tryPush(3)], ["fulfilled", true]);
  resolve();
  await sink.close();
  assertEquals(seen, [[0], [1, 2], [10, 3]]);
});

test("Aggregator keeps its bound when a collector pushes in add [5.1] [5.8]", async () => {
  let [armed, given] = [false, [] as boolean[]];
  const { sink, resolve } = busy((call) => {
    if (call !== "add" || !armed) return;
    armed = false;
    given = [10, 20, 30].map((n) => sink.tryPush(n));
  }, { capacity: 2 });
  armed = true;
  assertEquals([sink.tryPush(1), given, sink.stats.waiting], [true, [true, false, false], 2]);
  resolve();
  await sink.close();
  assertConserved(sink);
});

test("Aggregator keeps the batch that follows one whose full has flushed it [5.8] [3]", async () => {
  let armed = true;
  const seen: number[][] = [];
  const sink: Aggregator<number, unknown, number[]> = new Aggregator<number, unknown, number[]>(
    (batch) => {
      seen.push(batch);
      if (batch.includes(2)) sink.tryPush(10);
    },
    {
      collector: pairs((call, items) => {
        if (call !== "full" || items.length < 2 || !armed) return;
        armed = false;
        sink.flush();
      }),
      key: () => "k",
      linger: Infinity,
    },
  );
  for (const n of [1, 2]) sink.tryPush(n);
  await sink.close();
  assertEquals(seen, [[1, 2], [10]]);
  assertEquals(sink.stats.done, 3);
});
