/**
 * `BatchStream` with a collector: the calls of the collector, and its failures and side effects.
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { BatchStream, type Collector } from "../mod.ts";
import { ArrayCollector, reasonOf } from "./support/batching.ts";
import { type Clock, withClock } from "./support/clock.ts";
import { collect, counted, settled, streamOf, turn } from "./support/gate.ts";
import { test } from "./support/test.ts";

type Step = "size" | "full" | "fits" | "add" | "take";

/** A collector of two items that runs `hook` before each step. */
class Hooked extends ArrayCollector {
  readonly #hook: (step: Step, held: number) => unknown;

  constructor(hook: (step: Step, held: number) => unknown) {
    super(2);
    this.#hook = hook;
  }
  override get size(): number {
    this.#hook("size", super.size);
    return super.size;
  }
  override get full(): boolean {
    this.#hook("full", super.size);
    return super.full;
  }
  fits(): boolean {
    return this.#hook("fits", super.size) !== false;
  }
  override add(item: unknown): void {
    this.#hook("add", super.size);
    super.add(item);
  }
  override take(): unknown[] {
    this.#hook("take", super.size);
    return super.take();
  }
}

test("BatchStream with a collector rejects close() with the same error when take throws in it [4.7] [7.3] [F-20]", async () => {
  const thrown = new Error("from the collector");
  const collector = () =>
    new Hooked((step) => {
      if (step === "take") throw thrown;
    });
  const stream = new BatchStream({ collector });
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  const read = reader.read();
  await writer.write("a");
  const ends = await Promise.allSettled([writer.close(), writer.closed, read]);
  for (const end of ends) {
    assert(end.status === "rejected");
    assertStrictEquals(end.reason, thrown);
  }
});

test("BatchStream with a collector emits the batches that the collector makes [4.10]", async () => {
  /** Sums, up to three items. */
  class Sum implements Collector<number, number> {
    size = 0;
    #sum = 0;
    get full() {
      return this.size === 3;
    }
    add(item: number) {
      this.size++;
      this.#sum += item;
    }
    take() {
      const sum = this.#sum;
      this.size = this.#sum = 0;
      return sum;
    }
  }
  const stream = new BatchStream({ collector: () => new Sum() });
  assertEquals(await collect(streamOf([1, 2, 3, 4]).pipeThrough(stream)), [6, 4]);
  assertEquals(stream.stats, { accepted: 4, waiting: 0, done: 4, discarded: 0, batches: 2 });
});

test("BatchStream with a collector calls its factory once for each stream, before the first item [4.10]", () => {
  let made = 0;
  const collector = () => {
    made++;
    return new ArrayCollector(2);
  };
  new BatchStream({ collector });
  BatchStream.from([], { collector });
  assertEquals(made, 2);
});

test("BatchStream with a collector takes the batch before an item that does not fit, and calls fits once [4.2] [4.10]", async () => {
  const asked: unknown[] = [];
  /** Runs of equal items. */
  class Runs extends ArrayCollector {
    #last: unknown;
    fits(item: unknown) {
      asked.push(item);
      return item === this.#last;
    }
    override add(item: unknown) {
      this.#last = item;
      super.add(item);
    }
  }
  const items = [1, 1, 2, 2, 2, 3, 1];
  const options = { collector: () => new Runs(9) };
  const expected = [[1, 1], [2, 2, 2], [3], [1]];
  assertEquals(await collect(streamOf(items).pipeThrough(new BatchStream(options))), expected);
  assertEquals(asked, items);
  assertEquals(await collect(BatchStream.from(items, options)), expected);
});

test("BatchStream with a collector never adds to a full one, and never takes from an empty one [4.10]", async () => {
  const wrong: string[] = [];
  const collector = () =>
    new Hooked((step, held) => {
      if (step === "add" && held === 2 || step === "take" && held === 0) wrong.push(step);
    });
  await collect(streamOf([1, 2, 3, 4, 5]).pipeThrough(new BatchStream({ collector })));
  await collect(BatchStream.from([1, 2, 3, 4, 5], { collector, linger: 0 }));
  assertEquals(wrong, []);
});

test("BatchStream with a collector emits no batch and counts the items as done when the collector swallows them [4.1] [3]", () =>
  withClock(async (clock) => {
    /** Keeps even numbers only. */
    class Even extends ArrayCollector {
      override add(item: unknown) {
        if (Number(item) % 2 === 0) super.add(item);
      }
    }
    const stream = new BatchStream({ collector: () => new Even(2), linger: 10 });
    const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
    const read = reader.read();
    await writer.write(1);
    await clock.tick(10);
    assertEquals(await settled(read), "pending");
    assertEquals(stream.stats, { accepted: 1, waiting: 0, done: 1, discarded: 0, batches: 0 });
    for (const item of [3, 4, 5, 6, 7]) await writer.write(item);
    assertEquals((await read).value, [4, 6]);
    assertEquals(stream.stats, { accepted: 6, waiting: 1, done: 5, discarded: 0, batches: 1 });
    await writer.close();
    assertEquals((await reader.read()).done, true);
    assertEquals(stream.stats, { accepted: 6, waiting: 0, done: 6, discarded: 0, batches: 1 });
    assertEquals(clock.pending, 0);
  }));

const steps: Step[] = ["size", "full", "fits", "add", "take"];

for (const step of steps) {
  for (const when of ["there is demand", "there is no demand"]) {
    test(`BatchStream with a collector errors both sides and stops its timer when ${step} throws and ${when} [4.7] [F-29]`, () =>
      withClock(async (clock) => {
        const thrown = new Error("from the collector");
        const collector = () =>
          new Hooked((now, held) => {
            if (now === step && held > 0) throw thrown;
          });
        const stream = new BatchStream({ collector, linger: 10 });
        const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
        const asked = when === "there is demand" && reasonOf(reader.read());
        const writes = ["a", "b", "c"].map((item) => writer.write(item).catch((error) => error));
        await clock.tick(10);
        assertStrictEquals(await (asked || reasonOf(reader.read())), thrown);
        assertStrictEquals(await reasonOf(writer.closed), thrown);
        assertStrictEquals(await writes.at(-1), thrown);
        assertEquals(clock.pending, 0);
        const { accepted, waiting, done, discarded } = stream.stats;
        assertEquals([waiting, done, discarded], [0, 0, accepted]);
      }));
  }

  test(`BatchStream with a collector.from() errors and leaves the source when ${step} throws [4.7] [4.9] [F-29]`, () =>
    withClock(async (clock) => {
      const thrown = new Error("from the collector");
      let returned = 0;
      const source = (function* () {
        try {
          for (let n = 1; counted(n); n++) yield "a";
        } finally {
          returned++;
        }
      })();
      let armed = false;
      const collector = () =>
        new Hooked((now) => {
          if (armed && now === step) throw thrown;
        });
      const reader = BatchStream.from(source, { collector, linger: 10 }).getReader();
      await reader.read();
      armed = true;
      // The stream may already hold the second item.
      const reason = await reasonOf(reader.read().then(() => reader.read()));
      assertStrictEquals(reason, thrown);
      assertEquals([returned, clock.pending], [1, 0]);
    }));

  test(`BatchStream with a collector does nothing more when the stream is cancelled in ${step} [4.7] [3]`, async () => {
    for (const asks of [false, true]) {
      for (const fits of [true, false]) {
        for (const nth of [1, 2, 3, 4]) await withClock((clock) => play(clock, asks, fits, nth));
      }
    }
  });

  /** Cancels the stream when `step` runs for the nth time. */
  const play = async (clock: Clock, asks: boolean, fits: boolean, nth: number) => {
    let cancelling: Promise<void> | undefined;
    let given: unknown;
    let count = 0;
    const collector = () =>
      new Hooked((now) => {
        if (now === step && ++count === nth) {
          given = [stream.stats.done, stream.stats.batches];
          cancelling = reader.cancel("in the middle");
        }
        return fits;
      });
    const stream = new BatchStream({ collector, linger: 10 });
    const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
    if (asks) reader.read();
    const writes = ["a", "b", "c"].map((item) => writer.write(item));
    for (const write of writes) write.catch(() => {});
    await clock.tick(20);
    const states = await Promise.all(writes.map(settled));
    await reader.cancel("at the end");
    await cancelling;
    await turn();
    const { accepted, waiting, done, discarded, batches } = stream.stats;
    assertEquals([waiting, done + discarded, clock.pending], [0, accepted, 0]);
    if (!cancelling) return;
    assertEquals([done, batches], given);
    assertEquals(await reasonOf(writer.write("d")), "in the middle");
    if (states.includes("pending")) throw new Error(`${states} after ${nth} of ${step}`);
    // Added items count, even if a write rejects because its batch was lost.
    const fulfilled = states.filter((state) => state === "fulfilled").length;
    const last = step === "fits" || step === "add" ? 0 : 1;
    assert(accepted >= fulfilled && accepted <= fulfilled + last, `${accepted} ${states}`);
  };
}
