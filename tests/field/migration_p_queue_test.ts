/** The rows of docs/migration.md, "p-queue": p-queue and `Fanout` do the same job. */

import { assertEquals } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import PQueue from "p-queue";
import { backoff, Fanout, RateLimit } from "../../mod.ts";
import { gate, settled, streamOf, turn } from "../support/gate.ts";
import { test } from "../support/test.ts";
import { timed } from "../support/timed.ts";
import { Gated, ids, Job, messageOf, nameOf, same, turns } from "./migration.ts";

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

test("migration p-queue: queue.add(job, { priority: 1 }) -> two sinks", async () => {
  const play = async (gated: Gated<string>, add: (item: string, urgent: boolean) => unknown) => {
    for (const item of ["a", "b", "c"]) add(item, false);
    add("urgent", true);
    await gated.settle("a");
    return gated.started.includes("urgent") && !gated.started.includes("c");
  };
  await same(
    true,
    () => {
      const gated = new Gated<string>();
      const queue = new PQueue({ concurrency: 1 });
      return play(gated, (item, urgent) => {
        queue.add(() => gated.run(item), { priority: urgent ? 1 : 0 });
      });
    },
    async () => {
      const gated = new Gated<string>();
      const [urgent, normal] = [new Fanout(gated.run), new Fanout(gated.run)];
      const first = await play(gated, (item, hurry) => (hurry ? urgent : normal).tryPush(item));
      await Promise.all([urgent.abort(), normal.abort()]);
      return first;
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
