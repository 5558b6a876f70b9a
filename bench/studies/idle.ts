/** What thousands of objects cost that have nothing to do, or that wait. */

import { Aggregator, BatchStream, Fanout, MapStream, Singleflight, throttle } from "../../mod.ts";
import { heap } from "./heap.ts";

/** The cost of one object. */
export interface Idle {
  readonly name: string;
  readonly bytes: number;
  readonly timers: number;
}

interface Kind {
  readonly name: string;
  open(): Opened;
}

interface Opened {
  /** Kept while the heap is measured. */
  readonly object: unknown;
  close(): unknown;
}

const HOUR = 3_600_000;
const BATCH = { maxItems: 100, linger: HOUR };
const never = () => new Promise<never>(() => {});
const ignore = () => {};

const kinds: readonly Kind[] = [
  {
    name: "a TransformStream, for comparison",
    open: () => stream(new TransformStream<number, number>()),
  },
  { name: "BatchStream", open: () => stream(new BatchStream<number>(BATCH)) },
  { name: "MapStream", open: () => stream(new MapStream<number, number>((i) => i)) },
  { name: "Aggregator", open: () => sink(new Aggregator<number>(ignore, BATCH)) },
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
      const batches = new BatchStream<number>(BATCH);
      batches.writable.getWriter().write(1).catch(ignore);
      const reader = batches.readable.getReader();
      reader.read().catch(ignore);
      return { object: batches, close: () => reader.cancel() };
    },
  },
  {
    name: "Aggregator, with an item that lingers",
    open: () => {
      const aggregator = new Aggregator<number>(ignore, BATCH);
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

/** Opens `n` of each, and looks what they cost. */
export async function idle(n: number): Promise<Idle[]> {
  const costs: Idle[] = [];
  for (const { name, open } of kinds) {
    // What is made once, by the first.
    await closed(await many(10, open));
    const timers = watch();
    const before = heap();
    const opened = await many(n, open);
    costs.push({
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
  // A timer may be armed when the code that added the item has yielded.
  await turn();
  return opened;
}

async function closed(opened: Opened[]): Promise<void> {
  await Promise.all(opened.map(({ close }) => close()));
  opened.length = 0;
  await turn();
}

/** Counts the timers that are armed from now on. */
function watch(): { armed(): number; stop(): void } {
  const { setTimeout, setInterval, clearTimeout, clearInterval } = globalThis;
  const live = new Set<unknown>();
  const watched = (arm: typeof setTimeout) => (call: () => void, delay?: number) => {
    const timer = arm(() => {
      if (arm === setTimeout) live.delete(timer);
      call();
    }, delay);
    live.add(timer);
    return timer;
  };
  const forgotten = (disarm: (timer?: never) => void) => (timer: unknown) => {
    live.delete(timer);
    disarm(timer as never);
  };
  Object.assign(globalThis, {
    setTimeout: watched(setTimeout),
    setInterval: watched(setInterval as never),
    clearTimeout: forgotten(clearTimeout),
    clearInterval: forgotten(clearInterval),
  });
  return {
    armed: () => live.size,
    stop: () => Object.assign(globalThis, { setTimeout, setInterval, clearTimeout, clearInterval }),
  };
}

function stream(pair: ReadableWritablePair<unknown, number>): Opened {
  return { object: pair, close: () => pair.writable.abort().catch(ignore) };
}

function sink(each: Aggregator<number> | Fanout<number>): Opened {
  return { object: each, close: () => each.abort() };
}
