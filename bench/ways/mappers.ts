/** Ways to map a source by an asynchronous function, 16 calls at once, to a stream of results. */

import { pooledMap } from "deno-std/async/pool.js";
import { pMapIterable } from "p-map";
import { MapStream } from "../../mod.ts";
import { generate, source } from "../loads.ts";
import type { Way } from "./way.ts";

/** What is called for an item. */
export type Mapping = (item: number) => Promise<number>;

/** A way to map `n` items, and to have each result taken. */
export interface Mapper extends Way {
  run(n: number, mapping: Mapping, take: (result: number) => Promise<void> | void): Promise<void>;
}

const SIXTEEN = { concurrency: 16 };

/** All of them. */
export const mappers: readonly Mapper[] = [
  {
    kind: "weir",
    name: "pipe, MapStream",
    bounded: true,
    run: (n, mapping, take) =>
      source(n).pipeThrough(new MapStream(mapping, SIXTEEN)).pipeTo(
        new WritableStream({ write: take }),
      ),
  },
  {
    kind: "weir",
    name: "MapStream.from, of a stream",
    bounded: true,
    run: (n, mapping, take) => read(MapStream.from(source(n), mapping, SIXTEEN), take),
  },
  {
    kind: "weir",
    name: "MapStream.from",
    bounded: true,
    run: (n, mapping, take) => read(MapStream.from(generate(n), mapping, SIXTEEN), take),
  },
  {
    kind: "weir",
    name: "MapStream.from, unordered",
    bounded: true,
    run: (n, mapping, take) =>
      read(MapStream.from(generate(n), mapping, { ...SIXTEEN, ordered: false }), take),
  },
  {
    kind: "peer",
    name: "p-map pMapIterable",
    bounded: true,
    // Of a generator: of a stream it loses items in Node, or hangs.
    run: async (n, mapping, take) => {
      for await (const result of pMapIterable(generate(n), mapping, SIXTEEN)) {
        const taken = take(result);
        if (taken) await taken;
      }
    },
  },
  {
    kind: "peer",
    name: "@std/async pooledMap",
    bounded: false,
    run: async (n, mapping, take) => {
      for await (const result of pooledMap<number, number>(16, generate(n), mapping)) {
        const taken = take(result);
        if (taken) await taken;
      }
    },
  },
];

async function read(
  results: ReadableStream<number>,
  take: (result: number) => Promise<void> | void,
): Promise<void> {
  const reader = results.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const taken = take(value);
    if (taken) await taken;
  }
}
