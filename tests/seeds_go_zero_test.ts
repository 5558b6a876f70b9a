/**
 * Programs with go-zero's executors, which end. What each executor does is in `aggregator_articles_test.ts`,
 * `batch_stream_test.ts`, `chunk_stream_test.ts` and `throttle_test.ts`.
 */

import { assertEquals, assertThrows } from "@std/assert";
import { Aggregator, byteLength, type Collector, throttle } from "../mod.ts";
import { ids } from "./support/aggregating.ts";
import { microtasks } from "./support/gate.ts";
import { timed } from "./support/timed.ts";

/** go-zero: the last value of each sensor. */
class Latest implements Collector<[sensor: string, value: number], Record<string, number>> {
  #values: Record<string, number> = {};

  get size(): number {
    return Object.keys(this.#values).length;
  }

  get full(): boolean {
    return this.size === 100;
  }

  add([sensor, value]: [string, number]): void {
    this.#values[sensor] = value;
  }

  take(): Record<string, number> {
    const values = this.#values;
    this.#values = {};
    return values;
  }
}

timed(
  "seed go-zero: at shutdown the bulk, chunk and periodical executors flush, and take nothing more [5.5] [5.11] [4.10]",
  async (clock) => {
    const rows: number[][] = [];
    const texts: string[][] = [];
    const readings: Record<string, number>[] = [];
    const bulk = new Aggregator((batch: number[]) => void rows.push(batch), { maxItems: 3 });
    const chunk = new Aggregator((batch: string[]) => void texts.push(batch), {
      maxWeight: 8,
      weigh: byteLength,
    });
    const periodical = new Aggregator(
      (batch: Record<string, number>) => void readings.push(batch),
      {
        collector: () => new Latest(),
      },
    );
    for (const row of ids(1, 4)) await bulk.push(row);
    for (const text of ["four", "fünf", "in"]) await chunk.push(text);
    for (const value of ids(1, 3)) await periodical.push([`sensor ${value % 2}`, value]);
    await microtasks();
    assertEquals([rows, texts, readings], [
      [[1, 2, 3]],
      [["four"]],
      [],
    ]);
    // What go-zero's `proc` does when the process is told to end.
    const sinks = [bulk, chunk, periodical];
    await Promise.all(sinks.map((sink) => sink.close()));
    assertEquals(rows, [[1, 2, 3], [4]]);
    assertEquals(texts, [["four"], ["fünf", "in"]]);
    assertEquals(readings, [{ "sensor 1": 3, "sensor 0": 2 }]);
    assertEquals(clock.now, 0); // nothing waited for the interval of a second
    assertThrows(() => bulk.tryPush(5), TypeError);
  },
);

timed(
  "seed go-zero: many changes of a file cost one reload, and shutdown makes the one that waits [4.T2] [4.T5]",
  async (clock) => {
    const reloads: Array<[at: number, version: number]> = [];
    const changed = throttle((version: number) => reloads.push([clock.now, version]), {
      interval: 1000,
      edge: "trailing",
    });
    for (const version of ids(1, 5)) {
      changed(version);
      await clock.tick(100);
    }
    await clock.tick(1000);
    assertEquals(reloads, [[1000, 5]]);
    changed(6);
    changed(7);
    changed[Symbol.dispose](); // at shutdown
    assertEquals(reloads, [[1000, 5], [1500, 7]]);
  },
);

timed(
  "seed go-zero: an alarm rings once a minute, and knows how many it left out [4.T1] [4.T4]",
  async (clock) => {
    const rung: string[] = [];
    let before = 0;
    const alarm = throttle((text: string) => {
      rung.push(`${text}, and ${alarm.stats.dropped - before} more`);
      before = alarm.stats.dropped;
    }, { interval: 60_000 });
    const told: boolean[] = [];
    for (let second = 0; second < 120; second += 20) {
      told.push(alarm(`disk full at ${second} s`));
      await clock.tick(20_000);
    }
    alarm("disk full at 120 s");
    assertEquals(told, [true, false, false, true, false, false]);
    assertEquals(rung, [
      "disk full at 0 s, and 0 more",
      "disk full at 60 s, and 2 more",
      "disk full at 120 s, and 2 more",
    ]);
  },
);
