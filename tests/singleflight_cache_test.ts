import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { type FlightCache, Singleflight } from "../mod.ts";
import { withClock } from "./support/clock.ts";
import { gate } from "./support/gate.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

interface Value {
  readonly text: string;
}

test("Singleflight.do() answers from the cache when there is a value [6.2]", async () => {
  const cache = new Map<string, Value>();
  const flights = new Singleflight<string, Value>({ cache });
  const value = { text: "once" };
  let runs = 0;
  const fn = () => (runs++, Promise.resolve(value));
  assertStrictEquals(await flights.do("k", fn), value);
  assertStrictEquals(cache.get("k"), value);
  assertStrictEquals(await flights.do("k", fn), value);
  assertEquals([runs, flights.size, flights.has("k")], [1, 0, false]);
});

test("Singleflight.doShared() counts a hit as shared [6.2] [6.7]", async () => {
  const flights = new Singleflight<string, number>({ cache: new Map() });
  assertEquals(await flights.doShared("k", () => 1), { value: 1, shared: false });
  assertEquals(await flights.doShared("k", () => 2), { value: 1, shared: true });
});

test("Singleflight.do() keeps undefined, null, 0 and false like any other value [6.2] [7]", async () => {
  for (const value of [undefined, null, 0, false, ""]) {
    const flights = new Singleflight<string, unknown>({ cache: new Map() });
    await flights.do("k", () => value);
    assertStrictEquals(await flights.do("k", () => "again"), value);
  }
});

test("Singleflight.do() answers with a value that expires during the look-up [6.2]", async () => {
  const cache = new Map([["k", "still good"]]);
  cache.has = () => false;
  const flights = new Singleflight<string, string>({ cache });
  assertEquals(await flights.do("k", () => "anew"), "still good");
});

test("Singleflight.do() keeps no error [6.2]", async () => {
  const cache = new Map<string, number>();
  const flights = new Singleflight<string, number>({ cache });
  await assertRejects(() => flights.do("k", () => Promise.reject(new Error("down"))));
  await assertRejects(() =>
    flights.do("k", () => {
      throw new Error("at once");
    })
  );
  assertEquals(cache.size, 0);
  assertEquals(await flights.do("k", () => 1), 1);
  assertEquals([...cache], [["k", 1]]);
});

test("Singleflight.do() stores the value before its callers get it [6.2]", async () => {
  const cache = new Map<string, number>();
  const flights = new Singleflight<string, number>({ cache });
  let kept: number | undefined;
  await flights.do("k", () => Promise.resolve(1)).then(() => kept = cache.get("k"));
  assertEquals(kept, 1);
});

test("Singleflight.forget() also deletes from the cache [6.2] [6.4]", async () => {
  const cache = new Map<string, number>();
  const flights = new Singleflight<string, number>({ cache });
  await flights.do("k", () => 1);
  await flights.do("other", () => 1);
  assert(flights.forget("k"));
  assertEquals([...cache.keys()], ["other"]);
  assert(!flights.forget("k"));
  assertEquals(await flights.do("k", () => 2), 2);
});

test("Singleflight.clear() clears the cache when it can be cleared [6.2]", async () => {
  const map = new Map<string, number>();
  const { get, set, has, delete: drop } = Map.prototype;
  const bare: FlightCache<string, number> = {
    get: (key) => get.call(map, key) as number,
    set: (key, value) => set.call(map, key, value),
    has: (key) => has.call(map, key),
    delete: (key) => drop.call(map, key),
  };
  for (const [cache, left] of [[map, 0], [bare, 1]] as const) {
    const flights = new Singleflight<string, number>({ cache });
    await flights.do("k", () => 1);
    flights.clear();
    assertEquals(map.size, left);
  }
});

test("Singleflight.do() does not cache the value of a flight that was forgotten, cleared, outlived or left [6.2] [6.4]", () =>
  withClock(async (clock) => {
    const cache = new Map<string, string>();
    const flights = new Singleflight<string, string>({ cache, forgetAfter: 100 });
    const leaver = new AbortController();
    const ends = {
      forget: () => void flights.forget("k"),
      clear: () => flights.clear(),
      forgetAfter: () => clock.tick(100),
      leave: () => leaver.abort(),
    };
    for (const [name, end] of Object.entries(ends)) {
      const old = gate<string>();
      const waiting = flights.do("k", () => old.promise, { signal: leaver.signal });
      waiting.catch(() => {});
      await end();
      old.resolve("stale");
      await clock.tick(0);
      assertEquals([name, cache.has("k"), clock.pending], [name, false, 0]);
    }
  }));

test("Singleflight.do() keeps the new value when a forgotten flight ends later [6.2] [6.4] [F-39]", async () => {
  const cache = new Map<string, string>();
  const flights = new Singleflight<string, string>({ cache });
  const old = gate<string>();
  const waiting = flights.do("k", () => old.promise);
  flights.forget("k");
  await flights.do("k", () => "fresh");
  old.resolve("stale");
  assertEquals(await waiting, "stale");
  assertEquals(cache.get("k"), "fresh");
});

test("Singleflight.do() starts a call when the value expires between has and get [6.2]", async () => {
  const kept = new Map([["k", "stale"]]);
  const cache: FlightCache<string, string> = {
    // A cache with times to live: the value is gone at the second look.
    get: (key) => (expire(), kept.get(key)),
    has: (key) => {
      const has = kept.has(key);
      expire();
      return has;
    },
    set: (key, value) => kept.set(key, value),
    delete: (key) => kept.delete(key),
  };
  const expire = () => void kept.delete("k");
  const flights = new Singleflight<string, string>({ cache });
  assertEquals(await flights.do("k", () => "fresh"), "fresh");
});

test("Singleflight.do() rejects with an error of the cache, and frees the key [6.2] [6.8]", async () => {
  for (const method of ["get", "has", "set"] as const) {
    const error = new Error(method);
    const cache = new Map<string, number>(method === "get" ? [["k", 1]] : []);
    cache[method] = () => {
      throw error;
    };
    const flights = new Singleflight<string, number>({ cache });
    const calls = [
      flights.do("k", () => Promise.resolve(1)),
      flights.doShared("k", () => Promise.resolve(1)),
    ];
    for (const call of calls) assertStrictEquals(await assertRejects(() => call), error);
    assertEquals(flights.size, 0);
  }
});

test("Singleflight.do() rejects when its signal aborts during a call of the cache [6.3] [F-33]", async () => {
  const leaver = new AbortController();
  class Aborting extends Map<string, number> {
    override has(key: string): boolean {
      leaver.abort("meanwhile");
      return super.has(key);
    }
  }
  const flights = new Singleflight<string, number>({ cache: new Aborting() });
  let runs = 0;
  const call = flights.do("k", () => ++runs, { signal: leaver.signal });
  assertEquals(await assertRejects(() => call), "meanwhile");
  assertEquals([runs, flights.size], [0, 0]);
});

test("Singleflight.do() with clone gives the first caller the value, and each other its own copy [6.6]", async () => {
  const { promise, resolve } = gate<Value>();
  const flights = new Singleflight<string, Value>({ clone: (value) => ({ ...value }) });
  const calls = [flights.do("k", () => promise), flights.do("k", () => promise)];
  const detailed = flights.doShared("k", () => promise);
  const signalled = flights.do("k", () => promise, { signal: new AbortController().signal });
  const value = { text: "one" };
  resolve(value);
  const given = [...await Promise.all(calls), (await detailed).value, await signalled];
  assertStrictEquals(given[0], value);
  assertEquals(given, Array(4).fill(value));
  assertEquals(new Set(given).size, 4);
  assert((await detailed).shared);
});

test("Singleflight.do() gives the first remaining caller the value when the first caller has left [6.6]", async () => {
  let copies = 0;
  const flights = new Singleflight<string, Value>({ clone: (value) => (copies++, { ...value }) });
  const { promise, resolve } = gate<Value>();
  const leaver = new AbortController();
  const first = flights.do("k", () => promise, { signal: leaver.signal });
  const second = flights.do("k", () => promise);
  leaver.abort();
  await assertRejects(() => first);
  const value = { text: "one" };
  resolve(value);
  assertStrictEquals(await second, value);
  assertEquals(copies, 0);
});

test("Singleflight.do() with clone and a cache gives every caller a copy [6.6]", async () => {
  const cache = new Map<string, Value>();
  const flights = new Singleflight<string, Value>({ cache, clone: (value) => ({ ...value }) });
  const fn = () => Promise.resolve({ text: "one" });
  const given = await Promise.all([flights.do("k", fn), flights.do("k", fn)]);
  given.push(await flights.do("k", fn), (await flights.doShared("k", fn)).value);
  assertEquals(given, Array(4).fill({ text: "one" }));
  assertEquals(new Set([...given, cache.get("k")]).size, 5);
});

test("Singleflight.do() makes all copies before any caller has its value [6.6]", async () => {
  const log: string[] = [];
  const flights = new Singleflight<string, Value>({
    clone: (value) => (log.push("copy"), { ...value }),
  });
  const fn = () => Promise.resolve({ text: "one" });
  const calls = [1, 2, 3].map(() => flights.do("k", fn).then(() => log.push("given")));
  await Promise.all(calls);
  assertEquals(log, ["copy", "copy", "given", "given", "given"]);
});

test("Singleflight.do() rejects only the caller for whose copy clone throws [6.6]", async () => {
  const error = new Error("no copy");
  let copies = 0;
  const cache = new Map<string, Value>();
  const clone = (value: Value) => {
    if (++copies % 2 === 1) throw error;
    return { ...value };
  };
  const flights = new Singleflight<string, Value>({ cache, clone });
  const fn = () => Promise.resolve({ text: "one" });
  const [first, second] = [flights.do("k", fn), flights.do("k", fn)];
  assertStrictEquals(await assertRejects(() => first), error);
  assertEquals(await second, { text: "one" });
  assertStrictEquals(await assertRejects(() => flights.do("k", fn)), error);
  assertEquals(await flights.do("k", fn), { text: "one" });
});

test("Singleflight.do() ignores an abort of a caller's signal by clone or the cache as too late [6.3] [6.6]", async () => {
  const leaver = new AbortController();
  const flights = new Singleflight<string, Value>({
    clone: (value) => {
      leaver.abort();
      return { ...value };
    },
  });
  const fn = () => Promise.resolve({ text: "one" });
  const calls = [1, 2].map(() => flights.do("k", fn, { signal: leaver.signal }));
  assertEquals(await Promise.all(calls), Array(2).fill({ text: "one" }));
});

test("Singleflight.do() ignores an abort of a caller's signal by the cache's set as too late [6.3]", async () => {
  const leaver = new AbortController();
  const cache = new Map<string, number>();
  cache.set = (key, value) => {
    leaver.abort();
    return Map.prototype.set.call(cache, key, value) as typeof cache;
  };
  const flights = new Singleflight<string, number>({ cache });
  const inner: AbortSignal[] = [];
  const call = flights.do("k", ({ signal }) => {
    inner.push(signal);
    return Promise.resolve(1);
  }, { signal: leaver.signal });
  assertEquals([await call, cache.get("k"), inner[0]!.aborted], [1, 1, false]);
});

const RULE = 'Singleflight: option "cache" must answer at once, not with a promise: ' +
  "look it up inside the function; got an object";

/** A cache with one method that returns a promise, like the client of a server. */
function remote(method: "get" | "has" | "set", answer: PromiseLike<unknown>): Map<string, number> {
  const cache = new Map<string, number>();
  cache[method] = () => answer as never;
  return cache;
}

test("Singleflight.do() rejects with a TypeError when the cache answers with a promise [6.11]", async () => {
  const thenable = { then: (resolve: (value: null) => void) => resolve(null) };
  for (const method of ["get", "has", "set"] as const) {
    for (const answer of [Promise.resolve(null), thenable as PromiseLike<null>]) {
      const flights = new Singleflight<string, number>({ cache: remote(method, answer) });
      let runs = 0;
      const calls = [
        flights.do("k", () => Promise.resolve(++runs)),
        flights.do("k", () => ++runs),
        flights.doShared("k", () => ++runs),
      ];
      for (const call of calls) {
        assertEquals((await assertRejects(() => call, TypeError)).message, RULE);
      }
      assertEquals([runs, flights.size], [method === "set" ? 1 : 0, 0]);
    }
  }
});

test("Singleflight.forget() throws a TypeError when the cache answers with a promise [6.11]", async () => {
  const cache = remote("has", Promise.resolve(false));
  const flights = new Singleflight<string, number>({ cache });
  assertEquals(assertThrows(() => flights.forget("k"), TypeError).message, RULE);
  await undefined;
});

test("Singleflight.forget() frees the key even if the cache throws, or answers with a promise [6.4] [6.11]", async () => {
  const broken = new Map<string, number>();
  const error = new Error("has");
  for (const cache of [remote("has", Promise.resolve(false)), broken]) {
    const flights = new Singleflight<string, number>({ cache });
    const { has } = cache;
    cache.has = () => false;
    const { promise, resolve } = gate<number>();
    const call = flights.do("k", () => promise);
    cache.has = cache === broken
      ? () => {
        throw error;
      }
      : has;
    assertThrows(() => flights.forget("k"), cache === broken ? Error : TypeError);
    assertEquals([flights.has("k"), flights.size], [false, 0]);
    resolve(1);
    assertEquals([await call, cache.get("k")], [1, undefined]);
  }
});

test("Singleflight.do() leaves nothing unhandled when the cache answers with a promise that rejects [6.11] [6.8]", async () => {
  const errors = await unhandled(async () => {
    for (const method of ["get", "has", "set"] as const) {
      const down = Promise.reject(new Error("down"));
      const flights = new Singleflight<string, number>({ cache: remote(method, down) });
      await assertRejects(() => flights.do("k", () => Promise.resolve(1)), TypeError);
    }
  });
  assertEquals(errors, []);
});
