/** Tests deliveries of `acked` that fail too often. */

import { assertEquals } from "@std/assert";
import { Aggregator, Fanout } from "../../../mod.ts";
import { acked, type AckedSettings, type Delivery } from "../delivery.ts";

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

test("acked() passes a delivery that fails at its last delivery to onPoison, and terms it", async () => {
  for (const managed of [false, true]) {
    const { ledger, settings } = thrice();
    const work = acked((_: Delivery<number>) => Promise.reject(no), settings);
    const told: unknown[] = [];
    const onError = (error: unknown, { value }: Delivery<number>) => told.push([error, value]);
    const fanout = new Fanout(work, managed ? work.options({ onError }) : { onError });
    await fanout.consume([ledger.one(1, 1), ledger.one(2, 2), ledger.one(3, 3), ledger.bare(4, 3)]);
    assertEquals(ledger.take(), [
      "nak 1 1000",
      "nak 2 2000",
      "poison 3 no",
      "term 3",
      "poison 4 no",
      "ack 4",
    ]);
    assertEquals(told, [[no, 1], [no, 2], [no, 3], [no, 4]]);
  }
});

test("acked() does not call its handler for a delivery after the last one", async () => {
  const { ledger, settings } = thrice();
  const handled: number[] = [];
  const work = acked(({ value }: Delivery<number>) => void handled.push(value), settings);
  const fanout = new Fanout(work, work.options());
  await fanout.consume([ledger.one(1, 4), ledger.one(2, 3), ledger.one(3, 100)]);
  assertEquals(ledger.take(), [
    "poison 1 undefined",
    "term 1",
    "ack 2",
    "poison 3 undefined",
    "term 3",
  ]);
  assertEquals([handled, fanout.stats.done], [[2], 3]);
});

test("acked() gives up no delivery for another's failure: those at their last delivery go alone, after the rest", async () => {
  for (const kind of ["bare", "fanout", "aggregator"] as const) {
    const { ledger, settings } = thrice();
    const calls: number[][] = [];
    const work = acked((batch: Delivery<number>[]) => {
      calls.push(valuesOf(batch));
      if (batch.some(({ value }) => value === 2)) throw no;
    }, settings);
    const batch = [
      ledger.one(1, 3),
      ledger.one(9, 4),
      ledger.one(2, 3),
      ledger.one(3, 1),
      ledger.one(4, 3),
      ledger.one(5, 2),
    ];
    const onError = () => {};
    if (kind === "bare") await new Fanout(work, { onError }).consume([batch]);
    else if (kind === "fanout") {
      await new Fanout(work, work.options({ onError })).consume([batch]);
    } else await new Aggregator(work, work.options({ onError, maxItems: 6 })).consume(batch);
    assertEquals(calls, [[3, 5], [1], [2], [4]]);
    const log = ledger.take();
    assertEquals(log.sort(), [
      "ack 1",
      "ack 3",
      "ack 4",
      "ack 5",
      "poison 2 no",
      "poison 9 undefined",
      "term 2",
      "term 9",
    ]);
  }
});

test("acked() naks the rest of a failed batch, and still calls the handler for those at their last delivery", async () => {
  const { ledger, settings } = thrice();
  const work = acked((batch: Delivery<number>[]) => {
    if (batch.length > 1) throw no;
  }, settings);
  const fanout = new Fanout(work, work.options({ onError: () => {} }));
  await fanout.consume([[ledger.one(1, 1), ledger.one(2, 3), ledger.one(3, 2)]]);
  assertEquals(ledger.take(), ["ack 2", "nak 1 1000", "nak 3 2000"]);
});

test("acked() passes the error of the delivery itself to onPoison", async () => {
  const { ledger, settings } = thrice();
  const work = acked((batch: Delivery<number>[]) => {
    throw new Error(`own ${valuesOf(batch)}`);
  }, settings);
  const told: unknown[] = [];
  const fanout = new Fanout(
    work,
    work.options({ onError: (error) => told.push((error as Error).message) }),
  );
  await fanout.consume([[ledger.one(1, 3), ledger.one(2, 3)]]);
  assertEquals(ledger.take(), ["poison 1 own 1", "term 1", "poison 2 own 2", "term 2"]);
  assertEquals(told, ["2 errors: own 1; own 2"]);
});

test("acked() merges the results of its handler for a batch that takes several calls", async () => {
  const { ledger, settings } = thrice();
  const work = acked(
    (batch: Delivery<number>[]) => batch.map(({ value }) => `row ${value}`),
    settings,
  );
  const rows = new Aggregator(work, work.options({ maxItems: 4 }));
  const given = [ledger.one(1, 3), ledger.one(2, 1), ledger.one(3, 3), ledger.one(4, 4)];
  const results = await Promise.all(given.map((each) => rows.submit(each)));
  assertEquals(results, ["row 1", "row 2", "row 3", undefined] as never);
  const counts = acked((batch: Delivery<number>[]) => batch.length, settings);
  assertEquals(await new Fanout(counts).submit([ledger.one(1, 3), ledger.one(2, 1)]), 1);
});

test("acked() retries a delivery at its last delivery before it is poison", async () => {
  const { ledger, settings } = thrice();
  const calls: unknown[] = [];
  const work = acked((batch: Delivery<number>[], { attempt }) => {
    calls.push([attempt, valuesOf(batch)]);
    if (batch[0]!.value === 1 || attempt === 1) throw no;
  }, settings);
  const fanout = new Fanout(
    work,
    work.options({
      retry: (_error, attempt) => attempt < 3 ? 0 : undefined,
      onError: () => {},
    }),
  );
  await fanout.consume([[ledger.one(1, 3), ledger.one(2, 3), ledger.one(3, 2)]]);
  assertEquals(calls, [
    [1, [3]],
    [1, [1]],
    [1, [2]],
    [2, [3]],
    [2, [1]],
    [2, [2]],
    [3, [1]],
  ]);
  assertEquals(ledger.take(), ["ack 3", "ack 2", "poison 1 no", "term 1"]);
});

test("acked() with maxDeliveries fails a delivery without a count, and gives it back", async () => {
  for (const managed of [false, true]) {
    const { ledger, settings } = thrice();
    const work = acked((_: Delivery<number>[]) => {}, settings);
    const told: unknown[] = [];
    const onError = (error: unknown) => told.push(error);
    const fanout = new Fanout(work, managed ? work.options({ onError }) : { onError });
    await fanout.consume([[ledger.one(1, 1), ledger.one(2)]]);
    assertEquals(ledger.take(), ["nak 1 1000", "nak 2 1000"]);
    const rule =
      'acked: option "maxDeliveries" needs deliveries that are counted; got one with undefined';
    assertEquals((told as Error[]).map(({ name, message }) => [name, message]), [
      ["TypeError", rule],
    ]);
  }
});

test("acked() lets onPoison settle the delivery itself", async () => {
  const { ledger, settings } = thrice({ onPoison: (given) => given.nak(9) });
  const work = acked((_: Delivery<number>) => Promise.reject(no), settings);
  await new Fanout(work, work.options({ onError: () => {} })).consume([
    ledger.one(1, 3),
    ledger.one(2, 4),
  ]);
  assertEquals(ledger.take(), ["nak 1 9", "nak 2 9"]);
});

test("acked() neither handles nor gives up a delivery that another one's handler has settled meanwhile", async () => {
  const { ledger, settings } = thrice();
  const calls: number[][] = [];
  const [early, one, two, three] = [
    ledger.one(0, 3),
    ledger.one(1, 1),
    ledger.one(2, 3),
    ledger.one(3, 4),
  ];
  early!.ack();
  const work = acked((batch: Delivery<number>[]) => {
    calls.push(valuesOf(batch));
    two!.nak(5);
    three!.ack();
  }, settings);
  const fanout = new Fanout(work, work.options());
  await fanout.consume([[early!, one!, two!, three!]]);
  assertEquals(calls, [[1], [0]]);
  assertEquals(ledger.take(), ["ack 0", "nak 2 5", "ack 3", "ack 1"]);
  assertEquals(fanout.stats.done, 1);
});

test("acked() handles a delivery once that is at its last delivery and twice in a batch", async () => {
  const { ledger, settings } = thrice();
  const calls: number[][] = [];
  const work = acked((batch: Delivery<number>[]) => {
    calls.push(valuesOf(batch));
    return Promise.resolve(valuesOf(batch));
  }, settings);
  const one = ledger.one(1, 3);
  const fanout = new Fanout(work, work.options());
  assertEquals(await fanout.submit([one, ledger.one(2, 1), one]), [1, 2, 1]);
  assertEquals([calls, ledger.take()], [[[2], [1]], ["ack 2", "ack 1"]]);
});
