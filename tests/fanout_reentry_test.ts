/** `Fanout`: handlers and hooks may push to, close or abort their own sink. */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Fanout, type FanoutOptions } from "../mod.ts";
import { settled, turn } from "./support/gate.ts";
import { assertConserved, counts, Hand, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { withClock } from "./support/clock.ts";

type Act = (fanout: Fanout<number>) => void;
type Place = "handler" | "async handler" | "key" | "snapshot" | "runner" | "onError";
const places: Place[] = ["handler", "async handler", "key", "snapshot", "runner", "onError"];

/** A sink that runs `act` at one place, only at the first item. */
function acting(place: Place, act: Act, more?: FanoutOptions<number>): Fanout<number> {
  let acted = false;
  const at = (here: Place) => {
    if (here !== place || acted) return;
    acted = true;
    act(fanout);
  };
  const fanout: Fanout<number> = new Fanout(async (n: number) => {
    at("handler");
    await undefined;
    at("async handler");
    if (place === "onError" && n === 1) throw new Error("to onError");
  }, {
    key: (n) => (at("key"), n),
    snapshot: () => {
      at("snapshot");
      return (run) => (at("runner"), run());
    },
    onError: () => at("onError"),
    ...more,
  });
  return fanout;
}

for (const place of places) {
  test(`Fanout takes items that its ${place} pushes to it [5.8] [F-18]`, async () => {
    const seen: unknown[] = [];
    const fanout = acting(place, (sink) => {
      seen.push(sink.tryPush(2), sink.tryPush(3));
      sink.push(4).then(() => seen.push("pushed"));
      sink.submit(5).then(() => seen.push("submitted"));
      assertConserved(sink);
    }, { capacity: 2 });
    fanout.push(1);
    for (let i = 0; i < 5; i++) await turn();
    assertEquals(seen.slice(0, 2), [true, true]);
    assertEquals(seen.slice(2).toSorted(), ["pushed", "submitted"]);
    const { accepted, failed } = fanout.stats;
    assertEquals([accepted, failed], [5, place === "onError" ? 1 : 0]);
    await fanout.close();
    assertConserved(fanout);
  });

  test(`Fanout ends normally when its ${place} closes it [5.8] [F-18]`, async () => {
    let closed: Promise<void> | undefined;
    const fanout = acting(place, (sink) => closed = sink.close());
    const pushed = fanout.push(1);
    const early = place === "key" || place === "snapshot";
    if (early) assertEquals(((await rejection(pushed)) as Error).name, "TypeError");
    await pushed.catch(() => {});
    await turn();
    await closed;
    assertThrows(() => fanout.tryPush(2), TypeError);
    assertConserved(fanout);
    assertEquals(fanout.stats.accepted, early ? 0 : 1);
  });

  test(`Fanout ends with the reason when its ${place} aborts it [5.8] [F-18]`, async () => {
    const reason = new Error("own");
    const fanout = acting(place, (sink) => void sink.abort(reason));
    const calls = [fanout.push(1), fanout.push(2), fanout.submit(3)];
    await Promise.allSettled(calls);
    await fanout.idle();
    assertStrictEquals(await rejection(fanout.close()), reason);
    assertConserved(fanout);
    const { accepted, waiting, running } = fanout.stats;
    assertEquals([waiting, running], [0, 0]);
    assertEquals(accepted > 0, place !== "key" && place !== "snapshot");
  });
}

for (const front of ["tryPush", "push", "submit"] as const) {
  test(`Fanout.${front}() checks for room again when key or snapshot has filled the queue [5.8]`, async () => {
    for (const hook of ["key", "snapshot"] as const) {
      const hand = new Hand<number>();
      let filling = false;
      const fill = () => {
        if (filling) return;
        filling = true;
        while (fanout.tryPush(9));
      };
      const fanout: Fanout<number> = new Fanout(hand.handler, {
        capacity: 2,
        ...(hook === "key" ? { key: () => fill() } : { snapshot: () => (fill(), (run) => run()) }),
      });
      const given = fanout[front](1);
      const [refused, blocked] = front === "tryPush" ? [2, 0] : [1, 1];
      assertEquals(
        fanout.stats,
        counts({ accepted: 3, waiting: 2, running: 1, refused, blocked }),
        hook,
      );
      if (front === "tryPush") assertEquals(given, false);
      else assertEquals(await settled(given as Promise<unknown>), "pending");
      await fanout.abort("over").catch(() => {});
    }
  });
}

for (const hook of ["key", "snapshot"] as const) {
  for (const how of ["close", "abort"] as const) {
    test(`Fanout accepts nothing after its ${hook} has called ${how} [5.8] [5.11] [F-18]`, async () => {
      for (const front of ["tryPush", "push", "submit", "consume"] as const) {
        const hand = new Hand<number>();
        const end = () => {
          (how === "abort" ? fanout.abort("own") : fanout.close()).catch(() => {});
        };
        const fanout: Fanout<number> = new Fanout(hand.handler, {
          ...(hook === "key" ? { key: end } : { snapshot: () => (end(), (run) => run()) }),
        });
        const give = async () =>
          await fanout[front](front === "consume" ? [1] as never : 1 as never);
        const error = await rejection(give());
        assertEquals(
          how === "abort" ? error : (error as Error).name,
          how === "abort" ? "own" : "TypeError",
        );
        assertEquals(hand.started, []);
        // Only `onDiscard` gets an item that a source has given.
        const lost = front === "consume" ? { accepted: 1, discarded: 1 } : {};
        assertEquals(fanout.stats, counts(lost));
      }
    });
  }
}

test("Fanout whose handler throws after it aborted the sink keeps the abort's reason [5.8] [5.3]", async () => {
  const fanout: Fanout<number> = new Fanout(() => {
    fanout.abort("first");
    throw "second";
  });
  assertEquals(fanout.tryPush(1), true);
  assertEquals(fanout.stats, counts({ accepted: 1, failed: 1 }));
  assertEquals(await rejection(fanout.close()), "first");
  assertEquals(await rejection(fanout.getWriter().closed), "first");
});

test("Fanout whose submitted handler aborts the sink rejects the submit with the reason [5.8] [5.6]", async () => {
  const fanout: Fanout<number> = new Fanout(() => {
    fanout.abort("own");
    return 1;
  });
  assertEquals(await rejection(fanout.submit(1)), "own");
  assertEquals(fanout.stats, counts({ accepted: 1, done: 1 }));
});

/** The places where an abort calls user code. */
const callbacks = {
  onDiscard: (again: () => void) => ({ options: { onDiscard: again } }),
  "a listener of context.signal": (again: () => void) => ({ listener: again }),
  "the cancel of a consumed stream": (again: () => void) => ({
    source: new ReadableStream<number>({ cancel: again }),
  }),
  "the return of a consumed iterator": (again: () => void) => ({
    source: {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<number>>(() => {}),
        return() {
          again();
          return Promise.resolve({ done: true as const, value: undefined });
        },
      }),
    },
  }),
};

for (const [place, make] of Object.entries(callbacks)) {
  for (const how of ["abort", "failure", "signal"] as const) {
    test(`Fanout keeps its first error when ${place} aborts it again during ${how} [5.8] [5.3]`, async () => {
      const controller = new AbortController();
      const looks: unknown[] = [];
      const parts: {
        options?: FanoutOptions<number>;
        listener?: () => void;
        source?: ReadableStream<number> | AsyncIterable<number>;
      } = make(() => {
        looks.push({ ...fanout.stats });
        fanout.abort("second").catch(() => {});
        fanout.close().catch(() => {});
        looks.push(assertThrows(() => fanout.tryPush(9)));
      });
      const hand = new Hand<number>();
      const fanout = new Fanout(hand.handler, { ...parts.options, signal: controller.signal });
      await turn();
      if (parts.source) fanout.consume(parts.source).catch(() => {});
      fanout.tryPush(1);
      fanout.tryPush(2);
      if (parts.listener) hand.call(1).signal.addEventListener("abort", parts.listener);
      if (how === "abort") await fanout.abort("first");
      if (how === "signal") controller.abort("first");
      if (how === "failure") hand.call(1).reject("first");
      await turn();
      const end = how === "failure" ? { failed: 1 } : { running: 1 };
      assertEquals(looks.length, 2);
      assertEquals(looks[1], "first");
      assertEquals(fanout.stats, counts({ accepted: 2, discarded: 1, ...end }));
      assertEquals(await rejection(fanout.push(3)), "first");
      assertEquals(await rejection(fanout.close()), "first");
      assertEquals(await rejection(fanout.getWriter().closed), "first");
    });
  }
}

test("Fanout that a stopped source aborts during close() ends with that error [5.8]", async () => {
  for (const way of ["close()", "writer.close()"]) {
    const hand = new Hand<number>();
    const source = new ReadableStream<number>({
      cancel() {
        controller.abort("by the source");
      },
    });
    const controller = new AbortController();
    const sink = new Fanout(hand.handler, { signal: controller.signal });
    const consumed = sink.consume(source);
    sink.tryPush(1);
    await turn();
    const closed = way === "close()" ? sink.close() : sink.getWriter().close();
    assertEquals(await rejection(closed), "by the source", way);
    await rejection(consumed);
    assertEquals(assertThrows(() => sink.tryPush(2)), "by the source");
    hand.call(1).resolve(0);
    await sink.idle();
    assertEquals(await rejection(sink[Symbol.asyncDispose]()), "by the source");
  }
});

test("Fanout whose only handler waits for room in its own full sink ends by timeout [5.8]", () =>
  withClock(async (clock) => {
    const seen: unknown[] = [];
    const fanout: Fanout<number> = new Fanout(async (n: number) => {
      if (n > 1) return;
      await undefined;
      await fanout.push(3);
    }, { capacity: 1, timeout: 10, onError: (error, n) => seen.push((error as Error).name, n) });
    fanout.tryPush(1);
    fanout.tryPush(2);
    await clock.tick(9);
    assertEquals(fanout.stats, counts({ accepted: 2, waiting: 1, running: 1, blocked: 1 }));
    await clock.tick(1);
    await fanout.close();
    assertEquals(seen, ["TimeoutError", 1]);
    assertEquals(fanout.stats, counts({ accepted: 3, done: 2, failed: 1 }));
    assertEquals(clock.pending, 0);
  }));

for (
  const [how, settle] of Object.entries({
    "at once": () => {},
    "later": () => Promise.resolve(),
  })
) {
  test(`Fanout whose nested handlers use up the stack counts them all, and drains: settling ${how} [5.34] [3]`, async () => {
    const COUNT = 20_000;
    for (const key of [undefined, (n: number) => n]) {
      const fanout: Fanout<number> = new Fanout((n: number) => {
        if (n < COUNT) assertEquals(fanout.tryPush(n + 1), true);
        return settle();
      }, { concurrency: Number.MAX_SAFE_INTEGER, capacity: 1, key });
      assertEquals(fanout.tryPush(1), true);
      await fanout.close();
      assertEquals(fanout.stats, counts({ accepted: COUNT, done: COUNT }));
    }
  });
}

test("Fanout keeps its bound when nested handlers use up the stack [5.1]", async () => {
  let left = 20_000;
  let most = 0;
  const fanout: Fanout<number> = new Fanout(() => {
    for (let n = 0; n < 2 && left > 0; n++) {
      left--;
      fanout.tryPush(n);
      most = Math.max(most, fanout.stats.waiting);
    }
  }, { concurrency: Number.MAX_SAFE_INTEGER, capacity: 1 });
  fanout.tryPush(0);
  await fanout.close();
  assertEquals(most, 1);
});
