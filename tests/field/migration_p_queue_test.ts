/** The rows of docs/migration.md, "p-queue": adding, and the bounds. */

import { assertThrows } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import PQueue from "p-queue";
import { Fanout } from "../../mod.ts";
import { gate, streamOf, turn } from "../support/gate.ts";
import { test } from "../support/test.ts";
import { ids, Job, messageOf, same } from "./migration.ts";

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

test("migration p-queue: { concurrency: Infinity } -> a large number", async () => {
  await same(
    50,
    async () => {
      const job = new Job();
      const queue = new PQueue({ concurrency: Infinity });
      await Promise.all(ids(50).map((n) => queue.add(() => job.run(n))));
      return job.most;
    },
    async () => {
      const job = new Job();
      await using sink = new Fanout(job.run, { concurrency: Number.MAX_SAFE_INTEGER });
      await Promise.all(ids(50).map((n) => sink.submit(n)));
      return job.most;
    },
  );
  assertThrows(() => new Fanout(() => {}, { concurrency: Infinity }), RangeError);
});

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

test("migration p-queue: queue.add(({ signal }) => send(item, signal)) -> the handler's context", () => {
  const send = (item: number, signal?: AbortSignal) => {
    const { promise, resolve, reject } = gate<string>();
    signal!.addEventListener("abort", () => reject(signal!.reason));
    if (item === 2) resolve("sent");
    return promise;
  };
  const play = async (submit: (item: number, signal?: AbortSignal) => Promise<string>) => {
    const leaving = new AbortController();
    const left = messageOf(() => submit(1, leaving.signal));
    leaving.abort(new Error("the user left"));
    return [await left, await submit(2, new AbortController().signal)];
  };
  return same(
    ["the user left", "sent"],
    () => {
      const queue = new PQueue({ concurrency: 1 });
      return play((n, signal) => queue.add(({ signal }) => send(n, signal), { signal }));
    },
    async () => {
      await using sink = new Fanout((item: number, { signal }) => send(item, signal));
      return await play((n, signal) => sink.submit(n, { signal }));
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
