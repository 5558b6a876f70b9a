/** Items for workers that have nothing to do. */

import fastq from "fastq";
import { Fanout, type FanoutOptions } from "../../mod.ts";
import type { Case, Group } from "../harness.ts";
import { IdealFanout } from "../ideal.ts";
import { bursts, pipeItems, source } from "../loads.ts";
import { loops, type Pool, pools } from "../ways/pools.ts";
import { none } from "../work.ts";

const SIXTEEN = { concurrency: 16 };
/** The default of ours. */
const CAPACITY = 1024;

/** A way to have items handled, as a case: how many the handler saw. */
export function counted({ kind, name, bounded, run }: Pool, work: () => Promise<void>): Case {
  return {
    kind,
    name,
    bounded,
    run: async (n) => {
      let count = 0;
      await run(n, () => {
        count++;
        return work();
      });
      return count;
    },
  };
}

/** Pushes, in bursts that the queue has room for. */
function push(name: string, options: FanoutOptions<number>, result?: Promise<void>): Case {
  return {
    kind: "weir",
    name,
    bounded: true,
    run: async (n) => {
      let count = 0;
      const fanout = new Fanout<number>(() => {
        count++;
        return result;
      }, options);
      for (const [from, to] of bursts(n)) {
        for (let i = from; i < to; i++) fanout.tryPush(i);
        await fanout.idle();
      }
      await fanout.close();
      return count;
    },
  };
}

/** The same jobs by hand. */
const ideals: readonly Pool[] = [
  {
    kind: "ideal",
    name: "ring of items, tryPush",
    bounded: true,
    run: async (n, handler) => {
      const pool = new IdealFanout(handler, 16, CAPACITY);
      for (const [from, to] of bursts(n)) {
        for (let i = from; i < to; i++) pool.tryPush(i);
        await pool.idle();
      }
    },
  },
  {
    kind: "ideal",
    name: "ring of items, reader loop",
    bounded: true,
    run: (n, handler) => new IdealFanout(handler, 16, CAPACITY).consume(source(n)),
  },
];

export const fanout: Group = {
  name: "fanout",
  unit: "item",
  n: 50_000,
  cases: [
    {
      kind: "floor",
      name: "pipeTo a no-op sink",
      bounded: true,
      run: (n) => pipeItems(source(n)),
    },
    counted(loops, none),
    ...ideals.map((ideal) => counted(ideal, none)),

    push("Fanout.tryPush, sync handler, 1 worker", {}),
    push("Fanout.tryPush, sync handler, 16 workers", SIXTEEN),
    push("Fanout.tryPush, sync handler, 256 workers", { concurrency: 256 }),
    push("Fanout.tryPush, 1 worker", {}, none()),
    push("Fanout.tryPush, 256 workers", { concurrency: 256 }, none()),
    push("Fanout.tryPush, with key", { ...SIXTEEN, key: (i) => i & 255 }, none()),
    push("Fanout.tryPush, with timeout", { ...SIXTEEN, timeout: 1000 }, none()),
    {
      kind: "weir",
      name: "Fanout.submit",
      bounded: true,
      run: async (n) => {
        let count = 0;
        const fanout = new Fanout<number>(() => {
          count++;
          return none();
        }, SIXTEEN);
        for (const [from, to] of bursts(n)) {
          for (let i = from; i < to; i++) fanout.submit(i);
          await fanout.idle();
        }
        await fanout.close();
        return count;
      },
    },
    ...pools.map((pool) => counted(pool, none)),
    {
      kind: "peer",
      name: "fastq, callbacks, sync handler",
      bounded: false,
      run: async (n) => {
        let count = 0;
        const queue = fastq<unknown, number>((_, done) => {
          count++;
          done(null);
        }, 16);
        for (const [from, to] of bursts(n)) {
          for (let i = from; i < to; i++) queue.push(i);
          await none();
        }
        return count;
      },
    },
  ],
};
