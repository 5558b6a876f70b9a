/** The rows of docs/migration.md, "p-queue": the rate, and limits of time. */

import { assertEquals } from "@std/assert";
import PQueue, { TimeoutError } from "p-queue";
import { backoff, Fanout, RateLimit } from "../../mod.ts";
import { gate, turn } from "../support/gate.ts";
import { test } from "../support/test.ts";
import { timed } from "../support/timed.ts";
import { ids, nameOf, same } from "./migration.ts";

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

timed("migration p-queue: error instanceof TimeoutError -> the name", async (clock) => {
  const hang = () => new Promise<void>(() => {});
  await same(
    true,
    async () => {
      const queue = new PQueue({ timeout: 10 });
      const late = queue.add(hang).catch((error) => error instanceof TimeoutError);
      await clock.tick(10);
      return await late as boolean;
    },
    async () => {
      await using sink = new Fanout(hang, { timeout: 10 });
      const late = sink.submit(1).catch((error) => error.name === "TimeoutError");
      await clock.tick(10);
      return await late as boolean;
    },
  );
});

test("migration p-queue: queue.add(() => retry(send), { timeout: 5000 }) -> a signal of submit", async () => {
  const send = (): Promise<string> => Promise.reject(new Error("busy"));
  await same(
    "TimeoutError",
    async () => {
      const queue = new PQueue({ concurrency: 1 });
      const forever = async (signal: AbortSignal | undefined) => {
        for (;;) {
          signal?.throwIfAborted();
          await send().catch(() => turn());
        }
      };
      const late = queue.add(({ signal }) => forever(signal), { timeout: 20 });
      return await nameOf(late);
    },
    async () => {
      await using sink = new Fanout(send, { retry: () => 0 });
      const late = await nameOf(sink.submit(1, { signal: AbortSignal.timeout(20) }));
      assertEquals([sink.stats.discarded, sink.stats.failed], [1, 0]);
      return late;
    },
  );
});

timed(
  "migration p-queue, differs: its timeout covers all attempts, and ours each of them",
  async (clock) => {
    const start = clock.now;
    const starts: number[] = [];
    const hang = () => {
      starts.push(clock.now - start);
      return new Promise<string>(() => {});
    };
    const again = backoff({ attempts: 3, min: 10, jitter: false });
    const sink = new Fanout(hang, { timeout: 100, retry: again });
    const late = nameOf(sink.submit(1));
    await clock.tick(1000);
    assertEquals([starts, await late], [[0, 110, 230], "TimeoutError"]);
    await sink.close();

    starts.length = 0;
    const once = new Fanout(hang, {
      timeout: 100,
      retry: (error, attempt) =>
        (error as Error).name === "TimeoutError" ? undefined : again(error, attempt),
    });
    const gone = nameOf(once.submit(1));
    await clock.tick(1000);
    assertEquals([starts.length, await gone], [1, "TimeoutError"]);
    await once.close();
  },
);
