/** The rows of docs/migration.md, "RxJS": what pushes, and our sinks. */

import { assert, assertEquals } from "@std/assert";
import * as rx from "rxjs";
import { Aggregator, Fanout, throttle } from "../../mod.ts";
import type { Clock } from "../support/clock.ts";
import { turn } from "../support/gate.ts";
import { test } from "../support/test.ts";
import { timed } from "../support/timed.ts";
import { Gated, ids, Job, messageOf, same } from "./migration.ts";

test("migration RxJS: observable.pipe(mergeMap(send, 4)).subscribe() -> subscribe to tryPush", () =>
  same(
    { started: ids(20), most: 4 },
    async () => {
      const job = new Job();
      await rx.lastValueFrom(rx.from(ids(20)).pipe(rx.mergeMap((n) => job.run(n), 4)));
      return { started: job.started, most: job.most };
    },
    async () => {
      const job = new Job();
      await using sink = new Fanout(job.run, { concurrency: 4 });
      const lost = (n: number) => job.started.push(-n);
      rx.from(ids(20)).subscribe((n) => {
        if (!sink.tryPush(n)) lost(n);
      });
      await sink.idle();
      return { started: job.started, most: job.most };
    },
  ));

/** Plays rows of a subject: three by number, and two by time. */
async function rows(
  clock: Clock,
  next: (row: number) => unknown,
  inserted: readonly number[][],
): Promise<number[][]> {
  for (const row of ids(3)) next(row);
  await clock.tick(50);
  for (const row of [4, 5]) next(row);
  await clock.tick(250);
  return inserted.filter((rows) => rows.length > 0);
}

timed(
  "migration RxJS: subject.pipe(bufferTime(200, null, 500), mergeMap(insert, 4)) -> Aggregator",
  async (clock) => {
    await same(
      [[1, 2, 3], [4, 5]],
      async () => {
        const inserted: number[][] = [];
        const subject = new rx.Subject<number>();
        const insert = (rows: number[]) => Promise.resolve(inserted.push(rows));
        const running = subject.pipe(rx.bufferTime(200, null, 3), rx.mergeMap(insert, 4))
          .subscribe();
        const seen = await rows(clock, (row) => subject.next(row), inserted);
        running.unsubscribe();
        return seen;
      },
      async () => {
        const inserted: number[][] = [];
        await using sink = new Aggregator(
          (rows: number[]) => Promise.resolve(inserted.push(rows)),
          { maxItems: 3, linger: 200, concurrency: 4 },
        );
        return await rows(clock, (row) => sink.tryPush(row), inserted);
      },
    );
  },
);

test("migration RxJS: subject.next(row) -> tryPush", () =>
  same(
    ids(3),
    () => {
      const job = new Job();
      const subject = new rx.Subject<number>();
      subject.pipe(rx.mergeMap((n) => job.run(n), 4)).subscribe();
      for (const n of ids(3)) subject.next(n);
      return job.started;
    },
    async () => {
      const job = new Job();
      await using sink = new Fanout(job.run, { concurrency: 4 });
      for (const n of ids(3)) assert(sink.tryPush(n));
      return job.started;
    },
  ));

test("migration RxJS: subject.complete() -> close", () =>
  same(
    { inserted: [[1, 2], [3]], ended: true },
    async () => {
      const inserted: number[][] = [];
      const subject = new rx.Subject<number>();
      const insert = (rows: number[]) => turn().then(() => inserted.push(rows));
      const all = subject.pipe(rx.bufferCount(2), rx.mergeMap(insert, 4), rx.toArray());
      const ended = rx.lastValueFrom(all);
      for (const n of ids(3)) subject.next(n);
      subject.complete();
      return { inserted, ended: (await ended).length === 2 };
    },
    async () => {
      const inserted: number[][] = [];
      const insert = (rows: number[]) => turn().then(() => void inserted.push(rows));
      const sink = new Aggregator(insert, { maxItems: 2, concurrency: 4 });
      for (const n of ids(3)) sink.tryPush(n);
      await sink.close();
      return { inserted, ended: sink.stats.done === 3 };
    },
  ));

test("migration RxJS: subject.error(reason) -> abort", () =>
  same(
    { started: [1], error: "the feed broke" },
    async () => {
      const gated = new Gated();
      const subject = new rx.Subject<number>();
      const all = subject.pipe(rx.mergeMap((n) => gated.run(n), 1));
      const error = messageOf(() => rx.lastValueFrom(all));
      for (const n of ids(3)) subject.next(n);
      subject.error(new Error("the feed broke"));
      await gated.settle(1);
      return { started: gated.started, error: await error };
    },
    async () => {
      const gated = new Gated();
      const sink = new Fanout(gated.run);
      const error = messageOf(() => sink.closed);
      for (const n of ids(3)) sink.tryPush(n);
      await sink.abort(new Error("the feed broke"));
      await gated.settle(1);
      return { started: gated.started, error: await error };
    },
  ));

timed("migration RxJS: throttleTime(100, …), tap(f) -> throttle", async (clock) => {
  const play = async (next: (n: number) => unknown, seen: number[]) => {
    for (const n of ids(3)) next(n);
    await clock.tick(100);
    next(4);
    await clock.tick(100);
    return seen;
  };
  await same(
    [1, 3, 4],
    () => {
      const seen: number[] = [];
      const subject = new rx.Subject<number>();
      const both = { leading: true, trailing: true };
      subject.pipe(
        rx.throttleTime(100, rx.asyncScheduler, both),
        rx.tap((n) => seen.push(n)),
      ).subscribe();
      return play((n) => subject.next(n), seen).finally(() => clock.tick(100));
    },
    async () => {
      const seen: number[] = [];
      const throttled = throttle((n: number) => void seen.push(n), { interval: 100, edge: "both" });
      const played = [...await play(throttled, seen)];
      throttled(5);
      throttled.flush();
      assertEquals(seen, [1, 3, 4, 5]);
      return played;
    },
  );
});

test("migration RxJS, differs: handlers overlap, and an update around an await is lost", async () => {
  let [lost, kept] = [0, 0];
  const count = (n: number) => turn().then(() => n);
  await using sink = new Fanout(async (item: number) => {
    lost += await count(item);
    const n = await count(item);
    kept += n;
  }, { concurrency: 4 });
  await sink.consume(ids(4));
  assertEquals([lost, kept], [4, 10]);
});

test("migration RxJS, differs: mergeMap keeps all that comes, and a sink refuses what has no room", async () => {
  let kept = 0;
  const counted = rx.tap<number>(() => kept++);
  const running = rx.from(ids(5000)).pipe(counted, rx.mergeMap(() => rx.NEVER, 1)).subscribe();
  assertEquals(kept, 5000);
  running.unsubscribe();
  const sink = new Fanout(new Gated().run, { capacity: 10 });
  const keeps = new Fanout(new Gated().run, { capacity: Infinity });
  const lost: number[] = [];
  rx.from(ids(5000)).subscribe((n) => {
    if (!sink.tryPush(n)) lost.push(n);
    if (!keeps.tryPush(n)) throw new Error("refused");
  });
  assertEquals([sink.stats.waiting, lost.length, keeps.stats.waiting], [10, 4989, 4999]);
  await Promise.all([sink.abort(), keeps.abort()]);
});
