/** Tests `acked` with a plain handler. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Aggregator, BatchStream, Fanout } from "../../../mod.ts";
import { acked, type Delivery } from "../delivery.ts";
import { gate, microtasks, streamOf } from "../../../tests/support/gate.ts";
import { test } from "../../../tests/support/test.ts";
import { Ledger, valuesOf } from "./ledger.ts";

const context = { signal: new AbortController().signal, attempt: 1, waited: undefined };

test("acked() acks each delivery of a Fanout when its handler has resolved", async () => {
  const ledger = new Ledger();
  const gates = [gate(), gate()];
  await using fanout = new Fanout(
    acked(({ value }: Delivery<number>) => gates[value]!.promise),
    { concurrency: 2 },
  );
  await fanout.consume(ledger.some()).catch(() => {});
  for (const given of ledger.some(0, 1)) fanout.tryPush(given);
  assertEquals(ledger.take(), []);
  gates[1]!.resolve();
  await microtasks();
  assertEquals(ledger.take(), ["ack 1"]);
  gates[0]!.resolve();
  await fanout.idle();
  assertEquals(ledger.take(), ["ack 0"]);
});

test("acked() acks in the same turn when its handler is synchronous, and passes on its result", () => {
  const ledger = new Ledger();
  const double = acked(({ value }: Delivery<number>) => value * 2);
  assertEquals(double(ledger.one(4), context), 8);
  assertEquals(ledger.take(), ["ack 4"]);
});

test("acked() acks each delivery of a batch, of a Fanout behind a BatchStream and of an Aggregator", async () => {
  const ledger = new Ledger();
  const batches: number[][] = [];
  const work = acked(async (batch: Delivery<number>[]) => {
    await Promise.resolve();
    batches.push(valuesOf(batch));
    return batch.length;
  });
  await streamOf(ledger.some(1, 2, 3)).pipeThrough(new BatchStream(2)).pipeTo(new Fanout(work));
  assertEquals(ledger.take(), ["ack 1", "ack 2", "ack 3"]);
  await streamOf(ledger.some(4, 5, 6)).pipeTo(new Aggregator(work, { maxItems: 2 }));
  assertEquals(ledger.take(), ["ack 4", "ack 5", "ack 6"]);
  assertEquals(batches, [[1, 2], [3], [4, 5], [6]]);
});

test("acked() naks a delivery whose handler fails, after a second at first and a minute at most", async () => {
  const ledger = new Ledger();
  const error = new Error("no");
  const told: unknown[] = [];
  const fanout = new Fanout(acked((_: Delivery<number>) => Promise.reject(error)), {
    onError: (...failure) => told.push(failure),
  });
  const given = [undefined, 1, 2, 3, 6, 7, 2000].map((count, place) => ledger.one(place, count));
  await fanout.consume(given);
  const delays = [1000, 1000, 2000, 4000, 32_000, 60_000, 60_000];
  assertEquals(ledger.take(), delays.map((delay, place) => `nak ${place} ${delay}`));
  assertEquals(told, given.map((each) => [error, each]));
});

test("acked() naks all of a batch whose handler throws, and without onError the sink fails with that error", async () => {
  const ledger = new Ledger();
  const error = new Error("no");
  const work = acked((_: Delivery<number>[]) => {
    throw error;
  });
  const fanout = new Fanout(work);
  const heard = assertRejects(() => fanout.closed, Error, "no");
  fanout.tryPush(ledger.some(1, 2));
  await heard;
  assertEquals(ledger.take(), ["nak 1 1000", "nak 2 1000"]);
  assertEquals(await fanout.push([]).catch((error) => error), error);
});

test("acked() leaves deliveries alone that its handler has settled", async () => {
  for (const fails of [false, true]) {
    const ledger = new Ledger();
    const failures: unknown[] = [];
    const fanout = new Fanout(
      acked(([one, two, three]: Delivery<number>[]) => {
        one!.nak(5000);
        two!.term?.();
        three!.ack();
        if (fails) throw new Error("late");
      }),
      { onError: (error) => failures.push(error) },
    );
    await fanout.consume([ledger.some(1, 2, 3, 4)]);
    assertEquals(ledger.take(), [
      "nak 1 5000",
      "term 2",
      "ack 3",
      fails ? "nak 4 1000" : "ack 4",
    ]);
    assertEquals(failures.length, fails ? 1 : 0);
  }
});

test("acked() calls delay with the error and the count, and uses its result", async () => {
  const ledger = new Ledger();
  const asked: unknown[] = [];
  const error = { status: 429 };
  const fanout = new Fanout(
    acked((_: Delivery<number>) => Promise.reject(error), {
      delay: (error, deliveries) => {
        asked.push([error, deliveries]);
        return deliveries * 7;
      },
    }),
    { onError: () => {} },
  );
  await fanout.consume([ledger.one(1, 3), ledger.one(2)]);
  assertEquals(ledger.take(), ["nak 1 21", "nak 2 7"]);
  assertEquals(asked, [[error, 3], [error, 1]]);
});

test("acked() passes this, the context and errors on unchanged", async () => {
  const ledger = new Ledger();
  const seen: unknown[] = [];
  const work = acked(function (this: unknown, given: Delivery<number>, context) {
    seen.push(this, context);
    return given.value;
  });
  const owner = { work };
  assertEquals(owner.work(ledger.one(1), context), 1);
  assertEquals([seen[0] === owner, seen[1] === context], [true, true]);
  for (const error of [undefined, null, "no", Object.freeze(new Error("frozen")), NaN]) {
    const failing = acked((_: Delivery<number>) => {
      throw error;
    });
    const rejecting = acked((_: Delivery<number>) => Promise.reject(error));
    const thrown = await Promise.resolve().then(() => failing(ledger.one(1), context))
      .catch((error) => [error]);
    assertEquals(thrown, [error]);
    assertEquals(await rejecting(ledger.one(1), context).catch((error) => [error]), [error]);
  }
});

test("acked() takes the first settlement of a thenable, no matter what it does later", async () => {
  const ledger = new Ledger();
  const fanout = new Fanout<Delivery<number>>(
    acked(({ value }: Delivery<number>): PromiseLike<void> => ({
      then(resolve: () => void, reject: (error: unknown) => void) {
        if (value === 3) throw new Error("in then");
        if (value === 1) resolve();
        reject(new Error("second"));
        resolve();
      },
    } as never)),
    { onError: () => {} },
  );
  await fanout.consume(ledger.some(1, 2, 3));
  assertEquals(ledger.take(), ["ack 1", "nak 2 1000", "nak 3 1000"]);
});

test("acked() handles a delivery that was acked before the sink got it, and does not settle it again", async () => {
  const ledger = new Ledger();
  const handled: number[] = [];
  const given = ledger.some(1, 2);
  given[0]!.ack();
  const fanout = new Fanout(acked((batch: Delivery<number>[]) => handled.push(...valuesOf(batch))));
  await fanout.consume([given]);
  assertEquals([handled, ledger.take()], [[1, 2], ["ack 1", "ack 2"]]);
});

test("acked() acks the deliveries of the batch, even if its handler changes the array", async () => {
  const ledger = new Ledger();
  const left: number[] = [];
  const work = acked((batch: Delivery<number>[]) => {
    while (batch.length > 0) left.push(batch.pop()!.value);
  });
  const batch = Object.freeze(ledger.some(1, 2, 3));
  await new Fanout(work).consume([batch as Delivery<number>[]]);
  await new Aggregator(work, { linger: 0 }).consume(ledger.some(4, 5));
  assertEquals(left, [3, 2, 1, 5, 4]);
  assertEquals(ledger.take(), ["ack 1", "ack 2", "ack 3", "ack 4", "ack 5"]);
});

test("acked() gives an empty batch to its handler, which settles nothing", async () => {
  const sizes: number[] = [];
  const work = acked((batch: Delivery<number>[]) => {
    sizes.push(batch.length);
    return [];
  });
  await new Fanout(work).consume([[]]);
  const same = acked(work, { maxDeliveries: 1, onPoison: () => {} });
  await new Fanout(same, same.options()).consume([[]]);
  assertEquals(sizes, [0, 0]);
});

test("acked() settles deliveries without a settled property once, frozen ones too", async () => {
  const ledger = new Ledger();
  const work = acked((batch: Delivery<number>[]) =>
    batch.map(({ value }) => value === 2 ? new Error("no") : value)
  );
  const failed: unknown[] = [];
  const fanout = new Fanout(
    work,
    work.options({
      retry: (_error, attempt) => attempt < 3 ? 0 : undefined,
      onError: (_error, batch) => failed.push(valuesOf(batch)),
    }),
  );
  await fanout.consume([[1, 2, 3].map((value) => Object.freeze(ledger.bare(value)))]);
  assertEquals(ledger.take(), ["ack 1", "ack 3", "nak 2 1000"]);
  assertEquals(failed, [[2]]);
});

test("acked() refuses a handler that is not a function, and wrong settings", () => {
  const handler = (_: Delivery<number>) => {};
  const onPoison = () => {};
  assertThrows(() => acked(undefined as never), TypeError, '"handler" must be a function');
  assertThrows(() => acked(handler, null as never), TypeError, "acked: options must be");
  assertThrows(() => acked(handler, { max: 1 } as never), TypeError, 'unknown option "max"');
  assertThrows(() => acked(handler, { maxDeliveries: 3 }), TypeError, "need each other");
  assertThrows(() => acked(handler, { onPoison }), TypeError, "need each other");
  assertThrows(
    () => acked(handler, { delay: 5 } as never),
    TypeError,
    '"delay" must be a function',
  );
  for (const maxDeliveries of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => acked(handler, { maxDeliveries, onPoison }), RangeError, "maxDeliveries");
  }
  const work = acked(handler);
  assertThrows(() => work.options(null as never), TypeError, "acked.options: options must be");
  for (const name of ["onError", "onDiscard", "retry"]) {
    assertThrows(() => work.options({ [name]: 5 } as never), TypeError, `"${name}" must be`);
  }
});

test("acked() fails an item that is not a delivery with a TypeError, and gives back the others of its batch", async () => {
  for (const value of [5, "text", null, undefined, {}, { value: 1, ack() {} }]) {
    const ledger = new Ledger();
    const work = acked((_: Delivery<number>[]) => {
      throw new Error("not called");
    });
    const errors: unknown[] = [];
    const fanout = new Fanout(work, { onError: (error) => errors.push(error) });
    await fanout.consume([[ledger.one(1), value as never]]);
    const [error] = errors as Error[];
    assertEquals([error!.name, errors.length], ["TypeError", 1]);
    assertEquals(ledger.take(), ["nak 1 1000"]);
  }
});

test("acked() reads its settings and options once, getters too", async () => {
  let reads = 0;
  const ledger = new Ledger();
  const work = acked((_: Delivery<number>) => Promise.reject(new Error("no")), {
    get delay() {
      reads++;
      return () => reads;
    },
  });
  const afterwards = reads;
  let asked = 0;
  const fanout = new Fanout(
    work,
    work.options({
      get onError() {
        asked++;
        return () => {};
      },
    }),
  );
  await fanout.consume(ledger.some(1, 2));
  assertEquals([reads, asked, ledger.log.length], [afterwards, 1, 2]);
});
