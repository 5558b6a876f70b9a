/** The rows of docs/migration.md, "p-queue": pausing, the pace, and waiting for the end. */

import PQueue from "p-queue";
import { Fanout } from "../../mod.ts";
import { settled, turn } from "../support/gate.ts";
import { test } from "../support/test.ts";
import { Gated, ids, Job, same, turns } from "./migration.ts";

test("migration p-queue: queue.pause() -> concurrency = 0", () =>
  same(
    [[1], [1]],
    async () => {
      const job = new Job();
      const queue = new PQueue({ concurrency: 1 });
      queue.add(() => job.run(1));
      queue.pause();
      const before = [...job.started];
      queue.add(() => job.run(2));
      await turns();
      return [before, job.started];
    },
    async () => {
      const job = new Job();
      const sink = new Fanout(job.run);
      sink.tryPush(1);
      sink.concurrency = 0;
      const before = [...job.started];
      sink.tryPush(2);
      await turns();
      await sink.abort();
      return [before, job.started];
    },
  ));

test("migration p-queue: queue.start() -> concurrency = 2", () =>
  same(
    { started: ids(4), most: 2 },
    async () => {
      const job = new Job();
      const queue = new PQueue({ concurrency: 2 });
      queue.pause();
      const calls = ids(4).map((n) => queue.add(() => job.run(n)));
      queue.start();
      await Promise.all(calls);
      return { started: job.started, most: job.most };
    },
    async () => {
      const job = new Job();
      await using sink = new Fanout(job.run, { concurrency: 2 });
      sink.concurrency = 0;
      const calls = ids(4).map((n) => sink.submit(n));
      sink.concurrency = 2;
      await Promise.all(calls);
      return { started: job.started, most: job.most };
    },
  ));

test("migration p-queue: { autoStart: false } -> { concurrency: 0 }", () =>
  same(
    [[], [1, 2]],
    async () => {
      const job = new Job();
      const queue = new PQueue({ concurrency: 1, autoStart: false });
      const calls = ids(2).map((n) => queue.add(() => job.run(n)));
      await turn();
      const before = [...job.started];
      queue.start();
      await Promise.all(calls);
      return [before, job.started];
    },
    async () => {
      const job = new Job();
      await using sink = new Fanout(job.run, { concurrency: 0 });
      const calls = ids(2).map((n) => sink.submit(n));
      await turn();
      const before = [...job.started];
      sink.concurrency = 1;
      await Promise.all(calls);
      return [before, job.started];
    },
  ));

test("migration p-queue: queue.concurrency = 3 -> sink.concurrency = 3", () =>
  same(
    [1, 3],
    () => {
      const gated = new Gated();
      const queue = new PQueue({ concurrency: 1 });
      for (const n of ids(5)) queue.add(() => gated.run(n));
      const before = queue.pending;
      queue.concurrency = 3;
      return [before, queue.pending];
    },
    async () => {
      const sink = new Fanout(new Gated().run);
      for (const n of ids(5)) sink.tryPush(n);
      const before = sink.stats.running;
      sink.concurrency = 3;
      const after = sink.stats.running;
      await sink.abort();
      return [before, after];
    },
  ));

test("migration p-queue: await queue.onIdle() -> await sink.idle()", () =>
  same(
    ["pending", "pending", "fulfilled"],
    async () => {
      const gated = new Gated();
      const queue = new PQueue({ concurrency: 1 });
      for (const n of ids(2)) queue.add(() => gated.run(n));
      const idle = queue.onIdle();
      const states = [await settled(idle)];
      await gated.settle(1);
      states.push(await settled(idle));
      await gated.settle(2);
      return [...states, await settled(idle)];
    },
    async () => {
      const gated = new Gated();
      await using sink = new Fanout(gated.run);
      for (const n of ids(2)) sink.tryPush(n);
      const idle = sink.idle();
      const states = [await settled(idle)];
      await gated.settle(1);
      states.push(await settled(idle));
      await gated.settle(2);
      return [...states, await settled(idle)];
    },
  ));

test("migration p-queue: queue.size, queue.pending -> stats", () =>
  same(
    [3, 2],
    () => {
      const gated = new Gated();
      const queue = new PQueue({ concurrency: 2 });
      for (const n of ids(5)) queue.add(() => gated.run(n));
      return [queue.size, queue.pending];
    },
    async () => {
      const sink = new Fanout(new Gated().run, { concurrency: 2 });
      for (const n of ids(5)) sink.tryPush(n);
      const { waiting, running } = sink.stats;
      await sink.abort();
      return [waiting, running];
    },
  ));
