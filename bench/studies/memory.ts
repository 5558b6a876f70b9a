/** Measures memory: in front of a sink that stands still, and of idle objects. */

import async from "async";
import process from "node:process";
import { bufferTime, concatMap, Subject } from "rxjs";
import { Aggregator, BatchStream, Fanout, MapStream, Singleflight, throttle } from "../../mod.ts";
import { batchers } from "../cases/batching.ts";
import { pools } from "../cases/fanout.ts";
import { mappers } from "../cases/transforms.ts";
import { source, type Way } from "../harness.ts";
import type { Held, Idle } from "../summary.ts";

/** A way to move `n` items to a sink. `take` counts the items, and resolves when more may come. */
interface Mover extends Way {
  run(n: number, take: (count: number) => Promise<void>): Promise<unknown>;
}

const BATCH = { maxItems: 100, linger: 1000 };

const pushers: readonly Mover[] = [
  {
    kind: "weir",
    name: "Aggregator.push, each awaited",
    run: async (n, take) => {
      await using aggregator = new Aggregator<number>((batch) => take(batch.length), BATCH);
      for (let i = 0; i < n; i++) await aggregator.push(i);
    },
  },
  {
    kind: "weir",
    name: "pipe to Aggregator",
    run: (n, take) =>
      source(n).pipeTo(new Aggregator<number>((batch) => take(batch.length), BATCH)),
  },
  {
    kind: "unbounded",
    name: "rxjs Subject, bufferTime",
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
    kind: "unbounded",
    name: "async cargoQueue",
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
  // Not `@tanstack/pacer`: it takes 2 kB per item, which is too much for a million items.
];

const movers: readonly Mover[] = [
  ...batchers.filter(({ lingers }) => lingers).map(({ run, lingers: _, ...way }): Mover => ({
    ...way,
    run: (n, take) => run(source(n), 1000, (batch) => take(batch.length)),
  })),
  ...pushers,
  // `tryPush` takes items while there is room. The rest stays with the caller.
  ...pools.filter(({ name }) => name !== "Fanout.tryPush").map(({ run, ...way }): Mover => ({
    ...way,
    run: (n, take) => run(n, () => take(1), n),
  })),
  ...mappers.map(({ run, ...way }): Mover => ({
    ...way,
    run: (n, take) => run(n, (i) => Promise.resolve(i), () => take(1)),
  })),
];

/** Measures all ways, one after the other, with up to `n` items each. */
export async function memory(n: number): Promise<Held[]> {
  const held: Held[] = [];
  for (const { run, ...way } of movers) held.push({ ...way, bytes: await holding(n, run) });
  return held;
}

/** Measures the items in front of a sink that waits for a pending promise. */
const stalled = new Set<PromiseWithResolvers<void>>();

async function holding(n: number, run: Mover["run"]): Promise<number> {
  // The memory of the way before is freed late, most of all in Bun.
  const before = await steady();
  const still = Promise.withResolvers<void>();
  stalled.add(still);
  void run(n, () => still.promise);
  const most = await steady();
  // The sink never goes on: the collector takes the items in front of it.
  stalled.delete(still);
  return Math.max(most - before, 0);
}

/** Returns the heap size after it has settled. */
export async function steady(): Promise<number> {
  let last = heap();
  for (let quiet = 0; quiet < 3;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const now = heap();
    quiet = Math.abs(now - last) > last / 100 ? 0 : quiet + 1;
    last = now;
  }
  return last;
}

interface Collectors {
  readonly gc?: () => void;
  readonly Bun?: { gc(force: boolean): void };
}

/** Bytes in use after a collection. Deno and Node need `--expose-gc` for it. */
export function heap(): number {
  const { gc, Bun } = globalThis as Collectors;
  if (Bun) Bun.gc(true);
  else if (gc) gc();
  else throw new Error("run it with --expose-gc");
  return process.memoryUsage().heapUsed;
}

interface Idler {
  readonly name: string;
  open(): Opened;
}

interface Opened {
  /** Kept while the heap is measured. */
  readonly object: unknown;
  close(): unknown;
}

const HOUR = 3_600_000;
const HOURLY = { maxItems: 100, linger: HOUR };
const never = () => new Promise<never>(() => {});
const ignore = () => {};

const native = () => stream(new TransformStream<number, number>());

const idlers: readonly Idler[] = [
  { name: "a TransformStream, for comparison", open: native },
  { name: "BatchStream", open: () => stream(new BatchStream<number>(HOURLY)) },
  { name: "MapStream", open: () => stream(new MapStream<number, number>((i) => i)) },
  { name: "Aggregator", open: () => sink(new Aggregator<number>(ignore, HOURLY)) },
  { name: "Fanout", open: () => sink(new Fanout<number>(ignore, { timeout: HOUR })) },
  {
    name: "Singleflight",
    open: () => ({ object: new Singleflight<string, number>(), close: ignore }),
  },
  {
    name: "throttle",
    open: () => ({ object: throttle(ignore, { interval: HOUR }), close: ignore }),
  },
  {
    name: "BatchStream, with an item that lingers",
    open: () => {
      const batches = new BatchStream<number>(HOURLY);
      batches.writable.getWriter().write(1).catch(ignore);
      const reader = batches.readable.getReader();
      reader.read().catch(ignore);
      return { object: batches, close: () => reader.cancel() };
    },
  },
  {
    name: "Aggregator, with an item that lingers",
    open: () => {
      const aggregator = new Aggregator<number>(ignore, HOURLY);
      aggregator.tryPush(1);
      return sink(aggregator);
    },
  },
  {
    name: "Fanout, with a call that has a timeout, and an item",
    open: () => {
      const fanout = new Fanout<number>(never, { timeout: HOUR });
      fanout.tryPush(1);
      fanout.tryPush(2);
      return sink(fanout);
    },
  },
  {
    name: "Singleflight, with a call",
    open: () => {
      const flights = new Singleflight<string, number>();
      flights.do("key", never);
      return { object: flights, close: ignore };
    },
  },
];

const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

/** Opens `n` of each, and measures their cost. */
export async function idle(n: number): Promise<Idle[]> {
  const costs: Idle[] = [];
  for (const { name, open } of idlers) {
    // The first one makes shared objects, which don't count.
    await closed(await many(10, open));
    const timers = watch();
    const before = heap();
    const opened = await many(n, open);
    costs.push({
      kind: open === native ? "floor" : "weir",
      name,
      bytes: Math.max(heap() - before, 0) / n,
      timers: timers.armed() / n,
    });
    await closed(opened);
    timers.stop();
  }
  return costs;
}

async function many(n: number, open: () => Opened): Promise<Opened[]> {
  const opened = Array.from({ length: n }, open);
  // A timer may be set only after the code that added the item has yielded.
  await turn();
  return opened;
}

async function closed(opened: Opened[]): Promise<void> {
  await Promise.all(opened.map(({ close }) => close()));
  opened.length = 0;
  await turn();
}

/** Counts the timers that are set from now on. */
function watch(): { armed(): number; stop(): void } {
  const { setTimeout, clearTimeout } = globalThis;
  const live = new Set<unknown>();
  const watched = (call: () => void, delay?: number) => {
    const timer = setTimeout(() => {
      live.delete(timer);
      call();
    }, delay);
    live.add(timer);
    return timer;
  };
  const forgotten = (timer: ReturnType<typeof setTimeout>) => {
    live.delete(timer);
    clearTimeout(timer);
  };
  Object.assign(globalThis, { setTimeout: watched, clearTimeout: forgotten });
  return {
    armed: () => live.size,
    stop: () => Object.assign(globalThis, { setTimeout, clearTimeout }),
  };
}

function stream(pair: ReadableWritablePair<unknown, number>): Opened {
  return { object: pair, close: () => pair.writable.abort().catch(ignore) };
}

function sink(each: Aggregator<number> | Fanout<number>): Opened {
  return { object: each, close: () => each.abort() };
}
