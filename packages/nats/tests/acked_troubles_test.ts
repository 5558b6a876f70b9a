/** Tests `acked` when settling fails, and when hooks throw. */

import { assertEquals, assertRejects } from "@std/assert";
import { Aggregator, Fanout } from "../../../mod.ts";
import { acked, type Delivery, delivery } from "../delivery.ts";
import { macrotask, microtasks } from "../../../tests/support/gate.ts";
import { test } from "../../../tests/support/test.ts";
import { unhandled } from "../../../tests/support/unhandled.ts";
import { Ledger } from "./ledger.ts";

const no = new Error("no");
const gone = new Error("no connection");

/** A delivery whose settlement fails a number of times. */
function failing(
  ledger: Ledger,
  way: "ack" | "nak" | "term",
  { times = Infinity, later = false, deliveries = 1 } = {},
): Delivery<number> {
  let left = times;
  const fail = (name: string) => (): unknown => {
    if (name === way && left-- > 0) {
      if (later) return Promise.reject(gone);
      throw gone;
    }
    return void ledger.log.push(`${name} 0`);
  };
  return delivery(0, { ack: fail("ack"), nak: fail("nak"), term: fail("term"), deliveries });
}

test("acked() fails a delivery whose ack fails, and settles the others", async () => {
  for (const later of [false, true]) {
    for (const managed of [false, true]) {
      const ledger = new Ledger();
      const work = acked((_: Delivery<number>[]) => {});
      const told: unknown[] = [];
      const onError = (error: unknown) => told.push(error);
      const fanout = new Fanout(work, managed ? work.options({ onError }) : { onError });
      await fanout.consume([[ledger.one(1), failing(ledger, "ack", { later }), ledger.one(2)]]);
      assertEquals(ledger.take(), ["ack 1", "ack 2", "nak 0"]);
      assertEquals(told, [gone]);
    }
  }
});

test("acked() retries a delivery whose ack fails, and acks it then", async () => {
  for (const later of [false, true]) {
    const ledger = new Ledger();
    const calls: number[] = [];
    const work = acked((batch: Delivery<number>[]) => calls.push(batch.length));
    const rows = new Aggregator(work, work.options({ maxItems: 2, retry: () => 0 }));
    await rows.consume([ledger.one(1), failing(ledger, "ack", { times: 2, later })]);
    assertEquals([calls, ledger.take()], [[2, 1, 1], ["ack 1", "ack 0"]]);
  }
});

test("acked() does not treat a done delivery whose ack fails as poison", async () => {
  const ledger = new Ledger();
  const work = acked((_: Delivery<number>) => {}, {
    maxDeliveries: 1,
    onPoison: () => ledger.log.push("poison"),
  });
  const fanout = new Fanout(work, work.options({ onError: () => {} }));
  await fanout.consume([failing(ledger, "ack")]);
  assertEquals(ledger.take(), ["nak 0"]);
});

test("acked() reports the error of a nak besides the failure, and naks the others", async () => {
  for (const later of [false, true]) {
    for (const managed of [false, true]) {
      const ledger = new Ledger();
      const work = acked((_: Delivery<number>[]) => Promise.reject(no));
      const told: unknown[] = [];
      const onError = (error: unknown, batch: Delivery<number>[]) =>
        told.push([error, batch.length]);
      const fanout = new Fanout(work, managed ? work.options({ onError }) : { onError });
      await fanout.consume([[failing(ledger, "nak", { later }), ledger.one(1)]]);
      assertEquals(ledger.take(), ["nak 1 1000"]);
      if (managed) assertEquals(told, [[no, 2], [gone, 1]]);
      else {
        const [[error]] = told as [[AggregateError]];
        assertEquals([error.errors, error.message], [[no, gone], "2 errors: no; no connection"]);
      }
    }
  }
});

test("acked() errors a sink without onError with the failure and the error of its nak", async () => {
  const ledger = new Ledger();
  const work = acked((_: Delivery<number>) => Promise.reject(no));
  const fanout = new Fanout(work, work.options());
  const ended = fanout.closed.catch((error) => error);
  fanout.tryPush(failing(ledger, "nak"));
  assertEquals(((await ended) as AggregateError).errors, [no, gone]);
});

test("acked() naks a delivery whose term fails", async () => {
  for (const deliveries of [3, 4]) {
    const ledger = new Ledger();
    const work = acked((_: Delivery<number>) => Promise.reject(no), {
      maxDeliveries: 3,
      onPoison: () => {},
    });
    const told: unknown[] = [];
    const fanout = new Fanout(work, work.options({ onError: (error) => told.push(error) }));
    await fanout.consume([failing(ledger, "term", { deliveries })]);
    assertEquals(ledger.take(), ["nak 0"]);
    assertEquals(told, deliveries === 3 ? [no, gone] : [gone]);
  }
});

test("acked() naks after the default delay when delay fails, and reports that too", async () => {
  const broken = new Error("no delay");
  const wrongs: unknown[] = [NaN, -1, "5", undefined, Infinity];
  for (const wrong of [broken, ...wrongs]) {
    for (const managed of [false, true]) {
      const ledger = new Ledger();
      const work = acked((_: Delivery<number>) => Promise.reject(no), {
        delay: () => {
          if (wrong === broken) throw broken;
          return wrong as number;
        },
      });
      const told: unknown[] = [];
      const onError = (error: unknown) => told.push(error);
      const fanout = new Fanout(work, managed ? work.options({ onError }) : { onError });
      await fanout.consume([ledger.one(1, 2)]);
      assertEquals(ledger.take(), ["nak 1 2000"]);
      const errors = managed ? told : (told as AggregateError[])[0]!.errors;
      assertEquals([errors.length, errors[0]], [2, no]);
      if (wrong === broken) assertEquals(errors[1], broken);
      else assertEquals(/acked: option "delay" must be from 0/.test(errors[1].message), true);
    }
  }
});

test("acked() surfaces the error of a nak at a discard, and naks the others", async () => {
  for (const later of [false, true]) {
    const ledger = new Ledger();
    const work = acked((_: Delivery<number>) => Promise.reject(no));
    const discarded: unknown[] = [];
    const errors = await unhandled(async () => {
      const fanout = new Fanout(
        work,
        work.options({ concurrency: 0, onDiscard: (items) => discarded.push(items.length) }),
      );
      fanout.tryPush(failing(ledger, "nak", { later }));
      fanout.tryPush(ledger.one(1));
      await fanout.abort();
      await macrotask();
    });
    assertEquals(errors, [gone]);
    assertEquals([ledger.take(), discarded], [["nak 1 now"], [2]]);
  }
});

test("acked() surfaces the error of the user's onDiscard, after all is given back", async () => {
  const ledger = new Ledger();
  const work = acked((_: Delivery<number>) => {});
  const errors = await unhandled(async () => {
    const fanout = new Fanout(
      work,
      work.options({
        concurrency: 0,
        onDiscard: () => {
          throw no;
        },
      }),
    );
    fanout.tryPush(ledger.one(1));
    await fanout.abort();
  });
  assertEquals([errors, ledger.take()], [[no], ["nak 1 now"]]);
});

test("acked() errors the sink with the error of the user's onError, after all is given back", async () => {
  const ledger = new Ledger();
  const broken = new Error("in onError");
  for (const later of [false, true]) {
    const work = acked((_: Delivery<number>) => Promise.reject(no));
    const fanout = new Fanout(
      work,
      work.options({
        onError: () => {
          if (later) return Promise.reject(broken);
          throw broken;
        },
      }),
    );
    const ended = assertRejects(() => fanout.closed, Error, "in onError");
    fanout.tryPush(ledger.one(1));
    await ended;
    assertEquals(ledger.take(), ["nak 1 1000"]);
  }
});

test("acked() reports every error even if the user's onError throws at one of them", async () => {
  const ledger = new Ledger();
  const broken = new Error("in onError");
  const work = acked((_: Delivery<number>) => Promise.reject(no));
  const told: unknown[] = [];
  const fanout = new Fanout(
    work,
    work.options({
      onError: (error) => {
        told.push(error);
        throw broken;
      },
    }),
  );
  const ended = fanout.closed.catch((error) => error);
  fanout.tryPush(failing(ledger, "nak"));
  assertEquals(await ended, broken);
  assertEquals(told, [no, gone]);
});

test("acked() errors the sink when retry throws, and gives the delivery back", async () => {
  const ledger = new Ledger();
  const broken = new Error("in retry");
  const work = acked((_: Delivery<number>) => Promise.reject(no));
  const fanout = new Fanout(
    work,
    work.options({
      retry: () => {
        throw broken;
      },
    }),
  );
  const ended = fanout.closed.catch((error) => error);
  fanout.tryPush(ledger.one(1));
  assertEquals(await ended, broken);
  await fanout.idle();
  assertEquals(ledger.take(), ["nak 1 1000"]);
});

test("acked() leaves no internal rejection unhandled", async () => {
  const lost = await unhandled(async () => {
    const ledger = new Ledger();
    const work = acked((batch: Delivery<number>[]) =>
      batch.map(({ value }) => value % 2 === 0 ? Promise.reject(no) : value)
    );
    const fanout = new Fanout(work, work.options({ onError: () => {} }));
    await fanout.consume([
      ledger.some(1, 2, 3, 4),
      [failing(ledger, "nak", { later: true }), failing(ledger, "ack", { later: true })],
    ]);
    const aborted = new Fanout(work, work.options());
    aborted.tryPush(ledger.some(2));
    await aborted.abort();
    await aborted.idle();
    await microtasks();
  });
  assertEquals(lost, []);
});

test("acked() gives back a delivery whose ack fails, even one without a settled property", async () => {
  for (const later of [false, true]) {
    const ledger = new Ledger();
    const given: Delivery<number> = {
      ...ledger.bare(1),
      ack(): void {
        if (later) return Promise.reject(gone) as never;
        throw gone;
      },
    };
    const work = acked((_: Delivery<number>) => {});
    await new Fanout(work, work.options({ onError: () => {} })).consume([given]);
    assertEquals(ledger.take(), ["nak 1 1000"]);
  }
});

test("acked() reports an error once when the handler and a nak fail with the same one", async () => {
  const ledger = new Ledger();
  const work = acked((_: Delivery<number>[]) => Promise.reject(gone));
  const told: unknown[] = [];
  const fanout = new Fanout(
    work,
    work.options({ onError: (error, batch) => told.push([error, batch.length]) }),
  );
  await fanout.consume([[failing(ledger, "nak"), ledger.one(1)]]);
  assertEquals(told, [[gone, 2]]);
});

test("acked() calls delay with the error of onPoison", async () => {
  const ledger = new Ledger();
  const asked: unknown[] = [];
  const work = acked((_: Delivery<number>) => Promise.reject(no), {
    maxDeliveries: 1,
    onPoison: () => Promise.reject(gone),
    delay: (error) => asked.push(error),
  });
  await new Fanout(work, work.options({ onError: () => {} })).consume([ledger.one(1, 1)]);
  assertEquals([asked, ledger.take()], [[gone], ["nak 1 1"]]);
});
