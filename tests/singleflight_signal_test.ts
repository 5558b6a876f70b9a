import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Singleflight } from "../mod.ts";
import { gate, turn } from "./support/gate.ts";
import { countListeners } from "./support/listeners.ts";
import { test } from "./support/test.ts";

test("Singleflight.do() leaves no listener after any end of the flight [6.3] [F-33] [F-36]", async () => {
  const ends = {
    value: ({ resolve }) => resolve(1),
    error: ({ reject }) => reject(new Error("down")),
    leaving: (_, leaver) => leaver.abort(),
  } satisfies Record<
    string,
    (end: ReturnType<typeof gate<number>>, leaver: AbortController) => void
  >;
  for (const [name, end] of Object.entries(ends)) {
    const flights = new Singleflight<string, number>();
    const leaver = new AbortController();
    const listeners = countListeners(leaver.signal);
    const flying = gate<number>();
    const call = flights.do("k", () => flying.promise, { signal: leaver.signal });
    assertEquals(listeners.live, 1);
    end(flying, leaver);
    await call.catch(() => {});
    assertEquals([name, listeners.live], [name, 0]);
  }
});

test("Singleflight.do() leaves no listener when the function is synchronous or throws [6.3] [F-33]", async () => {
  const flights = new Singleflight<string, number>();
  const { signal } = new AbortController();
  const listeners = countListeners(signal);
  await flights.do("k", () => 1, { signal });
  await assertRejects(() =>
    flights.do("k", () => {
      throw new Error("at once");
    }, { signal })
  );
  assertEquals(listeners.live, 0);
});

test("Singleflight.do() puts one listener on a signal that 1e5 callers share [7] [F-33]", async () => {
  const flights = new Singleflight<number, number>();
  const shutdown = new AbortController();
  const listeners = countListeners(shutdown.signal);
  const { promise, resolve } = gate<number>();
  const options = { signal: shutdown.signal };
  const calls = Array.from(
    { length: 1e5 },
    (_, index) => flights.do(index % 9, () => promise, options),
  );
  assertEquals([listeners.live, listeners.added, flights.size], [1, 1, 9]);
  resolve(1);
  await Promise.all(calls);
  assertEquals([listeners.live, flights.size], [0, 0]);

  const never = () => new Promise<number>(() => {});
  const more = calls.map((_, index) => flights.do(index, never, options).catch((error) => error));
  shutdown.abort("down");
  assert((await Promise.all(more)).every((error) => error === "down"));
  assertEquals([listeners.live, listeners.added, flights.size], [0, 2, 0]);
});

test("Singleflight.do() makes a controller only if the function reads its signal [6.3]", async () => {
  const { AbortController } = globalThis;
  const leaver = new AbortController();
  let made = 0;
  globalThis.AbortController = class extends AbortController {
    constructor() {
      super();
      made++;
    }
  };
  try {
    const flights = new Singleflight<string, number>();
    await flights.do("k", () => Promise.resolve(1));
    const left = flights.do("k", () => gate<number>().promise, { signal: leaver.signal });
    leaver.abort();
    await assertRejects(() => left);
    assertEquals(made, 0);
    await flights.do("k", (context) => context.signal === context.signal ? 1 : 0);
    assertEquals(made, 1);
  } finally {
    globalThis.AbortController = AbortController;
  }
});

test("Singleflight.do() gives an aborted signal to a function that reads it only after the abort [6.3]", async () => {
  const flights = new Singleflight<string, number>();
  const leaver = new AbortController();
  const { promise, resolve } = gate();
  let inner: AbortSignal | undefined;
  const call = flights.do("k", async (context) => {
    await promise;
    inner = context.signal;
    return 1;
  }, { signal: leaver.signal });
  leaver.abort("gone");
  assertEquals(await assertRejects(() => call), "gone");
  resolve();
  await turn();
  assertEquals([inner!.aborted, inner!.reason], [true, "gone"]);
});

test("Singleflight.do() never aborts the function's signal after the flight has ended [6.3]", async () => {
  const flights = new Singleflight<string, number>();
  const late = new AbortController();
  let inner: AbortSignal | undefined;
  await flights.do("k", async ({ signal }) => {
    inner = signal;
    return await Promise.resolve(1);
  }, { signal: late.signal });
  late.abort();
  assert(!inner!.aborted);
});

test("Singleflight.do() rejects when its options are wrong, and starts nothing [7.10] [F-01]", async () => {
  const flights = new Singleflight<string, number>();
  const wrong: [unknown, string][] = [
    [{ signal: 5 }, 'Singleflight: option "signal" must be an AbortSignal; got 5'],
    [{ signal: null }, 'Singleflight: option "signal" must be an AbortSignal; got null'],
    [{ signal: {} }, 'Singleflight: option "signal" must be an AbortSignal; got an object'],
    [null, "Singleflight: options must be an object; got null"],
    [0, "Singleflight: options must be an object; got Number"],
    ["", "Singleflight: options must be an object; got String"],
    [AbortSignal.abort, "Singleflight: options must be an object; got Function"],
    [
      new AbortController().signal,
      "Singleflight: options must be an object; got AbortSignal",
    ],
  ];
  let runs = 0;
  for (const [options, message] of wrong) {
    const error = await assertRejects(
      () => flights.do("k", () => ++runs, options as never),
      TypeError,
    );
    assertEquals(error.message, message);
  }
  await flights.do("k", () => 1, { signal: undefined });
  await flights.do("k", () => 1, {});
  assertEquals([runs, flights.size], [0, 0]);
});

test("Singleflight.do() frees the key when the signal refuses a listener [6.3]", async () => {
  const flights = new Singleflight<string, number>();
  const error = new Error("no listeners");
  const signal = {
    aborted: false,
    addEventListener() {
      throw error;
    },
    removeEventListener() {},
  } as unknown as AbortSignal;
  assertStrictEquals(await assertRejects(() => flights.do("k", () => 1, { signal })), error);
  assertEquals([flights.size, await flights.do("k", () => 2)], [0, 2]);
});

test("Singleflight.do() takes any object with a signal, reads it once, and rejects with an error of its getter [7.10] [F-05]", async () => {
  const flights = new Singleflight<string, number>();
  const thrown = new Error("from the getter");
  let reads = 0;
  const once = {
    get signal() {
      return reads++ === 0 ? new AbortController().signal : AbortSignal.abort("changed");
    },
  };
  assertEquals([await flights.do("k", () => 1, once), reads], [1, 1]);
  const { signal } = new AbortController();
  class Context {
    readonly attempt = 1;
    get signal(): AbortSignal {
      return signal;
    }
  }
  const listeners = countListeners(signal);
  const inner = await flights.do("k", (context) => flights.do("inner", () => 2, context));
  assertEquals([inner, await flights.do("k", () => 3, new Context())], [2, 3]);
  assertEquals([listeners.added, listeners.live], [1, 0]);
  const broken = {
    get signal(): never {
      throw thrown;
    },
  };
  const told = await flights.do("k", () => 3, broken).catch((error) => error);
  assertStrictEquals(told, thrown);
  assertEquals(flights.size, 0);
});
