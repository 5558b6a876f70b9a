/** `Fanout`: its options are checked at the entry. */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Fanout, type FanoutOptions } from "../mod.ts";
import { test } from "./support/test.ts";
import { withClock } from "./support/clock.ts";

let started = 0;
const handler = () => void started++;
const make = (options: Record<PropertyKey, unknown> | unknown) =>
  new Fanout(handler, options as FanoutOptions<unknown>);

const hostile = {
  toString() {
    throw new Error("toString was called");
  },
  get [Symbol.toPrimitive]() {
    throw new Error("toPrimitive was read");
  },
};
const kinds = [null, "5", 5n, true, Symbol("s"), {}, [], () => 5, hostile, "x".repeat(100)];

const limits = { concurrency: "of at least 0", capacity: "of at least 0, or Infinity" };
for (const [option, rule] of Object.entries(limits)) {
  test(`Fanout refuses a wrong ${option} and starts nothing [7] [F-01]`, () => {
    for (const value of [NaN, -1, 1.5, -Infinity, 2 ** 53]) {
      const error = assertThrows(() => make({ [option]: value }), RangeError);
      assertEquals(
        error.message,
        `Fanout: option "${option}" must be an integer ${rule}; got ${value}`,
      );
    }
    for (const value of kinds) {
      assertThrows(() => make({ [option]: value }), TypeError, `option "${option}"`);
    }
    assertEquals(started, 0);
  });
}

test("Fanout refuses an unbounded concurrency, and allows the greatest integer [F-02]", () => {
  assertThrows(() => make({ concurrency: Infinity }), RangeError, "got Infinity");
  const most = Number.MAX_SAFE_INTEGER;
  const fanout = new Fanout(() => new Promise(() => {}), { concurrency: most, capacity: most });
  for (let n = 0; n < 100; n++) fanout.tryPush(n);
  assertEquals(fanout.stats.running, 100);
  const queue = new Fanout(() => new Promise(() => {}), { capacity: most });
  for (let n = 0; n < 100; n++) queue.tryPush(n);
  assertEquals(queue.stats.waiting, 99);
});

test("Fanout refuses a wrong timeout [7] [F-01] [F-03]", () => {
  for (const value of [NaN, -1, 0, -Infinity, 2147483648, 1e300]) {
    const error = assertThrows(() => make({ timeout: value }), RangeError);
    assertEquals(
      error.message,
      `Fanout: option "timeout" must be more than 0 and at most 2147483647 milliseconds, ` +
        `or Infinity; got ${value}`,
    );
  }
  for (const value of kinds) {
    assertThrows(() => make({ timeout: value }), TypeError, `option "timeout"`);
  }
});

test("Fanout makes no timer when timeout is Infinity, and one when it is the longest [3] [F-03]", () =>
  withClock((clock) => {
    const never = () => new Promise(() => {});
    new Fanout(never, { timeout: Infinity }).tryPush(1);
    assertEquals(clock.pending, 0);
    const fanout = new Fanout(never, { timeout: 2147483647 });
    fanout.tryPush(1);
    assertEquals(clock.pending, 1);
    fanout.abort();
    assertEquals(clock.pending, 0);
  }));

test("Fanout refuses a missing handler, or one that is not a function [7] [F-04]", () => {
  const bare = Fanout as unknown as new (handler?: unknown) => unknown;
  for (const value of [undefined, ...kinds.filter((kind) => typeof kind !== "function")]) {
    assertThrows(() => new bare(value), TypeError, `Fanout: option "handler" must be a function`);
  }
});

test("Fanout refuses hooks that are not functions [7] [F-04]", () => {
  for (const option of ["key", "onError", "onDiscard", "snapshot"]) {
    for (const value of kinds.filter((kind) => typeof kind !== "function")) {
      assertThrows(
        () => make({ [option]: value }),
        TypeError,
        `Fanout: option "${option}" must be a function; got`,
      );
    }
  }
});

test("Fanout refuses a signal that is not an AbortSignal [7] [F-01]", () => {
  const fakes = [
    { aborted: true },
    { addEventListener() {}, removeEventListener() {} },
    { aborted: false, addEventListener() {} },
    new AbortController(),
  ];
  for (const value of [...kinds, ...fakes]) {
    assertThrows(
      () => make({ signal: value }),
      TypeError,
      `Fanout: option "signal" must be an AbortSignal; got`,
    );
  }
});

test("Fanout refuses options that are not an object [7] [F-01]", () => {
  for (const value of [null, 5, "a", 5n, Symbol("s"), handler]) {
    assertThrows(() => make(value), TypeError, "Fanout: options must be a plain object; got");
  }
});

test("Fanout treats undefined as an absent option [7]", () => {
  const { stats } = make({
    concurrency: undefined,
    capacity: undefined,
    key: undefined,
    timeout: undefined,
    onError: undefined,
    onDiscard: undefined,
    snapshot: undefined,
    signal: undefined,
  });
  assertEquals(stats.accepted, 0);
});

test("Fanout has 1 worker and room for 1024 by default [7.6]", () => {
  const fanout = new Fanout(() => new Promise(() => {}));
  let accepted = 0;
  while (fanout.tryPush(0)) accepted++;
  assertEquals(accepted, 1025);
  assertEquals([fanout.stats.running, fanout.stats.waiting], [1, 1024]);
});

test("Fanout reads each option once, even of a Proxy [7] [F-05]", () => {
  const reads: PropertyKey[] = [];
  const options = { concurrency: 2, capacity: 3, onError() {} };
  make(
    new Proxy(options, {
      get(target, name, receiver) {
        reads.push(name);
        return Reflect.get(target, name, receiver);
      },
    }),
  );
  assertEquals(reads, ["concurrency", "capacity", "onError"]);
});

test("Fanout uses one value of a changing getter, and passes on its error [F-05]", () => {
  let value = 2;
  const fanout = new Fanout(() => new Promise(() => {}), {
    get concurrency() {
      return value--;
    },
  });
  for (let n = 0; n < 9; n++) fanout.tryPush(n);
  assertEquals(fanout.stats.running, 2);
  const error = new Error("getter");
  const thrown = assertThrows(() =>
    make({
      get capacity() {
        throw error;
      },
    })
  );
  assertStrictEquals(thrown, error);
});

test("Fanout reads only own properties [7.8] [F-06]", () => {
  const prototype = Object.prototype as Record<string, unknown>;
  prototype.capacity = 1;
  prototype.concurrency = "no number";
  try {
    const fanout = new Fanout(() => new Promise(() => {}), {});
    for (let n = 0; n < 5; n++) assertEquals(fanout.tryPush(n), true);
  } finally {
    delete prototype.capacity;
    delete prototype.concurrency;
  }
  assertThrows(() => make(Object.create({ concurrency: 1 })), TypeError, "a plain object");
});

test("Fanout names the nearest option for an unknown one [7] [F-07]", () => {
  const near = { concurency: "concurrency", onerror: "onError", keys: "key", timeOut: "timeout" };
  for (const [wrong, right] of Object.entries(near)) {
    const error = assertThrows(() => make({ [wrong]: undefined }), TypeError);
    assertEquals(error.message, `Fanout: unknown option "${wrong}"; did you mean "${right}"?`);
  }
  assertThrows(() => make({ [Symbol("s")]: 1 }), TypeError, "unknown option Symbol(s)");
  assertThrows(() => make({ ["x".repeat(1e5)]: 1 }), TypeError, "unknown option");
});
