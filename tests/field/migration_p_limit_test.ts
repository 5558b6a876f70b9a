/** The rows of docs/migration.md, "p-limit": p-limit and `Fanout` do the same job. */

import { assertEquals } from "@std/assert";
import pLimit, { limitFunction } from "p-limit";
import { Fanout, MapStream } from "../../mod.ts";
import { settled } from "../support/gate.ts";
import { test } from "../support/test.ts";
import { Gated, ids, Job, messageOf, nameOf, same, turns } from "./migration.ts";

test("migration p-limit: limit(get, url) -> submit", () =>
  same(
    { results: ids(6).map((n) => `done: ${n}`), started: ids(6), most: 2, error: "failed: 1" },
    async () => {
      const job = new Job();
      const limit = pLimit(2);
      const results = await Promise.all(ids(6).map((n) => limit(job.run, n)));
      const error = await messageOf(() => limit(new Job(1).run, 1));
      return { results, started: job.started, most: job.most, error };
    },
    async () => {
      const job = new Job();
      await using sink = new Fanout(job.run, { concurrency: 2 });
      const results = await Promise.all(ids(6).map((n) => sink.submit(n)));
      await using failing = new Fanout(new Job(1).run);
      const error = await messageOf(() => failing.submit(1));
      return { results, started: job.started, most: job.most, error };
    },
  ));

test("migration p-limit: limit(() => job()) -> a handler that calls the job", () => {
  const job = new Job();
  const jobs: Array<() => Promise<string>> = [() => job.run(1), () => Promise.resolve("other")];
  return same(
    ["done: 1", "other"],
    () => {
      const limit = pLimit(1);
      return Promise.all(jobs.map((job) => limit(() => job())));
    },
    async () => {
      await using sink = new Fanout((job: () => Promise<string>) => job());
      return await Promise.all(jobs.map((job) => sink.submit(job)));
    },
  );
});

test("migration p-limit: await limit.map(urls, get) -> Array.fromAsync", () =>
  same(
    { results: ids(6).map((n) => `done: ${n}`), most: 3 },
    async () => {
      const job = new Job();
      return { results: await pLimit(3).map(ids(6), job.run), most: job.most };
    },
    async () => {
      const job = new Job();
      const mapped = MapStream.from(ids(6), job.run, { concurrency: 3 });
      return { results: await Array.fromAsync(mapped), most: job.most };
    },
  ));

test("migration p-limit: limitFunction(get, { concurrency: 2 }) -> a function that submits", () =>
  same(
    { results: ids(4).map((n) => `done: ${n}`), most: 2 },
    async () => {
      const job = new Job();
      const limited = limitFunction(job.run, { concurrency: 2 });
      return { results: await Promise.all(ids(4).map((n) => limited(n))), most: job.most };
    },
    async () => {
      const job = new Job();
      await using sink = new Fanout(job.run, { concurrency: 2 });
      const limited = (n: number) => sink.submit(n);
      return { results: await Promise.all(ids(4).map((n) => limited(n))), most: job.most };
    },
  ));

test("migration p-limit: limit.activeCount, limit.pendingCount -> stats", () =>
  same(
    [2, 3],
    async () => {
      const gated = new Gated();
      const limit = pLimit(2);
      for (const n of ids(5)) limit(gated.run, n);
      await turns();
      return [limit.activeCount, limit.pendingCount];
    },
    async () => {
      const sink = new Fanout(new Gated().run, { concurrency: 2 });
      for (const n of ids(5)) sink.tryPush(n);
      const { running, waiting } = sink.stats;
      await sink.abort();
      return [running, waiting];
    },
  ));

test("migration p-limit: limit.concurrency = 3 -> sink.concurrency = 3", () =>
  same(
    [[1], [1, 2, 3]],
    async () => {
      const gated = new Gated();
      const limit = pLimit(1);
      for (const n of ids(5)) limit(gated.run, n);
      await turns();
      const before = [...gated.started];
      limit.concurrency = 3;
      await turns();
      return [before, gated.started];
    },
    async () => {
      const gated = new Gated();
      const sink = new Fanout(gated.run);
      for (const n of ids(5)) sink.tryPush(n);
      const before = [...gated.started];
      sink.concurrency = 3;
      await turns();
      await sink.abort();
      return [before, gated.started];
    },
  ));

test("migration p-limit: limit.clearQueue() -> abort", () =>
  same(
    { names: ["AbortError", "AbortError"], started: [1] },
    async () => {
      const gated = new Gated();
      const limit = pLimit({ concurrency: 1, rejectOnClear: true });
      limit(gated.run, 1);
      const names = Promise.all([2, 3].map((n) => nameOf(limit(gated.run, n))));
      await turns();
      limit.clearQueue();
      return { names: await names, started: gated.started };
    },
    async () => {
      const gated = new Gated();
      const sink = new Fanout(gated.run);
      sink.tryPush(1);
      const names = Promise.all([2, 3].map((n) => nameOf(sink.submit(n))));
      await sink.abort();
      return { names: await names, started: gated.started };
    },
  ));

test("migration p-limit, differs: it starts later, and what clearQueue gives up never settles", async () => {
  const [theirs, ours] = [new Gated(), new Gated()];
  const limit = pLimit(1);
  limit(theirs.run, 1);
  const sink = new Fanout(ours.run);
  sink.tryPush(1);
  assertEquals([theirs.started, ours.started], [[], [1]]);
  const [cleared, aborted] = [limit(theirs.run, 2), sink.submit(2)];
  await turns();
  limit.clearQueue();
  const states = Promise.all([settled(cleared), settled(aborted)]);
  await sink.abort();
  assertEquals(await states, ["pending", "rejected"]);
});
