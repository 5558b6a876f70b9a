/** The rows of docs/migration.md, "RxJS": its operators, and our streams. */

import { assertEquals } from "@std/assert";
import * as rx from "rxjs";
import { backoff, BatchStream, Fanout, MapStream, ThrottleStream } from "../../mod.ts";
import type { Clock } from "../support/clock.ts";
import { collect, streamOf, turn } from "../support/gate.ts";
import { test } from "../support/test.ts";
import { timed } from "../support/timed.ts";
import { Gated, ids, Job, same, turns } from "./migration.ts";

/** What comes when; and what has passed when. */
type Times<T> = Array<[at: number, value: T]>;

/** Play items at their times through an operator. */
async function observed<O>(
  clock: Clock,
  items: Times<number>,
  end: number,
  operator: rx.OperatorFunction<number, O>,
): Promise<Times<O>> {
  const subject = new rx.Subject<number>();
  const start = clock.now;
  const seen: Times<O> = [];
  subject.pipe(operator).subscribe((value) => seen.push([clock.now - start, value]));
  for (const [at, item] of items) {
    await clock.tick(at - (clock.now - start));
    subject.next(item);
  }
  await clock.tick(end - (clock.now - start));
  subject.complete();
  await turn();
  return seen;
}

/** Play the same through a transform. */
async function streamed<O>(
  clock: Clock,
  items: Times<number>,
  end: number,
  stream: TransformStream<number, O>,
): Promise<Times<O>> {
  const start = clock.now;
  const seen: Times<O> = [];
  const write = (value: O) => void seen.push([clock.now - start, value]);
  const piped = stream.readable.pipeTo(new WritableStream({ write }));
  const writer = stream.writable.getWriter();
  for (const [at, item] of items) {
    await clock.tick(at - (clock.now - start));
    await writer.write(item);
  }
  await clock.tick(end - (clock.now - start));
  await writer.close();
  await piped;
  return seen;
}

/** The batches that have items: RxJS lets empty ones pass. */
function full(seen: Times<number[]>): number[][] {
  return seen.map(([, batch]) => batch).filter((batch) => batch.length > 0);
}

test("migration RxJS: bufferCount(3) -> BatchStream", () =>
  same(
    [[1, 2, 3], [4, 5, 6], [7]],
    () => rx.lastValueFrom(rx.from(ids(7)).pipe(rx.bufferCount(3), rx.toArray())),
    () => collect(streamOf(ids(7)).pipeThrough(new BatchStream(3))),
  ));

timed("migration RxJS: bufferTime(100) -> linger: 100", async (clock) => {
  const items: Times<number> = [[10, 1], [20, 2], [250, 3]];
  const seen: Record<string, Times<number[]>> = {};
  await same(
    [[1, 2], [3]],
    async () => full(seen.theirs = await observed(clock, items, 260, rx.bufferTime(100))),
    async () => {
      return full(seen.ours = await streamed(clock, items, 260, new BatchStream({ linger: 100 })));
    },
  );
  // A ticker, and an empty batch; the time of the first item, and none.
  assertEquals(seen.theirs, [[100, [1, 2]], [200, []], [260, [3]]]);
  assertEquals(seen.ours, [[110, [1, 2]], [260, [3]]]);
});

timed("migration RxJS: bufferTime(100, null, 3) -> maxItems: 3, linger: 100", async (clock) => {
  const items: Times<number> = [[0, 1], [0, 2], [0, 3], [10, 4]];
  await same(
    [[1, 2, 3], [4]],
    async () => full(await observed(clock, items, 210, rx.bufferTime(100, null, 3))),
    async () => {
      const stream = new BatchStream<number>({ maxItems: 3, linger: 100 });
      return full(await streamed(clock, items, 210, stream));
    },
  );
});

test("migration RxJS: mergeMap(f, 2) -> ordered: false", async () => {
  const play = async (gated: Gated, results: Promise<string[]>) => {
    await turns();
    const before = [...gated.started];
    for (const n of [2, 3, 1, 4]) await gated.settle(n);
    return { before, results: await results };
  };
  await same(
    { before: [1, 2], results: [2, 3, 1, 4].map((n) => `done: ${n}`) },
    () => {
      const gated = new Gated();
      const results = rx.from(ids(4)).pipe(rx.mergeMap((n) => gated.run(n), 2), rx.toArray());
      return play(gated, rx.lastValueFrom(results));
    },
    () => {
      const gated = new Gated();
      const options = { concurrency: 2, ordered: false };
      return play(
        gated,
        collect(streamOf(ids(4)).pipeThrough(new MapStream(gated.run, options))),
      );
    },
  );
});

test("migration RxJS: concatMap(f) -> MapStream", () =>
  same(
    { results: ids(4).map((n) => `done: ${n}`), most: 1 },
    async () => {
      const job = new Job();
      const results = rx.from(ids(4)).pipe(rx.concatMap((n) => job.run(n)), rx.toArray());
      return { results: await rx.lastValueFrom(results), most: job.most };
    },
    async () => {
      const job = new Job();
      const results = collect(streamOf(ids(4)).pipeThrough(new MapStream(job.run)));
      return { results: await results, most: job.most };
    },
  ));

test("migration RxJS: groupBy(key), mergeMap(concatMap(f)) -> key", async () => {
  const key = (n: number) => n % 2;
  const play = async (gated: Gated, results: Promise<string[]>) => {
    await turns();
    const before = [...gated.started];
    for (const n of [2, 4, 1, 3]) await gated.settle(n);
    return { before, results: await results };
  };
  await same(
    { before: [1, 2], results: [2, 4, 1, 3].map((n) => `done: ${n}`) },
    () => {
      const gated = new Gated();
      const results = rx.from(ids(4)).pipe(
        rx.groupBy(key),
        rx.mergeMap((group) => group.pipe(rx.concatMap((n) => gated.run(n)))),
        rx.toArray(),
      );
      return play(gated, rx.lastValueFrom(results));
    },
    () => {
      const gated = new Gated();
      const options = { key, concurrency: 2, capacity: 10 };
      return play(
        gated,
        collect(streamOf(ids(4)).pipeThrough(new MapStream(gated.run, options))),
      );
    },
  );
});

test("migration RxJS: catchError(() => EMPTY) inside mergeMap -> onError", () =>
  same(
    ["done: 1", "done: 3"],
    () => {
      const job = new Job(2);
      const results = rx.from(ids(3)).pipe(
        rx.mergeMap((n) => rx.from(job.run(n)).pipe(rx.catchError(() => rx.EMPTY)), 1),
        rx.toArray(),
      );
      return rx.lastValueFrom(results);
    },
    () =>
      collect(streamOf(ids(3)).pipeThrough(new MapStream(new Job(2).run, { onError: () => {} }))),
  ));

timed("migration RxJS: retry({ count: 2, delay: 100 }) inside mergeMap -> retry", async (clock) => {
  const busyTwice = (calls: number[], start: number) => (item: string) => {
    calls.push(clock.now - start);
    if (calls.length < 3) throw new Error("busy");
    return `done: ${item}`;
  };
  await same(
    { results: ["done: a"], calls: [0, 100, 200] },
    async () => {
      const calls: number[] = [];
      const send = busyTwice(calls, clock.now);
      const results = rx.lastValueFrom(
        rx.from(["a"]).pipe(
          rx.mergeMap(
            (item) => rx.defer(() => rx.of(send(item))).pipe(rx.retry({ count: 2, delay: 100 })),
            4,
          ),
          rx.toArray(),
        ),
      );
      await clock.tick(200);
      return { results: await results, calls };
    },
    async () => {
      const calls: number[] = [];
      const retry = backoff({ attempts: 3, min: 100, factor: 1, jitter: false });
      await using sink = new Fanout(busyTwice(calls, clock.now), { concurrency: 4, retry });
      const results = Promise.all([sink.submit("a")]);
      await clock.tick(200);
      return { results: await results, calls };
    },
  );
});

timed("migration RxJS: throttleTime(100) -> ThrottleStream", async (clock) => {
  const items: Times<number> = [[0, 1], [50, 2], [120, 3]];
  await same<Times<number>>(
    [[0, 1], [120, 3]],
    () => observed(clock, items, 300, rx.throttleTime(100)),
    () => streamed(clock, items, 300, new ThrottleStream({ interval: 100 })),
  );
});

timed(
  "migration RxJS: throttleTime(100, asyncScheduler, { leading: true, trailing: true }) -> both",
  async (clock) => {
    const items: Times<number> = [[0, 1], [50, 2], [120, 3]];
    await same<Times<number>>(
      [[0, 1], [100, 2], [200, 3]],
      () => {
        const both = { leading: true, trailing: true };
        return observed(clock, items, 400, rx.throttleTime(100, rx.asyncScheduler, both));
      },
      () => streamed(clock, items, 400, new ThrottleStream({ interval: 100, edge: "both" })),
    );
  },
);

timed("migration RxJS: auditTime(100) -> trailing", async (clock) => {
  const items: Times<number> = [[0, 1], [50, 2], [120, 3]];
  await same<Times<number>>(
    [[100, 2], [220, 3]],
    () => observed(clock, items, 400, rx.auditTime(100)),
    () => streamed(clock, items, 400, new ThrottleStream({ interval: 100, edge: "trailing" })),
  );
});

timed(
  "migration RxJS, differs: at the end throttleTime waits for its timer, and ours does not",
  async (clock) => {
    const items: Times<number> = [[0, 1], [50, 2]];
    const both = { leading: true, trailing: true };
    const theirs = await observed(clock, items, 60, rx.throttleTime(100, rx.asyncScheduler, both));
    assertEquals(theirs, [[0, 1]]);
    await clock.tick(40);
    assertEquals(theirs, [[0, 1], [100, 2]]);
    const stream = new ThrottleStream<number>({ interval: 100, edge: "both" });
    assertEquals(await streamed(clock, items, 60, stream), [[0, 1], [60, 2]]);
  },
);
