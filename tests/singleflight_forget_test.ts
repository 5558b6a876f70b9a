import { assert, assertEquals, assertRejects } from "@std/assert";
import { Singleflight } from "../mod.ts";
import { withClock } from "./support/clock.ts";
import { gate, settled, turn } from "./support/gate.ts";
import { test } from "./support/test.ts";

test("Singleflight.forget() leaves the old flight to its callers, and the next caller starts a new one [6.4]", async () => {
  const flights = new Singleflight<string, string>();
  const old = gate<string>();
  const waiting = flights.do("k", () => old.promise);
  assert(flights.forget("k"));
  assertEquals([flights.has("k"), flights.size], [false, 0]);
  assertEquals(await flights.do("k", () => "fresh"), "fresh");
  assertEquals(await settled(waiting), "pending");
  old.resolve("stale");
  assertEquals(await waiting, "stale");
});

test("Singleflight.forget() keeps the new flight when the old one ends [6.4] [F-39]", async () => {
  for (const end of ["resolve", "reject"] as const) {
    const flights = new Singleflight<string, string>();
    const [old, fresh] = [gate<string>(), gate<string>()];
    const waiting = flights.do("k", () => old.promise);
    flights.forget("k");
    const second = flights.do("k", () => fresh.promise);
    old[end]("stale");
    await waiting.catch(() => {});
    assert(flights.has("k"));
    const third = flights.do("k", () => "never");
    fresh.resolve("fresh");
    assertEquals([await second, await third], ["fresh", "fresh"]);
  }
});

test("Singleflight.forget() keeps the new flight when the old one's last caller leaves [6.4] [F-39]", async () => {
  const flights = new Singleflight<string, string>();
  const leaver = new AbortController();
  const fresh = gate<string>();
  let oldSignal: AbortSignal | undefined;
  const old = flights.do("k", ({ signal }) => {
    oldSignal = signal;
    return gate<string>().promise;
  }, { signal: leaver.signal });
  flights.forget("k");
  let freshSignal: AbortSignal | undefined;
  const second = flights.do("k", ({ signal }) => {
    freshSignal = signal;
    return fresh.promise;
  });
  leaver.abort("left");
  assertEquals(await assertRejects(() => old), "left");
  assertEquals([oldSignal!.aborted, freshSignal!.aborted, flights.has("k")], [true, false, true]);
  fresh.resolve("fresh");
  assertEquals(await second, "fresh");
});

test("Singleflight.forget() returns whether there was anything to forget [6.4]", async () => {
  const flights = new Singleflight<string, number>();
  assert(!flights.forget("k"));
  const call = flights.do("k", () => Promise.resolve(1));
  assert(flights.forget("k"));
  assert(!flights.forget("k"));
  await call;
  assert(!flights.forget("k"));
});

test("Singleflight.forget() allows the function to call its own key again [6.4] [6.5]", async () => {
  const flights = new Singleflight<string, string>();
  const outer = flights.do("k", () => {
    flights.forget("k");
    return flights.do("k", () => Promise.resolve("inner"));
  });
  assertEquals(await outer, "inner");
  assertEquals(flights.size, 0);
});

test("Singleflight.doShared() of a forgotten flight is not shared with the one after it [6.4] [6.7]", async () => {
  const flights = new Singleflight<string, number>();
  const first = flights.doShared("k", () => Promise.resolve(1));
  flights.forget("k");
  const second = flights.doShared("k", () => Promise.resolve(2));
  assertEquals(await Promise.all([first, second]), [
    { value: 1, shared: false },
    { value: 2, shared: false },
  ]);
});

test("Singleflight.clear() forgets every key [6.4] [F-36]", () =>
  withClock(async (clock) => {
    const flights = new Singleflight<string, string>({ forgetAfter: 100 });
    const gates = { a: gate<string>(), b: gate<string>() };
    const calls = [flights.do("a", () => gates.a.promise), flights.do("b", () => gates.b.promise)];
    flights.clear();
    assertEquals([flights.size, clock.pending], [0, 0]);
    assertEquals(await flights.do("a", () => "fresh"), "fresh");
    gates.a.resolve("A");
    gates.b.resolve("B");
    assertEquals(await Promise.all(calls), ["A", "B"]);
    assertEquals(clock.pending, 0);
  }));

test("Singleflight.do() starts a new flight when forgetAfter has passed since the start [6.4]", () =>
  withClock(async (clock) => {
    const flights = new Singleflight<string, string>({ forgetAfter: 100 });
    const old = gate<string>();
    const first = flights.doShared("k", () => old.promise);
    await clock.tick(99);
    const joined = flights.doShared("k", () => "never");
    await clock.tick(1);
    assertEquals([flights.has("k"), clock.pending], [false, 0]);
    const fresh = flights.doShared("k", () => Promise.resolve("fresh"));
    assertEquals(await fresh, { value: "fresh", shared: false });
    old.resolve("stale");
    assertEquals(await first, { value: "stale", shared: true });
    assertEquals(await joined, { value: "stale", shared: true });
    await turn();
    assertEquals([flights.size, clock.pending], [0, 0]);
  }));

test("Singleflight.do() counts forgetAfter from before the function's synchronous part [6.4]", () =>
  withClock(async (clock) => {
    const flights = new Singleflight<string, number>({ forgetAfter: 100 });
    const { promise, resolve } = gate<number>();
    const call = flights.do("k", () => {
      clock.block(60);
      return promise;
    });
    await clock.tick(39);
    assert(flights.has("k"));
    await clock.tick(1);
    assert(!flights.has("k"));
    resolve(1);
    await call;
  }));

test("Singleflight.do() forgets each nested flight at its own time [6.4]", () =>
  withClock(async (clock) => {
    const flights = new Singleflight<string, number>({ forgetAfter: 100 });
    const { promise, resolve } = gate<number>();
    const calls: Promise<number>[] = [];
    const nest = (keys: string[]): Promise<number> => {
      const [key, ...rest] = keys;
      return flights.do(key!, () => {
        clock.block(20);
        if (rest.length > 0) calls.push(nest(rest));
        return promise;
      });
    };
    calls.push(nest(["a", "b", "c"]));
    assertEquals([clock.now, clock.pending], [60, 0]);
    const live = () => ["a", "b", "c"].filter((key) => flights.has(key)).join("");
    const seen: string[] = [];
    for (const ms of [39, 1, 19, 1, 19, 1]) {
      await clock.tick(ms);
      seen.push(live());
    }
    assertEquals(seen, ["abc", "bc", "bc", "c", "c", ""]);
    assertEquals(clock.pending, 0);
    resolve(1);
    await Promise.all(calls);
  }));

test("Singleflight.size counts none of many flights whose time is over [6.4]", () =>
  withClock(async (clock) => {
    const flights = new Singleflight<number, number>({ forgetAfter: 100 });
    const { promise, resolve } = gate<number>();
    const calls = [1, 2, 3].map((key) => flights.do(key, () => promise));
    await clock.tick(1);
    calls.push(flights.do(4, () => promise));
    await clock.tick(99);
    assertEquals(flights.size, 1);
    resolve(1);
    await Promise.all(calls);
  }));

test("Singleflight.forget() returns false when a flight's time is over [6.4]", () =>
  withClock(async (clock) => {
    const flights = new Singleflight<string, number>({ forgetAfter: 100 });
    const { promise, resolve } = gate<number>();
    const calls = [1, 2].map((n) => flights.do(`k${n}`, () => promise));
    clock.block(99);
    assert(flights.forget("k1"));
    clock.block(1);
    assert(!flights.forget("k2"));
    resolve(1);
    await Promise.all(calls);
  }));

test("Singleflight.do() rejects when its function calls its own key, even after forgetAfter [6.5] [6.4] [F-39]", () =>
  withClock(async (clock) => {
    const flights = new Singleflight<string, number>({ forgetAfter: 100 });
    const outer = flights.do("k", () => {
      clock.block(100);
      return flights.do("k", () => 1);
    });
    await assertRejects(() => outer, Error, 'the function for key "k" waits for itself');
    assertEquals(flights.size, 0);
  }));

test("Singleflight.do() forgets no newer flight when the old one settled early [6.4]", () =>
  withClock(async (clock) => {
    const flights = new Singleflight<string, number>({ forgetAfter: 100 });
    const [old, fresh, other] = [gate<number>(), gate<number>(), gate<number>()];
    const calls = [flights.do("k", () => old.promise), flights.do("other", () => other.promise)];
    await clock.tick(50);
    old.resolve(1);
    await calls[0];
    calls.push(flights.do("k", () => fresh.promise));
    await clock.tick(50);
    assertEquals([flights.has("other"), flights.has("k")], [false, true]);
    await clock.tick(49);
    assert(flights.has("k"));
    await clock.tick(1);
    assertEquals([flights.size, clock.pending], [0, 0]);
    for (const { resolve } of [fresh, other]) resolve(1);
    await Promise.all(calls);
  }));

test("Singleflight.do() forgets by time without a timer [6.4] [F-36]", () =>
  withClock(async (clock) => {
    const flights = new Singleflight<number, number>({ forgetAfter: 100 });
    const gates = Array.from({ length: 5 }, () => gate<number>());
    const calls = gates.map(({ promise }, key) => flights.do(key, () => promise));
    await flights.do(99, () => 1);
    assertEquals(clock.pending, 0);
    // The middle, the first, the last, and the rest.
    for (const index of [2, 0, 4, 1]) {
      gates[index]!.resolve(1);
      await calls[index];
      assertEquals(clock.pending, 0);
    }
    assert(flights.forget(3));
    await turn();
    assertEquals([clock.pending, flights.size], [0, 0]);
    gates[3]!.resolve(1);
    await calls[3];
  }));

test("Singleflight.do() has no timer when forgetAfter is Infinity, or the function is synchronous [6.4] [F-03] [F-36]", () =>
  withClock(async (clock) => {
    const { promise, resolve } = gate<number>();
    const calls = [
      new Singleflight<string, number>({ forgetAfter: Infinity }).do("k", () => promise),
      new Singleflight<string, number>().do("k", () => promise),
      new Singleflight<string, number>({ forgetAfter: 5 }).do("k", () => 1),
    ];
    assertEquals(clock.pending, 0);
    resolve(1);
    await Promise.all(calls);
  }));

test("Singleflight.do() forgets by a monotonic clock, even if the event loop was blocked [6.4] [F-35]", () =>
  withClock(async (clock) => {
    const flights = new Singleflight<string, number>({ forgetAfter: 100 });
    const { promise, resolve } = gate<number>();
    const call = flights.do("k", () => promise);
    clock.jumpWall(86_400_000);
    await clock.tick(50);
    assert(flights.has("k"));
    clock.block(5000);
    await clock.tick(0);
    assertEquals([flights.has("k"), clock.pending], [false, 0]);
    resolve(1);
    await call;
  }));

test("Singleflight.do() joins no flight whose time is over, even if no timer can run [6.4] [F-35]", () =>
  withClock(async (clock) => {
    const flights = new Singleflight<string, number>({ forgetAfter: 100 });
    const gates = [gate<number>(), gate<number>()];
    let runs = 0;
    const join = () => flights.do("k", () => gates[runs++]!.promise);
    const calls = [join()];
    clock.block(99);
    assert(flights.has("k"));
    calls.push(join());
    clock.block(1);
    calls.push(join());
    // The time of the old flight does not end the new one.
    await clock.tick(99);
    assert(flights.has("k"));
    clock.block(1);
    assertEquals(flights.has("k"), false);
    gates.forEach(({ resolve }, n) => resolve(n));
    assertEquals([await Promise.all(calls), runs], [[0, 0, 1], 2]);
    await clock.tick(0);
    assertEquals([flights.size, clock.pending], [0, 0]);
  }));

test("Singleflight.do() forgets a flight that started in the synchronous part of another call [6.4]", () =>
  withClock(async (clock) => {
    const flights = new Singleflight<string, boolean>({ forgetAfter: 100 });
    const { promise, resolve } = gate<boolean>();
    let inner: Promise<boolean> | undefined;
    const outer = flights.do("outer", () => {
      inner = flights.do("inner", () => promise);
      clock.block(100);
      return flights.has("inner");
    });
    assertEquals(await outer, false);
    resolve(true);
    assertEquals(await inner, true);
  }));
