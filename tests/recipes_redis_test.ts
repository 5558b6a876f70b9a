/** The recipe `examples/recipes/redis_cache.ts`, with a client in memory that a test can take down. */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { RedisCache, type RedisCacheOptions } from "../examples/recipes/redis_cache.ts";
import { withClock } from "./support/clock.ts";
import { gate, settled, turn } from "./support/gate.ts";
import { Hand } from "./support/hand.ts";
import { test } from "./support/test.ts";

/** A client and its server, on one connection. Replies come in order, a turn later. */
class Memory {
  readonly texts = new Map<string, string>();
  /** The commands that were sent. */
  readonly sent: string[] = [];
  /** The error of each command. */
  error: Error | undefined;
  /** Whether no command gets a reply. */
  stalled = false;

  readonly get = (key: string) => this.#reply(`GET ${key}`, () => this.texts.get(key) ?? null);
  readonly set = (key: string, text: string, ttl: number) =>
    this.#reply(`SET ${key} ${text} PX ${ttl}`, () => this.texts.set(key, text));
  readonly del = (key: string) => this.#reply(`DEL ${key}`, () => this.texts.delete(key));

  async #reply<R>(command: string, run: () => R): Promise<R> {
    this.sent.push(command);
    if (this.error) throw this.error;
    if (this.stalled) return new Promise(() => {});
    const result = run();
    await turn();
    return result;
  }
}

/** A cache, and a source whose loads the test settles. */
function cached(options: Partial<RedisCacheOptions<unknown>> = {}) {
  const redis = new Memory();
  const hand = new Hand<string>();
  const told: Array<[step: string, key: string, error: unknown]> = [];
  const cache = new RedisCache<unknown>(redis, hand.handler, {
    name: "c",
    ttl: 5000,
    onError: (error, { step, key }) => void told.push([step, key, error]),
    ...options,
  });
  /** A load that has started. */
  const load = async (key: string) => {
    while (!hand.started.includes(key)) await turn();
    return hand.call(key);
  };
  return { redis, hand, told, cache, load };
}

test("recipe redis cache: concurrent callers share one look-up, one load and one write", async () => {
  const { redis, hand, told, cache, load } = cached();
  const calls = Array.from({ length: 1000 }, () => cache.get("k"));
  (await load("k")).resolve({ n: 1 });
  const values = await Promise.all(calls);
  assertEquals(new Set(values).size, 1);
  assertEquals(values[0], { n: 1 });
  assertEquals(redis.sent, ["GET c:k", 'SET c:k {"n":1} PX 5000']);
  assertEquals(await cache.get("k"), { n: 1 });
  assertEquals(redis.sent.length, 3);
  assertEquals([hand.started, told], [["k"], []]);
});

test("recipe redis cache: caches whose names hold no colon share no key", async () => {
  const { redis } = cached();
  const names = ["users", "users-v2", "u"];
  const caches = names.map((name) =>
    new RedisCache<string>(redis, (key) => `${name} ${key}`, { name, ttl: 1, onError() {} })
  );
  const keys = ["", ":", "7", "v2:7", "-v2:7", "sers:7", "users:7", "\n", "k y"];
  for (let times = 0; times < 2; times++) {
    for (const [i, cache] of caches.entries()) {
      for (const key of keys) assertEquals(await cache.get(key), `${names[i]} ${key}`);
    }
  }
  assertEquals(redis.texts.size, caches.length * keys.length);
});

test("recipe redis cache: a load may look up another key", async () => {
  const { redis } = cached();
  const cache: RedisCache<string> = new RedisCache<string>(
    redis,
    async (key) => key === "" ? "" : `${key}${await cache.get(key.slice(1))}`,
    { name: "c", ttl: 5000, onError() {} },
  );
  assertEquals(await Promise.all([cache.get("ab"), cache.get("b")]), ["abb", "b"]);
  assertEquals(redis.sent.filter((command) => command === "GET c:b").length, 1);
});

test("recipe redis cache: two processes may load one key at once, each of them once", async () => {
  const one = cached();
  const hand = new Hand<string>();
  const other = new RedisCache<unknown>(one.redis, hand.handler, {
    name: "c",
    ttl: 5000,
    onError: () => {},
  });
  const calls = [one.cache.get("k"), one.cache.get("k"), other.get("k"), other.get("k")];
  (await one.load("k")).resolve("of one");
  while (hand.calls.length === 0) await turn();
  hand.call("k").resolve("of the other");
  assertEquals(await Promise.all(calls), ["of one", "of one", "of the other", "of the other"]);
  assertEquals([one.hand.started, hand.started], [["k"], ["k"]]);
});

test("recipe redis cache: if Redis is down, no call fails, and onError gets each error", async () => {
  const { redis, told, cache, load } = cached();
  const error = redis.error = new Error("down");
  const calls = [cache.get("k"), cache.get("k")];
  (await load("k")).resolve(1);
  assertEquals(await Promise.all(calls), [1, 1]);
  assertEquals(told, [["get", "k", error]]);
  // After a failed look-up the value isn't written, because Redis may have another one.
  assertEquals(redis.sent, ["GET c:k"]);
});

test("recipe redis cache: onError gets the error of a client that throws at once", async () => {
  const { redis, told, cache, load } = cached();
  const error = new Error("closed");
  Object.assign(redis, {
    get() {
      throw error;
    },
  });
  const call = cache.get("k");
  (await load("k")).resolve(1);
  assertEquals(await call, 1);
  assertEquals(told, [["get", "k", error]]);
});

test("recipe redis cache: a look-up without a reply takes its timeout, and no write follows", () =>
  withClock(async (clock) => {
    const { redis, hand, told, cache, load } = cached({ timeout: 30 });
    redis.stalled = true;
    const call = cache.get("k");
    await clock.tick(29);
    assertEquals(hand.started, []);
    await clock.tick(1);
    (await load("k")).resolve(1);
    assertEquals(await call, 1);
    const [[step, , error] = []] = told;
    assertEquals([step, (error as Error).name, (error as Error).message], [
      "get",
      "TimeoutError",
      'RedisCache "c": no reply to GET c:k within 30 ms',
    ]);
    assertEquals([told.length, redis.sent, clock.pending], [1, ["GET c:k"], 0]);
  }));

test("recipe redis cache: a write without a reply takes its timeout, by default 100 ms", () =>
  withClock(async (clock) => {
    const { redis, told, cache, load } = cached();
    const call = cache.get("k");
    const { resolve } = await load("k");
    redis.stalled = true;
    resolve(1);
    await clock.tick(99);
    assertEquals(await settled(call), "pending");
    await clock.tick(1);
    assertEquals(await call, 1);
    assertEquals(told.map(([step, key, error]) => [step, key, (error as Error).name]), [
      ["set", "k", "TimeoutError"],
    ]);
    assertEquals(clock.pending, 0);
  }));

test("recipe redis cache: a reply that comes too late, or fails then, does no harm", () =>
  withClock(async (clock) => {
    const { redis, told, cache, load } = cached();
    const [late, failed] = [gate<string>(), gate<string>()];
    Object.assign(redis, { get: (key: string) => (key === "c:a" ? late : failed).promise });
    const calls = [cache.get("a"), cache.get("b")];
    await clock.tick(100);
    late.resolve('"old"');
    failed.reject(new Error("disconnected"));
    (await load("a")).resolve("a");
    (await load("b")).resolve("b");
    assertEquals(await Promise.all(calls), ["a", "b"]);
    assertEquals(told.length, 2);
  }));

test("recipe redis cache: a write that fails fails no call", async () => {
  const { redis, told, cache, load } = cached();
  const calls = [cache.get("k"), cache.get("k")];
  const { resolve } = await load("k");
  const error = redis.error = new Error("OOM");
  resolve(1);
  assertEquals(await Promise.all(calls), [1, 1]);
  assertEquals(told, [["set", "k", error]]);
});

test("recipe redis cache: onError gets a corrupt value, which is loaded again and replaced", async () => {
  const { redis, told, cache, load } = cached();
  redis.texts.set("c:k", "{");
  const call = cache.get("k");
  (await load("k")).resolve(1);
  assertEquals(await call, 1);
  assertEquals(told.map(([step, key, error]) => [step, key, (error as Error).name]), [
    ["decode", "k", "SyntaxError"],
  ]);
  assertEquals(redis.texts.get("c:k"), "1");
});

test("recipe redis cache: null is cached, and undefined is not", async () => {
  const { redis, hand, told, cache, load } = cached();
  const none = cache.get("a");
  (await load("a")).resolve(null);
  assertEquals([await none, await cache.get("a")], [null, null]);
  for (let times = 1; times <= 2; times++) {
    const nothing = cache.get("b");
    while (hand.started.length < 1 + times) await turn();
    hand.call("b").resolve(undefined);
    assertEquals(await nothing, undefined);
  }
  assertEquals(hand.started, ["a", "b", "b"]);
  assertEquals([[...redis.texts], told], [[["c:a", "null"]], []]);
});

test("recipe redis cache: encode and decode make the text and the value", async () => {
  const { redis, cache, load } = cached({
    encode: (value) => (value as Date).toISOString(),
    decode: (text) => new Date(text),
  });
  const date = new Date("2026-11-28");
  const call = cache.get("k");
  (await load("k")).resolve(date);
  assertStrictEquals(await call, date);
  assertEquals(redis.texts.get("c:k"), "2026-11-28T00:00:00.000Z");
  assertEquals(await cache.get("k"), date);
});

test("recipe redis cache: onError gets a value that can't be encoded, and its callers get the value", async () => {
  const { redis, told, cache, load } = cached();
  for (const [key, value] of [["a", 1n], ["b", () => {}]] as const) {
    const call = cache.get(key);
    (await load(key)).resolve(value);
    assertEquals(await call, value);
  }
  assertEquals(told.map(([step, key, error]) => [step, key, error instanceof TypeError]), [
    ["encode", "a", true],
    ["encode", "b", true],
  ]);
  assertEquals(redis.sent, ["GET c:a", "GET c:b"]);
});

test("recipe redis cache: an error of the load rejects its callers unchanged, and is not cached", async () => {
  const { redis, hand, told, cache, load } = cached();
  const error = new Error("no such user");
  const calls = Promise.allSettled([cache.get("k"), cache.get("k")]);
  (await load("k")).reject(error);
  for (const call of await calls) assertStrictEquals((call as PromiseRejectedResult).reason, error);
  const again = cache.get("k");
  while (hand.calls.length < 2) await turn();
  hand.call("k").resolve(1);
  assertEquals(await again, 1);
  assertEquals([redis.sent.length, told], [3, []]);
});

test("recipe redis cache: an error that onError throws rejects the callers", async () => {
  const error = new Error("down");
  const { redis, hand, cache } = cached({
    onError(error) {
      throw error;
    },
  });
  redis.error = error;
  assertStrictEquals(await assertRejects(() => cache.get("k")), error);
  assertEquals(hand.started, []);
});

test("recipe redis cache: after an invalidation the next caller loads, even while a load runs", async () => {
  const { redis, hand, cache, load } = cached();
  const before = cache.get("k");
  const old = await load("k");
  const invalidated = cache.invalidate("k");
  const after = cache.get("k");
  await invalidated;
  while (hand.calls.length < 2) await turn();
  hand.call("k").resolve("new");
  assertEquals(await after, "new");
  old.resolve("old");
  assertEquals(await before, "old");
  assertEquals(redis.texts.get("c:k"), '"new"');
  assertEquals(redis.sent, ["GET c:k", "DEL c:k", "GET c:k", 'SET c:k "new" PX 5000']);
  assertEquals(await cache.get("k"), "new");
});

test("recipe redis cache: a load that began before an invalidation writes nothing, even if it ends first", async () => {
  const { redis, cache, load } = cached();
  const before = cache.get("k");
  const old = await load("k");
  await cache.invalidate("k");
  old.resolve("old");
  assertEquals(await before, "old");
  assertEquals(redis.sent, ["GET c:k", "DEL c:k"]);
});

test("recipe redis cache: a caller that asks right after an invalidation never gets the old value", async () => {
  const { redis, cache, load } = cached();
  redis.texts.set("c:k", '"old"');
  const before = cache.get("k");
  void cache.invalidate("k");
  const after = cache.get("k");
  (await load("k")).resolve("new");
  assertEquals(await Promise.all([before, after]), ["old", "new"]);
});

test("recipe redis cache: a load of another process that began before may be written after it", async () => {
  const { redis, cache, load } = cached();
  const other = new RedisCache<unknown>(redis, () => "new", {
    name: "c",
    ttl: 5000,
    onError: () => {},
  });
  const before = cache.get("k");
  const old = await load("k");
  await other.invalidate("k");
  old.resolve("old");
  await before;
  // Redis keeps it until its ttl is over, as the documentation says.
  assertEquals(await other.get("k"), "old");
});

test("recipe redis cache: an invalidation rejects if Redis fails, and no old load is written", async () => {
  const { redis, told, cache, load } = cached();
  const before = cache.get("k");
  const old = await load("k");
  const error = redis.error = new Error("down");
  assertStrictEquals(await assertRejects(() => cache.invalidate("k")), error);
  redis.error = undefined;
  old.resolve("old");
  await before;
  assertEquals([redis.sent, told], [["GET c:k", "DEL c:k"], []]);
});

test("recipe redis cache: a caller may leave, and the load aborts when the last one has left", async () => {
  const { hand, cache, load } = cached();
  const [one, two] = [new AbortController(), new AbortController()];
  const calls = [one, two].map(({ signal }) => cache.get("k", { signal }));
  const { signal } = await load("k");
  one.abort(new Error("one"));
  await assertRejects(() => calls[0]!, Error, "one");
  assert(!signal.aborted);
  two.abort(new Error("two"));
  await assertRejects(() => calls[1]!, Error, "two");
  assert(signal.aborted);

  // When all have left during the look-up, no load starts.
  const early = new AbortController();
  const call = cache.get("other", early);
  early.abort(new Error("early"));
  await assertRejects(() => call, Error, "early");
  for (let turns = 0; turns < 5; turns++) await turn();
  assertEquals(hand.started, ["k"]);
});

test("recipe redis cache: a load without callers doesn't replace a newer value", async () => {
  const { redis, hand, cache, load } = cached();
  const leaver = new AbortController();
  const left = cache.get("k", leaver);
  const old = await load("k");
  leaver.abort(new Error("left"));
  await assertRejects(() => left, Error, "left");
  const call = cache.get("k");
  while (hand.calls.length < 2) await turn();
  old.resolve("old");
  for (let turns = 0; turns < 5; turns++) await turn();
  hand.call("k").resolve("new");
  assertEquals(await call, "new");
  assertEquals(redis.sent, ["GET c:k", "GET c:k", 'SET c:k "new" PX 5000']);
});

test("recipe redis cache: the error names the wrong option", () => {
  const wrong: Array<[option: string, value: unknown, kind: typeof TypeError, rule: string]> = [
    ["name", undefined, TypeError, "a string; got undefined"],
    ["ttl", "1", TypeError, "an integer of at least 1; got 1"],
    ["ttl", 0, RangeError, "an integer of at least 1; got 0"],
    ["ttl", 0.5, RangeError, "an integer of at least 1; got 0.5"],
    ["timeout", 0, RangeError, "more than 0 and at most 2147483647; got 0"],
    ["timeout", NaN, RangeError, "more than 0 and at most 2147483647; got NaN"],
    ["timeout", Infinity, RangeError, "more than 0 and at most 2147483647; got Infinity"],
    ["encode", 1, TypeError, "a function; got 1"],
    ["decode", null, TypeError, "a function; got null"],
    ["onError", undefined, TypeError, "a function; got undefined"],
  ];
  for (const [option, value, kind, rule] of wrong) {
    const message = `RedisCache: option "${option}" must be ${rule}`;
    const error = assertThrows(() => cached({ [option]: value }), kind);
    assertEquals(error.message, message);
  }
});
