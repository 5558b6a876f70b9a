/** `ThrottleStream`. The ids are in `throttle_test.ts`. */

import { assertEquals } from "@std/assert";
import { ThrottleStream } from "../mod.ts";
import { collect, settled, streamOf, turn } from "./support/gate.ts";
import { counts, edges, open } from "./support/throttling.ts";
import { timed } from "./support/timed.ts";

timed(
  "ThrottleStream passes the first of an interval and drops the others [4.T1] [4.T4] [4.T6]",
  async (clock) => {
    const { stream, write, drain, seen, writer } = open();
    const draining = drain();
    await write(1, 2);
    await turn();
    assertEquals([seen, clock.pending], [[1], 0]);
    await clock.tick(99);
    await write(3);
    await clock.tick(1);
    await write(4, 5);
    await writer.close();
    await draining;
    assertEquals(seen, [1, 4]);
    assertEquals(stream.stats, counts({ accepted: 5, done: 2, dropped: 3 }));
  },
);

timed(
  "ThrottleStream passes the latest item an interval after the first [4.T2] [4.T4] [4.T6]",
  async (clock) => {
    const { stream, write, drain, seen, reader } = open("trailing");
    drain();
    await write(1);
    await clock.tick(60);
    await write(2, 3);
    assertEquals(clock.pending, 1);
    assertEquals(stream.stats, counts({ accepted: 3, waiting: 1, dropped: 2 }));
    await clock.tick(39);
    assertEquals(seen, []);
    await clock.tick(1);
    assertEquals([seen, clock.pending], [[3], 0]);
    assertEquals(stream.stats, counts({ accepted: 3, done: 1, dropped: 2 }));
    await clock.tick(500);
    await write(4);
    await clock.tick(99);
    assertEquals(seen, [3]);
    await clock.tick(1);
    assertEquals(seen, [3, 4]);
    await reader.cancel();
  },
);

timed(
  "ThrottleStream passes the first at once and the latest at the end of the interval [4.T3] [4.T4] [4.T6]",
  async (clock) => {
    const { stream, write, drain, seen, reader } = open("both");
    drain();
    await write(1);
    await turn();
    assertEquals([seen, clock.pending], [[1], 0]);
    await clock.tick(50);
    await write(2, 3);
    await clock.tick(49);
    assertEquals([seen, clock.pending], [[1], 1]);
    await clock.tick(1);
    assertEquals([seen, clock.pending], [[1, 3], 0]);
    await write(4);
    await clock.tick(99);
    assertEquals(seen, [1, 3]);
    await clock.tick(1);
    assertEquals(seen, [1, 3, 4]);
    assertEquals(stream.stats, counts({ accepted: 4, done: 3, dropped: 1 }));
    await reader.cancel();
  },
);

timed(
  "ThrottleStream is never postponed by a steady flow of items [4.T2] [4.T3]",
  async (clock) => {
    for (const edge of ["trailing", "both"] as const) {
      const items = async function* () {
        for (let n = 0; n < 21; n++) {
          yield n;
          await clock.tick(1);
        }
      };
      const stream = new ThrottleStream<number>({ interval: 5, edge });
      const passed = await collect(streamOf(items()).pipeThrough(stream));
      // A debounce would give one or two.
      assertEquals(passed.length, edge === "both" ? 6 : 5, `${passed}`);
      assertEquals(passed.at(-1), 20);
    }
  },
);

timed(
  "ThrottleStream passes the latest item when its interval is over, even if its producer blocks the timers [4.T20]",
  async (clock) => {
    for (const edge of ["trailing", "both"] as const) {
      const { write, drain, seen, reader } = open(edge);
      drain();
      for (let n = 0; n < 12; n++) {
        await write(n);
        clock.block(30);
      }
      assertEquals(seen, edge === "both" ? [0, 3, 7] : [3, 7]);
      await reader.cancel();
    }
  },
);

timed(
  "ThrottleStream keeps an item that has passed, and the next write that would pass waits [4.T8] [4.T4]",
  async (clock) => {
    const { stream, writer, reader, write } = open("leading");
    await write(1, 2);
    assertEquals(stream.stats, counts({ accepted: 2, waiting: 1, dropped: 1 }));
    await clock.tick(100);
    const waits = writer.write(3);
    const behind = writer.write(4);
    assertEquals(await settled(waits), "pending");
    await clock.tick(1000);
    assertEquals(await settled(waits), "pending");
    assertEquals(stream.stats.accepted, 2);
    assertEquals((await reader.read()).value, 1);
    await Promise.all([waits, behind]);
    // It passes now, and opens its interval now.
    assertEquals(stream.stats, counts({ accepted: 4, waiting: 1, done: 1, dropped: 2 }));
    assertEquals((await reader.read()).value, 3);
    await clock.tick(99);
    await write(5);
    assertEquals(stream.stats, counts({ accepted: 5, done: 2, dropped: 3 }));
    await reader.cancel();
  },
);

timed("ThrottleStream gives a waiting item once to two reads [4.T8]", async (clock) => {
  const { writer, reader, write } = open("leading");
  await write(1);
  await clock.tick(100);
  const waits = writer.write(2);
  await turn();
  const reads = [reader.read(), reader.read(), reader.read()];
  await waits;
  await writer.close();
  assertEquals((await Promise.all(reads)).map(({ value }) => value), [1, 2, undefined]);
});

timed(
  "ThrottleStream gives the latest item to a late read [4.T9] [4.T4]",
  async (clock) => {
    const { stream, write, reader } = open("trailing");
    await write(1);
    await clock.tick(100);
    assertEquals(stream.stats, counts({ accepted: 1, waiting: 1 }));
    await write(2);
    assertEquals(stream.stats, counts({ accepted: 2, waiting: 2 }));
    await write(3);
    await clock.tick(100);
    assertEquals(stream.stats, counts({ accepted: 3, waiting: 1, dropped: 2 }));
    assertEquals([(await reader.read()).value, clock.pending], [3, 0]);
    const read = reader.read();
    assertEquals(await settled(read), "pending");
    await write(4);
    await clock.tick(100);
    assertEquals((await read).value, 4);
  },
);

timed(
  "ThrottleStream at both edges also replaces the first item while there is no demand [4.T3] [4.T9]",
  async (clock) => {
    const { stream, write, reader } = open("both");
    await write(1, 2);
    assertEquals(stream.stats, counts({ accepted: 2, waiting: 2 }));
    await clock.tick(100);
    assertEquals(stream.stats, counts({ accepted: 2, waiting: 1, dropped: 1 }));
    assertEquals((await reader.read()).value, 2);
    await write(3);
    await clock.tick(100);
    assertEquals((await reader.read()).value, 3);
  },
);

timed(
  "ThrottleStream at both edges lets no write wait when the next interval begins [4.T9]",
  async (clock) => {
    const { stream, write, reader } = open("both");
    await write(1);
    await clock.tick(100);
    await write(2);
    assertEquals(stream.stats, counts({ accepted: 2, waiting: 1, dropped: 1 }));
    assertEquals((await reader.read()).value, 2);
  },
);

timed("ThrottleStream passes the waiting item at once by flush() [4.T5] [4.T6]", async (clock) => {
  for (const edge of edges) {
    const { stream, write, drain, seen, reader } = open(edge);
    drain();
    stream.flush();
    await write(1, 2);
    stream.flush();
    stream.flush();
    await turn();
    assertEquals(seen, { leading: [1], trailing: [2], both: [1, 2] }[edge]);
    assertEquals(clock.pending, 0);
    await write(3);
    await clock.tick(100);
    assertEquals(seen.at(-1), edge === "leading" ? 1 : 3);
    await reader.cancel();
    stream.flush();
    assertEquals(clock.pending, 0);
  }
});

timed(
  "ThrottleStream at the leading edge keeps an item that has passed, even if the interval closes meanwhile [4.T8]",
  async (clock) => {
    const { now } = performance;
    const { stream, write, reader } = open("leading");
    await write(1);
    clock.block(99);
    // Each read of the clock takes five milliseconds, like a pause of the collector.
    performance.now = () => {
      const time = now.call(performance);
      clock.block(5);
      return time;
    };
    try {
      await write(2);
    } finally {
      performance.now = now;
    }
    assertEquals(stream.stats, counts({ accepted: 2, waiting: 1, dropped: 1 }));
    assertEquals((await reader.read()).value, 1);
  },
);
