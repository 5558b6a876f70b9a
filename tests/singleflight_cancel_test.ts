import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Singleflight } from "../mod.ts";
import { withClock } from "./support/clock.ts";
import { gate, microtasks, settled } from "./support/gate.ts";
import { countListeners } from "./support/listeners.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

test("Singleflight.do() rejects a caller at once with its reason when its signal aborts, and goes on for the others [6.3]", async () => {
  const flights = new Singleflight<string, number>();
  const { promise, resolve } = gate<number>();
  const leaver = new AbortController();
  let inner: AbortSignal | undefined;
  const stays = flights.do("k", ({ signal }) => {
    inner = signal;
    return promise;
  });
  const leaves = flights.do("k", () => 0, { signal: leaver.signal });
  const reason = new Error("too slow");
  leaver.abort(reason);
  assertStrictEquals(await assertRejects(() => leaves), reason);
  assertEquals([await settled(stays), flights.has("k"), inner!.aborted], ["pending", true, false]);
  resolve(1);
  assertEquals(await stays, 1);
  assert(!inner!.aborted);
});

test("Singleflight.do() rejects with the same reason, even a falsy one [6.3] [F-34] [7]", async () => {
  for (const reason of [undefined, null, 0, "", false, Object.freeze({})]) {
    for (const method of ["do", "doShared"] as const) {
      const flights = new Singleflight<string, number>();
      const leaver = new AbortController();
      const inner: AbortSignal[] = [];
      const call = flights[method]("k", ({ signal }) => {
        inner.push(signal);
        return gate<number>().promise;
      }, { signal: leaver.signal });
      leaver.abort(reason);
      // The platform makes an AbortError of undefined.
      assertStrictEquals(await assertRejects(() => call), leaver.signal.reason);
      assertStrictEquals(inner[0]!.reason, leaver.signal.reason);
      assert(inner[0]!.aborted);
    }
  }
});

test("Singleflight.do() aborts the function with the last caller's reason when all have left [6.3]", async () => {
  const flights = new Singleflight<string, number>();
  const leavers = Array.from({ length: 3 }, () => new AbortController());
  const aborts: unknown[] = [];
  const calls = leavers.map(({ signal }) =>
    flights.do("k", (context) => {
      context.signal.onabort = () => void aborts.push(context.signal.reason);
      return gate<number>().promise;
    }, { signal })
  );
  for (const [index, leaver] of leavers.entries()) {
    assertEquals(aborts, []);
    assert(flights.has("k"));
    leaver.abort(index);
    assertEquals(await assertRejects(() => calls[index]!), index);
  }
  assertEquals([aborts, flights.size], [[2], 0]);
});

test("Singleflight.do() frees the key before it aborts the function's signal [6.3] [F-39]", async () => {
  const flights = new Singleflight<string, string>();
  const leaver = new AbortController();
  let free: boolean | undefined;
  let newcomer: Promise<string> | undefined;
  const old = flights.do("k", ({ signal }) => {
    signal.onabort = () => {
      free = !flights.has("k");
      newcomer = flights.do("k", () => Promise.resolve("new"));
    };
    return gate<string>().promise;
  }, { signal: leaver.signal });
  leaver.abort();
  const { size } = flights;
  await assertRejects(() => old);
  assertEquals([free, size], [true, 1]);
  assertEquals(await newcomer, "new");
});

test("Singleflight.do() with an aborted signal starts nothing and joins nothing [6.3] [F-33]", async () => {
  const cache = new Map([["kept", 1]]);
  const flights = new Singleflight<string, number>({ cache });
  const reason = new Error("before");
  const signal = AbortSignal.abort(reason);
  const listeners = countListeners(signal);
  const { promise, resolve } = gate<number>();
  let runs = 0;
  const running = flights.doShared("running", () => promise);
  for (const key of ["idle", "running", "kept"]) {
    const call = flights.do(key, () => ++runs, { signal });
    assertStrictEquals(await assertRejects(() => call), reason);
  }
  resolve(1);
  assertEquals(await running, { value: 1, shared: false });
  assertEquals([runs, flights.size, listeners.added], [0, 0, 0]);
});

test("Singleflight.do() ends the flights of every key when their callers share a signal [6.3]", async () => {
  const flights = new Singleflight<string, number>();
  const shutdown = new AbortController();
  const aborted: string[] = [];
  const calls = ["a", "b", "a"].map((key) =>
    flights.do(key, ({ signal }) => {
      signal.onabort = () => void aborted.push(key);
      return gate<number>().promise;
    }, { signal: shutdown.signal })
  );
  shutdown.abort("down");
  for (const call of calls) assertEquals(await assertRejects(() => call), "down");
  assertEquals([aborted.sort(), flights.size], [["a", "b"], 0]);
});

test("Singleflight.do() goes on when the remaining caller has no signal [6.3]", async () => {
  const flights = new Singleflight<string, number>();
  const { promise, resolve } = gate<number>();
  const leaver = new AbortController();
  const leaves = flights.do("k", () => promise, { signal: leaver.signal });
  const stays = flights.do("k", () => 0);
  leaver.abort();
  await assertRejects(() => leaves);
  assert(flights.has("k"));
  resolve(1);
  assertEquals(await stays, 1);
});

test("Singleflight.do() frees the key when the function synchronously aborts its only caller [6.3] [F-39]", async () => {
  await withClock(async (clock) => {
    const flights = new Singleflight<string, number>({ forgetAfter: 10 });
    const leaver = new AbortController();
    let newcomer: Promise<number> | undefined;
    const call = flights.do("k", () => {
      leaver.abort("self");
      newcomer = flights.do("k", () => 2);
      return Promise.reject(new Error("too late"));
    }, { signal: leaver.signal });
    assertEquals(await assertRejects(() => call), "self");
    assertEquals(await newcomer, 2);
    assertEquals([flights.size, clock.pending], [0, 0]);
  });
});

test("Singleflight.do() rejects with the reason when the abort comes before the value is delivered [6.3]", async () => {
  const flights = new Singleflight<string, number>();
  const leaver = new AbortController();
  const { promise, resolve } = gate<number>();
  const call = flights.do("k", () => promise, { signal: leaver.signal });
  resolve(1);
  leaver.abort("first");
  assertEquals(await assertRejects(() => call), "first");
});

test("Singleflight.do() ignores the outcome of an abandoned flight [6.3] [6.8] [F-17]", async () => {
  for (const end of ["resolve", "reject"] as const) {
    const cache = new Map<string, number>();
    const flights = new Singleflight<string, number>({ cache });
    const leaver = new AbortController();
    const flying = gate<number>();
    const errors = await unhandled(async () => {
      const call = flights.do("k", () => flying.promise, { signal: leaver.signal });
      leaver.abort();
      await assertRejects(() => call);
      const newcomer = flights.do("k", async () => (await microtasks(), 2));
      flying[end](1);
      await microtasks(5);
      assert(flights.has("k"));
      assertEquals(await newcomer, 2);
    });
    assertEquals([errors, cache.get("k")], [[], 2]);
  }
});
