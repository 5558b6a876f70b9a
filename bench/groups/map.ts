/** A function over a source, 16 calls at once. */

import { pMapIterable } from "p-map";
import { MapStream } from "../../mod.ts";
import type { Group } from "../harness.ts";
import { pipeItems, readItems, source } from "../loads.ts";

const SIXTEEN = { concurrency: 16 };
const next = (i: number) => Promise.resolve(i + 1);

// Not a stream: in Node `pMapIterable` loses items of one, or hangs.
async function* generate(n: number): AsyncGenerator<number> {
  for (let i = 0; i < n; i++) yield i;
}

export const map: Group = {
  name: "map",
  unit: "item",
  n: 20_000,
  cases: [
    { kind: "floor", name: "pipeTo a no-op sink", run: (n) => pipeItems(source(n)) },

    {
      kind: "weir",
      name: "pipe, MapStream",
      run: (n) => pipeItems(source(n).pipeThrough(new MapStream(next, SIXTEEN))),
    },
    {
      kind: "weir",
      name: "MapStream.from, of a stream",
      run: (n) => readItems(MapStream.from(source(n), next, SIXTEEN)),
    },
    {
      kind: "weir",
      name: "MapStream.from",
      run: (n) => readItems(MapStream.from(generate(n), next, SIXTEEN)),
    },
    {
      kind: "weir",
      name: "MapStream.from, unordered",
      run: (n) => readItems(MapStream.from(generate(n), next, { ...SIXTEEN, ordered: false })),
    },

    {
      kind: "peer",
      name: "p-map pMapIterable",
      run: async (n) => {
        let count = 0;
        for await (const _ of pMapIterable(generate(n), next, SIXTEEN)) count++;
        return count;
      },
    },
  ],
};
