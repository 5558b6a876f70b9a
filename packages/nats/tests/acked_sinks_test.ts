/** Tests `acked` in a sink with a retry, a timeout or a maxWait, and in several sinks. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Aggregator, backoff, Fanout } from "../../../mod.ts";
import { acked, type Delivery } from "../delivery.ts";
import { withClock } from "../../../tests/support/clock.ts";
import { type Gate, gate, macrotask, microtasks } from "../../../tests/support/gate.ts";
import { collectGarbage } from "../../../tests/support/garbage.ts";
import { test } from "../../../tests/support/test.ts";
import { Ledger, valuesOf } from "./ledger.ts";

const no = new Error("no");

test("acked() settles nothing while a retry goes on, and naks when it gives up", async () => {
  await withClock(async (clock) => {
    const ledger = new Ledger();
    const work = acked(({ value }: Delivery<number>, { attempt }) => {
      ledger.log.push(`call ${value} ${attempt}`);
      if (value === 2 || attempt < 3) throw no;
    });
    const told: unknown[] = [];
    const fanout = new Fanout(
      work,
      work.options({
        concurrency: 2,
        retry: (_error, attempt, { value }) => attempt < 3 ? value * 9 : undefined,
        onError: (error, given) => told.push([error, given.value]),
      }),
    );
    for (const given of ledger.some(1, 2)) fanout.tryPush(given);
    await clock.tick(100);
    await fanout.idle();
    assertEquals(ledger.take(), [
      "call 1 1",
      "call 2 1",
      "call 1 2",
      "call 2 2",
      "call 1 3",
      "ack 1",
      "call 2 3",
      "nak 2 1000",
    ]);
    assertEquals(told, [[no, 2]]);
  });
});

test("acked() without options fails in a sink with a retry, and settles nothing twice", async () => {
  for (const make of ["one", "bare"] as const) {
    const ledger = new Ledger();
    const errors: Error[] = [];
    let calls = 0;
    const work = acked((_: Delivery<number>) => {
      calls++;
      throw no;
    });
    const fanout = new Fanout(work, {
      retry: backoff({ min: 0, attempts: 2 }),
      onError: (error) => errors.push(error as Error),
    });
    await fanout.consume([ledger[make](1)]);
    assertEquals([calls, ledger.take()], [1, ["nak 1 1000"]]);
    assertEquals(errors.map(({ name, message }) => [name, message]), [[
      "TypeError",
      "acked: a sink with a retry needs the options of the handler; write new Fanout(work, work.options({ retry }))",
    ]]);
  }
});

test("acked() makes a sink without onError fail, as it does without acked, and gives the rest back", async () => {
  const ledger = new Ledger();
  const running = gate();
  const work = acked(async ({ value }: Delivery<number>, { signal }) => {
    if (value === 2) {
      signal.addEventListener("abort", () => running.reject(signal.reason));
      await running.promise;
    }
    if (value === 1) await Promise.reject(no);
  });
  const fanout = new Fanout(work, work.options({ concurrency: 2 }));
  const ended = assertRejects(() => fanout.closed, Error, "no");
  for (const given of ledger.some(2, 1, 3)) fanout.tryPush(given);
  await ended;
  await fanout.idle();
  assertEquals(ledger.take(), ["nak 1 1000", "nak 3 now", "nak 2 now"]);
});

test("acked() gives back a delivery that has waited for longer than maxWait", async () => {
  await withClock(async (clock) => {
    const ledger = new Ledger();
    const slow = gate();
    const work = acked((_: Delivery<number>) => slow.promise);
    const late: number[] = [];
    const fanout = new Fanout(
      work,
      work.options({ maxWait: 20, onDiscard: (items) => late.push(...valuesOf(items)) }),
    );
    for (const given of ledger.some(1, 2, 3)) fanout.tryPush(given);
    await clock.tick(21);
    slow.resolve();
    await fanout.idle();
    assertEquals(ledger.take(), ["ack 1", "nak 2 now", "nak 3 now"]);
    assertEquals(late, [2, 3]);
  });
});

test("acked() ignores a handler after its timeout, before and during the next attempt", async () => {
  for (const late of ["between", "during"] as const) {
    await withClock(async (clock) => {
      const ledger = new Ledger();
      const gates: Gate[] = [];
      const work = acked((_: Delivery<number>) => {
        gates.push(gate());
        return gates.at(-1)!.promise;
      });
      const told: string[] = [];
      const fanout = new Fanout(
        work,
        work.options({
          timeout: 100,
          retry: (_error, attempt) => attempt < 2 ? 10 : undefined,
          onError: (error) => told.push((error as Error).message),
        }),
      );
      fanout.tryPush(ledger.one(1));
      await clock.tick(100);
      if (late === "between") gates[0]!.resolve();
      await clock.tick(10);
      if (late === "during") gates[0]!.resolve();
      await microtasks();
      assertEquals(ledger.take(), []);
      gates[1]!.reject(no);
      await fanout.idle();
      assertEquals([ledger.take(), told], [["nak 1 1000"], ["no"]]);
    });
  }
});

test("acked() naks a delivery whose handler has not settled in time, and ignores its later outcome", async () => {
  await withClock(async (clock) => {
    const ledger = new Ledger();
    const gates = [gate(), gate()];
    const work = acked((batch: Delivery<number>[]) => {
      batch[0]!.ack();
      return gates[batch[0]!.value === 1 ? 0 : 1]!.promise;
    });
    const told: unknown[] = [];
    const fanout = new Fanout(
      work,
      work.options({
        timeout: 100,
        onError: (error, batch) => told.push([(error as Error).name, ...valuesOf(batch)]),
      }),
    );
    fanout.tryPush(ledger.some(1, 2));
    fanout.tryPush(ledger.some(3, 4));
    await clock.tick(200);
    assertEquals(ledger.take(), ["ack 1", "nak 2 1000", "ack 3", "nak 4 1000"]);
    assertEquals(told, [["TimeoutError", 2], ["TimeoutError", 4]]);
    gates[0]!.resolve();
    gates[1]!.reject(no);
    await microtasks();
    assertEquals(ledger.take(), []);
  });
});

test("acked() makes no retry when its handler has settled everything", async () => {
  const ledger = new Ledger();
  const work = acked((batch: Delivery<number>[]) => {
    for (const given of batch) given.ack();
    throw no;
  });
  const told: unknown[] = [];
  const fanout = new Fanout(
    work,
    work.options({
      retry: () => 0,
      onError: (error, batch) => told.push(error, batch),
      onDiscard: (items: unknown[]) => told.push(items),
    }),
  );
  await fanout.consume([ledger.some(1, 2)]);
  assertEquals([ledger.take(), told], [["ack 1", "ack 2"], [no, []]]);
});

test("acked() may be the handler of several sinks at once", async () => {
  const ledger = new Ledger();
  const work = acked(async (batch: Delivery<number>[], { attempt }) => {
    await macrotask();
    return batch.map(({ value }) => value > attempt ? no : value);
  });
  const told: number[] = [];
  const onError = (_error: unknown, batch: Delivery<number>[]) => told.push(...valuesOf(batch));
  const once = new Fanout(work, work.options({ onError }));
  const twice = new Aggregator(
    work,
    work.options({ onError, maxItems: 2, retry: (_error, attempt) => attempt < 2 ? 0 : undefined }),
  );
  await Promise.all([
    once.consume([ledger.some(1, 2)]),
    twice.consume(ledger.some(1, 2, 3)),
  ]);
  assertEquals(ledger.take().sort(), ["ack 1", "ack 1", "ack 2", "nak 2 1000", "nak 3 1000"]);
  assertEquals(told.sort(), [2, 3]);
});

test("acked() acks a running delivery of one sink when another sink gets a timeout", async () => {
  const ledger = new Ledger();
  const [one, two] = [gate(), gate()];
  const work = acked(({ value }: Delivery<number>) => (value === 1 ? one : two).promise);
  const first = new Fanout(work, work.options());
  first.tryPush(ledger.one(1));
  const second = new Fanout(work, work.options({ timeout: 10_000 }));
  second.tryPush(ledger.one(2));
  one.resolve();
  two.resolve();
  await Promise.all([first.idle(), second.idle()]);
  assertEquals(ledger.take(), ["ack 1", "ack 2"]);
});

test("acked() settles a delivery in two sinks once", async () => {
  const ledger = new Ledger();
  const [one, two] = [gate(), gate()];
  const gates = [one, two];
  const work = acked((_: Delivery<number>) => gates.shift()!.promise);
  const sinks = [1, 2].map(() => new Fanout(work, work.options({ onError: () => {} })));
  for (const given of [ledger.one(1)]) for (const sink of sinks) sink.tryPush(given);
  two.resolve();
  one.reject(no);
  await Promise.all(sinks.map((sink) => sink.idle()));
  assertEquals(ledger.take().length, 1);
});

test("acked() leaves the failure of a submitted delivery to its caller, which settles it", async () => {
  const ledger = new Ledger();
  const work = acked((_: Delivery<number>) => Promise.reject(no));
  const fanout = new Fanout(work, work.options());
  const given = ledger.one(1);
  await assertRejects(() => fanout.submit(given), Error, "no");
  assertEquals([ledger.take(), given.settled], [[], false]);
  given.nak();
  assertEquals(ledger.take(), ["nak 1 now"]);
});

test("acked() does not call its handler again when everything was settled before the next attempt", async () => {
  const ledger = new Ledger();
  let calls = 0;
  const work = acked((_: Delivery<number>[]) => {
    calls++;
    throw no;
  });
  const fanout = new Fanout(work, work.options({ retry: () => 0 }));
  const batch = ledger.some(1, 2);
  fanout.tryPush(batch);
  await microtasks();
  for (const given of batch) given.ack();
  await fanout.idle();
  assertEquals([calls, ledger.take(), fanout.stats.done], [1, ["ack 1", "ack 2"], 1]);
});

test("acked() calls delay with the timeout of the last attempt, not with the error of an earlier one", async () => {
  for (const late of [false, true]) {
    await withClock(async (clock) => {
      const ledger = new Ledger();
      const asked: string[] = [];
      const first = gate();
      const work = acked((_: Delivery<number>, { attempt }) => {
        if (attempt > 1) return new Promise<void>(() => {});
        if (!late) throw no;
        return first.promise;
      }, {
        delay: (error) => asked.push((error as Error).name),
      });
      const fanout = new Fanout(
        work,
        work.options({
          timeout: 50,
          retry: (_error, attempt) => attempt < 2 ? 10 : undefined,
          onError: () => {},
        }),
      );
      fanout.tryPush(ledger.one(1));
      await clock.tick(70);
      if (late) first.reject(no);
      await clock.tick(70);
      assertEquals([asked, ledger.take()], [["TimeoutError"], ["nak 1 1"]]);
    });
  }
});

test("acked() with a timeout keeps nothing of settled deliveries", async () => {
  const work = acked((batch: Delivery<number>[], { attempt }) =>
    batch.map(({ value }) => value > attempt ? no : value)
  );
  const sink = new Aggregator(
    work,
    work.options({
      timeout: 60_000,
      maxItems: 4,
      retry: (_error, attempt) => attempt < 3 ? 0 : undefined,
      onError: () => {},
    }),
  );
  const traces: WeakRef<object>[] = [];
  const push = (ledger: Ledger): void => {
    for (let value = 0; value < 64; value++) {
      const given = ledger.one(value % 5);
      traces.push(new WeakRef(given));
      sink.push(given);
    }
  };
  push(new Ledger());
  await sink.close();
  await collectGarbage();
  // A conservative collector may mistake a value for a pointer.
  assert(traces.filter((trace) => trace.deref()).length <= 16);
});
