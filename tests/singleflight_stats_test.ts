import { assert, assertEquals, assertRejects } from "@std/assert";
import { type FlightFunction, Singleflight } from "../mod.ts";
import { gate } from "./support/gate.ts";
import { test } from "./support/test.ts";

test("Singleflight.stats counts executions, joined calls and cache hits [6.10]", async () => {
  const { promise, resolve } = gate<number>();
  const flights = new Singleflight<string, number>({ cache: new Map() });
  assertEquals(flights.stats, { running: 0, executions: 0, shared: 0, hits: 0 });
  const calls = [
    flights.do("k", () => promise),
    flights.do("k", () => 0),
    flights.doShared("k", () => 0),
    flights.do("other", () => promise, { signal: new AbortController().signal }),
  ];
  assertEquals(flights.stats, { running: 2, executions: 2, shared: 2, hits: 0 });
  resolve(1);
  await Promise.all(calls);
  await flights.do("k", () => 0);
  await flights.doShared("k", () => 0);
  assertEquals(flights.stats, { running: 0, executions: 2, shared: 2, hits: 2 });
});

test("Singleflight.stats counts each execution once, however it ends [6.10]", async () => {
  const cache = new Map<string, number>();
  const flights = new Singleflight<string, number>({ cache });
  const fail = () => {
    throw new Error("at once");
  };
  const functions: FlightFunction<number>[] = [
    () => 1,
    fail,
    () => Promise.resolve(1),
    () => Promise.reject(new Error("later")),
    () => Object.defineProperty(Promise.resolve(1), "then", { get: fail }),
  ];
  for (const set of [Map.prototype.set, fail]) {
    cache.set = set as typeof cache.set;
    for (const alone of [false, true]) {
      for (const fn of functions) {
        cache.clear();
        const { executions } = flights.stats;
        const call = alone ? flights.doShared("k", fn) : flights.do("k", fn);
        await call.catch(() => {});
        assertEquals(flights.stats, { running: 0, executions: executions + 1, shared: 0, hits: 0 });
      }
    }
  }
});

test("Singleflight.stats counts a forgotten or abandoned execution as running until it settles [6.10] [6.4]", async () => {
  const flights = new Singleflight<string, number>();
  const gates = [gate<number>(), gate<number>()];
  const forgotten = flights.do("k", () => gates[0]!.promise);
  flights.forget("k");
  const leaver = new AbortController();
  const left = flights.do("k", () => gates[1]!.promise, { signal: leaver.signal });
  leaver.abort();
  await assertRejects(() => left);
  assertEquals([flights.size, flights.stats.running], [0, 2]);
  for (const { resolve } of gates) resolve(1);
  await forgotten;
  assertEquals(flights.stats, { running: 0, executions: 2, shared: 0, hits: 0 });
});

test("Singleflight.stats counts no rejected calls [6.10]", async () => {
  const flights = new Singleflight<string, number>();
  const deaf = {
    aborted: false,
    addEventListener() {
      throw new Error("no listeners");
    },
    removeEventListener() {},
  } as unknown as AbortSignal;
  const { promise, resolve } = gate<number>();
  const alone = flights.doShared("k", () => promise);
  for (const signal of [AbortSignal.abort(), deaf]) {
    for (const key of ["k", "other"]) await flights.do(key, () => 1, { signal }).catch(() => {});
  }
  await assertRejects(() => flights.do("other", undefined as never));
  resolve(1);
  assertEquals(await alone, { value: 1, shared: false });
  await flights.do("self", () => flights.do("self", () => 0)).catch(() => {});
  assertEquals(flights.stats, { running: 0, executions: 2, shared: 0, hits: 0 });
});

test("Singleflight.stats is a snapshot [6.10]", async () => {
  const flights = new Singleflight<string, number>();
  const before = flights.stats;
  await flights.do("k", () => 1);
  assertEquals([before.executions, flights.stats.executions], [0, 1]);
  assert(flights.stats !== flights.stats);
});
