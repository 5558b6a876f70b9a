/** Items pushed into batches of 100 for a handler. */

import { AsyncBatcher } from "@tanstack/pacer";
import async from "async";
import DataLoader from "dataloader";
import { bufferTime, Subject } from "rxjs";
import { Aggregator, type AggregatorOptions } from "../../mod.ts";
import { IdealAggregator } from "../ideal.ts";
import { bursts, type Case, type Group, pipeItems, source } from "../harness.ts";

type Options = AggregatorOptions<number>;

const LINGER = { maxItems: 100, linger: 1000 };
const DONE = Promise.resolve();

/**
 * Returns the number of items that a handler saw, after `feed` has given all of them to the
 * aggregator.
 */
async function handled(
  feed: (aggregator: Aggregator<number>) => Promise<void>,
  options: Options,
  result?: Promise<void>,
): Promise<number> {
  let count = 0;
  const aggregator = new Aggregator<number>((batch) => {
    count += batch.length;
    return result;
  }, options);
  await feed(aggregator);
  await aggregator[Symbol.asyncDispose]();
  return count;
}

function push(n: number, options: Options, result?: Promise<void>): Promise<number> {
  return handled(
    async (aggregator) => {
      for (const [from, to] of bursts(n)) {
        for (let i = from; i < to; i++) aggregator.tryPush(i);
        await aggregator.idle();
      }
    },
    { capacity: 1000, ...options },
    result,
  );
}

export const aggregator: Group = {
  name: "aggregator",
  n: 50_000,
  cases: [
    { kind: "floor", name: "pipeTo a no-op sink", run: (n) => pipeItems(source(n)) },
    {
      kind: "ideal",
      name: "array and counters, tryPush",
      run: async (n) => {
        let count = 0;
        const aggregator = new IdealAggregator<number>(
          (batch) => void (count += batch.length),
          100,
          1000,
        );
        for (const [from, to] of bursts(n)) {
          for (let i = from; i < to; i++) aggregator.tryPush(i);
          await DONE;
        }
        aggregator.flush();
        return count;
      },
    },

    weir("Aggregator.tryPush, no linger", (n) => push(n, { ...LINGER, linger: Infinity })),
    weir("Aggregator.tryPush", (n) => push(n, LINGER)),
    weir(
      "Aggregator.tryPush, by weight",
      (n) => push(n, { maxWeight: 100, weigh: () => 1, linger: 1000 }),
    ),
    weir("Aggregator.tryPush, async handler", (n) => push(n, LINGER, DONE)),
    weir(
      "Aggregator.tryPush, async handler, 16 workers",
      (n) => push(n, { ...LINGER, concurrency: 16 }, DONE),
    ),
    weir("Aggregator.push, each awaited", (n) =>
      handled(async (aggregator) => {
        for (let i = 0; i < n; i++) await aggregator.push(i);
      }, LINGER)),
    weir("Aggregator.submit", async (n) => {
      let count = 0;
      const aggregator = new Aggregator((batch: number[]) => {
        count += batch.length;
        return batch;
      }, { ...LINGER, capacity: 1000 });
      for (const [from, to] of bursts(n)) {
        for (let i = from; i < to; i++) aggregator.submit(i);
        await aggregator.idle();
      }
      await aggregator.close();
      return count;
    }),
    weir(
      "pipe to Aggregator",
      (n) => handled((aggregator) => source(n).pipeTo(aggregator), LINGER),
    ),
    weir(
      "Aggregator.consume",
      (n) => handled((aggregator) => aggregator.consume(source(n)), LINGER),
    ),

    // deno-lint-ignore require-await
    peer("rxjs Subject, bufferTime", async (n) => {
      let count = 0;
      const subject = new Subject<number>();
      subject.pipe(bufferTime(1000, null, 100)).subscribe((batch) => count += batch.length);
      for (let i = 0; i < n; i++) subject.next(i);
      subject.complete();
      return count;
    }),
    peer("async cargoQueue", (n) => cargo(n, 1, noop)),
    peer("async cargoQueue, 16 workers", (n) => cargo(n, 16, noop)),
    peer("async cargoQueue, promises", (n) => cargo(n, 1)),
    peer("@tanstack/pacer AsyncBatcher", async (n) => {
      let count = 0;
      const take = (batch: readonly number[]) => {
        count += batch.length;
        return DONE;
      };
      const batcher = new AsyncBatcher<number>(take, { maxSize: 100, wait: 1000 });
      for (const [from, to] of bursts(n)) {
        for (let i = from; i < to; i++) void batcher.addItem(i);
        await batcher.flush();
      }
      return count;
    }, 5000),
    peer("dataloader", async (n) => {
      let count = 0;
      const load = (keys: readonly number[]) => {
        count += keys.length;
        return Promise.resolve(keys);
      };
      const loader = new DataLoader<number, number>(load, { maxBatchSize: 100, cache: false });
      for (const [from, to] of bursts(n)) {
        const results: Promise<number>[] = [];
        for (let i = from; i < to; i++) results.push(loader.load(i));
        await Promise.all(results);
      }
      return count;
    }),
  ],
};

function weir(name: string, run: Case["run"]): Case {
  return { kind: "weir", name, run };
}

function peer(name: string, run: Case["run"], n?: number): Case {
  return { kind: "unbounded", name, run, ...(n && { n }) };
}

/** Without a callback each push returns a promise. */
async function cargo(n: number, concurrency: number, pushed?: () => void): Promise<number> {
  let count = 0;
  const queue = async.cargoQueue<number>(
    (batch, done) => {
      count += batch.length;
      done();
    },
    concurrency,
    100,
  );
  for (const [from, to] of bursts(n)) {
    const drained = queue.drain();
    for (let i = from; i < to; i++) pushed ? queue.push(i, pushed) : queue.push(i);
    await drained;
  }
  return count;
}

function noop(): void {}
