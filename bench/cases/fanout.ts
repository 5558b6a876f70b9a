/** Items for workers: ours, in every way to add items, and the pools of other libraries. */

import fastq from "fastq";
import pLimit from "p-limit";
import pMap from "p-map";
import PQueue from "p-queue";
import { Fanout, type FanoutOptions } from "../../mod.ts";
import { IdealFanout } from "../ideal.ts";
import {
  BURST,
  bursts,
  type Case,
  type Group,
  none,
  numbers,
  pipeItems,
  source,
  type Way,
} from "../harness.ts";

/** The default of our sink. */
const CAPACITY = 1024;

/** The handler of an item. */
type Handler = (item: number) => Promise<void>;

/** A way to handle `n` items. A way that never waits takes a whole burst at once. */
export interface Pool extends Way {
  run(n: number, handler: Handler, burst?: number): Promise<void>;
}

const SIXTEEN = { concurrency: 16 };

/** The floor: loops that wait only for the handler. */
export const loops: Pool = {
  kind: "floor",
  name: "16 loops that await",
  run: async (n, handler) => {
    let i = 0;
    const loop = async () => {
      while (i < n) await handler(i++);
    };
    await Promise.all(Array.from({ length: 16 }, loop));
  },
};

/** All other ways. */
export const pools: readonly Pool[] = [
  {
    kind: "weir",
    name: "Fanout.tryPush",
    run: async (n, handler, burst = BURST) => {
      await using fanout = new Fanout(handler, SIXTEEN);
      for (const [from, to] of bursts(n, burst)) {
        for (let i = from; i < to; i++) fanout.tryPush(i);
        await fanout.idle();
      }
    },
  },
  {
    kind: "weir",
    name: "Fanout.push, each awaited",
    run: async (n, handler) => {
      await using fanout = new Fanout(handler, SIXTEEN);
      for (let i = 0; i < n; i++) await fanout.push(i);
    },
  },
  {
    kind: "weir",
    name: "pipe to Fanout",
    run: (n, handler) => source(n).pipeTo(new Fanout(handler, SIXTEEN)),
  },
  {
    kind: "weir",
    name: "Fanout.consume",
    run: async (n, handler) => {
      await using fanout = new Fanout(handler, SIXTEEN);
      await fanout.consume(source(n));
    },
  },

  {
    kind: "peer",
    name: "p-queue, onSizeLessThan",
    n: 10_000,
    run: async (n, handler) => {
      const queue = new PQueue(SIXTEEN);
      for (let i = 0; i < n; i++) {
        if (queue.size >= BURST) await queue.onSizeLessThan(BURST);
        queue.add(() => handler(i));
      }
      await queue.onIdle();
    },
  },
  {
    kind: "peer",
    name: "p-map",
    // It reads only as many items as it calls for. Only its result grows, an array of all results.
    run: async (n, handler, burst = BURST) => {
      for (const [from, to] of bursts(n, burst)) await pMap(numbers(from, to), handler, SIXTEEN);
    },
  },
  {
    kind: "unbounded",
    name: "p-queue",
    n: 10_000,
    run: async (n, handler, burst = BURST) => {
      const queue = new PQueue(SIXTEEN);
      for (const [from, to] of bursts(n, burst)) {
        for (let i = from; i < to; i++) queue.add(() => handler(i));
        await queue.onIdle();
      }
    },
  },
  {
    kind: "unbounded",
    name: "p-limit",
    run: async (n, handler, burst = BURST) => {
      const limit = pLimit(16);
      for (const [from, to] of bursts(n, burst)) {
        const results: Promise<void>[] = [];
        for (let i = from; i < to; i++) results.push(limit(handler, i));
        await Promise.all(results);
      }
    },
  },
  {
    kind: "unbounded",
    name: "fastq.promise",
    run: async (n, handler, burst = BURST) => {
      const queue = fastq.promise(handler, 16);
      for (const [from, to] of bursts(n, burst)) {
        for (let i = from; i < to; i++) queue.push(i);
        await queue.drained();
      }
    },
  },
];

/** Makes a case of a way to handle items. It returns the number of items that the handler saw. */
export function counted({ run, ...way }: Pool, work: () => Promise<void>): Case {
  return {
    ...way,
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

/** Pushes items in bursts for which the queue has room. */
function push(name: string, options: FanoutOptions<number>, result?: Promise<void>): Case {
  return {
    kind: "weir",
    name,
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

/** The same jobs, written by hand. */
const ideals: readonly Pool[] = [
  {
    kind: "ideal",
    name: "ring of items, tryPush",
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
    run: (n, handler) => new IdealFanout(handler, 16, CAPACITY).consume(source(n)),
  },
];

export const fanout: Group = {
  name: "fanout",
  n: 50_000,
  cases: [
    {
      kind: "floor",
      name: "pipeTo a no-op sink",
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
      kind: "unbounded",
      name: "fastq, callbacks, sync handler",
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
