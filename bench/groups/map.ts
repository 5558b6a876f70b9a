/** A function over a source, 16 calls at once. */

import type { Case, Group } from "../harness.ts";
import { pipeItems, source } from "../loads.ts";
import { type Mapper, mappers } from "../ways/mappers.ts";

/** A way to map items, as a case: how many results there were. */
export function counted({ kind, name, bounded, run }: Mapper, work: () => Promise<void>): Case {
  return {
    kind,
    name,
    bounded,
    run: async (n) => {
      let count = 0;
      await run(n, (i) => work().then(() => i + 1), () => void count++);
      return count;
    },
  };
}

export const map: Group = {
  name: "map",
  unit: "item",
  n: 20_000,
  cases: [
    {
      kind: "floor",
      name: "pipeTo a no-op sink",
      bounded: true,
      run: (n) => pipeItems(source(n)),
    },
    ...mappers.map(({ kind, name, bounded, run }): Case => ({
      kind,
      name,
      bounded,
      run: async (n) => {
        let count = 0;
        await run(n, (i) => Promise.resolve(i + 1), () => void count++);
        return count;
      },
    })),
  ],
};
