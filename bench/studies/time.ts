/**
 * Measures how long an item waits for its batch or its handler, and whether its cost grows with the
 * number of items.
 */

import { AsyncBatcher } from "@tanstack/pacer";
import DataLoader from "dataloader";
import pLimit from "p-limit";
import PQueue from "p-queue";
import { bufferTime, Subject } from "rxjs";
import { Aggregator, Fanout } from "../../mod.ts";
import { type Batcher, batchers } from "../cases/batching.ts";
import { type Case, type Group, median, stopwatch, type Way } from "../harness.ts";
import type { Delay, Growth } from "../summary.ts";
import { promised } from "../targets.ts";

/** A target to which items are pushed one by one. */
interface Pushed {
  push(item: number): void;
  close(): unknown;
}

interface Lingering extends Way {
  open(take: (batch: readonly number[]) => void): Pushed;
}

const LINGER = 10;
const BATCH = { maxItems: 100, linger: LINGER };

const ways: readonly Lingering[] = [
  { kind: "floor", name: "an array and a timer", open: array },
  ...batchers.filter(({ lingers }) => lingers).map(fed),
  {
    kind: "weir",
    name: "Aggregator.tryPush",
    open: (take) => {
      const aggregator = new Aggregator<number>(take, BATCH);
      return { push: (item) => aggregator.tryPush(item), close: () => aggregator.close() };
    },
  },
  {
    kind: "unbounded",
    name: "rxjs Subject, bufferTime",
    open: (take) => {
      const subject = new Subject<number>();
      subject.pipe(bufferTime(LINGER, null, 100)).subscribe(take);
      return { push: (item) => subject.next(item), close: () => subject.complete() };
    },
  },
  {
    kind: "unbounded",
    name: "@tanstack/pacer AsyncBatcher",
    open: (take) => {
      const batcher = new AsyncBatcher<number>((batch) => Promise.resolve(take(batch)), {
        maxSize: 100,
        wait: LINGER,
      });
      return { push: (item) => void batcher.addItem(item), close: () => batcher.flush() };
    },
  },
  {
    kind: "unbounded",
    name: "dataloader, batchScheduleFn",
    open: (take) => {
      const results: Promise<number>[] = [];
      const load = (batch: readonly number[]) => {
        take(batch);
        return Promise.resolve(batch);
      };
      const loader = new DataLoader<number, number>(load, {
        maxBatchSize: 100,
        cache: false,
        batchScheduleFn: (dispatch) => setTimeout(dispatch, LINGER),
      });
      return {
        push: (item) => results.push(loader.load(item)),
        close: () => Promise.all(results),
      };
    },
  },
];

/**
 * The handler's time in milliseconds, with 16 at once: a thousand items per second keep four of
 * five busy.
 */
const WORK = 12;

/** Fan-out of slow handlers, until each has ended. */
const working: readonly Lingering[] = ([
  { kind: "floor", name: "the handler alone", open: (take) => sixteen((work) => work(), take) },
  {
    kind: "weir",
    name: "Fanout.tryPush",
    open: (take) => {
      const fanout = new Fanout<() => Promise<void>>((work) => work(), { concurrency: 16 });
      return sixteen((work) => fanout.tryPush(work), take, () => fanout.close());
    },
  },
  {
    kind: "unbounded",
    name: "p-queue",
    open: (take) => {
      const queue = new PQueue({ concurrency: 16 });
      return sixteen((work) => queue.add(work), take);
    },
  },
  {
    kind: "unbounded",
    name: "p-limit",
    open: (take) => sixteen(pLimit(16), take),
  },
] satisfies Lingering[]).map((way) => ({ ...way, name: `${way.name}, 80 % busy` }));

/** Each pushed value is a task, which ends with its item. */
function sixteen(
  add: (work: () => Promise<void>) => unknown,
  take: (batch: readonly number[]) => void,
  close: () => unknown = () => {},
): Pushed {
  const ended: Promise<void>[] = [];
  const push = (item: number) => {
    ended.push(
      new Promise((resolve) => {
        add(async () => {
          await new Promise((over) => setTimeout(over, WORK));
          take([item]);
          resolve();
        });
      }),
    );
  };
  return {
    push,
    async close() {
      await Promise.all(ended);
      await close();
    },
  };
}

/** Gives the same `n` items to all ways at the same times: a thousand per second. */
export async function latency(n: number): Promise<Delay[]> {
  return [...await delays(ways, n), ...await delays(working, n)];
}

async function delays(ways: readonly Lingering[], n: number): Promise<Delay[]> {
  const pushed: number[] = [];
  const found: number[][] = ways.map(() => []);
  const opened = ways.map(({ open }, way) =>
    open((batch) => {
      const now = performance.now();
      for (const item of batch) found[way]!.push(now - pushed[item]!);
    })
  );
  await everyMillisecond(n, (item) => {
    pushed.push(performance.now());
    for (const { push } of opened) push(item);
  });
  await Promise.all(opened.map(({ close }) => close()));
  return ways.map(({ open: _, ...way }, index) => {
    const sorted = found[index]!.sort((a, b) => a - b);
    if (sorted.length !== n) throw new Error(`${way.name}: ${sorted.length} of ${n} arrived`);
    return { ...way, p50: sorted[Math.floor(n * 0.5)]!, p99: sorted[Math.floor(n * 0.99)]! };
  });
}

/** Calls a function for each of `n` items, at most a millisecond late if the machine keeps up. */
function everyMillisecond(n: number, call: (item: number) => void): Promise<void> {
  return new Promise((resolve) => {
    const start = performance.now();
    let item = 0;
    const timer = setInterval(() => {
      const due = Math.min(performance.now() - start, n);
      while (item < due) call(item++);
      if (item < n) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
}

/** The usual code. */
function array(take: (batch: readonly number[]) => void): Pushed {
  let batch: number[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const close = () => {
    clearTimeout(timer);
    take(batch);
    batch = [];
  };
  const push = (item: number) => {
    if (batch.push(item) === 1) timer = setTimeout(close, LINGER);
    else if (batch.length === 100) close();
  };
  return { push, close };
}

/** A stream whose items are pushed. */
function fed({ run, kind, name }: Batcher): Lingering {
  return {
    kind,
    name,
    open: (take) => {
      let controller!: ReadableStreamDefaultController<number>;
      const source = new ReadableStream<number>({
        start: (given) => void (controller = given),
      });
      const running = run(source, LINGER, take);
      return {
        push: (item) => controller.enqueue(item),
        close: () => {
          controller.close();
          return running;
        },
      };
    },
  };
}

/** The lengths of the runs. The others are compared with the first. */
const SIZES = [1e5, 1e6, 1e7];
/** Without cases that hold all their items, or whose handlers are slow. */
const GROUPS = ["batching", "aggregator", "fanout", "map", "chunks", "singleflight"];
/** A sample repeats a short run for this many milliseconds. */
const LEAST = 100;

/** Measures our cases, with up to `most` items: `every` one, or those with a target. */
export async function growth(
  groups: readonly Group[],
  most: number,
  every: boolean,
): Promise<Growth[]> {
  const measured: Growth[] = [];
  for (const { name: group, cases } of groups.filter(({ name }) => GROUPS.includes(name))) {
    for (const each of cases) {
      const { kind, name } = each;
      const chosen = kind === "weir" && (every || promised(group, name));
      if (chosen) measured.push({ kind, name, costs: await grown(each, most) });
    }
  }
  return measured;
}

async function grown(each: Case, most: number): Promise<number[]> {
  const base = Math.min(SIZES[0]!, most);
  const longer = SIZES.filter((n) => base < n && n < most);
  if (base < most) longer.push(most);
  const once = (n: number) => stopwatch(each, n, Math.min(LEAST, most / 1e4), 0)();
  await once(base);
  // Before and after the long runs, because the speed of a machine changes from second to second.
  const around = [await once(base)];
  const costs: number[] = [];
  for (const n of longer) {
    costs.push(await once(n));
    around.push(await once(base));
  }
  return [median(around), ...costs];
}
