/**
 * Sinks: `trySubmit` gives a result or refuses at once. The counts of refused and blocked items.
 */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Aggregator, Fanout } from "../mod.ts";
import { streamOf, turn } from "./support/gate.ts";
import { assertConserved, Hand, rejection } from "./support/hand.ts";
import { hang, type Options, type Sink, sinks, thrower } from "./support/sinks.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

/** The refused items of a sink, and the blocked ones. */
const outside = ({ stats }: Sink) => [stats.refused, stats.blocked];

for (const [name, make] of Object.entries(sinks)) {
  test(`${name}.trySubmit() resolves with the result for its item, and rejects with its failure [5.38] [5.10]`, async () => {
    const error = new Error("own");
    const told: unknown[] = [];
    const sink = make((n) => n > 1 ? Promise.reject(error) : n, {
      ...{ capacity: 9, onError: (error) => told.push(error) },
    });
    assertEquals(await sink.trySubmit(1), 1);
    assertStrictEquals(await rejection(sink.trySubmit(2)!), error);
    assertEquals(told, []);
    await sink.close();
  });

  test(`${name}.trySubmit() returns undefined without room, and leaves nothing behind [5.38] [5.39] [5.1]`, async () => {
    const hand = new Hand<number>();
    const sink = make(hand.handler, { capacity: 1 });
    const results = [1, 2, 3, 4].map((n) => sink.trySubmit(n));
    assertEquals(results.map((result) => result === undefined), [false, false, true, true]);
    const { accepted, waiting, running } = sink.stats;
    assertEquals([accepted, waiting, running, ...outside(sink)], [2, 1, 1, 2, 0]);
    const flushed = sink.flush();
    hand.call(1).resolve("a");
    assertEquals(await results[0], "a");
    hand.call(2).resolve("b");
    assertEquals(await results[1], "b");
    await flushed;
    await sink.close();
    assertEquals([hand.started, sink.stats.done], [[1, 2], 2]);
  });

  test(`${name}.trySubmit() starts the handler before it returns when a slot is free [5.38] [5.0]`, async () => {
    const sink = make((n) => n, {});
    const result = sink.trySubmit(1);
    assertEquals(sink.stats.done, 1);
    assertEquals(await result, 1);
  });

  test(`${name}.trySubmit() does not overtake callers that wait for room [5.38] [5.2]`, async () => {
    const hand = new Hand<number>();
    const sink = make(hand.handler, { capacity: 1 });
    for (const n of [1, 2]) sink.tryPush(n);
    const pushed = sink.push(3);
    hand.call(1).resolve(0);
    assertEquals(sink.trySubmit(4), undefined);
    await pushed;
    assertEquals([sink.trySubmit(5), ...outside(sink)], [undefined, 2, 0]);
    await sink.abort("over");
  });

  for (const end of ["close", "abort"] as const) {
    test(`${name}.trySubmit() rejects after ${end}(), and tryPush() throws [5.38] [5.39] [5.11] [F-32]`, async () => {
      const sink = make(hang, { capacity: 9 });
      if (end === "abort") await sink.abort("over");
      else await sink.close();
      const error = await rejection(sink.trySubmit(1)!);
      if (end === "abort") assertEquals(error, "over");
      else assert(error instanceof TypeError);
      const thrown = assertThrowsAny(() => sink.tryPush(1));
      assertEquals(String(thrown), String(error));
      // Neither was refused.
      assertEquals([sink.stats.accepted, ...outside(sink)], [0, 0, 0]);
    });
  }

  test(`${name}.trySubmit() rejects when the sink is aborted or fails [5.38] [5.6] [5.3]`, async () => {
    const hand = new Hand<number>();
    const sink = make(hand.handler, { capacity: 9 });
    const results = [1, 2].map((n) => rejection(sink.trySubmit(n)!));
    await sink.abort("over");
    assertEquals(await Promise.all(results), ["over", "over"]);
    assertConserved(sink);
  });

  for (const hook of ["key", "snapshot"] as const) {
    test(`${name}.trySubmit() rejects with an error of ${hook}, and nothing is accepted [5.38] [5.27]`, async () => {
      const error = new Error(hook);
      const sink = make((n) => n, { capacity: 9, [hook]: thrower(error) });
      assertStrictEquals(await rejection(sink.trySubmit(1)!), error);
      assertEquals([sink.stats.accepted, ...outside(sink)], [0, 0, 0]);
      await sink.close();
    });

    test(`${name}.trySubmit() checks again when ${hook} has filled or ended the sink [5.38] [5.8]`, async () => {
      for (const act of ["fill", "close", "abort"] as const) {
        let acted = false;
        const own = () => {
          if (acted) return;
          acted = true;
          if (act === "fill") { while (sink.tryPush(9)); }
          else void sink[act]();
        };
        const sink: Sink = make(hang, {
          capacity: 1,
          ...(hook === "key" ? { key: own } : { snapshot: () => (own(), (run) => run()) }),
        } as Options);
        const result = sink.trySubmit(1);
        if (act === "fill") assertEquals([result, sink.stats.refused], [undefined, 2]);
        else assert(await rejection(result!) instanceof (act === "close" ? TypeError : Error));
        assertConserved(sink);
        await sink.abort("over").catch(() => {});
      }
    });
  }

  test(`${name}.trySubmit() takes no snapshot for an item that it refuses [5.38] [5.9]`, async () => {
    let taken = 0;
    const snapshot = () => (taken++, <R>(run: () => R) => run());
    const sink = make(hang, { capacity: 1, snapshot });
    const results = [1, 2, 3].map((n) => sink.trySubmit(n));
    assertEquals([results[2], taken], [undefined, 2]);
    for (const result of results) result?.catch(() => {});
    await sink.abort("over");
  });

  test(`${name}.trySubmit() leaves unhandled a rejection without a handler, and reports a handled one nowhere else [5.38] [5.20]`, async () => {
    const error = new Error("own");
    const told: unknown[] = [];
    const sink = make(() => Promise.reject(error), { onError: (error) => told.push(error) });
    const taken = await unhandled(async () => {
      assertStrictEquals(await rejection(sink.trySubmit(1)!), error);
    });
    const lost = await unhandled(() => void sink.trySubmit(2));
    await sink.close();
    const closed = await unhandled(() => void sink.trySubmit(3));
    assertEquals([taken, lost, told], [[], [error], []]);
    assertEquals(closed.map((error) => (error as Error).name), ["TypeError"]);
  });

  test(`${name}.stats counts refused items, and items that wait for room now, in every way [5.39] [5.1]`, async () => {
    const hand = new Hand<number>();
    const sink = make(hand.handler, { capacity: 1 });
    for (const n of [1, 2]) sink.tryPush(n);
    assertEquals(outside(sink), [0, 0]);
    const calls: Promise<unknown>[] = [sink.push(3), sink.submit(4)];
    assertEquals(outside(sink), [0, 2]);
    calls.push(sink.consume([5, 6]));
    const writer = sink.getWriter();
    calls.push(writer.write(7));
    await turn();
    // One item of the source waits, and one write of the stream.
    assertEquals([sink.tryPush(8), sink.trySubmit(9), ...outside(sink)], [false, undefined, 2, 4]);
    for (const [item, left] of [[1, 3], [2, 2], [3, 2], [4, 1], [5, 0]] as const) {
      hand.call(item).resolve(0);
      await turn();
      assertEquals(outside(sink), [2, left]);
    }
    for (const n of [7, 6]) {
      hand.call(n).resolve(0);
      await turn();
    }
    await Promise.all([...calls, writer.close()]);
    assertEquals([sink.stats.accepted, ...outside(sink)], [7, 2, 0]);
  });

  test(`${name}.stats shows that nothing waits for room after an abort, even in onDiscard [5.39] [5.6]`, async () => {
    const seen: unknown[] = [];
    const sink: Sink = make(hang, { capacity: 1, onDiscard: () => seen.push(outside(sink)) });
    for (const n of [1, 2]) sink.tryPush(n);
    const calls = [sink.push(3), sink.submit(4)].map(rejection);
    assertEquals([sink.tryPush(5), ...outside(sink)], [false, 1, 2]);
    await sink.abort("over");
    assertEquals(await Promise.all(calls), ["over", "over"]);
    assertEquals([seen, outside(sink)], [[[1, 0]], [1, 0]]);
  });

  test(`${name}.stats counts callers that wait for room while it closes, until they have come in [5.39] [5.5]`, async () => {
    const hand = new Hand<number>();
    const sink = make(hand.handler, { capacity: 1 });
    for (const n of [1, 2]) sink.tryPush(n);
    const pushed = sink.push(3);
    const closing = sink.close();
    assertThrows(() => sink.tryPush(4), TypeError);
    assertEquals(outside(sink), [0, 1]);
    for (const n of [1, 2, 3]) {
      hand.call(n).resolve(0);
      await turn();
      assertEquals(outside(sink), [0, 0]);
    }
    await Promise.all([pushed, closing]);
  });

  test(`${name}.stats counts the write of a pipe that waits for room [5.39] [5.1]`, async () => {
    const hand = new Hand<number>();
    const sink = make(hand.handler, { capacity: 1 });
    const piped = streamOf([1, 2, 3]).pipeTo(sink);
    for (let n = 0; n < 5; n++) await turn();
    assertEquals(outside(sink), [0, 1]);
    for (const n of [1, 2, 3]) {
      hand.call(n).resolve(0);
      await turn();
    }
    await piped;
    assertEquals(outside(sink), [0, 0]);
  });
}

test("Fanout.trySubmit() without capacity refuses the item of a busy key [5.38] [5.33]", async () => {
  const hand = new Hand<string>();
  const fanout = new Fanout(hand.handler, { concurrency: 2, capacity: 0, key: (item) => item[0] });
  const results = ["a1", "a2", "b1", "c1"].map((item) => fanout.trySubmit(item));
  assertEquals(results.map((result) => !!result), [true, false, true, false]);
  assertEquals(fanout.stats.refused, 2);
  for (const item of ["a1", "b1"]) hand.call(item).resolve(item);
  assertEquals([await results[0], await results[2]], ["a1", "b1"]);
});

test("Aggregator.trySubmit() gives each caller of a batch its own result, and an Error fails only one [5.38] [5.18]", async () => {
  const sink = new Aggregator((ids: number[]) => ids.map((id) => id < 0 ? new Error("none") : id), {
    ...{ maxItems: 3, linger: Infinity },
  });
  const results: (Promise<number> | undefined)[] = [1, -2, 3].map((n) => sink.trySubmit(n));
  const ends = await Promise.allSettled(results);
  assertEquals(ends.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  assertEquals(await results[2], 3);
});

test("Aggregator.trySubmit() rejects with an error of weigh, and refuses an item whose room weigh has used up [5.38] [5.39] [5.27]", async () => {
  const error = new Error("weigh");
  let act: (() => void) | undefined = thrower(error);
  const sink: Aggregator<number> = new Aggregator<number>(() => hang(), {
    ...{ maxItems: 2, capacity: 2, maxWeight: 9, linger: Infinity, concurrency: 0 },
    weigh: () => (act?.(), 1),
  });
  assertStrictEquals(await rejection(sink.trySubmit(1)!), error);
  act = () => {
    act = undefined;
    for (const n of [2, 3]) sink.tryPush(n);
  };
  assertEquals(sink.trySubmit(4), undefined);
  const { accepted, waiting, refused, blocked } = sink.stats;
  assertEquals([accepted, waiting, refused, blocked], [2, 2, 1, 0]);
  await sink.abort("over");
});

test("Aggregator.stats counts a caller that waits for room again when weigh has used up its room [5.39] [5.8]", async () => {
  let act: (() => void) | undefined;
  const hand = new Hand<number[]>();
  const sink: Aggregator<number> = new Aggregator<number>(hand.handler, {
    ...{ maxItems: 1, capacity: 1, maxWeight: 9, linger: Infinity },
    weigh: () => (act?.(), 1),
  });
  for (const n of [1, 2]) sink.tryPush(n);
  const pushed = sink.push(3);
  const blocked: number[] = [];
  act = () => {
    act = undefined;
    // It is coming in, and no caller waits for room: this one takes its room.
    blocked.push(sink.stats.blocked);
    assertEquals(sink.tryPush(4), true);
  };
  for (const call of [0, 1, 2, 3]) {
    hand.calls[call]!.resolve([]);
    await turn();
    blocked.push(sink.stats.blocked);
  }
  await pushed;
  await sink.close();
  assertEquals(blocked, [0, 1, 0, 0, 0]);
  assertEquals(hand.started, [[1], [2], [4], [3]]);
});

function assertThrowsAny(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
