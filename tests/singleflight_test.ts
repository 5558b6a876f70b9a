import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Singleflight } from "../mod.ts";
import { gate, settled } from "./support/gate.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

test("Singleflight.do() executes once and gives all callers the same value when they overlap [6.1]", async () => {
  const { promise, resolve } = gate<object>();
  const flights = new Singleflight<string, object>();
  let runs = 0;
  const fn = () => (runs++, promise);
  const calls = Array.from({ length: 10 }, () => flights.do("k", fn));
  const value = {};
  resolve(value);
  for (const given of await Promise.all(calls)) assertStrictEquals(given, value);
  assertEquals(runs, 1);
});

test("Singleflight.do() rejects all callers with the same error when the function rejects [6.1] [7]", async () => {
  for (const error of [new Error("down"), undefined, null, 0, "text", Object.freeze({})]) {
    const { promise, reject } = gate<number>();
    const flights = new Singleflight<string, number>();
    const calls = [
      flights.do("k", () => promise),
      flights.do("k", () => 1),
      flights.doShared("k", () => 2),
      flights.do("k", () => 3, { signal: new AbortController().signal }),
    ];
    reject(error);
    for (const call of calls) assertStrictEquals(await assertRejects(() => call), error);
    assertEquals(flights.size, 0);
  }
});

test("Singleflight.do() carries undefined, null, 0 and false as values like any other [7]", async () => {
  const flights = new Singleflight<string, unknown>();
  for (const value of [undefined, null, 0, false, ""]) {
    assertStrictEquals(await flights.do("k", () => value), value);
    assertStrictEquals(await flights.do("k", () => Promise.resolve(value)), value);
    assertEquals(await flights.doShared("k", () => value), { value, shared: false });
  }
});

test("Singleflight.do() starts the function before it returns when no call is in flight [6.1]", async () => {
  const flights = new Singleflight<string, number>();
  let started = false;
  const call = flights.do("k", () => {
    started = true;
    return 1;
  });
  assert(started);
  assertEquals(await call, 1);
});

test("Singleflight.do() executes again after the call before has resolved or rejected [6.2]", async () => {
  const flights = new Singleflight<string, number>();
  let runs = 0;
  assertEquals(await flights.do("k", () => Promise.resolve(++runs)), 1);
  await assertRejects(() => flights.do("k", () => Promise.reject(new Error(`${++runs}`))));
  assertEquals(await flights.do("k", () => ++runs), 3);
  assertEquals([flights.size, flights.has("k")], [0, false]);
});

test("Singleflight.do() frees the key before its callers settle [6.2]", async () => {
  const flights = new Singleflight<string, number>();
  const seen: boolean[] = [];
  const look = () => void seen.push(flights.has("k"));
  const { promise, resolve } = gate<number>();
  const calls = [
    flights.do("k", () => promise).then(look),
    flights.doShared("k", () => 1).then(look),
  ];
  resolve(1);
  await Promise.all(calls);
  const failing = gate<number>();
  const failed = flights.do("k", () => failing.promise).catch(look);
  failing.reject(new Error("down"));
  await failed;
  assertEquals(seen, [false, false, false]);
});

test("Singleflight.do() runs calls of different keys concurrently [6.1]", async () => {
  const flights = new Singleflight<string, string>();
  const gates = { a: gate<string>(), b: gate<string>() };
  const a = flights.do("a", () => gates.a.promise);
  const b = flights.do("b", () => gates.b.promise);
  assertEquals(flights.size, 2);
  gates.b.resolve("B");
  assertEquals(await b, "B");
  assertEquals([flights.has("a"), flights.has("b"), flights.size], [true, false, 1]);
  gates.a.resolve("A");
  assertEquals(await a, "A");
});

test("Singleflight.do() rejects and never throws when the function throws synchronously [6.5] [F-13]", async () => {
  const flights = new Singleflight<string, number>();
  for (const error of [new Error("at once"), undefined, Object.freeze({})]) {
    const call = flights.do("k", () => {
      throw error;
    });
    assertEquals(flights.size, 0);
    assertStrictEquals(await assertRejects(() => call), error);
  }
});

test("Singleflight.do() rejects when its function calls its own key before its first await [6.5] [F-39]", async () => {
  const flights = new Singleflight<unknown, number>();
  for (const key of ["k", 5n, Symbol("s"), Object.create(null), () => {}, undefined, NaN]) {
    let inner: Promise<number> | undefined;
    const outer = flights.do(key, () => {
      inner = flights.do(key, () => 1);
      return Promise.resolve(2);
    });
    await assertRejects(() => inner!, Error, "Singleflight: the function for key ");
    assertEquals(await outer, 2);
    assertEquals(flights.size, 0);
  }
});

test("Singleflight.do() passes the error on when the function waits for its own key [6.5] [F-39]", async () => {
  const flights = new Singleflight<string, number>();
  const around = flights.do("a", () => flights.do("b", () => flights.do("a", () => 1)));
  await assertRejects(() => around, Error, 'the function for key "a" waits for itself');
  assertEquals(flights.size, 0);
});

test("Singleflight.do() joins from inside the function after its first await [6.5]", async () => {
  const flights = new Singleflight<string, number>();
  const { promise, resolve } = gate<number>();
  let inner: Promise<number> | undefined;
  const outer = flights.do("k", async () => {
    await undefined;
    inner = flights.do("k", () => 0);
    return await promise;
  });
  assertEquals(await settled(outer), "pending");
  resolve(1);
  assertEquals([await outer, await inner], [1, 1]);
});

test("Singleflight.do() compares keys as a Map does [6.7] [F-38]", async () => {
  const symbol = Symbol("k");
  const object = {};
  const same: unknown[][] = [[NaN, NaN], [0, -0], ["k", "k"], [symbol, symbol], [object, object]];
  const different: unknown[][] = [[{}, {}], [1, "1"], [undefined, null], [Symbol("k"), symbol]];
  for (const [pairs, runs] of [[same, 1], [different, 2]] as const) {
    for (const [left, right] of pairs) {
      const flights = new Singleflight<unknown, number>();
      let count = 0;
      const fn = () => Promise.resolve(++count);
      const calls = [flights.do(left, fn), flights.do(right, fn)];
      assert(flights.has(left) && flights.has(right));
      await Promise.all(calls);
      assertEquals([count, flights.size], [runs, 0]);
    }
  }
});

test("Singleflight.do() takes __proto__, constructor and hasOwnProperty as keys [6.7] [F-38]", async () => {
  const flights = new Singleflight<string, string>();
  const keys = ["__proto__", "constructor", "hasOwnProperty", ""];
  for (const key of keys) assert(!flights.has(key));
  const calls = keys.map((key) => flights.do(key, () => Promise.resolve(key)));
  assertEquals(flights.size, keys.length);
  assertEquals(await Promise.all(calls), keys);
});

test("Singleflight.doShared() reports shared to every caller, including the first, when there were two [6.7]", async () => {
  const flights = new Singleflight<string, number>();
  const alone = flights.doShared("k", () => Promise.resolve(1));
  assertEquals(await alone, { value: 1, shared: false });

  const two = [flights.doShared("k", () => Promise.resolve(2)), flights.doShared("k", () => 0)];
  assertEquals(await Promise.all(two), [{ value: 2, shared: true }, { value: 2, shared: true }]);

  const first = flights.doShared("k", () => Promise.resolve(3));
  void flights.do("k", () => 0);
  assertEquals(await first, { value: 3, shared: true });
});

test("Singleflight.doShared() reports shared even if the second caller has left [6.7]", async () => {
  const flights = new Singleflight<string, number>();
  const { promise, resolve } = gate<number>();
  const leaver = new AbortController();
  const first = flights.doShared("k", () => promise);
  const second = flights.doShared("k", () => 0, { signal: leaver.signal });
  leaver.abort();
  await assertRejects(() => second);
  resolve(1);
  assertEquals(await first, { value: 1, shared: true });
});

test("Singleflight.do() rejects without a function, and starts nothing [7] [F-04]", async () => {
  const flights = new Singleflight<string, number>();
  const message = 'Singleflight: option "fn" must be a function; got ';
  for (const fn of [undefined, null, 5, {}] as never[]) {
    await assertRejects(() => flights.do("k", fn), TypeError, message);
    await assertRejects(() => flights.doShared("k", fn), TypeError, message);
    assertEquals(flights.size, 0);
  }
});

test("Singleflight.do() leaves unhandled only rejections that its callers leave [6.8]", async () => {
  const error = new Error("down");
  const fails = () => Promise.reject(error);
  const flights = new Singleflight<string, number>();
  assertEquals(await unhandled(() => void flights.do("ignored", fails)), [error]);
  assertEquals(await unhandled(() => void flights.doShared("ignored", fails)), [error]);
  const own = await unhandled(() => {
    void flights.doShared("k", fails);
    flights.doShared("k", fails).catch(() => {});
  });
  assertEquals(own, [error]);
});

test("Singleflight.do() leaves nothing unhandled when every caller handles its rejection [6.8]", async () => {
  const flights = new Singleflight<string, number>();
  const errors = await unhandled(async () => {
    const calls = [
      flights.do("k", () => Promise.reject(new Error("down"))),
      flights.doShared("k", () => 0),
      flights.do("thrown", () => {
        throw new Error("at once");
      }),
      flights.do("self", () => flights.do("self", () => 0)),
      flights.do("none", undefined as never),
    ];
    await Promise.allSettled(calls);
  });
  assertEquals(errors, []);
});
