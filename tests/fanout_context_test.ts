/** `Fanout`: the caller's asynchronous context travels with the item. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import { Fanout, type Runner } from "../mod.ts";
import { withClock } from "./support/clock.ts";
import { streamOf, turn } from "./support/gate.ts";
import { counts, Hand, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

test("Kratos fanout: the trace context travels with the job [5.9]", async () => {
  const trace = new AsyncLocalStorage();
  const seen: unknown[] = [];
  const fanout = new Fanout(async (n: number) => {
    const before = trace.getStore();
    await turn();
    seen.push([n, before, trace.getStore()]);
  }, { capacity: 2, snapshot: () => AsyncLocalStorage.snapshot() });
  const calls: unknown[] = [];
  trace.run("tryPush", () => calls.push(fanout.tryPush(1)));
  trace.run("push", () => calls.push(fanout.push(2)));
  trace.run("submit", () => calls.push(fanout.submit(3)));
  trace.run("waiting for room", () => calls.push(fanout.push(4)));
  trace.run("consume", () => calls.push(fanout.consume([5, 6])));
  await Promise.all(calls);
  await fanout.idle();
  const stores = ["tryPush", "push", "submit", "waiting for room", "consume", "consume"];
  assertEquals(seen, stores.map((store, n) => [n + 1, store, store]));
  assertEquals(trace.getStore(), undefined);
});

test("Fanout without snapshot runs a handler in the context that frees its slot [5.9]", async () => {
  const trace = new AsyncLocalStorage();
  const seen: unknown[] = [];
  const fanout = new Fanout(() => void seen.push(trace.getStore()));
  trace.run("a", () => fanout.tryPush(1));
  await fanout.idle();
  assertEquals(seen, ["a"]);
});

/** The current handmade context. */
let current = "none";
const within = <R>(store: string, body: () => R): R => {
  const before = current;
  current = store;
  try {
    return body();
  } finally {
    current = before;
  }
};
const capture = (): Runner => {
  const store = current;
  return (run) => within(store, run);
};

test("Fanout calls snapshot at tryPush, push and submit, not when the handler starts [5.9]", async () => {
  const seen: string[] = [];
  let captured = 0;
  const hand = new Hand<string>();
  const fanout = new Fanout((item: string, context) => {
    seen.push(current);
    return hand.handler(item, context);
  }, {
    capacity: 2,
    snapshot() {
      captured++;
      return capture();
    },
  });
  within("a", () => fanout.tryPush("a"));
  within("b", () => fanout.push("b"));
  within("c", () => fanout.submit("c"));
  within("d", () => fanout.push("d"));
  assertEquals([captured, seen], [4, ["a"]]);
  for (const item of "abcd") {
    hand.call(item).resolve(0);
    await turn();
  }
  assertEquals(seen, ["a", "b", "c", "d"]);
  assertEquals(captured, 4);
});

test("Fanout.tryPush() captures no context for an item that it refuses [5.9]", () => {
  let captured = 0;
  const fanout = new Fanout(() => new Promise(() => {}), {
    capacity: 1,
    snapshot() {
      captured++;
      return (run) => run();
    },
  });
  assertEquals([1, 2, 3, 4].map((n) => fanout.tryPush(n)), [true, true, false, false]);
  assertEquals(captured, 2);
});

test("Fanout calls snapshot for each item of a pipe and of a writer [5.9]", async () => {
  let captured = 0;
  const fanout = new Fanout((n: number) => n, {
    snapshot() {
      captured++;
      return (run) => run();
    },
  });
  const writer = fanout.getWriter();
  await writer.write(1);
  writer.releaseLock();
  await streamOf([2, 3]).pipeTo(fanout);
  assertEquals([captured, fanout.stats.done], [3, 3]);
});

test("Fanout treats the return value of a runner as the handler's result, and its throw as a failure [5.9]", async () => {
  const error = new Error("runner");
  const runners: Runner[] = [
    (run) => run(),
    (run) => {
      run();
      throw error;
    },
    () => {
      throw error;
    },
  ];
  let next = 0;
  let handled = 0;
  const fanout = new Fanout((n: number) => {
    handled++;
    return Promise.resolve(n * 2);
  }, { snapshot: () => runners[next++]! });
  assertEquals(await fanout.submit(21), 42);
  assertStrictEquals(await rejection(fanout.submit(1)), error);
  assertStrictEquals(await rejection(fanout.submit(2)), error);
  assertEquals(handled, 2);
  assertEquals(fanout.stats, counts({ accepted: 3, done: 1, failed: 2 }));
  await fanout.close();
});

test("Fanout calls key before snapshot, once for each item [5.9] [5.2]", async () => {
  const calls: string[] = [];
  const fanout = new Fanout((_: number) => turn(), {
    capacity: 1,
    key: (n) => calls.push(`key ${n}`) && 1,
    snapshot() {
      calls.push("snapshot");
      return (run) => run();
    },
  });
  await Promise.all([fanout.push(1), fanout.push(2), fanout.push(3)]);
  await fanout.close();
  assertEquals(calls, ["key 1", "snapshot", "key 2", "snapshot", "key 3", "snapshot"]);
});

for (const way of ["throws", "rejects", "times out"] as const) {
  test(`Fanout runs onError in the context of the item whose handler ${way} [5.32]`, () =>
    withClock(async (clock) => {
      const seen: unknown[] = [];
      const fanout = new Fanout((item: string) => {
        if (way === "throws") throw item;
        return way === "rejects" ? Promise.reject(item) : new Promise(() => {});
      }, {
        concurrency: 2,
        capacity: 2,
        timeout: way === "times out" ? 10 : Infinity,
        snapshot: capture,
        onError: (_error, item) => {
          seen.push([item, current]);
          return Promise.resolve();
        },
      });
      for (const item of "abcde") within(item, () => void fanout.push(item));
      await clock.tick(50);
      await fanout.close();
      assertEquals(seen.toSorted(), [..."abcde"].map((item) => [item, item]));
    }));
}

test("Fanout is errored by a runner that throws around onError [5.32] [5.3]", async () => {
  const error = new Error("runner");
  let calls = 0;
  const fanout = new Fanout((_: number) => Promise.reject("handler"), {
    snapshot: () => (run) => {
      if (++calls === 2) throw error;
      return run();
    },
    onError() {},
  });
  fanout.tryPush(1);
  await fanout.idle();
  assertStrictEquals(await rejection(fanout.close()), error);
});
