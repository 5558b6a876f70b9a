/** What is held while a sink stands still, of as many items as anybody will take. */

import async from "async";
import { bufferTime, concatMap, Subject } from "rxjs";
import { Aggregator } from "../../mod.ts";
import { source } from "../loads.ts";
import { batchers } from "../ways/batchers.ts";
import { mappers } from "../ways/mappers.ts";
import { pools } from "../ways/pools.ts";
import type { Way } from "../ways/way.ts";
import { heap } from "./heap.ts";

/** What a way held. */
export interface Held extends Way {
  readonly bytes: number;
}

/** A way to move `n` items to a sink: `take` tells how many came, and when there may be more. */
interface Mover extends Way {
  run(n: number, take: (count: number) => Promise<void>): Promise<unknown>;
}

const BATCH = { maxItems: 100, linger: 1000 };

const pushers: readonly Mover[] = [
  {
    kind: "weir",
    name: "Aggregator.push, each awaited",
    bounded: true,
    run: async (n, take) => {
      await using aggregator = new Aggregator<number>((batch) => take(batch.length), BATCH);
      for (let i = 0; i < n; i++) await aggregator.push(i);
    },
  },
  {
    kind: "weir",
    name: "pipe to Aggregator",
    bounded: true,
    run: (n, take) =>
      source(n).pipeTo(new Aggregator<number>((batch) => take(batch.length), BATCH)),
  },
  {
    kind: "peer",
    name: "rxjs Subject, bufferTime",
    bounded: false,
    run: (n, take) =>
      new Promise<void>((resolve) => {
        const subject = new Subject<number>();
        subject
          .pipe(bufferTime(1000, null, 100), concatMap((batch) => take(batch.length)))
          .subscribe({ complete: resolve });
        for (let i = 0; i < n; i++) subject.next(i);
        subject.complete();
      }),
  },
  {
    kind: "peer",
    name: "async cargoQueue",
    bounded: false,
    run: async (n, take) => {
      const queue = async.cargoQueue<number>(
        (batch, done) => void take(batch.length).then(() => done()),
        1,
        100,
      );
      const drained = queue.drain();
      for (let i = 0; i < n; i++) queue.push(i, () => {});
      await drained;
    },
  },
  // Not `@tanstack/pacer`: 2 kB an item, which a million items are too many for.
];

const movers: readonly Mover[] = [
  ...batchers.filter(({ lingers }) => lingers).map(({ run, ...way }): Mover => ({
    ...way,
    run: (n, take) => run(source(n), 1000, (batch) => take(batch.length)),
  })),
  ...pushers,
  // `tryPush` takes what there is room for; the rest is the caller's.
  ...pools.filter(({ name }) => name !== "Fanout.tryPush").map(({ run, ...way }): Mover => ({
    ...way,
    run: (n, take) => run(n, () => take(1), n),
  })),
  ...mappers.map(({ run, ...way }): Mover => ({
    ...way,
    run: (n, take) => run(n, (i) => Promise.resolve(i), () => take(1)),
  })),
];

/** Measures all ways, one after another, with up to `n` items each. */
export async function memory(n: number): Promise<Held[]> {
  const held: Held[] = [];
  for (const { run, ...way } of movers) held.push({ ...way, bytes: await holding(n, run) });
  return held;
}

/** What is in front of a sink that stands still, by the promise that it waits for. */
const stalled = new Set<PromiseWithResolvers<void>>();

async function holding(n: number, run: Mover["run"]): Promise<number> {
  // What the one before has held goes in its own time, in Bun above all.
  const before = await steady();
  const still = Promise.withResolvers<void>();
  stalled.add(still);
  void run(n, () => still.promise);
  const most = await steady();
  // It never goes on: what is in front of it is left to the collector.
  stalled.delete(still);
  return Math.max(most - before, 0);
}

/** The heap, once it neither grows nor shrinks. */
async function steady(): Promise<number> {
  let last = heap();
  for (let quiet = 0; quiet < 3;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const now = heap();
    quiet = Math.abs(now - last) > last / 100 ? 0 : quiet + 1;
    last = now;
  }
  return last;
}
