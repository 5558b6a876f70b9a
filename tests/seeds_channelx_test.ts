/** The program that channelx's `Aggregator` is for: rows of many producers into a database that fails at times. */

import { assertEquals, assertThrows } from "@std/assert";
import { Aggregator, backoff } from "../mod.ts";
import { ids, tally } from "./support/aggregating.ts";
import { settled, turn } from "./support/gate.ts";
import { assertConserved, Hand } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

timed(
  "seed channelx: producers, workers, a database that fails at times, and SafeStop [5.5] [5.40]",
  async (clock) => {
    const stored: number[] = [];
    const lost: number[] = [];
    const attempts = new Map<number, number>();
    // Each third batch fails at its first attempt, and one row always.
    const insert = (rows: number[], { attempt }: { attempt: number }) => {
      for (const row of rows) attempts.set(row, attempt);
      return rows.map((row) => {
        if (row === 42) return new Error("constraint");
        if (row % 12 < 4 && attempt === 1) return new Error("deadlock");
        stored.push(row);
        return undefined;
      });
    };
    const again = backoff({ attempts: 3, min: 100, jitter: false });
    const sink = new Aggregator(insert, {
      maxItems: 4,
      linger: 500,
      concurrency: 3,
      retry: (error, attempt) =>
        (error as Error).message === "deadlock" ? again(error, attempt) : undefined,
      onError: (_error, rows) => void lost.push(...rows),
    });
    const produce = async (from: number) => {
      for (let row = from; row < 100; row += 4) await sink.push(row);
    };
    const produced = Promise.all([0, 1, 2, 3].map(produce));
    const stopped = produced.then(() => sink.close()); // SafeStop
    assertEquals(await settled(stopped), "pending"); // the retries wait
    await clock.tick(1000);
    await stopped;
    assertEquals(stored.toSorted((a, b) => a - b), ids(0, 99).filter((row) => row !== 42));
    assertEquals(lost, [42]);
    assertEquals([attempts.get(0), attempts.get(5), attempts.get(42)], [2, 1, 1]);
    const { done, failed, retried, waiting, running } = sink.stats;
    assertEquals([done, failed, retried, waiting + running], [99, 1, 36, 0]);
    assertConserved(sink);
    assertThrows(() => sink.tryPush(100), TypeError);
  },
);

test("seed channelx: at Stop the rows that no worker has taken are known [5.6]", async () => {
  const lost: number[] = [];
  const { handler, calls } = new Hand<number[]>();
  const sink = new Aggregator(handler, {
    maxItems: 4,
    concurrency: 2,
    onDiscard: (rows) => void lost.push(...rows),
  });
  for (const row of ids(1, 11)) sink.tryPush(row);
  await sink.abort(new Error("stop"));
  for (const call of calls) call.resolve(undefined);
  await turn();
  assertEquals([calls.length, lost], [2, [9, 10, 11]]);
  assertEquals(sink.stats, tally({ accepted: 11, done: 8, discarded: 3, batches: 2 }));
});
