/**
 * Consumers that stand still: refused items, items that are not pulled, and items that wait for
 * room.
 */

import {
  Aggregator,
  BatchStream,
  Fanout,
  FixedChunkStream,
  MapStream,
  type Sink,
} from "../../mod.ts";
import { gate, turn } from "../support/gate.ts";
import { type Case, FEWER, memory } from "./load.ts";

const SOURCE = 10_000_000;
const WORKERS = 16;
const CAPACITY = 1000;
// The memory of a waiting push: an item, a promise and its two functions.
const BYTES_A_PUSH = 500;

const hang = () => new Promise<never>(() => {});
const wide = { concurrency: WORKERS, capacity: CAPACITY };
const batched = { ...wide, maxItems: 100, linger: 1 };

/** Pushes until the sink is full, and goes on pushing. */
function refused(name: string, make: () => Sink<number>, most: number): Case {
  return {
    name: `${name}.tryPush, refused`,
    async run(load) {
      const sink = make();
      let accepted = 0;
      await load.each((n) => void (sink.tryPush(n) && accepted++));
      expect(accepted, most, "accepted");
      expect(sink.stats.accepted, most, "counted");
      return load.size;
    },
  };
}

/** Opens a way from a long source to a consumer that takes nothing, and lets time pass. */
function stalled<T = number>(
  name: string,
  open: (source: ReadableStream<T>) => unknown,
  most: number,
  item: (n: number) => T = (n) => n as T,
): Case {
  return {
    name: `${name}, stalled`,
    perMillion: 10_000,
    async run(load) {
      let pulled = 0;
      const source = new ReadableStream<T>({
        pull(controller) {
          controller.enqueue(item(pulled));
          if (++pulled === SOURCE) controller.close();
        },
      }, { highWaterMark: 0 });
      // Keeps the way alive while time passes.
      const opened = open(source);
      await load.each((n) => n % 100 === 0 ? turn() : Promise.resolve());
      expect(pulled, most, "pulled");
      load.note = `${pulled} pulled`;
      void opened;
      return load.size;
    },
  };
}

function expect(count: number, most: number, what: string): void {
  if (count !== most) throw new Error(`${count} ${what}, not ${most}`);
}

/** All cases. In a sum, the items inside come before those that wait outside. */
export const stalls: readonly Case[] = [
  refused("Fanout", () => new Fanout(hang, wide), WORKERS + CAPACITY),
  refused("Aggregator", () => new Aggregator(hang, batched), WORKERS * 100 + CAPACITY),
  stalled("Fanout, piped", (source) => source.pipeTo(new Fanout(hang, wide)), 1016 + 1),
  stalled("Fanout.consume", (source) => new Fanout(hang, wide).consume(source), 1016 + 1),
  stalled(
    "Aggregator, piped",
    (source) => source.pipeTo(new Aggregator(hang, batched)),
    2600 + 1,
  ),
  stalled(
    "Aggregator.consume",
    (source) => new Aggregator(hang, batched).consume(source),
    2600 + 1,
  ),
  stalled("BatchStream, piped", (source) => source.pipeThrough(new BatchStream(100)), 100 + 1),
  stalled("BatchStream.from", async (source) => {
    const reader = BatchStream.from(source, 100).getReader();
    await reader.read();
    return reader;
  }, 100 + 100),
  stalled(
    "FixedChunkStream, piped",
    (source) => source.pipeThrough(new FixedChunkStream({ size: 6400 })),
    100 + 1,
    () => new Uint8Array(64),
  ),
  stalled(
    "MapStream, piped",
    (source) => source.pipeThrough(new MapStream(hang, { concurrency: WORKERS })),
    16 + 1,
  ),
  stalled("MapStream.from", async (source) => {
    const options = { concurrency: WORKERS };
    const reader = MapStream.from(source, (n) => Promise.resolve(n), options).getReader();
    await reader.read();
    return reader;
  }, 1 + 16),
  {
    name: "Fanout.push, not awaited",
    perMillion: FEWER,
    async run(load) {
      const burst = async () => {
        const { promise, resolve } = gate();
        const sink = new Fanout<number>(() => promise, wide);
        const before = memory().heap;
        for (let n = 0; n < load.size; n++) sink.push(n);
        const bytes = (memory().heap - before) / load.size;
        resolve();
        await sink.idle();
        // The first case grows the process to its final size.
        load.look();
        load.note = `${Math.round(bytes)} bytes a push`;
        if (bytes > BYTES_A_PUSH) throw new Error(`${load.note}, more than ${BYTES_A_PUSH}`);
        return sink.stats.done;
      };
      await burst();
      return await burst();
    },
  },
];
