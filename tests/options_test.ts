/** The values of options: one table for every class and every entry. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import * as library from "../mod.ts";
import { Fanout, MapStream, RateLimit, Singleflight, throttle } from "../mod.ts";
import { withClock } from "./support/clock.ts";
import { gate } from "./support/gate.ts";
import { countListeners } from "./support/listeners.ts";
import { fronts, type Kind } from "./support/options.ts";
import { test } from "./support/test.ts";

const FAKE_SIGNAL = { aborted: false, addEventListener() {}, removeEventListener() {} };
const LONG = "x".repeat(100);
const thrower = () => {
  throw new Error("a message runs code of a value");
};
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const hostile = new Proxy({}, { get: thrower, has: thrower, ownKeys: thrower });
const hostileFunction = new Proxy(() => {}, { get: thrower });
const hostiles: unknown[] = [hostile, hostileFunction, revoked.proxy];

/** Values that aren't numbers, and their form in a message. */
const notNumbers: [unknown, string][] = [
  [null, "null"],
  ["5", '"5"'],
  [LONG, `"${"x".repeat(40)}…"`],
  [true, "true"],
  [5n, "5n"],
  [Symbol("five"), "Symbol(five)"],
  [{ valueOf: () => 5 }, "an object"],
  [Object.create(null), "an object"],
  [hostileFunction, "a function"],
  [() => 5, "a function"],
  [hostile, "an object"],
  [revoked.proxy, "an object"],
];
const notFunctions = [...notNumbers.filter(([, shown]) => shown !== "a function"), [5, "5"]] as [
  unknown,
  string,
][];
const notFlags = [...notNumbers.filter(([value]) => value !== true), [0, "0"]] as [
  unknown,
  string,
][];
const notStrings = [...notNumbers.filter(([value]) => typeof value !== "string"), [5, "5"]] as [
  unknown,
  string,
][];
// Reading these two looks into the object, so a hostile object throws its own error.
const tame = ([value]: [unknown, string]) => !hostiles.includes(value);

const LIMIT = "an integer of at least 1";
const TIME = "and at most 2147483647 milliseconds, or Infinity";
const never = [-1, -Infinity, 0, NaN, 1.5, 2 ** 53];
const late = [-1, -Infinity, NaN, 2147483648, 2 ** 53];

/** The rule of each kind of option, and wrong values. */
const kinds: Record<Kind, { rule: string; types: [unknown, string][]; ranges: unknown[] }> = {
  "limit": { rule: LIMIT, types: notNumbers, ranges: [...never, Infinity] },
  "limit or 0": {
    rule: "an integer of at least 0",
    types: notNumbers,
    ranges: [...never.filter((value) => value !== 0), Infinity],
  },
  "limit or Infinity": { rule: `${LIMIT}, or Infinity`, types: notNumbers, ranges: never },
  "weight": { rule: "more than 0", types: notNumbers, ranges: [-1, -Infinity, 0, NaN] },
  "limit, 0 or Infinity": {
    rule: "an integer of at least 0, or Infinity",
    types: notNumbers,
    ranges: never.filter((value) => value !== 0),
  },
  "duration": { rule: `more than 0 ${TIME}`, types: notNumbers, ranges: [...late, 0] },
  "duration or 0": { rule: `at least 0 ${TIME}`, types: notNumbers, ranges: late },
  "function": { rule: "a function", types: notFunctions, ranges: [] },
  "flag": { rule: "a boolean", types: notFlags, ranges: [] },
  "word": { rule: '"alone" or "error"', types: notStrings, ranges: ["", "Alone", LONG] },
  "overrun": {
    rule: '"release" or "hold"',
    types: notStrings,
    ranges: ["", "Hold", LONG],
  },
  "pause": {
    rule: "at least 0 and at most 2147483647 milliseconds",
    types: notNumbers,
    ranges: [...late, Infinity],
  },
  "factor": { rule: "at least 1", types: notNumbers, ranges: [-1, 0, 0.9, NaN] },
  "rate": { rule: "a RateLimit", types: notStrings.filter(tame), ranges: [] },
  "edge": {
    rule: '"leading" or "trailing" or "both"',
    types: notStrings,
    ranges: ["", "Both", LONG],
  },
  "text": { rule: "a string", types: notStrings, ranges: [] },
  "signal": {
    rule: "an AbortSignal",
    types: [
      ...notNumbers.filter(tame),
      [5, "5"],
      [{ aborted: false }, "an object"],
      [Object.assign(() => {}, FAKE_SIGNAL), "a function"],
    ],
    ranges: [],
  },
  "cache": {
    rule: "a Map, or have its four methods",
    types: [...notNumbers.filter(tame), [5, "5"], [new Set(), "an object"]],
    ranges: [],
  },
};

const show = (value: unknown) =>
  typeof value !== "string"
    ? String(value)
    : JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);

for (const front of fronts) {
  for (const [option, { kind, beside }] of Object.entries(front.options)) {
    test(`${front.name} throws, and starts nothing, when ${option} is wrong [7] [F-01] [F-03]`, () =>
      withClock((clock) => {
        const { rule, types, ranges } = kinds[kind];
        const { signal } = new AbortController();
        const listeners = countListeners(signal);
        const signalled = "signal" in front.options && option !== "signal" ? { signal } : {};
        const wrong: [unknown, string, ErrorConstructor][] = [
          ...types.map(([value, shown]) => [value, shown, TypeError] as [unknown, string, never]),
          ...ranges.map((value) => [value, show(value), RangeError] as [unknown, string, never]),
        ];
        for (const [value, shown, type] of wrong) {
          const options = { ...front.least, ...beside, ...signalled, [option]: value };
          const error = assertThrows(() => front.make(options), type);
          assertEquals(
            error.message,
            `${front.owner}: option "${option}" must be ${rule}; got ${shown}`,
          );
        }
        assertEquals([clock.pending, listeners.added], [0, 0]);
      }));
  }

  test(`${front.name} takes values at the limits of its options [7] [F-02] [F-03]`, () =>
    withClock(async (clock) => {
      const edges: Record<Kind, unknown[]> = {
        "limit": [1, Number.MAX_SAFE_INTEGER],
        "limit or 0": [0, -0, 1, Number.MAX_SAFE_INTEGER],
        "overrun": ["release", "hold"],
        "pause": [0, -0, 1.5, 2147483647],
        "factor": [1, 1.5, Number.MAX_VALUE, Infinity],
        "rate": [new RateLimit({ limit: 1, interval: 1 })],
        "limit or Infinity": [1, Number.MAX_SAFE_INTEGER],
        "weight": [Number.MIN_VALUE, 0.1, 1.5, Number.MAX_VALUE, Infinity],
        "limit, 0 or Infinity": [0, -0, 1, Number.MAX_SAFE_INTEGER, Infinity],
        "duration": [Number.MIN_VALUE, 1.5, 2147483647, Infinity],
        "duration or 0": [0, -0, 1.5, 2147483647, Infinity],
        "function": [],
        "flag": [true, false],
        "word": ["alone", "error"],
        "edge": ["leading", "trailing", "both"],
        "text": ["", "mails"],
        "signal": [new AbortController().signal],
        "cache": [new Map()],
      };
      for (const [option, { kind, beside }] of Object.entries(front.options)) {
        for (const value of [...edges[kind], ...(option in front.least ? [] : [undefined])]) {
          const others = { ...front.least, ...(value !== undefined && beside) };
          await front.end(front.make({ ...others, [option]: value }));
        }
      }
      assertEquals(clock.pending, 0);
    }));
}

test("Every primitive has its options in the table [7]", () => {
  const { Sink: _, byteLength: __, ...primitives } = library;
  const owners = new Set(fronts.map(({ owner }) => owner.split(".")[0]!));
  assertEquals([...owners].sort(), Object.keys(primitives).sort());
});

test("BatchStream, ChunkStream and Fanout report exactly what is wrong [7] [F-01] [F-02]", () => {
  const [batch, chunk, fanout] = ["new BatchStream()", "new ChunkStream()", "new Fanout()"].map(
    (name) => fronts.find((front) => front.name === name),
  );
  const wrong: [(typeof fronts)[number], unknown, string][] = [
    [
      fanout!,
      { concurrency: NaN },
      'Fanout: option "concurrency" must be an integer of at least 0; got NaN',
    ],
    [
      batch!,
      NaN,
      'BatchStream: option "maxItems" must be an integer of at least 1, or Infinity; got NaN',
    ],
    [
      batch!,
      { maxItems: Infinity },
      'BatchStream: option "maxItems" must be finite where "maxWeight" is not; got Infinity',
    ],
    [
      batch!,
      { maxItems: Infinity, maxWeight: Infinity, weigh: () => 1 },
      'BatchStream: option "maxItems" must be finite where "maxWeight" is not; got Infinity',
    ],
    [
      chunk!,
      { maxBytes: Infinity },
      'ChunkStream: option "maxItems" must be finite where "maxBytes" is not; got Infinity',
    ],
  ];
  for (const [front, options, message] of wrong) {
    assertEquals(assertThrows(() => front.make(options), RangeError).message, message);
  }
  assertEquals(
    assertThrows(() => batch!.make({ maxWeight: 5 }), TypeError).message,
    'BatchStream: option "maxWeight" needs option "weigh"',
  );
  assertEquals(
    assertThrows(() => batch!.make({ weigh: () => 5 }), TypeError).message,
    'BatchStream: option "weigh" needs option "maxWeight"',
  );
});

test("Fanout and Singleflight.wrap() throw a TypeError without a function [7] [F-04]", () => {
  for (const [value, shown] of [...notFunctions, [undefined, "undefined"]]) {
    assertEquals(
      assertThrows(() => new Fanout(value as never), TypeError).message,
      `Fanout: option "handler" must be a function; got ${shown}`,
    );
    assertEquals(
      assertThrows(() => Singleflight.wrap(value as never, { key: () => 1 }), TypeError).message,
      `Singleflight.wrap: option "fn" must be a function; got ${shown}`,
    );
  }
});

test("MapStream and throttle() throw a TypeError without a function [7] [F-04]", () => {
  for (const [value, shown] of [...notFunctions, [undefined, "undefined"]]) {
    const makes: [string, () => unknown][] = [
      ["MapStream", () => new MapStream(value as never)],
      ["MapStream", () => MapStream.from([], value as never)],
      ["throttle", () => throttle(value as never, { interval: 1 })],
    ];
    for (const [owner, make] of makes) {
      const { message } = assertThrows(make, TypeError);
      assertEquals(message, `${owner}: option "fn" must be a function; got ${shown}`);
    }
  }
});

test("BatchStream throws a TypeError when the factory makes no collector [7] [F-04]", () => {
  for (const front of fronts.filter(({ owner }) => owner === "BatchStream")) {
    for (const made of [undefined, null, 5, {}, { add() {} }, { take() {} }]) {
      const error = assertThrows(() => front.make({ collector: () => made }), TypeError);
      assert(error.message.startsWith('BatchStream: option "collector" must be a function that'));
    }
    const own = new Error("no collector today");
    const thrown = assertThrows(() =>
      front.make({
        collector() {
          throw own;
        },
      })
    );
    assert(thrown === own);
  }
});

test("Singleflight.do() and Fanout have no timer when their time is Infinity [7] [F-03]", () =>
  withClock(async (clock) => {
    const { promise, resolve } = gate<number>();
    const fanout = new Fanout(() => promise, { timeout: Infinity });
    fanout.tryPush(1);
    const call = new Singleflight<string, number>({ forgetAfter: Infinity }).do("k", () => promise);
    assertEquals(clock.pending, 0);
    resolve(1);
    await call;
    await fanout.close();
  }));
