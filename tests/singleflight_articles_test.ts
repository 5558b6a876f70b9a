/** The scenarios of the articles about golang.org/x/sync/singleflight, under their names. */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { type FlightCache, Singleflight } from "../mod.ts";
import { type Clock, withClock } from "./support/clock.ts";
import { gate } from "./support/gate.ts";
import { countListeners } from "./support/listeners.ts";
import { test } from "./support/test.ts";

/** A function that takes a while, by the fake clock, and respects its signal. */
function slow<V>(ms: number, value: V): (context: { readonly signal: AbortSignal }) => Promise<V> {
  return ({ signal }) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => resolve(value), ms);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
}

/** A signal that aborts after a while, by the fake clock. */
function timeout(ms: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new DOMException(`after ${ms} ms`, "TimeoutError")), ms);
  return controller.signal;
}

test("x/sync singleflight: 1000 token requests over 4 regions execute 4 times [6.1]", () =>
  withClock(async (clock) => {
    const regions = ["eu", "us", "ap", "sa"];
    const issued: string[] = [];
    const tokens = new Singleflight<string, string>();
    const requests = Array.from({ length: 1000 }, (_, index) => {
      const region = regions[index % regions.length]!;
      return tokens.doShared(region, (context) => {
        issued.push(region);
        return slow(100, `token of ${region}`)(context);
      });
    });
    assertEquals(tokens.size, 4);
    await clock.tick(100);
    for (const [index, { value, shared }] of (await Promise.all(requests)).entries()) {
      assertEquals([value, shared], [`token of ${regions[index % 4]}`, true]);
    }
    assertEquals([issued, tokens.size, clock.pending], [regions, 0, 0]);
  }));

test("x/sync singleflight: one slow flight and its waiters' timeouts [6.3]", () =>
  withClock(async (clock) => {
    const pages = new Singleflight<string, string>();
    const signals = [10, 20, 30, 40, 50].map(timeout);
    const listeners = signals.map(countListeners);
    const waiters = signals.map((signal) => pages.do("/", slow(35, "page"), { signal }));
    const outcomes = Promise.allSettled(waiters);
    await clock.tick(35);
    for (const [index, outcome] of (await outcomes).entries()) {
      if (index < 3) {
        assert(outcome.status === "rejected");
        assertStrictEquals(outcome.reason, signals[index]!.reason);
      } else assertEquals(outcome, { status: "fulfilled", value: "page" });
    }
    assertEquals([pages.size, ...listeners.map(({ live }) => live)], [0, 0, 0, 0, 0, 0]);
    await clock.tick(15);
    assertEquals(clock.pending, 0);
  }));

test("x/sync singleflight: one slow flight is cancelled when its last waiter has timed out, and the key is free [6.3]", () =>
  withClock(async (clock) => {
    const pages = new Singleflight<string, string>();
    let aborted = -1;
    const endless = ({ signal }: { signal: AbortSignal }) => {
      signal.onabort = () => aborted = clock.now;
      return gate<string>().promise;
    };
    const waiters = [10, 30, 20].map((ms) => pages.do("/", endless, { signal: timeout(ms) }));
    const outcomes = Promise.allSettled(waiters);
    await clock.tick(29);
    assertEquals([aborted, pages.has("/")], [-1, true]);
    await clock.tick(1);
    assertEquals([aborted, pages.has("/"), clock.pending], [30, false, 0]);
    for (const outcome of await outcomes) {
      assert(outcome.status === "rejected");
      assertEquals(outcome.reason.name, "TimeoutError");
    }
    assertEquals(await pages.do("/", () => "page"), "page");
  }));

test("x/sync singleflight: a promise and a race replace DoChan and select [6.1]", () =>
  withClock(async (clock) => {
    const pages = new Singleflight<string, string>();
    const page = pages.do("/", slow(100, "page"));
    const late = new Promise<string>((resolve) => setTimeout(() => resolve("default"), 10));
    const answer = Promise.race([page, late]);
    await clock.tick(10);
    assertEquals(await answer, "default");
    await clock.tick(90);
    assertEquals(await page, "page");
    assertEquals([pages.size, clock.pending], [0, 0]);
  }));

test("x/sync singleflight: Forget after a period allows one more slow call in each period [6.4]", () =>
  withClock(async (clock) => {
    const pages = new Singleflight<string, number>({ forgetAfter: 100 });
    let runs = 0;
    const calls: Promise<number>[] = [];
    // A request every 20 ms; each call takes 250.
    for (let request = 0; request < 15; request++) {
      calls.push(pages.do("/", (context) => slow(250, ++runs)(context)));
      await clock.tick(20);
    }
    assertEquals(runs, 3);
    await clock.tick(250);
    const values = await Promise.all(calls);
    assertEquals(values.map((value) => `${value}`).join(""), "111112222233333");
    assertEquals([pages.size, clock.pending], [0, 0]);
  }));

test("x/sync singleflight: callers use forget() when a call has failed too often [6.4]", async () => {
  const pages = new Singleflight<string, string>();
  const first = gate<string>();
  const stuck = pages.do("/", () => first.promise);
  assert(pages.forget("/"));
  assertEquals(await pages.do("/", () => Promise.resolve("page")), "page");
  first.reject(new Error("after a minute"));
  await assertRejects(() => stuck, Error, "after a minute");
});

test("x/sync singleflight: shared counts the answers of one call [6.7]", async () => {
  const counters = { alone: 0, shared: 0 };
  const pages = new Singleflight<string, string>();
  const ask = async (path: string) => {
    const { shared } = await pages.doShared(path, () => Promise.resolve(path));
    counters[shared ? "shared" : "alone"]++;
  };
  await Promise.all(["/a", "/a", "/a", "/b"].map(ask));
  assertEquals(counters, { alone: 1, shared: 3 });
});

test("x/sync singleflight: a panic reaches every waiting caller, and the next call runs [6.5]", () =>
  withClock(async (clock) => {
    const pages = new Singleflight<string, string>();
    const panic = new Error("nil map");
    const calls = Array.from({ length: 10 }, () =>
      pages.do("/", async (context) => {
        await slow(10, undefined)(context);
        throw panic;
      }));
    const outcomes = Promise.allSettled(calls);
    await clock.tick(10);
    for (const outcome of await outcomes) {
      assert(outcome.status === "rejected");
      assertStrictEquals(outcome.reason, panic);
    }
    assertEquals(await pages.do("/", () => "page"), "page");
  }));

/** Keeps each value for a while, by the fake clock. */
class TimedCache<V> implements FlightCache<string, V> {
  readonly #ms: number;
  readonly #clock: Clock;
  readonly #kept = new Map<string, { readonly value: V; readonly until: number }>();

  constructor(ms: number, clock: Clock) {
    this.#ms = ms;
    this.#clock = clock;
  }

  has(key: string): boolean {
    return (this.#kept.get(key)?.until ?? 0) > this.#clock.now;
  }

  get(key: string): V | undefined {
    return this.has(key) ? this.#kept.get(key)!.value : undefined;
  }

  set(key: string, value: V): void {
    this.#kept.set(key, { value, until: this.#clock.now + this.#ms });
  }

  delete(key: string): boolean {
    return this.#kept.delete(key);
  }
}

test("x/sync singleflight: with a result cache the database gets one query per ttl, and an error is not kept [6.2]", () =>
  withClock(async (clock) => {
    const rows = new Singleflight<string, string>({ cache: new TimedCache(1000, clock) });
    const answers = [new Error("no connection"), "row 1", "row 2"];
    let asked = 0;
    const ask = () =>
      rows.do("42", async () => {
        const answer = answers[asked++]!;
        await undefined;
        if (answer instanceof Error) throw answer;
        return answer as string;
      });
    const burst = await Promise.allSettled([ask(), ask(), ask()]);
    assert(burst.every(({ status }) => status === "rejected"));
    assertEquals([asked, await ask(), await ask(), asked], [1, "row 1", "row 1", 2]);
    await clock.tick(999);
    assertEquals([await ask(), asked], ["row 1", 2]);
    await clock.tick(1);
    assertEquals([await Promise.all([ask(), ask()]), asked], [["row 2", "row 2"], 3]);
  }));

test("Singleflight.do() with clone gives every caller a Response that it can read [6.6]", async () => {
  for (const cache of [undefined, new Map<string, Response>()]) {
    const pages = new Singleflight<string, Response>({ clone: (page) => page.clone(), cache });
    let fetched = 0;
    const get = () => pages.do("/", () => Promise.resolve(new Response(`page ${++fetched}`)));
    const burst = await Promise.all([get(), get(), get()]);
    const texts = await Promise.all(burst.map((page) => page.text()));
    assertEquals(texts, Array(3).fill("page 1"));
    assertEquals(await (await get()).text(), cache ? "page 1" : "page 2");
  }
});
