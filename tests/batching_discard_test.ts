/** `onDiscard` of the batching streams: it gets every discarded item once, and no other. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { BatchStream, type Collector } from "../mod.ts";
import { ArrayCollector, begin, kinds, type Opened, reasonOf, ways } from "./support/batching.ts";
import { collect, gate, turn } from "./support/gate.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

/** An `onDiscard` that records its calls. */
function teller() {
  const told: [items: unknown[], reason: unknown][] = [];
  return {
    told,
    onDiscard: (items: unknown[], reason: unknown) => void told.push([items, reason]),
  };
}

const ends: Record<string, (opened: Opened, own: AbortController) => unknown> = {
  "the consumer cancels": ({ reader }) => reader.cancel("the end"),
  "the producer aborts": (opened) => opened.abort("the end"),
  "the signal aborts": (_, own) => own.abort("the end"),
};

for (const { name, open } of ways) {
  for (const [event, end] of Object.entries(ends)) {
    // A failing source discards nothing.
    if (name.endsWith(".from()") && event === "the producer aborts") continue;

    test(`${name} calls onDiscard with the items that it holds when ${event} [4.11] [4.7]`, async () => {
      const { told, onDiscard } = teller();
      const own = new AbortController();
      const opened = open(3, { signal: own.signal, onDiscard });
      await begin(opened, 3);
      await opened.add("a", "b");
      assertEquals(told, []);
      assertEquals(await unhandled(() => end(opened, own)), []);
      assertEquals(told, [[["a", "b"], "the end"]]);
    });
  }

  test(`${name} does not call onDiscard when it holds nothing, or ends by itself [4.11]`, async () => {
    const { told, onDiscard } = teller();
    const opened = open(2, { onDiscard });
    await begin(opened, 2);
    await opened.reader.cancel();
    const other = open(2, { onDiscard });
    await begin(other, 2);
    await other.add("a");
    await other.close();
    assertEquals((await other.reader.read()).value, ["a"]);
    assertEquals((await other.reader.read()).done, true);
    assertEquals(told, []);
  });
}

test("BatchStream surfaces an error of onDiscard and ends with its reason, and ChunkStream does the same [4.11]", async () => {
  const thrown = new Error("from onDiscard");
  for (const { open } of ways) {
    const opened = open(2, {
      onDiscard() {
        throw thrown;
      },
    });
    await begin(opened, 2);
    await opened.add("a");
    assertEquals(await unhandled(() => opened.reader.cancel("the end")), [thrown]);
    assertEquals(await opened.told, "the end");
  }
});

for (const { name, make, from } of kinds) {
  test(`${name} calls onDiscard after both sides and the counts have their final state [4.11] [3]`, async () => {
    const seen: unknown[] = [];
    const own = new AbortController();
    const stream = make(3, {
      signal: own.signal,
      onDiscard(items) {
        seen.push(items, stream.stats);
        own.abort("again");
        stream.flush();
      },
    });
    const writer = stream.writable.getWriter();
    writer.closed.catch(() => {});
    await writer.write("a");
    own.abort("the end");
    const ended = { accepted: 1, waiting: 0, done: 0, discarded: 1, batches: 0 };
    assertEquals(seen, [["a"], ended]);
    assertEquals(await reasonOf(writer.write("b")), "the end");
    assertEquals(await reasonOf(stream.readable.getReader().read()), "the end");
  });

  test(`${name}.from() calls onDiscard with an item that arrives after the end [4.11] [4.9]`, async () => {
    for (const late of ["given", "ended", "failed"] as const) {
      const { told, onDiscard } = teller();
      const step = gate<IteratorResult<unknown>>();
      const steps = [Promise.resolve({ done: false, value: "a" }), step.promise];
      const source = {
        [Symbol.asyncIterator]: () => ({
          next: () => steps.shift() as Promise<IteratorResult<unknown>>,
        }),
      };
      const reader = from(source, 3, { onDiscard }).getReader();
      const read = reader.read();
      await turn();
      await reader.cancel("the end");
      await read;
      assertEquals(told, [[["a"], "the end"]]);
      if (late === "given") step.resolve({ done: false, value: "late" });
      else if (late === "ended") step.resolve({ done: true, value: "no item" });
      else step.reject("late");
      assertEquals(await unhandled(turn), []);
      assertEquals(told.slice(1), late === "given" ? [[["late"], "the end"]] : []);
    }
  });
}

test("BatchStream.from() calls onDiscard with the item that did not fit and waited [4.11] [4.9]", async () => {
  const { told, onDiscard } = teller();
  const options = { maxWeight: 10, weigh: (n: number) => n, onDiscard };
  const reader = BatchStream.from([10, 6, 5, 1], options).getReader();
  assertEquals((await reader.read()).value, [10]);
  await turn();
  await reader.cancel("the end");
  await turn();
  assertEquals(told, [[[6], "the end"], [[5], "the end"]]);
});

test("BatchStream.from() calls onDiscard with the item at which weigh throws [4.11] [F-10]", async () => {
  const thrown = new Error("from weigh");
  const { told, onDiscard } = teller();
  const weigh = (n: number) => {
    if (n === 3) throw thrown;
    return 1;
  };
  const options = { maxWeight: 10, weigh, onDiscard };
  assertStrictEquals(await reasonOf(collect(BatchStream.from([1, 2, 3, 4], options))), thrown);
  assertEquals(told, [[[1, 2], thrown], [[3], thrown]]);
});

test("BatchStream never calls onDiscard with an item whose write rejects [4.11] [4.13] [F-10]", async () => {
  const { told, onDiscard } = teller();
  const weigh = (n: number) => {
    if (n === 2) throw "from weigh";
    return 1;
  };
  const stream = new BatchStream({ maxWeight: 10, weigh, onDiscard });
  const writer = stream.writable.getWriter();
  writer.closed.catch(() => {});
  await writer.write(1);
  assertEquals(await reasonOf(writer.write(2)), "from weigh");
  assertEquals(told, [[[1], "from weigh"]]);
});

/** A collector that runs an action at one step. */
class Acting extends ArrayCollector {
  readonly #act: (at: "add" | "take") => void;

  constructor(max: number, act: (at: "add" | "take") => void) {
    super(max);
    this.#act = act;
  }

  override add(item: unknown): void {
    this.#act("add");
    super.add(item);
  }

  override take(): unknown[] {
    this.#act("take");
    return super.take();
  }
}

for (const how of ["cancels", "throws"] as const) {
  for (const place of ["add", "take"] as const) {
    test(`BatchStream calls onDiscard once for each item when its collector ${how} in ${place} [4.11] [4.13] [3]`, async () => {
      for (const front of ["write", "from"] as const) {
        const { told, onDiscard } = teller();
        let adds = 0;
        let end = () => {};
        const act = (at: "add" | "take") => {
          if (at === "add") adds++;
          if (at !== place || adds < 2) return;
          if (how === "throws") throw "the end";
          end();
        };
        const collector = (): Collector<unknown, unknown[]> => new Acting(2, act);
        const rejected: unknown[] = [];
        let accepted = 0;
        if (front === "write") {
          const stream = new BatchStream({ collector, onDiscard });
          const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
          for (const promise of [writer.closed, writer.ready, reader.closed]) {
            promise.catch(() => {});
          }
          end = () => void reader.cancel("the end");
          reader.read().catch(() => {});
          for (const item of ["a", "b"]) {
            await writer.write(item).catch(() => rejected.push(item));
          }
          ({ accepted } = stream.stats);
        } else {
          const reader = BatchStream.from(["a", "b"], { collector, onDiscard }).getReader();
          end = () => void reader.cancel("the end");
          await reader.read().catch(() => {});
          await turn();
        }
        const items = told.flatMap(([items]) => items);
        assertEquals(told.every(([, reason]) => reason === "the end"), true);
        assertEquals([...items, ...rejected], ["a", "b"], `${front} ${JSON.stringify(told)}`);
        if (front === "write") assertEquals(accepted, items.length);
      }
    });
  }
}

for (const how of ["cancels", "throws"] as const) {
  test(`BatchStream rejects a waiting write when its collector ${how} as it comes in, and from passes it to onDiscard [4.13] [4.11]`, async () => {
    for (const front of ["write", "from"] as const) {
      const { told, onDiscard } = teller();
      let adds = 0;
      let end = () => {};
      const act = (at: "add" | "take") => {
        if (at === "take" || ++adds < 2) return;
        if (how === "throws") throw "the end";
        end();
      };
      const fits = () => false;
      const collector = () => Object.assign(new Acting(9, act), { fits });
      const stream = new BatchStream({ collector, onDiscard });
      const readable = front === "write"
        ? stream.readable
        : BatchStream.from(["a", "b"], { collector, onDiscard });
      const reader = readable.getReader();
      end = () => void reader.cancel("the end");
      const writer = stream.writable.getWriter();
      for (const promise of [writer.closed, writer.ready, reader.closed]) promise.catch(() => {});
      if (front === "write") await writer.write("a");
      const waits = front === "write" ? reasonOf(writer.write("b")) : undefined;
      await turn();
      await reader.read().catch(() => {});
      await turn();
      if (waits) assertEquals(await waits, "the end");
      assertEquals(told, waits ? [] : [[["b"], "the end"]]);
    }
  });
}
