import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Singleflight } from "../mod.ts";
import { gate, settled, turn } from "./support/gate.ts";
import { collectGarbage } from "./support/garbage.ts";
import { countListeners } from "./support/listeners.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

type Then = PromiseLike<number>["then"];

/** Not a promise, with a `then` that may do anything. */
function thenable(
  then: (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => void,
): PromiseLike<number> {
  return { then: then as unknown as Then };
}

test("Singleflight.do() takes the first settlement when a thenable settles twice, or throws after [F-15]", async () => {
  const flights = new Singleflight<string, number>();
  const error = new Error("second");
  const valued = thenable((resolve, reject) => {
    resolve(1);
    resolve(2);
    reject(error);
    throw error;
  });
  const failed = thenable((resolve, reject) => {
    reject(error);
    resolve(1);
  });
  const errors = await unhandled(async () => {
    assertEquals(await flights.do("k", () => valued), 1);
    assertStrictEquals(await assertRejects(() => flights.do("k", () => failed)), error);
  });
  assertEquals([errors, flights.size], [[], 0]);
});

test("Singleflight.do() rejects when a thenable throws in then, or in the getter of then [F-15]", async () => {
  const flights = new Singleflight<string, number>();
  const error = new Error("then");
  const thrower = () => {
    throw error;
  };
  const getter = Object.defineProperty({}, "then", { get: thrower }) as PromiseLike<number>;
  for (const value of [thenable(thrower), getter]) {
    assertStrictEquals(await assertRejects(() => flights.do("k", () => value)), error);
    assertEquals(flights.size, 0);
  }
});

test("Singleflight.do() is in flight until the next turn when a thenable calls back synchronously [F-15]", async () => {
  const flights = new Singleflight<string, number>();
  const callable = Object.assign(() => {}, { then: thenable((resolve) => resolve(2)).then });
  for (const value of [thenable((resolve) => resolve(2)), callable as PromiseLike<number>]) {
    const first = flights.doShared("k", () => value);
    assert(flights.has("k"));
    const second = flights.doShared("k", () => 0);
    assertEquals(await first, { value: 2, shared: true });
    assertEquals(await second, { value: 2, shared: true });
  }
});

test("Singleflight.do() waits for a promise with which a thenable resolves, and for promises of a subclass [F-15]", async () => {
  class Own<T> extends Promise<T> {
    override then<A = T, B = never>(
      fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
      rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
    ): Promise<A | B> {
      return super.then(fulfilled, rejected);
    }
  }
  const flights = new Singleflight<string, number>();
  const nested = thenable((resolve) => resolve(thenable((inner) => inner(Own.resolve(3)))));
  assertEquals(await flights.do("k", () => nested), 3);
  assertEquals(await flights.do("k", () => Own.resolve(4)), 4);
});

test("Singleflight.do() gives a value that is not a thenable unchanged [F-12]", async () => {
  const flights = new Singleflight<string, unknown>();
  for (const value of [{ then: 1 }, () => {}, Symbol("s"), 1n, Object.create(null), null]) {
    assertStrictEquals(await flights.do("k", () => value), value);
  }
});

test("Singleflight.do() lets its callers leave when the function never settles [F-16]", async () => {
  const flights = new Singleflight<string, number>();
  const leavers = [new AbortController(), new AbortController()];
  const calls = leavers.map(({ signal }) =>
    flights.do("k", () => new Promise(() => {}), { signal })
  );
  leavers[0]!.abort("first");
  assertEquals(await assertRejects(() => calls[0]!), "first");
  assertEquals(await settled(flights.do("k", () => 1, { signal: leavers[1]!.signal })), "pending");
  leavers[1]!.abort("second");
  assertEquals(await assertRejects(() => calls[1]!), "second");
  assertEquals(await flights.do("k", () => 1), 1);
});

test("golang/go#33519: Singleflight frees the key after a throw, and every waiting caller gets it [6.5] [F-39]", async () => {
  const flights = new Singleflight<string, number>();
  const error = new Error("panic");
  const { promise, resolve } = gate();
  const calls = Array.from({ length: 3 }, () =>
    flights.do("k", async () => {
      await promise;
      throw error;
    }));
  resolve();
  for (const call of calls) assertStrictEquals(await assertRejects(() => call), error);
  assertEquals(await flights.do("k", () => 1), 1);
});

test("golang/go#31420: the end of a forgotten call does not forget the call after it [6.4] [F-39]", async () => {
  const flights = new Singleflight<string, number>();
  const gates = [gate<number>(), gate<number>()];
  let runs = 0;
  const fn = () => gates[runs++]!.promise;
  const first = flights.do("k", fn);
  flights.forget("k");
  const second = flights.do("k", fn);
  gates[0]!.resolve(1);
  assertEquals(await first, 1);
  const third = flights.do("k", fn);
  gates[1]!.resolve(2);
  assertEquals([await second, await third, runs], [2, 2, 2]);
});

test("tailscale#18919: a newcomer never joins a call that is being cancelled [6.3] [F-39]", async () => {
  const flights = new Singleflight<string, string>();
  const leaver = new AbortController();
  // Like fetch: it rejects only some time after the abort.
  const fetching = ({ signal }: { signal: AbortSignal }) =>
    new Promise<string>((_, reject) => {
      signal.onabort = () => void turn().then(() => reject(signal.reason));
    });
  const cancelled = flights.do("k", fetching, { signal: leaver.signal });
  leaver.abort(new Error("cancelled"));
  const newcomer = flights.do("k", () => Promise.resolve("page"));
  await assertRejects(() => cancelled, Error, "cancelled");
  assertEquals(await newcomer, "page");
  await turn();
});

test("buildbuddy#7199: the first caller's cancellation does not poison the others [6.3] [F-39]", async () => {
  const flights = new Singleflight<string, string>();
  const first = new AbortController();
  const { promise, resolve } = gate<string>();
  const fetching = ({ signal }: { signal: AbortSignal }) =>
    new Promise<string>((yes, no) => {
      signal.onabort = () => no(signal.reason);
      promise.then(yes);
    });
  const cancelled = flights.do("k", fetching, { signal: first.signal });
  const others = Array.from({ length: 3 }, () => flights.do("k", fetching));
  first.abort(new Error("cancelled"));
  await assertRejects(() => cancelled, Error, "cancelled");
  resolve("page");
  assertEquals(await Promise.all(others), ["page", "page", "page"]);
});

test("Singleflight.do() holds 2e5 keys in flight, and none after they have settled [6.7] [F-38]", async () => {
  const flights = new Singleflight<number, number>();
  const { promise, resolve } = gate<number>();
  const fn = () => promise;
  let last: Promise<number> | undefined;
  for (let key = 0; key < 2e5; key++) last = flights.do(key, fn);
  assertEquals(flights.size, 2e5);
  resolve(1);
  assertEquals(await last, 1);
  assertEquals(flights.size, 0);
});

test("Singleflight.do() retains nothing of 1e6 callers that join and leave one long flight [6.3] [F-40]", async () => {
  const flights = new Singleflight<string, object>();
  const { promise, resolve } = gate<object>();
  const stays = flights.doShared("k", () => promise);
  const traces: WeakRef<object>[] = [];
  let left = 0;
  let listening = 0;
  // A thousand at a time share a signal.
  for (let round = 0; round < 1000; round++) {
    const leaver = new AbortController();
    const listeners = countListeners(leaver.signal);
    for (let caller = 0; caller < 1000; caller++) {
      const call = flights.do("k", () => ({}), { signal: leaver.signal });
      call.catch(() => left++);
      if (caller === 0) traces.push(new WeakRef(call));
    }
    const reason = new Error("left");
    leaver.abort(reason);
    listening += listeners.live;
    traces.push(new WeakRef(reason), new WeakRef(leaver.signal));
    await undefined;
  }
  await turn();
  assertEquals([left, listening, flights.size], [1e6, 0, 1]);
  await collectGarbage();
  const retained = traces.filter((trace) => trace.deref() !== undefined).length;
  // With a conservative collector, the last few may still be on the stack.
  assert(retained < traces.length / 100, `${retained} of ${traces.length} are retained`);
  const value = {};
  resolve(value);
  assertEquals(await stays, { value, shared: true });
});

test("Singleflight.do() leaves unhandled rejections to a caller that does not handle them, even if another does [6.8]", async () => {
  const error = new Error("down");
  const signals = [undefined, new AbortController().signal];
  for (const [first, second] of [signals, signals.toReversed()]) {
    const lost = await unhandled(async () => {
      const flights = new Singleflight<string, number>();
      const { promise, reject } = gate<number>();
      const calls = [first, second].map((signal) => flights.do("k", () => promise, { signal }));
      reject(error);
      await assertRejects(() => calls[first ? 0 : 1]!);
    });
    assertEquals(lost, [error]);
  }
});

test("Singleflight.do() makes a separate reaction for each caller that does not share the promise [6.12]", async () => {
  const { promise, resolve } = gate<number>();
  const { signal } = new AbortController();
  const flights = new Singleflight<string, number>();
  const { then } = Promise.prototype;
  let reactions = 0;
  Promise.prototype.then = function (...args): Promise<never> {
    if (this === promise) reactions++;
    return then.apply(this, args) as Promise<never>;
  };
  try {
    const calls = [flights.do("k", () => promise)];
    assertEquals(reactions, 1);
    assertStrictEquals(flights.do("k", () => 0), calls[0]!);
    assertEquals(reactions, 1);
    flights.doShared("k", () => 0);
    assertEquals(reactions, 2);
    calls.push(flights.do("k", () => 0, { signal }));
    assertEquals(reactions, 3);
    resolve(1);
    assertEquals(await Promise.all(calls), [1, 1]);
  } finally {
    Promise.prototype.then = then;
  }
});

const VALUE = { id: 1 };
const ERROR = new Error("down");

/** Holds back the reactions to `promise` that `make` adds, and returns functions that run them. */
function held(promise: unknown, make: () => void): ((end: "resolve" | "reject") => void)[] {
  const reactions: ((end: "resolve" | "reject") => void)[] = [];
  const { then } = Promise.prototype;
  Promise.prototype.then = function (fulfilled, rejected): Promise<never> {
    if (this !== promise) return then.call(this, fulfilled, rejected) as Promise<never>;
    return new Promise((resolve, reject) =>
      reactions.push((end) => {
        try {
          resolve((end === "resolve" ? fulfilled!(VALUE) : rejected!(ERROR)) as never);
        } catch (error) {
          reject(error);
        }
      })
    );
  };
  try {
    make();
  } finally {
    Promise.prototype.then = then;
  }
  return reactions;
}

test("Singleflight.do() settles each caller in its own reaction, in any order, as in the requests of a Worker [6.12] [6.6]", async () => {
  for (const order of [[0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]) {
    for (const end of ["resolve", "reject"] as const) {
      for (const copying of [false, true]) {
        let copies = 0;
        const clone = copying ? (value: typeof VALUE) => (copies++, { ...value }) : undefined;
        const flights = new Singleflight<string, typeof VALUE>({ clone });
        const { promise } = gate<typeof VALUE>();
        const { signal } = new AbortController();
        const heard: unknown[] = [];
        const reactions = held(promise, () => {
          const fn = () => promise;
          const calls = [
            flights.do("k", fn),
            flights.doShared("k", fn),
            flights.do("k", fn, { signal }),
          ];
          for (const [place, call] of calls.entries()) {
            call.then((given) => heard.push([place, given]), (error) => heard.push([place, error]));
          }
        });
        assertEquals(reactions.length, 3);
        const given = [VALUE, { value: VALUE, shared: true }, VALUE];
        const all = order.map((place) => [place, end === "resolve" ? given[place] : ERROR]);
        for (const [count, place] of order.entries()) {
          reactions[place]!(end);
          await turn();
          assertEquals(heard, all.slice(0, count + 1));
          // The first one has settled it for all of them.
          const made = copying && end === "resolve" ? 2 : 0;
          assertEquals([copies, flights.size, flights.stats.running], [made, 0, 0]);
        }
      }
    }
  }
});

test("Singleflight leaves no key behind when the stack overflows in it [6.13] [3]", async () => {
  const options = [undefined, { cache: new Map() }, { forgetAfter: 1e9 }, { clone: Number }];
  const groups = options.map((each) => new Singleflight<number, number>(each));
  const calls: Promise<unknown>[] = [];
  // No caller has a promise for which there was no stack left.
  await unhandled(async () => {
    for (const flights of groups) {
      const nest = (key: number): Promise<number> => flights.do(key, () => nest(key - 1));
      let key = 0;
      // Runs at each level of the way back from an overflow.
      const recurse = (): void => {
        try {
          recurse();
        } catch {
          // The overflow is expected.
        }
        if (++key > 300) return;
        try {
          calls.push(flights.do(key, () => Promise.resolve(1)));
          calls.push(flights.doShared(-key, () => 1));
        } catch {
          // The overflow may also end here.
        }
      };
      recurse();
      try {
        calls.push(nest(-1e6));
      } catch {
        // Or here.
      }
    }
    await Promise.allSettled(calls);
  });
  for (const flights of groups) {
    assertEquals(flights.size, 0);
    assertEquals(await flights.do(-1e6, () => 2), 2);
  }
});
