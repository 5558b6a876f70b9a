/** Objects of another realm work like local ones, and frozen globals work like all others. */

import { runInNewContext } from "node:vm";
import {
  Aggregator,
  BatchStream,
  byteLength,
  Fanout,
  FixedChunkStream,
  MapStream,
  Singleflight,
  throttle,
  ThrottleStream,
} from "../../mod.ts";
import { type Case, tell } from "./case.ts";

/** Objects of that realm aren't instances of the classes here. */
function foreign<T>(code: string): T {
  return runInNewContext(`(${code})`) as T;
}

async function collect<T>(readable: ReadableStream<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of readable) all.push(item);
  return all;
}

// Node 22 itself writes to a stream's prototype.
const FROZEN = [
  ...[Object, Function, Array, ArrayBuffer, Error, TypeError, RangeError, Map, Set, WeakMap],
  ...[Promise, String, Number, Symbol, Uint8Array],
  ...[AbortController, AbortSignal, DOMException, EventTarget],
];

/** All cases. */
export const surroundings: readonly Case[] = [
  {
    name: "Every primitive takes options, functions, promises and buffers of another realm [7.11]",
    async run() {
      const batches = BatchStream.from<number>(foreign("[1, 2, 3]"), foreign("{ maxItems: 2 }"));
      console.log(JSON.stringify(await collect(batches)));
      const map = foreign<(n: number) => Promise<number>>("async (n) => n + 1");
      console.log(JSON.stringify(await collect(MapStream.from([1, 2], map))));
      const pieces = new FixedChunkStream(foreign("{ size: 2 }"));
      const [writer, read] = [pieces.writable.getWriter(), collect(pieces.readable)];
      for (const code of ["new Uint8Array(3)", "new ArrayBuffer(2)"]) writer.write(foreign(code));
      await writer.close();
      console.log((await read).map(({ length }) => length).join());
      console.log(byteLength(foreign("new ArrayBuffer(2)")));

      const fanout = new Fanout(map, foreign("{ concurrency: 2 }"));
      console.log(await fanout.submit(1));
      await fanout.consume(foreign("new Set([1, 2])"));
      console.log(fanout.stats.done);
      const both = new Aggregator(
        foreign<(items: number[]) => unknown[]>("(items) => items.map((n) => n + 1)"),
        { linger: 0 },
      );
      console.log(...await Promise.all([both.submit(1), both.submit(2)]));

      const options = "{ cache: new Map(), clone: (value) => value }";
      const flight = new Singleflight<string, number>(foreign(options));
      const asked = [1, 2].map(() => flight.do("k", foreign("async () => 7")));
      console.log(...await Promise.all(asked), await flight.do("k", () => 0));
      console.log(throttle(foreign<() => void>("() => {}"), foreign("{ interval: 9 }"))());
      for (const code of ["[]", "new Map()", "new (class Mails {})()"]) {
        await tell(Promise.resolve().then(() => new Fanout(map, foreign(code))));
      }
    },
    prints: [
      "[[1,2],[3]]",
      ...["[2,3]", "2,2,1", "2", "2", "3", "2 3", "7 7 7", "true"],
      "rejected: Fanout: options must be a plain object; got Array",
      "rejected: Fanout: options must be a plain object; got Map",
      "rejected: Fanout: options must be a plain object; got Mails",
    ],
  },
  {
    name: "Every primitive works with frozen built-ins [7.11]",
    async run() {
      for (const built of FROZEN) {
        for (const it of [built, built.prototype]) Object.freeze(it);
      }
      const { signal } = new AbortController();
      const sizes = BatchStream.from([1, 2, 3], { maxItems: 2, signal })
        .pipeThrough(new MapStream((batch: number[]) => Promise.resolve(batch.length)))
        .pipeThrough(new ThrottleStream<number>({ interval: 1, edge: "trailing" }));
      console.log((await collect(sizes)).at(-1));
      const sink = new Aggregator((items: number[]) => items, { maxItems: 2, signal });
      console.log(...await Promise.all([sink.submit(1), sink.submit(2)]));
      await sink.close();
      const failing = new Fanout(() => Promise.reject(new Error("down")), { timeout: 9, signal });
      await tell(failing.submit(1));
      await failing.abort("stopped");
      await tell(failing.push(2));
      const flight = new Singleflight<string, number>();
      const fn = () => Promise.resolve(1);
      console.log((await flight.doShared("k", fn, { signal })).value, flight.stats.executions);
      throttle((text: string) => console.log(text), { interval: 1 })("throttled");
      await tell(Promise.resolve().then(() => new Fanout(fn, { concurency: 1 } as never)));
    },
    prints: [
      "1",
      ...["1 2", "rejected: down", "rejected: stopped"],
      ...["1 1", "throttled"],
      'rejected: Fanout: unknown option "concurency"; did you mean "concurrency"?',
    ],
    alone: true,
  },
];
