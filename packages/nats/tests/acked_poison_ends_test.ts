/** Tests poison deliveries of `acked` when hooks fail, or the sink ends. */

import { assertEquals } from "@std/assert";
import { Fanout } from "../../../mod.ts";
import { acked, type AckedSettings, type Delivery } from "../delivery.ts";
import { withClock } from "../../../tests/support/clock.ts";
import { gate, macrotask, microtasks, turn } from "../../../tests/support/gate.ts";
import { test } from "../../../tests/support/test.ts";
import { Ledger, valuesOf } from "./ledger.ts";

const no = new Error("no");

/** A ledger, and settings with the third delivery as the last. */
function thrice(
  more: Partial<AckedSettings<Delivery<number>>> = {},
): { ledger: Ledger; settings: AckedSettings<Delivery<number>> } {
  const ledger = new Ledger();
  const settings: AckedSettings<Delivery<number>> = {
    maxDeliveries: 3,
    onPoison: async ({ value }, error) => {
      await Promise.resolve();
      ledger.log.push(`poison ${value} ${error instanceof Error ? error.message : error}`);
    },
    ...more,
  };
  return { ledger, settings };
}

test("acked() gives back a delivery whose onPoison fails, and reports that error too", async () => {
  const broken = new Error("store is down");
  for (const count of [3, 4]) {
    for (const managed of [false, true]) {
      const { ledger, settings } = thrice({ onPoison: () => Promise.reject(broken) });
      const work = acked((_: Delivery<number>) => Promise.reject(no), settings);
      const told: unknown[] = [];
      const onError = (error: unknown) => told.push(error);
      const fanout = new Fanout(work, managed ? work.options({ onError }) : { onError });
      await fanout.consume([ledger.one(1, count)]);
      assertEquals(ledger.take(), [`nak 1 ${count === 3 ? 4000 : 8000}`]);
      if (count === 4) assertEquals(told, [broken]);
      else if (managed) assertEquals(told, [no, broken]);
      else assertEquals((told as AggregateError[])[0]!.errors, [no, broken]);
    }
  }
});

test("acked() errors a sink without onError with the failure, after onPoison has run", async () => {
  for (const managed of [false, true]) {
    const { ledger, settings } = thrice();
    const work = acked((_: Delivery<number>) => Promise.reject(no), settings);
    const fanout = new Fanout(work, managed ? work.options() : {});
    const ended = fanout.closed.catch((error) => error);
    fanout.tryPush(ledger.one(1, 3));
    assertEquals(await ended, no);
    assertEquals(ledger.take(), ["poison 1 no", "term 1"]);
  }
});

test("acked() does not give up a delivery when the end of its sink interrupts its last attempt", async () => {
  const { ledger, settings } = thrice();
  const calls: number[][] = [];
  const work = acked(async (batch: Delivery<number>[], { signal }) => {
    calls.push(valuesOf(batch));
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    signal.throwIfAborted();
  }, settings);
  const discarded: number[][] = [];
  const fanout = new Fanout(
    work,
    work.options({
      onDiscard: (batches: Delivery<number>[][]) => discarded.push(...batches.map(valuesOf)),
    }),
  );
  fanout.tryPush([ledger.one(1, 3), ledger.one(2, 3), ledger.one(3, 4)]);
  fanout.tryPush([ledger.one(4, 3)]);
  await fanout.abort(new Error("deploy"));
  await fanout.idle();
  assertEquals(ledger.take(), ["nak 4 now", "nak 1 now", "nak 2 now", "nak 3 now"]);
  assertEquals([calls, discarded], [[[1]], [[4], [1, 2, 3]]]);
  assertEquals(fanout.stats.discarded, 2);
});

test("acked() gives back a delivery whose onPoison takes longer than the timeout of the sink", async () => {
  for (const count of [3, 4]) {
    await withClock(async (clock) => {
      const kept = gate();
      const { ledger, settings } = thrice({ onPoison: () => kept.promise });
      const work = acked((_: Delivery<number>) => Promise.reject(no), settings);
      const told: unknown[] = [];
      const fanout = new Fanout(
        work,
        work.options({
          timeout: 50,
          onError: (error: unknown) => told.push((error as Error).name),
        }),
      );
      const ended = fanout.closed.catch((error) => error);
      fanout.tryPush(ledger.one(1, count));
      await macrotask();
      await clock.tick(49);
      assertEquals(ledger.take(), []);
      await clock.tick(1);
      assertEquals(ledger.take(), [`nak 1 ${count === 3 ? 4000 : 8000}`]);
      if (count === 3) {
        // For the sink, `onError` has timed out.
        const error = await ended;
        assertEquals([error.name, error.cause, told], ["TimeoutError", no, []]);
      } else assertEquals(told, ["TimeoutError"]);
      kept.resolve();
      await microtasks();
      assertEquals([ledger.take(), clock.pending], [[], 0]);
      await fanout.idle();
    });
  }
});

test("acked() waits for an onPoison that still runs after an abort", async () => {
  const kept = gate();
  const { ledger, settings } = thrice({ onPoison: () => kept.promise });
  const work = acked((_: Delivery<number>) => Promise.reject(no), settings);
  const fanout = new Fanout(work, work.options({ concurrency: 2, onError: () => {} }));
  fanout.tryPush(ledger.one(1, 3));
  fanout.tryPush(ledger.one(2, 4));
  await microtasks();
  await fanout.abort(new Error("deploy"));
  assertEquals(ledger.take(), []);
  kept.resolve();
  await fanout.idle();
  assertEquals(ledger.take().sort(), ["term 1", "term 2"]);
});

test("acked() calls onPoison no more after the timeout of the sink", async () => {
  await withClock(async (clock) => {
    const kept = gate();
    const poison: number[] = [];
    const { ledger, settings } = thrice({
      onPoison: ({ value }) => {
        poison.push(value);
        return kept.promise;
      },
    });
    const work = acked((_: Delivery<number>[]) => Promise.reject(no), settings);
    const fanout = new Fanout(work, work.options({ timeout: 50, onError: () => {} }));
    fanout.closed.catch(() => {});
    fanout.tryPush([ledger.one(1, 3), ledger.one(2, 3)]);
    await macrotask();
    await clock.tick(50);
    kept.resolve();
    await macrotask();
    assertEquals([poison, ledger.take()], [[1], ["nak 1 4000", "nak 2 4000"]]);
  });
});

test("acked() ignores a handler that finishes while onPoison has its delivery", async () => {
  await withClock(async (clock) => {
    const [slow, kept] = [gate(), gate()];
    const { ledger, settings } = thrice({ onPoison: () => kept.promise });
    const work = acked((_: Delivery<number>) => slow.promise, settings);
    const fanout = new Fanout(work, work.options({ timeout: 50, onError: () => {} }));
    fanout.tryPush(ledger.one(1, 3));
    await clock.tick(50);
    slow.resolve();
    await macrotask();
    assertEquals(ledger.take(), []);
    kept.resolve();
    await fanout.idle();
    assertEquals(ledger.take(), ["term 1"]);
  });
});

test("acked() gives back a delivery that was due for another attempt when its sink ended", async () => {
  const { ledger, settings } = thrice();
  const second = gate();
  const work = acked((_: Delivery<number>[], { attempt }) => {
    if (attempt === 1) throw no;
    return second.promise;
  }, settings);
  const fanout = new Fanout(work, work.options({ retry: () => 0, onError: () => {} }));
  fanout.tryPush([ledger.one(1, 3), ledger.one(2, 3)]);
  while (fanout.stats.retried === 0 || fanout.stats.running === 0) await turn();
  await fanout.abort(new Error("deploy"));
  second.reject(no);
  await fanout.idle();
  assertEquals(ledger.take().sort(), ["nak 2 4000", "poison 1 no", "term 1"]);
});
