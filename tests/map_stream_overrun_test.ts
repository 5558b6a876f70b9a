/** `MapStream`: the place and the key of a call that runs on after its timeout. */

import { assertEquals } from "@std/assert";
import { MapStream, type MapStreamOptions } from "../mod.ts";
import { settled, turn } from "./support/gate.ts";
import { assertConserved, Hand, mapped } from "./support/hand.ts";
import { timed } from "./support/timed.ts";
import { unhandled } from "./support/unhandled.ts";

const TIMEOUT = 10;

function open(options: MapStreamOptions<number> = {}) {
  const hand = new Hand<number>();
  const told: number[] = [];
  const stream = new MapStream<number, unknown>(hand.handler, {
    ...{ timeout: TIMEOUT, overrun: "hold", onError: (_, item) => told.push(item) },
    ...options,
  });
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  for (const promise of [writer.closed, writer.ready, reader.closed]) promise.catch(() => {});
  return { hand, told, writer, reader, stream };
}

const value = async (read: Promise<{ value?: unknown }>) => (await read).value;

for (const ordered of [true, false]) {
  const order = ordered ? "in order" : "without order";

  timed(
    `MapStream ${order} holds the place of a call that runs on until it settles, and skips its item [4.M15] [4.M6] [4.M12]`,
    async (clock) => {
      const { hand, told, writer, reader, stream } = open({ ordered, capacity: 2 });
      const lost = await unhandled(async () => {
        await writer.write(1);
        const written = [2, 3].map((n) => writer.write(n));
        await clock.tick(TIMEOUT);
        await Promise.all(written);
        assertEquals([told, hand.started], [[1], [1]]);
        assertEquals(
          stream.stats,
          mapped({ accepted: 3, waiting: 2, failed: 1, overrunning: 1 }),
        );
        hand.call(1).reject("late");
        await turn();
        assertEquals(hand.started, [1, 2]);
        hand.call(2).resolve("b");
        assertEquals(await value(reader.read()), "b");
        hand.call(3).resolve("c");
        assertEquals(await value(reader.read()), "c");
        await writer.close();
      });
      assertEquals([lost, told], [[], [1]]);
      assertEquals(stream.stats, mapped({ accepted: 3, done: 2, failed: 1 }));
    },
  );

  timed(
    `MapStream ${order} hands over later results, and ends, while it holds a call that runs on [4.M15] [4.M8]`,
    async (clock) => {
      const { hand, writer, reader, stream } = open({ ordered, concurrency: 2, capacity: 3 });
      for (const n of [1, 2]) await writer.write(n);
      hand.call(2).resolve("b");
      const read = value(reader.read());
      const closing = writer.close();
      assertEquals(await settled(closing), "pending");
      await clock.tick(TIMEOUT);
      await closing;
      assertEquals(await read, "b");
      assertEquals((await reader.read()).done, true);
      assertEquals(stream.stats, mapped({ accepted: 2, done: 1, failed: 1, overrunning: 1 }));
      hand.call(1).resolve("late");
      await turn();
      assertEquals(stream.stats, mapped({ accepted: 2, done: 1, failed: 1 }));
    },
  );
}

timed(
  "MapStream holds the key of a call that runs on, and goes on with others [4.M15] [4.M4]",
  async (clock) => {
    const { hand, writer, reader } = open({ concurrency: 3, capacity: 9, key: (n) => n % 10 });
    for (const n of [1, 11]) await writer.write(n);
    await clock.tick(TIMEOUT);
    await writer.write(2);
    assertEquals(hand.started, [1, 2]);
    hand.call(1).resolve("late");
    await turn();
    assertEquals(hand.started, [1, 2, 11]);
    await reader.cancel();
  },
);

timed(
  "MapStream counts a call that runs on toward its concurrency, even if there is room for an item [4.M15] [4.M1]",
  async (clock) => {
    const { hand, writer, reader, stream } = open({ concurrency: 2 });
    for (const n of [1, 2]) await writer.write(n);
    const written = writer.write(3);
    await clock.tick(TIMEOUT);
    await written;
    assertEquals(stream.stats, mapped({ accepted: 3, waiting: 1, failed: 2, overrunning: 2 }));
    for (const n of [2, 1]) {
      hand.call(n).resolve("late");
      await turn();
    }
    await writer.write(4);
    assertEquals(hand.started, [1, 2, 3, 4]);
    await reader.cancel();
  },
);

timed(
  "MapStream by default frees the place of a call that runs on at once, and counts it as overrunning [4.M15] [4.M6]",
  async (clock) => {
    for (const overrun of ["release", undefined] as const) {
      const { hand, writer, reader, stream } = open({ overrun });
      await writer.write(1);
      const written = writer.write(2);
      await clock.tick(TIMEOUT);
      await written;
      assertEquals(hand.started, [1, 2]);
      assertEquals(stream.stats, mapped({ accepted: 2, running: 1, failed: 1, overrunning: 1 }));
      hand.call(1).resolve("late");
      await turn();
      assertEquals(stream.stats, mapped({ accepted: 2, running: 1, failed: 1 }));
      await reader.cancel();
    }
  },
);

timed(
  "MapStream leaves a held call alone when it ends early, and starts nothing more [4.M15] [4.M7] [4.M13]",
  async (clock) => {
    for (const end of ["cancel", "abort", "timeout"] as const) {
      const discarded: number[] = [];
      const { hand, writer, reader, stream } = open({
        ...{ concurrency: 2, capacity: 4, onDiscard: (items) => discarded.push(...items) },
        ...(end === "timeout" && { onError: undefined }),
      });
      const lost = await unhandled(async () => {
        for (const n of [1, 2, 3]) await writer.write(n);
        await clock.tick(TIMEOUT);
        if (end === "cancel") await reader.cancel("over");
        if (end === "abort") await writer.abort("over");
        assertEquals(discarded, [3]);
        for (const n of [1, 2]) hand.call(n).reject("late");
      });
      assertEquals([lost, hand.started, stream.stats.overrunning], [[], [1, 2], 0]);
      assertConserved(stream);
    }
  },
);

timed(
  "MapStream.from() also holds the place of a call that runs on [4.M15] [4.M9]",
  async (clock) => {
    const hand = new Hand<number>();
    const reader = MapStream.from([1, 2], hand.handler, {
      ...{ timeout: TIMEOUT, overrun: "hold", onError() {} },
    }).getReader();
    const read = value(reader.read());
    await turn();
    await clock.tick(TIMEOUT);
    assertEquals(hand.started, [1]);
    hand.call(1).resolve("late");
    await turn();
    hand.call(2).resolve("b");
    assertEquals(await read, "b");
    assertEquals((await reader.read()).done, true);
  },
);
