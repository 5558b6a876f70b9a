/** The common rules of all batching streams, on each of them and on `from`. */

import { assertEquals } from "@std/assert";
import { begin, ways } from "./support/batching.ts";
import { withClock } from "./support/clock.ts";
import { microtasks, settled } from "./support/gate.ts";
import { test } from "./support/test.ts";

for (const { name, open } of ways) {
  test(`${name} keeps order and emits no empty batch [4.1]`, async () => {
    const { reader, add, close } = open(3);
    const batches: unknown[][] = [];
    const reading = (async () => {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        batches.push(next.value);
      }
    })();
    await add(1, 2, 3, 4, 5, 6);
    await close();
    await reading;
    assertEquals(batches, [[1, 2, 3], [4, 5, 6]]);
  });

  test(`${name} emits each item once, even if one has waited for room [4.1]`, async () => {
    const { reader, add, close } = open(2);
    const first = reader.read();
    await add("a", "b", "c", "d", "e");
    await close();
    assertEquals((await first).value, ["a", "b"]);
    assertEquals((await reader.read()).value, ["c", "d"]);
    assertEquals((await reader.read()).value, ["e"]);
    assertEquals((await reader.read()).done, true);
  });

  test(`${name} never touches a batch after the consumer has it [4.1] [F-11]`, async () => {
    const { reader, add, close } = open(2);
    const first = reader.read();
    await add("a", "b", "c");
    const batch = (await first).value!;
    batch.push("mine");
    batch.length = 1;
    await add("d");
    assertEquals((await reader.read()).value, ["c", "d"]);
    await close();
    assertEquals(batch, ["a"]);
  });

  test(`${name} emits when the batch is full and not before [4.2]`, async () => {
    const { reader, add } = open(3);
    const read = reader.read();
    await add("a", "b");
    assertEquals(await settled(read), "pending");
    await add("c");
    assertEquals((await read).value, ["a", "b", "c"]);
  });

  test(`${name} emits the rest when it is closed, and then closes [4.7] [4.2]`, async () => {
    const { reader, add, close } = open(3);
    const read = reader.read();
    await add("a", "b");
    await close();
    assertEquals((await read).value, ["a", "b"]);
    assertEquals((await reader.read()).done, true);
  });

  test(`${name} keeps the rest for a consumer that reads after close [4.7]`, async () => {
    const opened = open(3);
    await begin(opened, 3);
    await opened.add("a", "b");
    await opened.close();
    if (opened.stats) assertEquals(opened.stats.waiting, 2);
    assertEquals((await opened.reader.read()).value, ["a", "b"]);
    assertEquals((await opened.reader.read()).done, true);
    if (opened.stats) assertEquals(opened.stats.waiting, 0);
  });

  test(`${name} counts the rest as discarded when it is cancelled after close [4.7] [F-30]`, async () => {
    const opened = open(3);
    await begin(opened, 3);
    await opened.add("a", "b");
    await opened.close();
    await opened.reader.cancel("no more");
    if (opened.stats) {
      assertEquals(opened.stats, { accepted: 5, waiting: 0, done: 3, discarded: 2, batches: 1 });
    }
    assertEquals((await opened.reader.read()).done, true);
  });

  test(`${name} closes without a batch when nothing was added [4.1]`, async () => {
    const { reader, close } = open(3, { linger: 0 });
    const read = reader.read();
    await close();
    assertEquals((await read).done, true);
  });

  test(`${name} counts linger from the first item and never extends it [4.4]`, () =>
    withClock(async (clock) => {
      const { reader, add } = open(9, { linger: 10 });
      const read = reader.read();
      await clock.tick(100);
      await add("a");
      await clock.tick(6);
      await add("b");
      await clock.tick(3);
      assertEquals(await settled(read), "pending");
      await clock.tick(1);
      assertEquals((await read).value, ["a", "b"]);
    }));

  test(`${name} has one timer while it holds items, and none otherwise [4.4] [F-36]`, () =>
    withClock(async (clock) => {
      const { reader, add, close } = open(2, { linger: 10 });
      const read = reader.read();
      await microtasks();
      assertEquals(clock.pending, 0);
      await add("a");
      assertEquals(clock.pending, 1);
      await add("b");
      assertEquals([(await read).value, clock.pending], [["a", "b"], 0]);
      await add("c");
      assertEquals(clock.pending, 1);
      await clock.tick(10);
      assertEquals(clock.pending, 0);
      await close();
      assertEquals((await reader.read()).value, ["c"]);
      assertEquals(clock.pending, 0);
    }));

  test(`${name} makes no timer when linger is Infinity [4.4] [F-03]`, () =>
    withClock(async (clock) => {
      const { reader, add } = open(9, { linger: Infinity });
      const read = reader.read();
      await add("a", "b");
      assertEquals(clock.pending, 0);
      await clock.tick(2 ** 31);
      assertEquals(await settled(read), "pending");
    }));

  test(`${name} waits for the longest possible linger, at any moment [4.4] [F-02] [F-03]`, () =>
    withClock(async (clock) => {
      // A time to which adding the linger and subtracting it again is not exact.
      performance.now = () => 5.3 + clock.now;
      const { reader, add } = open(9, { linger: 2147483647 });
      const read = reader.read();
      await add("a");
      await clock.tick(2147483646);
      assertEquals(await settled(read), "pending");
      await clock.tick(1);
      assertEquals((await read).value, ["a"]);
    }));

  test(`${name} keeps collecting while the batch is due and there is no demand [4.5] [F-27]`, () =>
    withClock(async (clock) => {
      const opened = open(3, { linger: 10 });
      await begin(opened, 3);
      await opened.add("a");
      await clock.tick(50);
      await opened.add("b");
      const read = opened.reader.read();
      // At once, and the next batch starts from zero.
      await microtasks();
      assertEquals((await read).value, ["a", "b"]);
      const next = opened.reader.read();
      await opened.add("c");
      await clock.tick(9);
      assertEquals(await settled(next), "pending");
      await clock.tick(1);
      assertEquals((await next).value, ["c"]);
    }));

  test(`${name} holds at most one batch while there is no demand [4.5] [F-27]`, () =>
    withClock(async (clock) => {
      const opened = open(2, { linger: 10 });
      await begin(opened, 2);
      await opened.add("a", "b", "c", "d", "e");
      await clock.tick(100);
      if (opened.stats) {
        assertEquals(opened.stats, { accepted: 4, waiting: 2, done: 2, discarded: 0, batches: 1 });
      }
      assertEquals((await opened.reader.read()).value, ["a", "b"]);
      assertEquals((await opened.reader.read()).value, ["c", "d"]);
      await opened.close();
      assertEquals((await opened.reader.read()).value, ["e"]);
      assertEquals(clock.pending, 0);
    }));

  test(`${name} emits single items while the consumer keeps up when linger is 0 [4.6]`, () =>
    withClock(async (clock) => {
      const { reader, add } = open(9, { linger: 0 });
      for (const item of ["a", "b", "c"]) {
        const read = reader.read();
        await add(item);
        assertEquals((await read).value, [item]);
      }
      assertEquals(clock.pending, 0);
    }));

  test(`${name} emits larger batches while the consumer is busy when linger is 0 [4.6]`, () =>
    withClock(async (clock) => {
      const opened = open(3, { linger: 0 });
      await begin(opened, 1);
      await opened.add("a");
      await opened.add("b");
      assertEquals((await opened.reader.read()).value, ["a", "b"]);
      await opened.add("c", "d", "e", "f");
      assertEquals((await opened.reader.read()).value, ["c", "d", "e"]);
      assertEquals((await opened.reader.read()).value, ["f"]);
      assertEquals(clock.pending, 0);
    }));

  test(`${name} carries undefined, null, 0, false and NaN [7.4] [F-12]`, async () => {
    const items = [undefined, null, 0, false, "", NaN];
    const { reader, add, close } = open(4);
    const read = reader.read();
    await add(...items);
    await close();
    assertEquals((await read).value, items.slice(0, 4));
    assertEquals((await reader.read()).value, items.slice(4));
  });
}
