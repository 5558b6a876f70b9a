/** `ThrottleStream`: its ends, and problems of time. The ids are in `throttle_test.ts`. */

import { assertEquals } from "@std/assert";
import { reasonOf } from "./support/batching.ts";
import { turn } from "./support/gate.ts";
import { counts, edges, open } from "./support/throttling.ts";
import { timed } from "./support/timed.ts";
import { unhandled } from "./support/unhandled.ts";

timed(
  "ThrottleStream passes the waiting item when it closes, with or without demand [4.T5] [4.T6]",
  async (clock) => {
    for (const edge of edges) {
      for (const asked of [true, false]) {
        const { stream, write, writer, drain, seen } = open(edge);
        if (asked) drain();
        await write(1, 2);
        await writer.close();
        assertEquals(clock.pending, 0);
        if (!asked) {
          assertEquals(stream.stats.waiting, 1);
          await drain();
        }
        await turn();
        const expected = { leading: [1], trailing: [2], both: asked ? [1, 2] : [2] }[edge];
        assertEquals([edge, seen], [edge, expected]);
        const [done, dropped] = [expected.length, 2 - expected.length];
        assertEquals(stream.stats, counts({ accepted: 2, done, dropped }));
        stream.flush();
      }
    }
  },
);

const ends: [string, (both: ReturnType<typeof open>, own: AbortController) => unknown][] = [
  ["the consumer cancels [F-30]", ({ reader }) => reader.cancel("the end")],
  ["the producer aborts [F-31]", ({ writer }) => writer.abort("the end")],
  ["the signal aborts [F-33]", (_, own) => own.abort("the end")],
];
for (const [event, end] of ends) {
  timed(
    `ThrottleStream counts the waiting item as discarded when ${event} [4.T4] [4.T5] [4.T6]`,
    async (clock) => {
      for (const edge of edges) {
        const own = new AbortController();
        const both = open(edge, 100, own.signal);
        await both.write(1, 2);
        await clock.tick(100);
        // At the leading edge this item would pass, so it waits outside and is never accepted.
        const write = both.writer.write(3);
        write.catch(() => {});
        await turn();
        assertEquals(await unhandled(() => end(both, own)), []);
        if (edge === "leading") assertEquals(await reasonOf(write), "the end");
        const expected = {
          leading: counts({ accepted: 2, dropped: 1, discarded: 1 }),
          trailing: counts({ accepted: 3, dropped: 1, discarded: 2 }),
          both: counts({ accepted: 3, dropped: 1, discarded: 2 }),
        };
        assertEquals([edge, both.stream.stats], [edge, expected[edge]]);
        assertEquals(clock.pending, 0);
        both.stream.flush();
        assertEquals(both.stream.stats, expected[edge]);
        assertEquals(await reasonOf(both.writer.write(4)), "the end");
        assertEquals(both.stream.stats, expected[edge]);
      }
    },
  );
}

timed(
  "ThrottleStream with an interval of Infinity has no timer, and passes the latest at close [4.T6] [F-03]",
  async (clock) => {
    for (const edge of edges) {
      const { write, writer, drain, seen } = open(edge, Infinity);
      const draining = drain();
      await write(1, 2, 3);
      assertEquals(clock.pending, 0);
      await clock.tick(1e9);
      assertEquals(seen, edge === "trailing" ? [] : [1]);
      await writer.close();
      await draining;
      assertEquals(seen, { leading: [1], trailing: [3], both: [1, 3] }[edge]);
    }
  },
);

timed("ThrottleStream carries undefined, null, 0 and false [F-12]", async (clock) => {
  for (const edge of edges) {
    const { write, writer, drain, seen } = open(edge, 10);
    const draining = drain();
    const items = [undefined, null, 0, false, ""];
    for (const item of items) {
      await write(item);
      await clock.tick(10);
    }
    await writer.close();
    await draining;
    assertEquals([edge, seen], [edge, items]);
  }
});

timed(
  "ThrottleStream passes one item late when the event loop was blocked or the wall clock jumped [4.T20] [F-35]",
  async (clock) => {
    const { write, drain, seen, reader } = open("trailing");
    drain();
    await write(1);
    clock.jumpWall(86_400_000);
    await clock.tick(99);
    assertEquals(seen, []);
    clock.jumpWall(-2 * 86_400_000);
    clock.block(60_000);
    await write(2);
    await clock.tick(99);
    assertEquals(seen, [1]);
    await clock.tick(1000);
    assertEquals([seen, clock.pending], [[1, 2], 0]);
    await reader.cancel();
  },
);
