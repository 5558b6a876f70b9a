/** The faults of large numbers, at full size and in a small heap. */

import {
  Aggregator,
  BatchStream,
  ChunkStream,
  Fanout,
  FixedChunkStream,
  MapStream,
  Singleflight,
  ThrottleStream,
} from "../../mod.ts";
import { countListeners } from "../support/listeners.ts";
import { ArrayCollector } from "../support/batching.ts";
import { type Case, hang, turn } from "./case.ts";

const MILLION = 1_000_000;

type Maker = (signal: AbortSignal) => unknown;

const sharers: Record<string, Maker> = {
  Fanout: (signal) => new Fanout(hang, { signal }),
  Aggregator: (signal) => new Aggregator(hang, { signal }),
  BatchStream: (signal) => new BatchStream({ signal }),
  ChunkStream: (signal) => new ChunkStream({ maxBytes: 9, signal }),
  "BatchStream with a collector": (signal) =>
    new BatchStream({ collector: () => new ArrayCollector(9), signal }),
  FixedChunkStream: (signal) => new FixedChunkStream({ size: 9, signal }),
  MapStream: (signal) => new MapStream(hang, { signal }),
  ThrottleStream: (signal) => new ThrottleStream({ interval: 9, signal }),
};

/** All cases. */
export const sizes: readonly Case[] = [
  {
    name: `${Object.keys(sharers).join(", ")} share one listener, 1e5 of them on a signal [F-33]`,
    run() {
      const own = new AbortController();
      const listeners = countListeners(own.signal);
      const makers = Object.values(sharers);
      const all = Array.from({ length: 1e5 }, (_, n) => makers[n % makers.length]!(own.signal));
      console.log(all.length, listeners.live, listeners.added);
      own.abort("over");
      console.log(listeners.live);
    },
    prints: ["100000 1 1", "0"],
    heap: 1024,
  },
  {
    name: "Fanout.push() lets 1e6 calls wait for room without an await [F-37]",
    async run() {
      let sum = 0;
      const fanout = new Fanout((n: number) => void (sum += n), { capacity: 16 });
      const held = new Promise<void>((resolve) => setTimeout(resolve, 1));
      const slow = new Fanout((n: number) => n === 1 ? held : void (sum += n), { capacity: 16 });
      for (let n = 1; n <= MILLION; n++) {
        fanout.push(n);
        slow.push(n);
      }
      console.log(slow.stats.accepted);
      await Promise.all([fanout.close(), slow.close()]);
      console.log(sum, fanout.stats.done, slow.stats.done);
    },
    prints: ["17", "1000000999999 1000000 1000000"],
    heap: 1024,
  },
  {
    name: "Aggregator.push() lets 1e6 calls wait for room without an await [F-37]",
    async run() {
      let sum = 0;
      const held = new Promise<void>((resolve) => setTimeout(resolve, 1));
      const sink = new Aggregator((batch: number[]) => {
        for (const n of batch) sum += n;
        return batch[0] === 1 ? held : undefined;
      }, { maxItems: 100 });
      for (let n = 1; n <= MILLION; n++) sink.push(n);
      console.log(sink.stats.accepted);
      await sink.close();
      console.log(sum, sink.stats.done, sink.stats.batches);
    },
    prints: ["300", "500000500000 1000000 10000"],
    heap: 1024,
  },
  ...(["Fanout", "Aggregator"] as const).map((name): Case => ({
    name: `${name}.tryPush() stays bounded over 1e7 calls [F-37]`,
    run() {
      const sink = name === "Fanout"
        ? new Fanout(hang, { capacity: 100 })
        : new Aggregator(hang, { maxItems: 10, capacity: 100, linger: Infinity });
      let taken = 0;
      for (let n = 0; n < 10 * MILLION; n++) if (sink.tryPush({ n })) taken++;
      console.log(taken, sink.stats.waiting);
    },
    prints: [name === "Fanout" ? "101 100" : "110 100"],
    heap: 32,
  })),
  {
    name: "Singleflight.do() has 1e6 keys in flight, and none after they have settled [F-38]",
    async run() {
      const flight = new Singleflight<number | object, number>();
      let land!: (n: number) => void;
      const landed = new Promise<number>((resolve) => land = resolve);
      const fn = () => landed;
      let last: Promise<number> | undefined;
      for (let n = 0; n < MILLION; n++) last = flight.do(n % 2 ? n : { n }, fn);
      const { size } = flight;
      land(1);
      console.log(size, await last, flight.size);
    },
    prints: ["1000000 1 0"],
    heap: 1024,
  },
  {
    name:
      "Singleflight.do() keeps 500 bytes of each of 1e6 callers that left a flight under way [F-40]",
    async run() {
      const flight = new Singleflight<string, string>();
      let land!: (value: string) => void;
      const stays = flight.do("key", () => new Promise((resolve) => land = resolve));
      for (let round = 0; round < 1000; round++) {
        const own = new AbortController();
        const { signal } = own;
        for (let n = 0; n < 1000; n++) flight.do("key", hang, { signal }).catch(() => {});
        own.abort("left");
        await undefined;
      }
      console.log(flight.size);
      land("landed");
      console.log(await stays);
      await turn();
    },
    prints: ["1", "landed"],
    heap: 512,
  },
];
