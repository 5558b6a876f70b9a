/** Options of the batching streams: they are read once, and checked at the entry. */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  BatchStream,
  type BatchStreamOptions,
  ChunkStream,
  type ChunkStreamOptions,
} from "../mod.ts";
import { ArrayCollector } from "./support/batching.ts";
import { collect } from "./support/gate.ts";
import { test } from "./support/test.ts";

type Options = Record<PropertyKey, unknown>;

const collector = () => new ArrayCollector(2);
const weigh = () => 1;

/** Each stream with its required options, in both ways. */
const streams = [
  {
    name: "BatchStream",
    owner: "BatchStream",
    least: {} as Options,
    make: (options: Options) => new BatchStream(options as BatchStreamOptions<unknown>),
    from: (source: Iterable<unknown>, options: Options) =>
      BatchStream.from(source, options as BatchStreamOptions<unknown>),
  },
  {
    name: "ChunkStream",
    owner: "ChunkStream",
    least: { maxBytes: 2, byteLength: weigh } as Options,
    make: (options: Options) => new ChunkStream(options as unknown as ChunkStreamOptions<unknown>),
    from: (source: Iterable<unknown>, options: Options) =>
      ChunkStream.from(source, options as unknown as ChunkStreamOptions<unknown>),
  },
  {
    name: "BatchStream with a collector",
    owner: "BatchStream",
    least: { collector } as Options,
    make: (options: Options) =>
      new BatchStream(options as unknown as BatchStreamOptions<unknown, unknown>),
    from: (source: Iterable<unknown>, options: Options) =>
      BatchStream.from(source, options as unknown as BatchStreamOptions<unknown, unknown>),
  },
];

const untouched = {
  [Symbol.iterator](): Iterator<unknown> {
    throw new Error("the source was opened");
  },
};

const strange = ["5", null, 5n, Symbol("five"), true, {}, () => 5];
const limit = { wrong: [NaN, -1, 0, 1.5, -Infinity, 2 ** 53], strange };
const weight = { wrong: [NaN, -1, 0, -Infinity], strange };
const duration = { wrong: [NaN, -1, -Infinity, 2147483648], strange };
const callback = { wrong: [], strange: ["f", null, 5, 5n, Symbol("f"), {}] };
const signal = { wrong: [], strange: ["s", null, 5, 5n, Symbol("s"), {}, new AbortController()] };
const word = { wrong: ["", "ALONE", "x".repeat(99)], strange: [null, 5, 5n, Symbol("alone"), {}] };

const cases: [stream: string, option: string, given: Options, values: typeof limit][] = [
  ["BatchStream", "maxItems", {}, limit],
  ["BatchStream", "maxWeight", { weigh }, weight],
  ["BatchStream", "weigh", { maxWeight: 5 }, callback as never],
  ["BatchStream", "oversize", { maxWeight: 5, weigh }, word as never],
  ["ChunkStream", "maxBytes", {}, limit],
  ["ChunkStream", "maxItems", {}, limit],
  ["ChunkStream", "byteLength", {}, callback as never],
  ["ChunkStream", "oversize", {}, word as never],
  ["BatchStream with a collector", "collector", {}, callback as never],
  ...streams.flatMap(({ name }): typeof cases => [
    [name, "linger", {}, duration],
    [name, "signal", {}, signal as never],
  ]),
];

for (const [stream, option, given, { wrong, strange }] of cases) {
  const { owner, least, make, from } = streams.find(({ name }) => name === stream)!;
  const all = [
    ...wrong.map((value) => [value, RangeError] as const),
    ...strange.map((value) => [value, TypeError] as const),
  ];

  test(`${stream}() and ${stream}.from() refuse a wrong ${option} before anything starts [7.1] [7.2] [F-01] [F-03] [F-04]`, () => {
    const start = `${owner}: option "${option}" must be `;
    for (const [value, type] of all) {
      const options = { ...least, ...given, [option]: value };
      const error = assertThrows(() => make(options), type, start);
      assertThrows(() => from(untouched, options), type, error.message);
      assertStrictEquals(error.constructor, type);
    }
  });
}

for (const { name, owner, least, make, from } of streams) {
  test(`${name} refuses an unknown option and names the nearest one [7.1] [F-07]`, () => {
    for (const [wrong, near] of [["Linger", "linger"], ["signl", "signal"]]) {
      const message = `${owner}: unknown option "${wrong}"; did you mean "${near}"?`;
      assertEquals(assertThrows(() => make({ ...least, [wrong!]: 1 }), TypeError).message, message);
    }
    for (const far of ["", "lng", "timeout", "si"]) {
      const message = `${owner}: unknown option "${far}"; there are `;
      assertThrows(() => make({ ...least, [far]: 1 }), TypeError, message);
    }
    assertThrows(() => make({ ...least, [Symbol("linger")]: 1 }), TypeError, "Symbol(linger)");
    assertThrows(() => make({ ...least, ["x".repeat(1e6)]: 1 }), TypeError, "unknown option");
  });

  test(`${name} refuses options that are not an object [7.1] [F-01]`, () => {
    for (const options of [null, "5", 5n, true, Symbol("o"), () => {}]) {
      assertThrows(
        () => make(options as never),
        TypeError,
        `${owner}: options must be a plain object`,
      );
    }
  });

  test(`${name} reads each option once, and passes on an error of a getter [7.1] [F-05]`, () => {
    const seen: string[] = [];
    const counted = new Proxy({ ...least, linger: 10, signal: undefined }, {
      get: (target, key, receiver) => {
        seen.push(String(key));
        return Reflect.get(target, key, receiver);
      },
    });
    make(counted);
    from([], counted);
    assertEquals(seen.sort(), [...Object.keys(counted), ...Object.keys(counted)].sort());

    const thrown = new Error("from a getter");
    const throwing = {
      ...least,
      get linger() {
        throw thrown;
      },
    };
    let caught: unknown;
    try {
      make(throwing);
    } catch (error) {
      caught = error;
    }
    assertStrictEquals(caught, thrown);
  });

  test(`${name} reads no option from a prototype [7.1] [F-06]`, async () => {
    const prototype = Object.prototype as Options;
    // Not `signal`, because the platforms read that themselves.
    const planted = { maxItems: 1, maxBytes: 1, linger: -1, oversize: "none", highWaterMark: 0 };
    for (const [key, value] of Object.entries(planted)) {
      Object.defineProperty(prototype, key, { value, configurable: true, enumerable: true });
    }
    let batches: unknown[];
    try {
      make(least);
      batches = await collect<unknown>(from([1, 2], least));
    } finally {
      for (const key of Object.keys(planted)) delete prototype[key];
    }
    assertEquals(batches, [[1, 2]]);
  });

  test(`${name} treats undefined as the default of an option [7.1]`, () => {
    make({ ...least, linger: undefined, signal: undefined });
  });

  test(`${name}.from() refuses a value that is not a source, and a locked stream [4.9] [F-01]`, () => {
    for (const source of [undefined, null, 5, 5n, Symbol("s"), {}, () => {}]) {
      const rule =
        `${owner}.from: source must be a ReadableStream, an AsyncIterable or an Iterable`;
      assertThrows(() => from(source as never, least), TypeError, rule);
    }
    const locked = new ReadableStream();
    locked.getReader();
    assertThrows(() => from(locked as never, least), TypeError);
  });
}

test("BatchStream and ChunkStream take Infinity if another limit is finite [3] [F-02]", async () => {
  const items = Array.from({ length: 1500 }, (_, index) => index);
  const counts = async (batches: ReadableStream<unknown[]>) =>
    (await collect(batches)).map((batch) => batch.length);
  const most = Number.MAX_SAFE_INTEGER;
  assertEquals(await counts(BatchStream.from(items)), [1000, 500]);
  assertEquals(await counts(BatchStream.from(items, { maxItems: most })), [1500]);
  assertEquals(await counts(BatchStream.from(items, { maxWeight: 1200, weigh })), [1200, 300]);
  assertEquals(await counts(BatchStream.from(items, { maxWeight: Infinity, weigh })), [1000, 500]);
  const heavy = { maxWeight: most, weigh: () => most };
  assertEquals(await counts(BatchStream.from([1, 2], heavy)), [1, 1]);
  const chunks = { maxBytes: Infinity, maxItems: 900, byteLength: weigh };
  assertEquals(await counts(ChunkStream.from(items, chunks)), [900, 600]);
  assertThrows(() => new BatchStream(Infinity), RangeError, `finite where "maxWeight" is not`);
  assertThrows(
    () => new ChunkStream({ maxBytes: Infinity }),
    RangeError,
    `where "maxBytes" is not`,
  );
});

test("BatchStream takes maxWeight and weigh only together [4.3] [F-01]", () => {
  const message = (here: string, missing: string) =>
    `BatchStream: option "${here}" needs option "${missing}"`;
  assertThrows(() => new BatchStream({ weigh }), TypeError, message("weigh", "maxWeight"));
  assertThrows(() => new BatchStream({ maxWeight: 5 }), TypeError, message("maxWeight", "weigh"));
});

test("ChunkStream has no default for maxBytes [7.1]", () => {
  const make = ChunkStream as unknown as new (options?: Options) => unknown;
  assertThrows(() => new make(), TypeError, 'ChunkStream: option "maxBytes" must be');
});

for (
  const [name, limits] of Object.entries({
    maxItems: { maxItems: 5 },
    maxWeight: { maxWeight: 5 },
    weigh: { weigh },
    oversize: { oversize: "error" },
  })
) {
  test(`BatchStream refuses a collector together with ${name} [4.10] [7.2]`, () => {
    const options = { ...limits, collector } as never;
    const message = `BatchStream: option "collector" is instead of option "${name}"`;
    assertThrows(() => new BatchStream(options), TypeError, message);
    assertThrows(() => BatchStream.from(untouched, options), TypeError, message);
    new BatchStream({ [name]: undefined, collector });
  });
}

test("BatchStream refuses a collector without add and take [F-04]", () => {
  for (const made of [undefined, null, 5, {}, { add() {} }, { take() {} }]) {
    const options = { collector: () => made } as never;
    const rule = 'BatchStream: option "collector" must be a function that returns a Collector';
    assertThrows(() => new BatchStream(options), TypeError, rule);
  }
});

test("BatchStream names the option, the rule and the value in its error [7.1] [F-01]", () => {
  const error = assertThrows(() => new BatchStream(NaN), RangeError);
  const rule = "an integer of at least 1, or Infinity";
  assertEquals(error.message, `BatchStream: option "maxItems" must be ${rule}; got NaN`);
});
