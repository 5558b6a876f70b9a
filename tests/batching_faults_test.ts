/** The normal and early ends of each batching stream, and of `from`. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { BatchStream } from "../mod.ts";
import { begin, type Opened, reasonOf, ways } from "./support/batching.ts";
import { withClock } from "./support/clock.ts";
import { settled } from "./support/gate.ts";
import { countListeners } from "./support/listeners.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

const reasons = [new Error("the reason"), "a word", undefined, null, 0, Object.freeze({})];

/** Ways to end a stream early, and the sides that get the reason. */
const ends = [
  {
    name: "the consumer cancels",
    id: "[F-30]",
    end: (opened: Opened, _: AbortController, reason: unknown) => opened.reader.cancel(reason),
    consumer: "closed",
    producer: "told",
  },
  {
    name: "the producer fails",
    id: "[F-31]",
    end: (opened: Opened, _: AbortController, reason: unknown) => opened.abort(reason),
    consumer: "told",
    producer: "knows",
  },
  {
    name: "the signal aborts",
    id: "[F-33]",
    end: (_: Opened, controller: AbortController, reason: unknown) => controller.abort(reason),
    consumer: "told",
    producer: "told",
  },
];

for (const { name, open } of ways) {
  for (const { name: event, id, end, consumer, producer } of ends) {
    // Items read before a failure of the source are handed over first: `batching_from_test.ts`.
    const rest = id === "[F-31]" && name.endsWith(".from()");
    if (!rest) {
      test(`${name} discards its items, stops its timer and gives both sides the same reason when ${event} [4.7] [7.3] ${id} [F-34]`, () =>
        withClock(async (clock) => {
          for (const reason of reasons) {
            const controller = new AbortController();
            const listeners = countListeners(controller.signal);
            const opened = open(3, { linger: 50, signal: controller.signal });
            await begin(opened, 3);
            await opened.add("a", "b");
            assertEquals([clock.pending, listeners.live], [1, 1]);
            const lost = await unhandled(() => end(opened, controller, reason));
            assertEquals(lost, []);
            assertEquals([clock.pending, listeners.live], [0, 0]);
            // A signal that aborts without a reason makes one.
            const expected = id === "[F-33]" ? controller.signal.reason : reason;
            if (consumer === "told") {
              assertStrictEquals(await reasonOf(opened.reader.read()), expected);
            } else assertEquals((await opened.reader.read()).done, true);
            if (producer === "told") assertStrictEquals(await opened.told, expected);
            if (opened.stats) {
              const { stats } = opened;
              assertEquals(stats, { accepted: 5, waiting: 0, done: 3, discarded: 2, batches: 1 });
            }
          }
        }));
    }

    test(`${name} leaves nothing behind when ${event} before anything is added [4.7] ${id} [F-36]`, () =>
      withClock(async (clock) => {
        const controller = new AbortController();
        const listeners = countListeners(controller.signal);
        const opened = open(3, { linger: 0, signal: controller.signal });
        assertEquals(await unhandled(() => end(opened, controller, "early")), []);
        if (consumer === "told") assertEquals(await reasonOf(opened.reader.read()), "early");
        assertEquals([clock.pending, listeners.live], [0, 0]);
      }));

    if (!rest) {
      test(`${name} stays ended when ${event} twice [F-31]`, async () => {
        const controller = new AbortController();
        const opened = open(3, { signal: controller.signal });
        const read = opened.reader.read();
        read.catch(() => {});
        await opened.add("a");
        const lost = await unhandled(async () => {
          await end(opened, controller, "first");
          controller.abort("second");
          await opened.reader.cancel("second").catch(() => {});
        });
        assertEquals(lost, []);
        if (consumer === "told") assertEquals(await reasonOf(read), "first");
        else assertEquals((await read).done, true);
        if (producer === "told") assertEquals(await opened.told, "first");
      });
    }
  }

  test(`${name} reads nothing and errors both sides when the signal has aborted before [F-33]`, async () => {
    const signal = AbortSignal.abort("before");
    const listeners = countListeners(signal);
    const opened = open(3, { signal });
    assertEquals(await reasonOf(opened.reader.read()), "before");
    assertEquals(await opened.told, "before");
    assertEquals(listeners.added, 0);
    if (opened.stats) assertEquals(opened.stats.accepted, 0);
  });

  test(`${name} emits one last batch and stops the timer when it is closed [F-23] [F-36]`, () =>
    withClock(async (clock) => {
      const { signal } = new AbortController();
      const listeners = countListeners(signal);
      const opened = open(9, { linger: 10, signal });
      const read = opened.reader.read();
      await opened.add("a", "b");
      await opened.close();
      assertEquals((await read).value, ["a", "b"]);
      assertEquals((await opened.reader.read()).done, true);
      assertEquals([clock.pending, listeners.live], [0, 0]);
    }));

  test(`${name} stops the timer when it is closed without demand [F-23] [F-36]`, () =>
    withClock(async (clock) => {
      const opened = open(3, { linger: 1000 });
      await begin(opened, 3);
      await opened.add("a");
      assertEquals(clock.pending, 1);
      await opened.close();
      assertEquals(clock.pending, 0);
      await opened.reader.cancel();
    }));

  for (const first of ["timer", "close"]) {
    test(`${name} emits once when timer and close fall together, the ${first} first [F-24]`, () =>
      withClock(async (clock) => {
        const opened = open(9, { linger: 10 });
        const read = opened.reader.read();
        await opened.add("a");
        clock.block(10);
        const closing = first === "close" ? opened.close() : undefined;
        const ticking = clock.tick(0);
        await (closing ?? opened.close());
        await ticking;
        assertEquals((await read).value, ["a"]);
        assertEquals((await opened.reader.read()).done, true);
        assertEquals(clock.pending, 0);
      }));
  }

  test(`${name} does not flush the next batch with the timer of a full one [4.2] [F-25]`, () =>
    withClock(async (clock) => {
      const opened = open(2, { linger: 10 });
      const first = opened.reader.read();
      await opened.add("a");
      await clock.tick(8);
      await opened.add("b", "c");
      assertEquals((await first).value, ["a", "b"]);
      const second = opened.reader.read();
      await clock.tick(9);
      assertEquals(await settled(second), "pending");
      await clock.tick(1);
      assertEquals((await second).value, ["c"]);
    }));

  test(`${name} does not flush the next batch because the last one was due [4.2] [F-25]`, () =>
    withClock(async (clock) => {
      const opened = open(3, { linger: 10 });
      await begin(opened, 3);
      await opened.add("a");
      await clock.tick(10);
      assertEquals((await opened.reader.read()).value, ["a"]);
      const read = opened.reader.read();
      await opened.add("b");
      assertEquals(await settled(read), "pending");
      await clock.tick(10);
      assertEquals((await read).value, ["b"]);
    }));

  test(`${name} emits every item, including the last, when a batch holds one [F-26]`, async () => {
    const { reader, add, close } = open(1, { linger: 10 });
    const read = reader.read();
    await add("a", "b", "c");
    await close();
    assertEquals((await read).value, ["a"]);
    assertEquals((await reader.read()).value, ["b"]);
    assertEquals((await reader.read()).value, ["c"]);
    assertEquals((await reader.read()).done, true);
  });

  test(`${name} emits a full batch of one when it is closed without demand [4.7] [F-26]`, async () => {
    const { reader, add, close } = open(1, { linger: 10 });
    const first = reader.read();
    await add("a", "b");
    await close();
    assertEquals((await first).value, ["a"]);
    assertEquals((await reader.read()).value, ["b"]);
    assertEquals((await reader.read()).done, true);
  });

  test(`${name} emits nothing when demand returns and the batch is neither full nor due [F-28]`, () =>
    withClock(async (clock) => {
      const opened = open(3, { linger: 10 });
      await begin(opened, 3);
      await opened.add("a", "b");
      await clock.tick(9);
      const read = opened.reader.read();
      assertEquals(await settled(read), "pending");
      await clock.tick(1);
      assertEquals((await read).value, ["a", "b"]);
    }));

  test(`${name} emits one late batch when the event loop was blocked or the wall clock jumped [F-35]`, () =>
    withClock(async (clock) => {
      const opened = open(9, { linger: 10 });
      const first = opened.reader.read();
      await opened.add("a");
      clock.jumpWall(86_400_000);
      await clock.tick(9);
      assertEquals(await settled(first), "pending");
      clock.jumpWall(-2 * 86_400_000);
      clock.block(60_000);
      await clock.tick(0);
      assertEquals((await first).value, ["a"]);
      const second = opened.reader.read();
      await opened.add("b");
      await clock.tick(9);
      assertEquals(await settled(second), "pending");
      await clock.tick(1);
      assertEquals((await second).value, ["b"]);
    }));

  for (const aborted of [false, true]) {
    const how = aborted ? "it has aborted" : "they have settled";
    test(`${name} shares one listener on a signal, and leaves none when ${how} [7.5] [F-33]`, async () => {
      const controller = new AbortController();
      const listeners = countListeners(controller.signal);
      const opened = Array.from({ length: 100 }, () => open(3, { signal: controller.signal }));
      assertEquals([listeners.added, listeners.live], [1, 1]);
      const last = opened.pop()!;
      await Promise.all(opened.map(({ reader }) => reader.cancel()));
      assertEquals([listeners.added, listeners.live], [1, 1]);
      if (aborted) controller.abort("all");
      else await last.reader.cancel("all");
      assertEquals(await last.told, "all");
      assertEquals(listeners.live, 0);
    });
  }
}

test("BatchStream.from() has one listener for 1e5 streams on one signal, and none when it has aborted [7.5] [F-33]", async () => {
  const controller = new AbortController();
  const listeners = countListeners(controller.signal);
  const { signal } = controller;
  const streams = Array.from({ length: 1e5 }, () => BatchStream.from([], { maxItems: 9, signal }));
  assertEquals([listeners.added, listeners.live], [1, 1]);
  controller.abort("all");
  assertEquals(listeners.live, 0);
  for (const stream of streams.slice(-10)) {
    assertEquals(await reasonOf(stream.getReader().read()), "all");
  }
});
