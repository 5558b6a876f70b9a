/** `Fanout`: the ways to add items, and the counts. */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { retry } from "@std/async/retry";
import { Fanout, Sink } from "../mod.ts";
import { settled, streamOf, turn } from "./support/gate.ts";
import { assertConserved, counts, Hand, heard, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

test("Fanout.tryPush() starts the handler before it returns when a slot is free [5.0]", () => {
  const hand = new Hand<string>();
  const fanout = new Fanout(hand.handler);
  assertEquals(fanout.tryPush("a"), true);
  assertEquals(hand.started, ["a"]);
  assertEquals(fanout.tryPush("b"), true);
  assertEquals(hand.started, ["a"]);
  assertEquals(fanout.stats, counts({ accepted: 2, waiting: 1, running: 1 }));
});

test("Fanout.tryPush() returns true when the handler throws synchronously [5.0] [F-13]", async () => {
  const error = new Error("sync");
  const fanout = new Fanout(() => {
    throw error;
  });
  assertEquals(fanout.tryPush(1), true);
  assertEquals(fanout.stats, counts({ accepted: 1, failed: 1 }));
  assertStrictEquals(await rejection(fanout.flush()), error);
});

for (const hook of ["key", "snapshot"] as const) {
  const error = new Error(hook);
  const broken = () => {
    throw error;
  };

  test(`Fanout throws an error of ${hook} to the caller and accepts nothing [5.0]`, async () => {
    const seen: number[] = [];
    const fanout = new Fanout((n: number) => void seen.push(n), { [hook]: broken });
    assertStrictEquals(assertThrows(() => fanout.tryPush(1)), error);
    assertStrictEquals(await rejection(fanout.push(2)), error);
    assertStrictEquals(await rejection(fanout.submit(3)), error);
    assertStrictEquals(await rejection(fanout.consume([4])), error);
    assertEquals(fanout.stats, counts({}));
    assertEquals(seen, []);
    await fanout.close();
  });

  test(`Fanout errors as any stream does when a write's ${hook} throws [5.0]`, async () => {
    const fanout = new Fanout(() => {}, { [hook]: broken });
    const writer = fanout.getWriter();
    assertStrictEquals(await rejection(writer.write(1)), error);
    assertStrictEquals(await rejection(writer.closed), error);
    assertStrictEquals(await rejection(fanout.flush()), error);
    assertEquals(fanout.stats, counts({}));
  });
}

test("Fanout.push() resolves when the item is accepted, not when it is handled [3] [5.1]", async () => {
  const hand = new Hand<number>();
  const fanout = new Fanout(hand.handler, { capacity: 1 });
  await fanout.push(1);
  await fanout.push(2);
  const third = fanout.push(3);
  assertEquals(await settled(third), "pending");
  assertEquals(fanout.stats, counts({ accepted: 2, waiting: 1, running: 1, blocked: 1 }));
  hand.call(1).resolve(0);
  await third;
  assertEquals(fanout.stats, counts({ accepted: 3, waiting: 1, running: 1, done: 1 }));
});

test("Fanout.submit() resolves with the handler's result for its item [5.10]", async () => {
  const hand = new Hand<string, number>();
  const fanout = new Fanout(hand.handler, { concurrency: 2, capacity: 1 });
  const results = ["a", "b", "c", "d"].map((item) => fanout.submit(item));
  hand.call("b").resolve(2);
  await turn();
  hand.call("c").resolve(3);
  await turn();
  hand.call("a").resolve(1);
  hand.call("d").resolve(4);
  assertEquals(await Promise.all(results), [1, 2, 3, 4]);
});

test("Fanout.submit() resolves with the result of a synchronous handler [5.10]", async () => {
  const fanout = new Fanout((n: number) => n * 2);
  assertEquals(await fanout.submit(21), 42);
});

test("Fanout carries undefined, null, 0, false and NaN as items and results [7] [F-12]", async () => {
  const items = [undefined, null, 0, false, "", NaN];
  const seen: unknown[] = [];
  const fanout = new Fanout((item: unknown) => {
    seen.push(item);
    return item;
  });
  for (const item of items) {
    assertEquals(fanout.tryPush(item), true);
    await fanout.push(item);
    assertStrictEquals(await fanout.submit(item), item);
  }
  await fanout.consume(items);
  await streamOf(items).pipeTo(fanout);
  assertEquals(seen, [...items.flatMap((item) => [item, item, item]), ...items, ...items]);
});

test("Fanout carries undefined as an item through a writer, in the queue and waiting for room [F-12]", async () => {
  const hand = new Hand<undefined>();
  const fanout = new Fanout(hand.handler, { capacity: 1 });
  const writer = fanout.getWriter();
  const writes = [1, 2, 3].map(() => writer.write(undefined));
  for (let turns = 0; turns < 3; turns++) {
    await turn();
    hand.calls.at(-1)!.resolve(0);
  }
  await Promise.all(writes);
  await fanout.idle();
  assertEquals(fanout.stats, counts({ accepted: 3, done: 3 }));
});

test("Fanout.stats adds up at every moment, even inside all hooks and handlers [3]", async () => {
  let looks = 0;
  const look = () => {
    looks++;
    assertConserved(fanout);
  };
  const fanout: Fanout<number> = new Fanout(async (n: number, { signal }) => {
    look();
    signal.addEventListener("abort", look);
    await undefined;
    look();
    if (n % 3 === 0) throw n;
    if (n > 20) await new Promise(() => {});
  }, {
    concurrency: 3,
    capacity: 4,
    key: (n) => (look(), n % 5),
    snapshot: () => (look(), (run) => (look(), run())),
    onError: look,
    onDiscard: look,
  });
  for (let n = 0; n < 40; n++) {
    if (n % 2) fanout.tryPush(n);
    else fanout.push(n).catch(() => {});
    look();
    await undefined;
  }
  await turn();
  const before = looks;
  await fanout.abort("over");
  assert(looks > before);
  assert(fanout.stats.discarded > 0 && fanout.stats.done > 0 && fanout.stats.failed > 0);
  assertEquals(fanout.stats.waiting, 0);
  assertConserved(fanout);
});

test("Fanout.stats is a snapshot [3]", () => {
  const fanout = new Fanout(() => {});
  const before = fanout.stats;
  fanout.tryPush(1);
  assertEquals(before, counts({}));
  assertEquals(fanout.stats, counts({ accepted: 1, done: 1 }));
});

test("Fanout retries by composition [5.4]", async () => {
  let attempts = 0;
  const send = (n: number) => {
    if (++attempts < 3) throw new Error("not yet");
    return n;
  };
  const fanout = new Fanout((n: number) => retry(() => send(n), { minTimeout: 1, maxTimeout: 1 }));
  assertEquals(await fanout.submit(7), 7);
  assertEquals(attempts, 3);
  assertEquals(fanout.stats, counts({ accepted: 1, done: 1 }));
});

test("Fanout is a WritableStream and a Sink [5.16]", () => {
  const fanout = new Fanout(() => {});
  assert(fanout instanceof WritableStream);
  assert(fanout instanceof Sink);
});

test("Fanout accepts nothing after close() [5.11] [F-32]", async () => {
  const seen: number[] = [];
  const fanout = new Fanout((n: number) => void seen.push(n));
  const closed = fanout.close();
  for (let round = 0; round < 2; round++) {
    assertThrows(() => fanout.tryPush(1), TypeError, "Fanout: nothing is accepted after close()");
    await assertRejects(() => fanout.push(1), TypeError, "after close()");
    await assertRejects(() => fanout.submit(1), TypeError, "after close()");
    await assertRejects(() => fanout.consume([1]), TypeError, "after close()");
    await closed;
  }
  await assertRejects(() => fanout.getWriter().write(1), TypeError);
  assertEquals(seen, []);
  assertEquals(fanout.stats, counts({}));
});

for (const how of ["abort", "failure"] as const) {
  test(`Fanout accepts nothing after ${how}, and gives the reason [5.11] [F-32]`, async () => {
    const error = new Error(how);
    const hand = new Hand<number>();
    const fanout = heard(new Fanout(hand.handler));
    fanout.tryPush(1);
    if (how === "abort") await fanout.abort(error);
    else hand.call(1).reject(error);
    await turn();
    assertStrictEquals(assertThrows(() => fanout.tryPush(2)), error);
    assertStrictEquals(await rejection(fanout.push(2)), error);
    assertStrictEquals(await rejection(fanout.submit(2)), error);
    assertStrictEquals(await rejection(fanout.consume([2])), error);
    assertStrictEquals(await rejection(fanout.flush()), error);
    assertStrictEquals(await rejection(fanout.close()), error);
    assertStrictEquals(await rejection(fanout.getWriter().write(2)), error);
    assertEquals(hand.started, [1]);
  });
}
