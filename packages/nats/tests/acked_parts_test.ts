/** Tests `acked` when parts of a batch fail. */

import { assertEquals, assertRejects } from "@std/assert";
import { Aggregator, BatchStream, Fanout } from "../../../mod.ts";
import { acked, type Delivery } from "../delivery.ts";
import { gate, microtasks, streamOf } from "../../../tests/support/gate.ts";
import { test } from "../../../tests/support/test.ts";
import { Ledger, valuesOf } from "./ledger.ts";

const no = new Error("no");
const never = new Error("never");

/** Returns the settlements of deliveries 1, 2, … when a handler returns this for them. */
async function outcome(
  count: number,
  result: (batch: Delivery<number>[]) => unknown,
): Promise<{ log: string[]; errors: unknown[] }> {
  const ledger = new Ledger();
  const errors: unknown[] = [];
  const fanout = new Fanout(acked(result), { onError: (error) => errors.push(error) });
  await fanout.consume([ledger.some(...Array.from({ length: count }, (_, place) => place + 1))]);
  return { log: ledger.take(), errors };
}

/** An error of another realm, which is no `instanceof Error`. */
function foreign(): unknown {
  const error = new Error("of another realm");
  Object.setPrototypeOf(error, null);
  Object.defineProperty(error, "message", { value: "of another realm" });
  return error;
}

test("acked() naks only the deliveries of a batch whose entry is an Error of any realm", async () => {
  const error = foreign();
  assertEquals(await outcome(3, () => [1, no, 3]), {
    log: ["ack 1", "ack 3", "nak 2 1000"],
    errors: [no],
  });
  assertEquals(await outcome(2, () => [error, undefined]), {
    log: ["ack 2", "nak 1 1000"],
    errors: [error],
  });
});

test("acked() awaits promises among the entries, and naks those that reject or resolve to an Error", async () => {
  const slow = gate<number>();
  const running = outcome(
    4,
    () =>
      Promise.resolve([
        slow.promise,
        Promise.reject(no),
        Promise.resolve(no),
        "done",
      ]),
  );
  await microtasks();
  slow.resolve(1);
  assertEquals(await running, {
    log: ["ack 1", "ack 4", "nak 2 1000", "nak 3 1000"],
    errors: [no],
  });
});

test("acked() calls then once for a thenable among the entries", async () => {
  const ledger = new Ledger();
  let asked = 0;
  const work = acked((batch: Delivery<number>[]): PromiseLike<string>[] =>
    batch.map(({ value }) => ({
      then(resolve: (text: string) => void) {
        asked++;
        resolve(`row ${value}`);
      },
    } as never))
  );
  const rows = new Aggregator(work, { linger: 0 });
  const results = await Promise.all(ledger.some(1, 2).map((given) => rows.submit(given)));
  assertEquals([results, asked], [["row 1", "row 2"], 2]);
  assertEquals(ledger.take(), ["ack 1", "ack 2"]);
});

test("acked() fails a batch with an AggregateError of its distinct errors", async () => {
  const { log, errors } = await outcome(4, () => [no, 2, Promise.reject(never), no]);
  assertEquals(log, ["ack 2", "nak 1 1000", "nak 3 1000", "nak 4 1000"]);
  const [error] = errors as AggregateError[];
  assertEquals([errors.length, error instanceof AggregateError], [1, true]);
  assertEquals(error!.errors, [no, never]);
  assertEquals(error!.message, "2 errors: no; never");
});

test("acked() naks with the error of each delivery", async () => {
  const ledger = new Ledger();
  const asked: unknown[] = [];
  const onError = () => {};
  for (const managed of [false, true]) {
    const work = acked((_: Delivery<number>[]) => [no, never], {
      delay: (error) => {
        asked.push(error);
        return error === no ? 10 : 20;
      },
    });
    const options = managed ? work.options({ onError }) : { onError };
    await new Fanout(work, options).consume([ledger.some(1, 2)]);
    assertEquals(ledger.take(), ["nak 1 10", "nak 2 20"]);
  }
  assertEquals(asked, [no, never, no, never]);
});

test("acked() does not look at an array of another length, unless an entry is an Error", async () => {
  assertEquals(await outcome(2, () => []), { log: ["ack 1", "ack 2"], errors: [] });
  assertEquals(await outcome(2, () => [1, 2, 3]), { log: ["ack 1", "ack 2"], errors: [] });
  assertEquals(await outcome(2, () => ({ 0: no, length: 2 })), {
    log: ["ack 1", "ack 2"],
    errors: [],
  });
  const { log, errors } = await outcome(3, () => [no]);
  assertEquals(log, ["nak 1 1000", "nak 2 1000", "nak 3 1000"]);
  const rule =
    "acked: the handler must return an array with one entry for each of 3 deliveries; got 1";
  assertEquals((errors as TypeError[]).map(({ name, message }) => [name, message]), [
    ["TypeError", rule],
  ]);
});

test("acked() fails only the entry that throws at a look at it", async () => {
  const hostile = Proxy.revocable({}, {});
  hostile.revoke();
  const { log, errors } = await outcome(3, () => [1, hostile.proxy, 3]);
  assertEquals(log, ["ack 1", "ack 3", "nak 2 1000"]);
  assertEquals((errors as Error[]).map(({ name }) => name), ["TypeError"]);
  const holes = new Array(2);
  holes[1] = no;
  assertEquals(await outcome(2, () => holes), { log: ["ack 1", "nak 2 1000"], errors: [no] });
});

test("acked() treats an Error as a result when the handler of a single delivery returns it", async () => {
  const ledger = new Ledger();
  const fanout = new Fanout(acked((_: Delivery<number>) => no));
  assertEquals(await fanout.submit(ledger.one(1)), no);
  const lists = new Fanout(acked((_: Delivery<number>) => [no]));
  assertEquals(await lists.submit(ledger.one(2)), [no]);
  assertEquals(ledger.take(), ["ack 1", "ack 2"]);
});

test("acked() does not ack a delivery that is in its batch twice and has failed once", async () => {
  const ledger = new Ledger();
  const one = ledger.one(1);
  const results: unknown[][] = [[1, no], [no, 1], [1, 1]];
  const logs = [];
  for (const result of results) {
    const given = ledger.one(1);
    const fanout = new Fanout(acked((_: Delivery<number>[]) => result), { onError: () => {} });
    await fanout.consume([[given, given]]);
    logs.push(ledger.take());
  }
  assertEquals(logs, [["nak 1 1000"], ["nak 1 1000"], ["ack 1"]]);
  assertEquals(one.settled, false);
});

test("acked() behind a BatchStream gives back only the failed deliveries, and the pipe goes on", async () => {
  const ledger = new Ledger();
  const failed: number[][] = [];
  const work = acked(async (batch: Delivery<number>[]) => {
    await Promise.resolve();
    return batch.map(({ value }) => value % 4 === 0 ? no : value);
  });
  await streamOf(ledger.some(1, 2, 3, 4, 5)).pipeThrough(new BatchStream(3)).pipeTo(
    new Fanout(work, work.options({ onError: (_error, batch) => failed.push(valuesOf(batch)) })),
  );
  assertEquals(ledger.take(), ["ack 1", "ack 2", "ack 3", "ack 5", "nak 4 1000"]);
  assertEquals(failed, [[4]]);
});

test("acked() makes an Aggregator count the whole batch as failed, and passes deliveries without an ack to onError", async () => {
  const ledger = new Ledger();
  const told: unknown[] = [];
  const work = acked((batch: Delivery<number>[]) =>
    batch.map(({ value }) => value === 2 ? no : value)
  );
  const rows = new Aggregator(
    work,
    work.options({
      maxItems: 3,
      onError: (error, items, batch) => told.push([error, valuesOf(items), valuesOf(batch)]),
    }),
  );
  await rows.consume(ledger.some(1, 2, 3));
  assertEquals(ledger.take(), ["ack 1", "ack 3", "nak 2 1000"]);
  assertEquals(told, [[no, [2], [1, 2, 3]]]);
  assertEquals([rows.stats.failed, rows.stats.done], [3, 0]);
});

test("acked() retries only the rest, and gives submit() the entries of all attempts", async () => {
  const ledger = new Ledger();
  const calls: number[][] = [];
  const work = acked((batch: Delivery<number>[], { attempt }) => {
    calls.push(valuesOf(batch));
    return Promise.resolve(
      batch.map(({ value }) => value > attempt ? new Error("later") : { row: value, attempt }),
    );
  });
  const options = work.options({ retry: () => 0 });
  const rows = new Aggregator(work, { ...options, maxItems: 3 });
  const results = await Promise.all(ledger.some(1, 2, 3).map((given) => rows.submit(given)));
  const entries = [{ row: 1, attempt: 1 }, { row: 2, attempt: 2 }, { row: 3, attempt: 3 }];
  assertEquals(results, entries);
  const fanout = new Fanout(work, options);
  assertEquals(await fanout.submit(ledger.some(2, 1)), [entries[1], entries[0]] as never);
  assertEquals(calls, [[1, 2, 3], [2, 3], [3], [2, 1], [2]]);
  assertEquals(ledger.take(), ["ack 1", "ack 2", "ack 3", "ack 1", "ack 2"]);
});

test("acked() rejects the submit() of a whole batch with its error, and still acks the others", async () => {
  const ledger = new Ledger();
  const fanout = new Fanout(acked((_: Delivery<number>[]) => [1, no]));
  await assertRejects(() => fanout.submit(ledger.some(1, 2)), Error, "no");
  assertEquals(ledger.take(), ["ack 1", "nak 2 1000"]);
});

test("acked() fails all deliveries when an array of another length has an entry that throws at a look at it", async () => {
  const hostile = new Proxy({}, {
    has() {
      throw no;
    },
  });
  const { log, errors } = await outcome(2, () => [hostile]);
  assertEquals([log.length, (errors[0] as Error).name], [2, "TypeError"]);
  // The same, as the result of a promise.
  assertEquals(await outcome(2, () => [1, Promise.resolve(hostile)]), {
    log: ["ack 1", "nak 2 1000"],
    errors: [no],
  });
});

test("acked() calls retry with the deliveries that are not settled", async () => {
  const ledger = new Ledger();
  const asked: unknown[] = [];
  const work = acked((batch: Delivery<number>[]) =>
    batch.map(({ value }) => value === 2 ? no : value)
  );
  const retry = (error: unknown, attempt: number, items: Delivery<number>[]) => {
    asked.push([error, attempt, valuesOf(items)]);
    return attempt < 2 ? 0 : undefined;
  };
  await new Fanout(work, work.options({ retry, onError: () => {} })).consume([ledger.some(1, 2)]);
  await new Aggregator(work, work.options({ retry, onError: () => {}, maxItems: 2 })).consume(
    ledger.some(1, 2),
  );
  assertEquals(asked, [[no, 1, [2]], [no, 2, [2]], [no, 1, [2]], [no, 2, [2]]]);
});
