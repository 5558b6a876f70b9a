/** The rows of docs/migration.md, "p-queue": adding, and the bounds. */

import { assertEquals } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import PQueue from "p-queue";
import { Fanout, RateLimit } from "../../mod.ts";
import { gate, streamOf, turn } from "../support/gate.ts";
import { test } from "../support/test.ts";
import { timed } from "../support/timed.ts";
import { ids, Job, messageOf, nameOf, same } from "./migration.ts";

test("migration p-queue: new PQueue({ concurrency: 4 }) -> Fanout", () =>
  same(
    { results: ids(10).map((n) => `done: ${n}`), started: ids(10), most: 4 },
    async () => {
      const job = new Job();
      const queue = new PQueue({ concurrency: 4 });
      const results = await Promise.all(ids(10).map((n) => queue.add(() => job.run(n))));
      return { results, started: job.started, most: job.most };
    },
    async () => {
      const job = new Job();
      await using sink = new Fanout(job.run, { concurrency: 4 });
      const results = await Promise.all(ids(10).map((n) => sink.submit(n)));
      return { results, started: job.started, most: job.most };
    },
  ));

test("migration p-queue: await queue.add(() => send(item)) -> submit", () =>
  same(
    ["done: 1", "failed: 2"],
    async () => {
      const job = new Job(2);
      const queue = new PQueue({ concurrency: 1 });
      const result = queue.add(() => job.run(1));
      return [await result, await messageOf(() => queue.add(() => job.run(2)))];
    },
    async () => {
      await using sink = new Fanout(new Job(2).run);
      return [await sink.submit(1), await messageOf(() => sink.submit(2))];
    },
  ));

test("migration p-queue: queue.add(job) -> a handler that calls the job", () => {
  const job = new Job();
  const jobs: Array<() => Promise<unknown>> = [() => job.run(1), () => Promise.resolve("other")];
  return same(
    ["done: 1", "other"],
    async () => {
      const queue = new PQueue({ concurrency: 1 });
      return await Promise.all(jobs.map((job) => queue.add(job))) as string[];
    },
    async () => {
      await using sink = new Fanout((job: () => Promise<unknown>) => job());
      return await Promise.all(jobs.map((job) => sink.submit(job))) as string[];
    },
  );
});

test("migration p-queue: await queue.addAll(jobs) -> Promise.all over submit", () =>
  same(
    { results: ids(5).map((n) => `done: ${n}`), most: 2 },
    async () => {
      const job = new Job();
      const queue = new PQueue({ concurrency: 2 });
      const results = await queue.addAll(ids(5).map((n) => () => job.run(n)));
      return { results, most: job.most };
    },
    async () => {
      const job = new Job();
      await using sink = new Fanout(job.run, { concurrency: 2 });
      const results = await Promise.all(ids(5).map((n) => sink.submit(n)));
      return { results, most: job.most };
    },
  ));

test("migration p-queue: als.run(id, () => queue.add(job)) -> snapshot", () => {
  const als = new AsyncLocalStorage<string>();
  return same(
    ["request 1", "request 2"],
    async () => {
      const queue = new PQueue({ concurrency: 1 });
      const job = () => turn().then(() => als.getStore());
      const calls = ["request 1", "request 2"].map((id) => als.run(id, () => queue.add(job)));
      return await Promise.all(calls) as string[];
    },
    async () => {
      await using sink = new Fanout((_: number) => turn().then(() => als.getStore()), {
        snapshot: () => AsyncLocalStorage.snapshot(),
      });
      const calls = ["request 1", "request 2"].map((id) => als.run(id, () => sink.submit(0)));
      return await Promise.all(calls) as string[];
    },
  );
});

timed(
  "migration p-queue: { intervalCap: 2, interval: 1000, strict: true } -> rate",
  async (clock) => {
    await same(
      [0, 0, 1000, 1000, 2000, 2000],
      async () => {
        const [start, starts]: [number, number[]] = [clock.now, []];
        const queue = new PQueue({ intervalCap: 2, interval: 1000, strict: true });
        for (let n = 0; n < 6; n++) queue.add(() => starts.push(clock.now - start));
        await clock.tick(3000);
        return starts;
      },
      async () => {
        const [start, starts]: [number, number[]] = [clock.now, []];
        const rate = new RateLimit({ limit: 2, interval: 1000 });
        const sink = new Fanout((_: number) => void starts.push(clock.now - start), {
          concurrency: 16,
          rate,
        });
        for (const n of ids(6)) sink.tryPush(n);
        await clock.tick(3000);
        await sink.close();
        return starts;
      },
    );
  },
);

timed(
  "migration p-queue, differs: without strict, twice intervalCap may start within a moment",
  async (clock) => {
    const starts: number[] = [];
    const queue = new PQueue({ intervalCap: 2, interval: 1000 });
    const add = () => queue.add(() => starts.push(clock.now));
    const keep = gate();
    queue.add(() => keep.promise); // the window goes on while it runs
    await clock.tick(999);
    add();
    await clock.tick(1);
    add();
    add();
    await clock.tick(1);
    assertEquals(starts, [999, 1000, 1000]);
    keep.resolve();
    await clock.tick(3000);
  },
);

timed("migration p-queue: { timeout: 5000 } -> timeout", async (clock) => {
  const never = (signal: AbortSignal | undefined, item: number) =>
    item === 1
      ? new Promise<string>((_, no) => signal!.onabort = () => no(signal!.reason))
      : "next";
  await same(
    { error: "TimeoutError", next: "next", at: 5000 },
    async () => {
      const start = clock.now;
      const queue = new PQueue({ concurrency: 1, timeout: 5000 });
      const [first, next] = [1, 2].map((n) => queue.add(({ signal }) => never(signal, n)));
      const ended = Promise.all([
        nameOf(first!),
        next!.then((value) => [value, clock.now - start]),
      ]);
      await clock.tick(5000);
      const [error, [value, at]] = await ended;
      return { error, next: value as string, at: at as number };
    },
    async () => {
      const start = clock.now;
      await using sink = new Fanout((n: number, { signal }) => never(signal, n), { timeout: 5000 });
      const [first, next] = [1, 2].map((n) => sink.submit(n));
      const ended = Promise.all([
        nameOf(first!),
        next!.then((value) => [value, clock.now - start]),
      ]);
      await clock.tick(5000);
      const [error, [value, at]] = await ended;
      return { error, next: value as string, at: at as number };
    },
  );
});

test("migration p-queue: await queue.onSizeLessThan(3) -> push", () =>
  same(
    { started: ids(10), waited: 3 },
    async () => {
      const job = new Job();
      let waited = 0;
      const queue = new PQueue({ concurrency: 1 });
      for (const n of ids(10)) {
        await queue.onSizeLessThan(3);
        queue.add(() => job.run(n));
        waited = Math.max(waited, queue.size);
      }
      await queue.onIdle();
      return { started: job.started, waited };
    },
    async () => {
      const job = new Job();
      let waited = 0;
      await using sink = new Fanout(job.run, { capacity: 3 });
      for (const n of ids(10)) {
        await sink.push(n);
        waited = Math.max(waited, sink.stats.waiting);
      }
      await sink.idle();
      return { started: job.started, waited };
    },
  ));

test("migration p-queue: for await (…) await queue.onSizeLessThan(3) -> a pipe", async () => {
  let [read, most] = [0, 0];
  const counting = function* (handled: readonly number[]) {
    for (const n of ids(20)) {
      most = Math.max(most, ++read - handled.length);
      yield n;
    }
  };
  const play = async (handle: (job: Job) => Promise<void>) => {
    [read, most] = [0, 0];
    const job = new Job();
    await handle(job);
    return { started: job.started, bounded: most <= 5 };
  };
  await same(
    { started: ids(20), bounded: true },
    () =>
      play(async (job) => {
        const queue = new PQueue({ concurrency: 1 });
        for await (const n of streamOf(counting(job.started))) {
          await queue.onSizeLessThan(3);
          queue.add(() => job.run(n));
        }
        await queue.onIdle();
      }),
    () =>
      play((job) => streamOf(counting(job.started)).pipeTo(new Fanout(job.run, { capacity: 3 }))),
  );
});
