/** The rows of docs/migration.md, "p-queue": leaving, failures, retries and priorities. */

import { assertEquals } from "@std/assert";
import PQueue from "p-queue";
import { PriorityFanout } from "../../examples/recipes/priority.ts";
import { backoff, Fanout } from "../../mod.ts";
import { test } from "../support/test.ts";
import { timed } from "../support/timed.ts";
import { Gated, ids, Job, messageOf, nameOf, same, turns } from "./migration.ts";

test("migration p-queue: queue.add(job, { signal }) -> submit(item, { signal })", async () => {
  const play = async (
    gated: Gated,
    submit: (item: number, signal?: AbortSignal) => Promise<unknown>,
  ) => {
    const first = submit(1);
    const leaving = new AbortController();
    const left = messageOf(() => submit(2, leaving.signal));
    const last = submit(3);
    leaving.abort(new Error("the user left"));
    const error = await left;
    await gated.settle(1);
    await gated.settle(3);
    await Promise.all([first, last]);
    return { error, started: gated.started };
  };
  await same(
    { error: "the user left", started: [1, 3] },
    () => {
      const gated = new Gated();
      const queue = new PQueue({ concurrency: 1 });
      return play(gated, (n, signal) => queue.add(() => gated.run(n), { signal }));
    },
    async () => {
      const gated = new Gated();
      await using sink = new Fanout(gated.run);
      return await play(gated, (n, signal) => sink.submit(n, { signal }));
    },
  );
});

test("migration p-queue: queue.clear() -> abort", () =>
  same(
    { names: ["AbortError", "AbortError"], started: [1] },
    async () => {
      const gated = new Gated();
      const queue = new PQueue({ concurrency: 1 });
      queue.add(() => gated.run(1));
      const names = Promise.all([2, 3].map((n) => nameOf(queue.add(() => gated.run(n)))));
      queue.clear();
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

test("migration p-queue: queue.addEventListener('error', log) -> onError", () =>
  same(
    { errors: ["failed: 2", "failed: 4"], started: ids(5) },
    async () => {
      const job = new Job(2, 4);
      const errors: string[] = [];
      const queue = new PQueue({ concurrency: 1 });
      queue.addEventListener("error", ({ detail }) => errors.push((detail as Error).message));
      for (const n of ids(5)) queue.add(() => job.run(n)).catch(() => {});
      await queue.onIdle();
      return { errors, started: job.started };
    },
    async () => {
      const job = new Job(2, 4);
      const errors: string[] = [];
      const sink = new Fanout(job.run, {
        onError: (error) => void errors.push((error as Error).message),
      });
      for (const n of ids(5)) await sink.push(n);
      await sink.close();
      return { errors, started: job.started };
    },
  ));

test("migration p-queue: await Promise.race([queue.onError(), queue.onIdle()]) -> consume", async () => {
  const started: number[][] = [];
  await same(
    "failed: 2",
    async () => {
      const job = new Job(2);
      const queue = new PQueue({ concurrency: 1 });
      for (const n of ids(4)) queue.add(() => job.run(n)).catch(() => {});
      const message = await messageOf(() => Promise.race([queue.onError(), queue.onIdle()]));
      await queue.onIdle();
      started.push(job.started);
      return message;
    },
    async () => {
      const job = new Job(2);
      const sink = new Fanout(job.run);
      const message = await messageOf(() => sink.consume(ids(4)));
      await turns();
      started.push(job.started);
      return message;
    },
  );
  // p-queue goes on unless you pause it; a sink that has failed starts nothing.
  assertEquals(started, [ids(4), [1, 2]]);
});

timed("migration p-queue: queue.add(() => retry(send)) -> retry", async (clock) => {
  let starts: string[] = [];
  const busyOnce = (start: number) => {
    let calls = 0;
    starts = [];
    return (n: number) => {
      starts.push(`${n} at ${clock.now - start}`);
      if (n === 1 && ++calls === 1) throw new Error("busy");
      return `done: ${n}`;
    };
  };
  await same(
    ["done: 1", "done: 2"],
    async () => {
      const send = busyOnce(clock.now);
      const retried = async (n: number) => {
        try {
          return send(n);
        } catch {
          await new Promise<void>((resolve) => void setTimeout(resolve, 100));
          return send(n);
        }
      };
      const queue = new PQueue({ concurrency: 1 });
      const results = Promise.all([1, 2].map((n) => queue.add(() => retried(n))));
      await clock.tick(100);
      return await results;
    },
    async () => {
      assertEquals(starts, ["1 at 0", "1 at 100", "2 at 100"]); // the delay keeps the slot
      const retry = backoff({ attempts: 2, min: 100, jitter: false });
      await using sink = new Fanout(busyOnce(clock.now), { retry });
      const results = Promise.all([1, 2].map((n) => sink.submit(n)));
      await clock.tick(100);
      return await results;
    },
  );
  assertEquals(starts, ["1 at 0", "2 at 0", "1 at 100"]); // the delay leaves it
});

test("migration p-queue: queue.add(job, { priority: 1 }) -> the recipe priority.ts", async () => {
  const items = ["a", "b", "urgent 1", "c", "urgent 2"];
  const play = async (gated: Gated<string>, add: (item: string, urgent: boolean) => unknown) => {
    for (const item of items) add(item, item.startsWith("urgent"));
    for (let n = 0; n < items.length; n++) await gated.settle(gated.started[n]!);
    return gated.started;
  };
  await same(
    ["a", "urgent 1", "urgent 2", "b", "c"],
    () => {
      const gated = new Gated<string>();
      const queue = new PQueue({ concurrency: 1 });
      return play(gated, (item, urgent) => {
        queue.add(() => gated.run(item), { priority: urgent ? 1 : 0 });
      });
    },
    async () => {
      const gated = new Gated<string>();
      const jobs = new PriorityFanout(gated.run, { concurrency: 1 });
      const started = await play(gated, (item, urgent) => jobs.tryPush(item, urgent ? 0 : 1));
      await jobs.close();
      return started;
    },
  );
});

test("migration p-queue, differs: it takes all that you add, and a sink refuses what has no room", async () => {
  const gated = new Gated();
  const queue = new PQueue({ concurrency: 1 });
  for (const n of ids(5000)) queue.add(() => gated.run(n));
  assertEquals(queue.size, 4999);
  const sink = new Fanout(gated.run);
  const taken = ids(5000).filter((n) => sink.tryPush(n));
  assertEquals([taken.length, sink.stats.refused], [1025, 3975]);
  await sink.abort();
});
