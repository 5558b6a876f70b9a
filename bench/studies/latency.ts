/** How long an item waits for its batch: a thousand items in a second, with a linger of 10 ms. */

import { AsyncBatcher } from "@tanstack/pacer";
import DataLoader from "dataloader";
import { bufferTime, Subject } from "rxjs";
import { Aggregator } from "../../mod.ts";
import { type Batcher, batchers } from "../ways/batchers.ts";
import type { Way } from "../ways/way.ts";

/** Milliseconds from the push of an item to the batch that has it. */
export interface Delay extends Way {
  readonly p50: number;
  readonly p99: number;
}

/** What items are pushed to, one by one. */
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
  { kind: "floor", name: "an array and a timer", bounded: false, open: array },
  ...batchers.filter(({ lingers }) => lingers).map(fed),
  {
    kind: "weir",
    name: "Aggregator.tryPush",
    bounded: true,
    open: (take) => {
      const aggregator = new Aggregator<number>(take, BATCH);
      return { push: (item) => aggregator.tryPush(item), close: () => aggregator.close() };
    },
  },
  {
    kind: "peer",
    name: "rxjs Subject, bufferTime",
    bounded: false,
    open: (take) => {
      const subject = new Subject<number>();
      subject.pipe(bufferTime(LINGER, null, 100)).subscribe(take);
      return { push: (item) => subject.next(item), close: () => subject.complete() };
    },
  },
  {
    kind: "peer",
    name: "@tanstack/pacer AsyncBatcher",
    bounded: false,
    open: (take) => {
      const batcher = new AsyncBatcher<number>((batch) => Promise.resolve(take(batch)), {
        maxSize: 100,
        wait: LINGER,
      });
      return { push: (item) => void batcher.addItem(item), close: () => batcher.flush() };
    },
  },
  {
    kind: "peer",
    name: "dataloader, batchScheduleFn",
    bounded: false,
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

/** Gives the same `n` items to all ways at the same moments. */
export async function latency(n: number): Promise<Delay[]> {
  const pushed: number[] = [];
  const delays: number[][] = ways.map(() => []);
  const opened = ways.map(({ open }, way) =>
    open((batch) => {
      const now = performance.now();
      for (const item of batch) delays[way]!.push(now - pushed[item]!);
    })
  );
  await everyMillisecond(n, (item) => {
    pushed.push(performance.now());
    for (const { push } of opened) push(item);
  });
  await Promise.all(opened.map(({ close }) => close()));
  return ways.map(({ open: _, ...way }, index) => {
    const sorted = delays[index]!.sort((a, b) => a - b);
    if (sorted.length !== n) throw new Error(`${way.name}: ${sorted.length} of ${n} arrived`);
    return { ...way, p50: sorted[Math.floor(n * 0.5)]!, p99: sorted[Math.floor(n * 0.99)]! };
  });
}

/** Calls for each of `n` items, at most a millisecond late where the machine keeps up. */
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

/** What everybody writes. */
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
function fed({ run, kind, name, bounded }: Batcher): Lingering {
  return {
    kind,
    name,
    bounded,
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
