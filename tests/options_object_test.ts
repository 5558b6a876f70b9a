/** The object of the options: which properties are read, and how often. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { BatchStream, ChunkStream, Fanout } from "../mod.ts";
import { collect, gate } from "./support/gate.ts";
import { fronts } from "./support/options.ts";
import { test } from "./support/test.ts";

for (const { name, owner, least, instead, options, make, end } of fronts) {
  const names = Object.keys(options);

  test(`${name} reads each option once, getters and proxies included [7] [F-05]`, async () => {
    for (const [option, { beside }] of Object.entries(options)) {
      const values: Record<string, unknown> = { ...least, ...beside };
      values[option] ??= undefined;
      const reads: string[] = [];
      const getters = {};
      for (const [key, value] of Object.entries(values)) {
        const get = () => {
          reads.push(key);
          // Another value at the second read.
          return reads.indexOf(key) === reads.length - 1 ? value : Symbol("changed");
        };
        Object.defineProperty(getters, key, { get, enumerable: true });
      }
      await end(make(getters));
      assertEquals(reads.toSorted(), Object.keys(values).toSorted());

      reads.length = 0;
      const proxy = new Proxy(values, {
        get(target, key: string) {
          reads.push(key);
          return target[key];
        },
      });
      await end(make(proxy));
      assertEquals(reads.toSorted(), Object.keys(values).toSorted());
    }
  });

  test(`${name} passes on an error of a getter or a proxy [7] [F-05]`, () => {
    for (const option of names) {
      const error = new Error(option);
      const get = () => {
        throw error;
      };
      const getter = Object.defineProperty({ ...least }, option, { get, configurable: true });
      assertStrictEquals(assertThrows(() => make(getter)), error);
      assertStrictEquals(assertThrows(() => make(new Proxy({}, { ownKeys: get }))), error);
      const proxy = new Proxy({ ...least, [option]: undefined }, { get });
      assertStrictEquals(assertThrows(() => make(proxy)), error);
    }
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    assertThrows(() => make(proxy), TypeError);
  });

  test(`${name} reads only own properties [7] [F-06]`, async () => {
    const bad = Symbol("polluted");
    const inherited = Object.fromEntries(names.map((option) => [option, bad]));
    assertThrows(() => make(Object.assign(Object.create(inherited), least)), TypeError);
    await end(make(Object.assign(Object.create(null), least)));
    const before = names.filter((option) => option in Object.prototype);
    assertEquals(before, []);
    // The platform reads some of these names from its own dictionaries, so only bad values would
    // show.
    const polluted = names.filter((option) => option !== "signal" && option !== "size");
    for (const option of polluted) {
      Object.defineProperty(Object.prototype, option, { value: bad, configurable: true });
    }
    try {
      await end(make({ ...least }));
    } finally {
      for (const option of polluted) delete (Object.prototype as Record<string, unknown>)[option];
    }
  });

  test(`${name} suggests an option for an unknown one that is a letter or two away [7.9] [F-07]`, () => {
    for (const option of names) {
      const typos = [
        `${option}s`,
        option.slice(1),
        option.toUpperCase() === option ? option : `${option[0]!.toUpperCase()}${option.slice(1)}`,
        `${option}Ms`,
        `${option.slice(0, -2)}${option.at(-1)}${option.at(-2)}`,
      ];
      for (const typo of typos) {
        const error = assertThrows(() => make({ ...least, [typo]: 1 }), TypeError);
        const said = `${owner}: unknown option "${typo}"; did you mean "${option}"?`;
        assertEquals(error.message, said);
      }
    }
  });

  test(`${name} lists its options when an unknown one has an odd name [7.9] [F-07]`, () => {
    const odd: [PropertyKey, string][] = [
      [Symbol("odd"), "Symbol(odd)"],
      ["", '""'],
      ["x".repeat(1e5), `"${"x".repeat(40)}…"`],
      ["x".repeat(40), `"${"x".repeat(40)}"`],
      ['"\n\ud800', '"\\"\\n\\ud800"'],
      [0, '"0"'],
    ];
    for (const [key, shown] of odd) {
      const error = assertThrows(() => make({ ...least, [key]: 1 }), TypeError);
      assert(error.message.startsWith(`${owner}: unknown option ${shown}; there are `));
      const listed = error.message.split("; there are ")[1]!.split(", ");
      assertEquals(names.filter((option) => !listed.includes(option)), []);
    }
    const own = JSON.parse('{ "__proto__": 1 }');
    assertThrows(() => make(own), TypeError, 'unknown option "__proto__"');
    const hidden = Object.defineProperty({ ...least }, "hidden", { value: 1, enumerable: false });
    assertThrows(() => make(hidden), TypeError, 'unknown option "hidden"');
  });

  test(`${name} throws a TypeError when the options are not an object [7] [F-01]`, () => {
    const wrong: [unknown, string][] = [
      [null, "null"],
      ["5", "String"],
      [true, "Boolean"],
      [5n, "BigInt"],
      [Symbol("five"), "Symbol"],
      [() => {}, "Function"],
    ];
    if (!["BatchStream", "ChunkStream", "FixedChunkStream"].includes(owner)) {
      wrong.push([5, "Number"]);
    }
    for (const [options, shown] of wrong) {
      const error = assertThrows(() => make(options), TypeError);
      assertEquals(error.message, `${owner}: options must be a plain object; got ${shown}`);
    }
  });

  test(`${name} throws a TypeError when the options are a signal, an array or an instance [7.8]`, async () => {
    class Settings {
      readonly signal = undefined;
    }
    const wrong: [unknown, string][] = [
      [new AbortController().signal, "AbortSignal"],
      [[], "Array"],
      [Object.values({ ...least }), "Array"],
      [new Settings(), "Settings"],
      [new Map(), "Map"],
      // Inherited properties would not be read.
      [Object.create({ ...least }), "Object"],
    ];
    for (const [options, shown] of wrong) {
      const error = assertThrows(() => make(options), TypeError);
      const said = `${owner}: options must be a plain object; got ${shown}`;
      assertEquals(error.message, said);
    }
    const frozen = Object.freeze({ ...least });
    const named = Object.assign(Object.create(null), least);
    for (const options of [frozen, named]) await end(make(options));
  });

  test(`${name} treats undefined as the default [7] [F-01]`, async () => {
    const all = Object.fromEntries(names.map((option) => [option, undefined]));
    await end(make({ ...all, ...least }));
    if (Object.keys(least).length === 0) await end(make(undefined));
    for (const option of instead ? [] : Object.keys(least)) {
      assertThrows(() => make({ ...least, [option]: undefined }), TypeError, `"${option}" must be`);
    }
  });
}

test("BatchStream and Fanout treat undefined as their documented defaults [7]", async () => {
  const options = { maxItems: undefined, linger: undefined, oversize: undefined };
  const sizes = await collect(BatchStream.from(Array(1001).fill(0), options));
  assertEquals(sizes.map(({ length }) => length), [1000, 1]);

  const { promise, resolve } = gate();
  const fanout = new Fanout(() => promise, { concurrency: undefined, capacity: undefined });
  let accepted = 0;
  while (fanout.tryPush(0)) accepted++;
  assertEquals(accepted, 1 + 1024);
  resolve();
  await fanout.close();
});

test("BatchStream and ChunkStream leave the source alone when an option is wrong [7] [F-01]", () => {
  let opened = 0;
  const source = {
    [Symbol.iterator]() {
      opened++;
      return [][Symbol.iterator]();
    },
  };
  const stream = new ReadableStream();
  for (const given of [source, stream]) {
    assertThrows(() => BatchStream.from(given, 0), RangeError);
    assertThrows(() => ChunkStream.from(given, { maxBytes: 0 }), RangeError);
    assertThrows(() => BatchStream.from(given, { collector: 5 as never }), TypeError);
  }
  assertEquals([opened, stream.locked], [0, false]);
});
