/** `Aggregator`: handlers and hooks may push to, close or abort their own sink. */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Aggregator, type AggregatorOptions } from "../mod.ts";
import { ids, tally } from "./support/aggregating.ts";
import { settled, turn } from "./support/gate.ts";
import { assertConserved, Hand, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

type Act = (sink: Aggregator<number>) => void;
const places = [
  "handler",
  "async handler",
  "key",
  "snapshot",
  "runner",
  "onError",
  "weigh",
] as const;
const hooks = ["key", "snapshot", "weigh"] as const;
type Place = typeof places[number];

/** A sink that runs `act` at one place, only at the first call. */
function acting(place: Place, act: Act, more?: AggregatorOptions<number>): Aggregator<number> {
  let acted = false;
  const at = (here: Place) => {
    if (here !== place || acted) return;
    acted = true;
    act(sink);
  };
  const sink: Aggregator<number> = new Aggregator<number>(async (batch) => {
    at("handler");
    await undefined;
    at("async handler");
    if (place === "onError" && batch.includes(1)) throw new Error("to onError");
    return batch;
  }, {
    maxItems: 2,
    maxWeight: 9,
    weigh: () => (at("weigh"), 1),
    key: (n) => (at("key"), n % 2),
    snapshot: () => {
      at("snapshot");
      return (run) => (at("runner"), run());
    },
    onError: () => at("onError"),
    linger: 0,
    ...more,
  });
  return sink;
}

for (const place of places) {
  for (const front of ["tryPush", "push", "submit"] as const) {
    test(`Aggregator takes items that its ${place} adds by ${front} [5.8] [F-18]`, async () => {
      const given: unknown[] = [];
      const sink = acting(place, (sink) => {
        for (const n of [11, 13, 12]) given.push(sink[front](n));
      });
      await sink.push(1);
      await sink.push(2);
      await Promise.all(given);
      await turn();
      await sink.close();
      const { accepted, done, failed } = sink.stats;
      assertEquals([accepted, done + failed], [5, 5]);
    });
  }

  test(`Aggregator ends normally when its ${place} closes it [5.8] [F-18]`, async () => {
    let closed: Promise<void> | undefined;
    const sink = acting(place, (sink) => closed = sink.close());
    // Before that, a stream closes only later, and the weighed item comes in time.
    await turn();
    const pushed = sink.push(1);
    const early = hooks.includes(place as never);
    if (early) assertEquals(((await rejection(pushed)) as Error).name, "TypeError");
    await pushed.catch(() => {});
    await turn();
    await closed;
    assertThrows(() => sink.tryPush(2), TypeError);
    // It is closed, and not errored.
    await sink.flush();
    assertConserved(sink);
    assertEquals(sink.stats.accepted, early ? 0 : 1);
  });

  test(`Aggregator ends with the reason when its ${place} aborts it [5.8] [F-18]`, async () => {
    const reason = new Error("own");
    const sink = acting(place, (sink) => void sink.abort(reason));
    await Promise.allSettled([sink.push(1), sink.push(2), sink.submit(3)]);
    await sink.idle();
    assertStrictEquals(await rejection(sink.close()), reason);
    assertConserved(sink);
    const { accepted, waiting, running } = sink.stats;
    assertEquals([waiting, running], [0, 0]);
    assertEquals(accepted > 0, !hooks.includes(place as never));
  });
}

/** Options that run `act` in one hook. */
function hooked(hook: typeof hooks[number], act: () => void): AggregatorOptions<number> {
  if (hook === "key") return { key: () => act() };
  if (hook === "weigh") return { maxWeight: 99, weigh: () => (act(), 1) };
  return { snapshot: () => (act(), (run) => run()) };
}

for (const hook of hooks) {
  for (const front of ["tryPush", "push", "submit"] as const) {
    test(`Aggregator.${front}() checks for room again when ${hook} has filled the sink [5.8] [5.1]`, async () => {
      const hand = new Hand<number[]>();
      let filling = false;
      const fill = () => {
        if (filling) return;
        filling = true;
        while (sink.tryPush(9));
      };
      const sink: Aggregator<number> = new Aggregator(hand.handler, {
        maxItems: 2,
        capacity: 3,
        linger: Infinity,
        ...hooked(hook, fill),
      });
      const given = sink[front](1);
      const [refused, blocked] = front === "tryPush" ? [2, 0] : [1, 1];
      assertEquals(
        sink.stats,
        tally({ accepted: 5, waiting: 3, running: 2, batches: 1, refused, blocked }),
      );
      if (front === "tryPush") assertEquals(given, false);
      else assertEquals(await settled(given as Promise<unknown>), "pending");
      await sink.abort("over").catch(() => {});
    });

    test(`Aggregator.${front}() puts its item after the items that ${hook} pushes [5.8] [5.2]`, async () => {
      const seen: number[][] = [];
      let pushing = true;
      const sink: Aggregator<number> = new Aggregator<number>((batch) => {
        seen.push(batch);
        return batch;
      }, {
        maxItems: 3,
        ...hooked(hook, () => {
          if (!pushing) return;
          pushing = false;
          for (const n of ids(2, 5)) sink.tryPush(n);
        }),
      });
      void sink[front](1);
      await sink.close();
      assertEquals(seen, [[2, 3, 4], [5, 1]]);
      assertEquals(sink.stats, tally({ accepted: 5, done: 5, batches: 2 }));
    });
  }
}

test("Aggregator whose weigh closes it while another batch is handled takes the item, and drains [5.8] [5.5]", async () => {
  const hand = new Hand<number[]>();
  let closed: Promise<void> | undefined;
  const sink: Aggregator<number> = new Aggregator(hand.handler, {
    maxItems: 2,
    maxWeight: 9,
    linger: Infinity,
    weigh: (n) => {
      if (n === 3) closed = sink.close();
      return 1;
    },
  });
  for (const n of [1, 2]) sink.tryPush(n);
  const took = sink.tryPush(3);
  hand.calls[0]!.resolve(0);
  await turn();
  hand.calls[1]?.resolve(0);
  await closed;
  assertEquals(took, true);
  assertEquals(hand.started, [[1, 2], [3]]);
  assertEquals(sink.stats, tally({ accepted: 3, done: 3, batches: 2 }));
});

test("Aggregator whose weigh fills the sink for a waiting item still flushes its oldest batch [5.8] [5.2]", async () => {
  const hand = new Hand<string[]>();
  let filled = false;
  const sink: Aggregator<string> = new Aggregator(hand.handler, {
    maxItems: 2,
    capacity: 2,
    concurrency: 2,
    linger: Infinity,
    key: (item) => item[0],
    maxWeight: 9,
    weigh(item) {
      if (item === "b1" && !filled) {
        filled = true;
        for (const more of ["c1", "d1"]) sink.tryPush(more);
      }
      return 1;
    },
  });
  for (const item of ["a1", "a2", "a3", "a4"]) sink.tryPush(item);
  // It gets room when "a" has settled once.
  const pushed = sink.push("b1");
  assertEquals(hand.started, [["a1", "a2"]]);
  hand.calls[0]!.resolve(0);
  await pushed;
  assertEquals(hand.started, [["a1", "a2"], ["a3", "a4"], ["c1"]]);
  assertEquals(sink.stats, tally({ accepted: 7, waiting: 2, running: 3, done: 2, batches: 3 }));
  await sink.abort();
});

test("Aggregator whose weigh fills the sink for a waiting item lets no other caller overtake it [5.8] [5.1]", async () => {
  const hand = new Hand<number[]>();
  let filled = false;
  const sink: Aggregator<number> = new Aggregator(hand.handler, {
    ...{ maxItems: 1, capacity: 1, linger: Infinity, maxWeight: 9 },
    weigh(n) {
      if (n === 3 && !filled) {
        filled = true;
        sink.tryPush(4);
      }
      return 1;
    },
  });
  for (const n of [1, 2]) sink.tryPush(n);
  const pushes = [sink.push(3)];
  hand.calls[0]!.resolve(0);
  assertEquals(await settled(pushes[0]!), "pending");
  pushes.push(sink.push(5));
  for (const place of [1, 2, 3, 4]) {
    hand.calls[place]!.resolve(0);
    await turn();
  }
  await Promise.all(pushes);
  await sink.close();
  assertEquals(hand.started, [[1], [2], [4], [3], [5]]);
});

test("Aggregator whose weigh flushes it closes the batch before its item [5.8]", async () => {
  const seen: string[][] = [];
  const sink: Aggregator<string> = new Aggregator<string>((batch) => void seen.push(batch), {
    maxWeight: 9,
    linger: Infinity,
    key: (item) => item[0],
    weigh: (item) => {
      if (item === "a2") void sink.flush();
      return 1;
    },
  });
  for (const item of ["a1", "b1", "a2", "a3"]) sink.tryPush(item);
  assertEquals(seen, [["a1"], ["b1"]]);
  await sink.close();
  assertEquals(seen[2], ["a2", "a3"]);
});

test("Aggregator whose weigh closes one batch of its key and opens another adds to the new one [5.8] [5.2]", async () => {
  const seen: string[][] = [];
  let pushed = false;
  const sink: Aggregator<string> = new Aggregator<string>((batch) => void seen.push(batch), {
    maxItems: 2,
    maxWeight: 9,
    linger: Infinity,
    key: (item) => item[0],
    weigh: (item) => {
      if (item === "a2" && !pushed) {
        pushed = true;
        for (const more of ["a3", "a4"]) sink.tryPush(more);
      }
      return 1;
    },
  });
  for (const item of ["a1", "a2"]) sink.tryPush(item);
  assertEquals(seen, [["a1", "a3"], ["a4", "a2"]]);
  await sink.close();
  assertEquals(sink.stats, tally({ accepted: 4, done: 4, batches: 2 }));
});

for (const how of ["abort", "failure", "signal"] as const) {
  test(`Aggregator keeps its first error when onDiscard aborts it again during ${how} [5.8] [5.3]`, async () => {
    const controller = new AbortController();
    const looks: unknown[] = [];
    const hand = new Hand<number[]>();
    const sink: Aggregator<number> = new Aggregator<number>(hand.handler, {
      maxItems: 2,
      signal: controller.signal,
      onDiscard() {
        sink.abort("second").catch(() => {});
        sink.close().catch(() => {});
        looks.push(assertThrows(() => sink.tryPush(9)));
        assertConserved(sink);
      },
    });
    await turn();
    for (const n of [1, 2, 3]) sink.tryPush(n);
    if (how === "abort") await sink.abort("first");
    if (how === "signal") controller.abort("first");
    if (how === "failure") hand.calls[0]!.reject("first");
    await turn();
    assertEquals(looks, ["first"]);
    assertEquals(await rejection(sink.close()), "first");
    assertEquals(sink.stats.discarded, 1);
  });
}

timed(
  "Aggregator whose only handler awaits its own flush() ends by timeout [5.8] [5.7]",
  async (clock) => {
    const seen: unknown[] = [];
    const sink: Aggregator<number> = new Aggregator<number>(async () => {
      await undefined;
      await sink.flush();
    }, { maxItems: 1, timeout: 10, onError: (error) => seen.push((error as Error).name) });
    sink.tryPush(1);
    await clock.tick(10);
    await sink.close();
    assertEquals(seen, ["TimeoutError"]);
  },
);
