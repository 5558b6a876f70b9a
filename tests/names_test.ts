/** The name of each primitive in messages, and its output in inspectors. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  Aggregator,
  BatchStream,
  ChunkStream,
  Fanout,
  FixedChunkStream,
  MapStream,
  Singleflight,
  ThrottleStream,
} from "../mod.ts";
import { withClock } from "./support/clock.ts";
import { test } from "./support/test.ts";

interface Options {
  readonly name?: string | undefined;
}

/** One of each, and a way to get an error message of it. */
const all: Record<string, {
  readonly make: (options: Options) => object;
  readonly fails?: (made: never) => unknown;
  readonly says?: string;
}> = {
  BatchStream: {
    make: (options) => new BatchStream<unknown>({ maxWeight: 9, weigh: () => NaN, ...options }),
    fails: write,
    says: 'option "weigh" must return a finite number of at least 0; got NaN',
  },
  ChunkStream: {
    make: (options) => new ChunkStream<unknown>({ maxBytes: 9, ...options }),
    fails: write,
    says: 'only strings, buffers, views and blobs have a length in bytes; pass "byteLength"; got 5',
  },
  FixedChunkStream: {
    make: (options) => new FixedChunkStream({ size: 9, ...options }),
    fails: write,
    says: "a chunk must be an ArrayBuffer or a view of one, and not detached; got 5",
  },
  MapStream: {
    make: (options) => new MapStream(() => new Promise(() => {}), { timeout: 9, ...options }),
    fails: write,
    says: "the handler has not settled within 9 ms",
  },
  ThrottleStream: { make: (options) => new ThrottleStream({ interval: 9, ...options }) },
  Fanout: {
    make: (options) => new Fanout(() => {}, options),
    fails: closed,
    says: "nothing is accepted after close()",
  },
  Aggregator: {
    make: (options) => new Aggregator(() => {}, options),
    fails: closed,
    says: "nothing is accepted after close()",
  },
  Singleflight: {
    make: (options) => new Singleflight(options),
    fails: (flight: Singleflight) => flight.do("k", () => flight.do("k", () => 1)),
    says: 'the function for key "k" waits for itself',
  },
};

/** Its producer gets the error for 5. */
function write({ writable, readable }: TransformStream<unknown>): Promise<unknown> {
  const writer = writable.getWriter();
  const read = readable.getReader().read();
  writer.write(5).catch(() => {});
  writer.closed.catch(() => {});
  return read;
}

async function closed(sink: Fanout<number>): Promise<unknown> {
  await sink.close();
  return await sink.push(5);
}

for (const [owner, { make, fails, says }] of Object.entries(all)) {
  if (fails) {
    test(`${owner} shows its name in messages, if it has one [7.12]`, () =>
      withClock(async (clock) => {
        const titles = { undefined: owner, mails: `${owner} "mails"`, "": `${owner} ""` };
        for (const [name, title] of Object.entries(titles)) {
          const made = make({ name: name === "undefined" ? undefined : name });
          const failing = assertRejects(async () => await fails(made as never), Error);
          await clock.tick(9);
          assertEquals((await failing).message, `${title}: ${says}`);
        }
      }));
  }

  test(`${owner} shows its class, its name and its stats [7.13]`, () => {
    for (const [name, title] of [[undefined, owner], ["mails", `${owner} "mails"`]] as const) {
      const made = make({ name }) as { readonly stats?: object };
      const seen: unknown[] = [];
      const options = {};
      const inspect = (...given: unknown[]) => {
        seen.push(...given);
        return "{ … }";
      };
      const shown = made as unknown as Record<symbol, (...given: unknown[]) => string>;
      const node = shown[Symbol.for("nodejs.util.inspect.custom")]!(2, options, inspect);
      const deno = shown[Symbol.for("Deno.customInspect")]!(inspect, options);
      assertEquals([node, deno], [`${title} { … }`, `${title} { … }`]);
      assertEquals(seen, [made.stats ?? {}, options, made.stats ?? {}, options]);
      assert(seen[1] === options);
    }
  });

  test(`${owner} has the tag of its class, and no enumerable properties [7.13]`, () => {
    const made = make({ name: "two words" });
    assertEquals(Object.prototype.toString.call(made), `[object ${owner}]`);
    assertEquals(Object.keys(made), []);
    const enumerable = Object.getOwnPropertySymbols(made).filter((symbol) =>
      Object.getOwnPropertyDescriptor(made, symbol)!.enumerable
    );
    assertEquals(
      enumerable,
      Object.getOwnPropertySymbols(native(made)).filter((symbol) =>
        Object.getOwnPropertyDescriptor(native(made), symbol)!.enumerable
      ),
    );
  });
}

/** The same kind of object of the platform: some keep their state in symbols. */
function native(made: object): object {
  if (made instanceof WritableStream) return new WritableStream();
  return made instanceof TransformStream ? new TransformStream() : {};
}

test("Singleflight.wrap() passes its name on [7.12]", async () => {
  const get = Singleflight.wrap((): Promise<number> => get(), { key: () => "k", name: "users" });
  await assertRejects(() => get(), Error, 'Singleflight "users": the function for key "k"');
  assertThrows(() => Singleflight.wrap(() => 1, { key: () => 1, name: 5 as never }), TypeError);
});

test("Every class shows its title and stats when it is inspected, in Deno's way and in Node's [7.13]", () => {
  const show = (value: unknown) => JSON.stringify(value);
  for (const [name, { make }] of Object.entries(all)) {
    const made = make({ name: "mails" }) as {
      stats: object;
      [key: symbol]: (...args: unknown[]) => string;
    };
    const expected = `${name} "mails" ${show(made.stats)}`;
    assertEquals(made[Symbol.for("Deno.customInspect")]!(show, {}), expected);
    assertEquals(made[Symbol.for("nodejs.util.inspect.custom")]!(2, {}, show), expected);
  }
});
