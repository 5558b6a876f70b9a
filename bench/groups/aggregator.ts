/** Items pushed into batches of 100 for a handler. */

import async from "async";
import { bufferTime, Subject } from "rxjs";
import { Aggregator, type AggregatorOptions } from "../../mod.ts";
import type { Group } from "../harness.ts";
import { bursts, pipeItems, source } from "../loads.ts";

type Options = AggregatorOptions<number>;

const LINGER = { maxItems: 100, linger: 1000 };
const DONE = Promise.resolve();

/** How many items a handler saw, once `feed` has given the aggregator all of them. */
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
  unit: "item",
  n: 50_000,
  cases: [
    { kind: "floor", name: "pipeTo a no-op sink", run: (n) => pipeItems(source(n)) },

    {
      kind: "weir",
      name: "Aggregator.tryPush, no linger",
      run: (n) => push(n, { ...LINGER, linger: Infinity }),
    },
    { kind: "weir", name: "Aggregator.tryPush", run: (n) => push(n, LINGER) },
    {
      kind: "weir",
      name: "Aggregator.tryPush, by weight",
      run: (n) => push(n, { maxWeight: 100, weigh: () => 1, linger: 1000 }),
    },
    {
      kind: "weir",
      name: "Aggregator.tryPush, async handler",
      run: (n) => push(n, LINGER, DONE),
    },
    {
      kind: "weir",
      name: "Aggregator.tryPush, async handler, 16 workers",
      run: (n) => push(n, { ...LINGER, concurrency: 16 }, DONE),
    },
    {
      kind: "weir",
      name: "pipe to Aggregator",
      run: (n) => handled((aggregator) => source(n).pipeTo(aggregator), LINGER),
    },
    {
      kind: "weir",
      name: "Aggregator.consume",
      run: (n) => handled((aggregator) => aggregator.consume(source(n)), LINGER),
    },

    {
      kind: "peer",
      name: "rxjs Subject, bufferTime",
      // deno-lint-ignore require-await
      run: async (n) => {
        let count = 0;
        const subject = new Subject<number>();
        subject.pipe(bufferTime(1000, null, 100)).subscribe((batch) => count += batch.length);
        for (let i = 0; i < n; i++) subject.next(i);
        subject.complete();
        return count;
      },
    },
    { kind: "peer", name: "async cargoQueue", run: (n) => cargo(n, 1, noop) },
    { kind: "peer", name: "async cargoQueue, 16 workers", run: (n) => cargo(n, 16, noop) },
    { kind: "peer", name: "async cargoQueue, promises", run: (n) => cargo(n, 1) },
  ],
};

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
