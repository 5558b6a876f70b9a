/** Tests `acked` in a sink that ends. */

import { assertEquals } from "@std/assert";
import { Aggregator, Fanout } from "../../../mod.ts";
import { acked, type Delivery } from "../delivery.ts";

import { type Gate, gate, macrotask, microtasks, streamOf } from "../../../tests/support/gate.ts";
import { test } from "../../../tests/support/test.ts";
import { Ledger, valuesOf } from "./ledger.ts";

const no = new Error("no");

test("acked() gives back items that an abort discards at once, and still acks done items", async () => {
  for (const kind of ["fanout", "aggregator"] as const) {
    const ledger = new Ledger();
    const gates: Gate[] = [];
    const hold = () => {
      gates.push(gate());
      return gates.at(-1)!.promise;
    };
    const single = acked((_: Delivery<number>) => hold());
    const many = acked((_: Delivery<number>[]) => hold());
    const discarded: number[] = [];
    const onDiscard = (items: Delivery<number>[]) => discarded.push(...valuesOf(items));
    const sink = kind === "fanout"
      ? new Fanout(single, single.options({ concurrency: 2, onDiscard }))
      : new Aggregator(many, many.options({ concurrency: 2, maxItems: 1, onDiscard }));
    for (const given of ledger.some(1, 2, 3)) sink.tryPush(given);
    const reason = new Error("deploy");
    await sink.abort(reason);
    assertEquals(ledger.take(), ["nak 3 now"]);
    gates[0]!.resolve();
    gates[1]!.reject(reason);
    await sink.idle();
    assertEquals(ledger.take(), ["ack 1", "nak 2 now"]);
    assertEquals(discarded, [3, 2]);
  }
});

test("acked() without options gives back an item at once when its handler gives up at the end of the sink", async () => {
  const ledger = new Ledger();
  const work = acked(async ({ value }: Delivery<number>, { signal }) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    if (value === 1) signal.throwIfAborted();
    throw no;
  });
  const fanout = new Fanout(work, { concurrency: 2 });
  for (const given of ledger.some(1, 2)) fanout.tryPush(given);
  await fanout.abort();
  await fanout.idle();
  assertEquals(ledger.take(), ["nak 1 now", "nak 2 1000"]);
});

test("acked() counts a batch as discarded when all its entries echo the end of the sink", async () => {
  const ledger = new Ledger();
  const work = acked((batch: Delivery<number>[], { signal }) =>
    batch.map(async ({ value }) => {
      if (value === 1) return;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      throw new DOMException(`call ${value} was aborted`, "AbortError");
    })
  );
  const told: unknown[] = [];
  const fanout = new Fanout(
    work,
    work.options({
      onError: (error) => told.push(error),
      onDiscard: (batches: Delivery<number>[][]) => told.push(...batches.map(valuesOf)),
    }),
  );
  fanout.tryPush(ledger.some(1, 2, 3));
  await fanout.abort(new Error("deploy"));
  await fanout.idle();
  assertEquals(ledger.take(), ["ack 1", "nak 2 now", "nak 3 now"]);
  assertEquals([told, fanout.stats.discarded], [[[2, 3]], 1]);
});

test("acked() gives back an item that waits for its retry when the sink ends", async () => {
  const ledger = new Ledger();
  const work = acked((batch: Delivery<number>[]) =>
    batch.map(({ value }) => value === 1 ? value : no)
  );
  const discarded: number[][] = [];
  const fanout = new Fanout(
    work,
    work.options({
      retry: () => 1_000_000,
      onDiscard: (batches: Delivery<number>[][]) => discarded.push(...batches.map(valuesOf)),
    }),
  );
  fanout.tryPush(ledger.some(1, 2, 3));
  await microtasks();
  assertEquals(ledger.take(), ["ack 1"]);
  await fanout.abort();
  assertEquals([ledger.take(), discarded], [["nak 2 now", "nak 3 now"], [[2, 3]]]);
});

test("acked() allows its handler to end its own sink", async () => {
  for (const fails of [false, true]) {
    const ledger = new Ledger();
    const work = acked(async (_: Delivery<number>, { signal }): Promise<void> => {
      await Promise.resolve();
      await fanout.abort(new Error("enough"));
      if (fails) signal.throwIfAborted();
    });
    const fanout: Fanout<Delivery<number>> = new Fanout(work, work.options());
    for (const given of ledger.some(1, 2)) fanout.tryPush(given);
    await fanout.idle();
    assertEquals(ledger.take(), ["nak 2 now", fails ? "nak 1 now" : "ack 1"]);
  }
});

test("acked() gives back an item that consume() has read and the sink has not accepted", async () => {
  const ledger = new Ledger();
  const work = acked((_: Delivery<number>) => new Promise<void>(() => {}));
  const fanout = new Fanout(work, work.options({ capacity: 1 }));
  const consuming = fanout.consume(streamOf(ledger.some(1, 2, 3, 4))).catch((error) => error);
  await macrotask();
  const reason = new Error("deploy");
  await fanout.abort(reason);
  assertEquals(await consuming, reason);
  await macrotask();
  assertEquals(ledger.take(), ["nak 2 now", "nak 3 now"]);
});

test("acked() passes no item to onDiscard that its handler has settled before it gave up", async () => {
  const ledger = new Ledger();
  const told: unknown[] = [];
  const work = acked(async (batch: Delivery<number>[], { signal }) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    for (const given of batch) given.nak(3);
    signal.throwIfAborted();
  });
  const onDiscard = (items: unknown[]) => told.push(items);
  const fanout = new Fanout(work, work.options({ onDiscard }));
  fanout.tryPush(ledger.some(1, 2));
  await fanout.abort();
  await fanout.idle();
  assertEquals([ledger.take(), told], [["nak 1 3", "nak 2 3"], []]);
});
