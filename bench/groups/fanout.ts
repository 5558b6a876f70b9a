/** Items pushed to workers that have nothing to do. */

import fastq from "fastq";
import pMap from "p-map";
import PQueue from "p-queue";
import { Fanout, type FanoutOptions } from "../../mod.ts";
import type { Group } from "../harness.ts";
import { bursts, pipeItems, source } from "../loads.ts";

type Options = FanoutOptions<number>;

const SIXTEEN = { concurrency: 16 };
const DONE = Promise.resolve();

/** How many items a handler saw, once `feed` has given the fanout all of them. */
async function handled(
  feed: (fanout: Fanout<number>) => Promise<void>,
  options: Options,
  result: Promise<void> | undefined = DONE,
): Promise<number> {
  let count = 0;
  const fanout = new Fanout<number>(() => {
    count++;
    return result;
  }, options);
  await feed(fanout);
  await fanout[Symbol.asyncDispose]();
  return count;
}

async function push(fanout: Fanout<number>, n: number): Promise<void> {
  for (const [from, to] of bursts(n)) {
    for (let i = from; i < to; i++) fanout.tryPush(i);
    await fanout.idle();
  }
}

export const fanout: Group = {
  name: "fanout",
  unit: "item",
  n: 50_000,
  cases: [
    { kind: "floor", name: "pipeTo a no-op sink", run: (n) => pipeItems(source(n)) },

    {
      kind: "weir",
      name: "Fanout.tryPush, sync handler, 1 worker",
      run: (n) => sync(n, 1),
    },
    {
      kind: "weir",
      name: "Fanout.tryPush, sync handler, 16 workers",
      run: (n) => sync(n, 16),
    },
    {
      kind: "weir",
      name: "Fanout.tryPush, 1 worker",
      run: (n) => handled((fanout) => push(fanout, n), {}),
    },
    {
      kind: "weir",
      name: "Fanout.tryPush",
      run: (n) => handled((fanout) => push(fanout, n), SIXTEEN),
    },
    {
      kind: "weir",
      name: "Fanout.tryPush, with key",
      run: (n) => handled((fanout) => push(fanout, n), { ...SIXTEEN, key: (i) => i & 255 }),
    },
    {
      kind: "weir",
      name: "Fanout.tryPush, with timeout",
      run: (n) => handled((fanout) => push(fanout, n), { ...SIXTEEN, timeout: 1000 }),
    },
    {
      kind: "weir",
      name: "Fanout.submit",
      run: (n) =>
        handled(async (fanout) => {
          for (const [from, to] of bursts(n)) {
            for (let i = from; i < to; i++) fanout.submit(i);
            await fanout.idle();
          }
        }, SIXTEEN),
    },
    {
      kind: "weir",
      name: "pipe to Fanout",
      run: (n) => handled((fanout) => source(n).pipeTo(fanout), SIXTEEN),
    },
    {
      kind: "weir",
      name: "Fanout.consume",
      run: (n) => handled((fanout) => fanout.consume(source(n)), SIXTEEN),
    },

    {
      kind: "peer",
      name: "p-queue",
      run: async (n) => {
        let count = 0;
        const queue = new PQueue(SIXTEEN);
        const handler = () => {
          count++;
          return DONE;
        };
        for (const [from, to] of bursts(n)) {
          for (let i = from; i < to; i++) queue.add(handler);
          await queue.onIdle();
        }
        return count;
      },
    },
    {
      kind: "peer",
      name: "p-map",
      run: async (n) => {
        let count = 0;
        const handler = () => {
          count++;
          return DONE;
        };
        for (const [from, to] of bursts(n)) {
          const items = Array.from({ length: to - from }, (_, i) => from + i);
          await pMap(items, handler, SIXTEEN);
        }
        return count;
      },
    },
    {
      kind: "peer",
      name: "fastq.promise",
      run: async (n) => {
        let count = 0;
        const queue = fastq.promise(() => {
          count++;
          return DONE;
        }, 16);
        for (const [from, to] of bursts(n)) {
          for (let i = from; i < to; i++) queue.push(i);
          await queue.drained();
        }
        return count;
      },
    },
  ],
};

async function sync(n: number, concurrency: number): Promise<number> {
  let count = 0;
  const fanout = new Fanout<number>(() => void count++, { concurrency });
  await push(fanout, n);
  await fanout.close();
  return count;
}
