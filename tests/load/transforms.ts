/** Items through every transform, by a pipe and by `from`. */

import {
  BatchStream,
  ChunkStream,
  type Collector,
  FixedChunkStream,
  MapStream,
  throttle,
  ThrottleStream,
} from "../../mod.ts";
import { type Case, FEWER, piped, read } from "./load.ts";

const BYTES = new Uint8Array(64);
const MAXIMUM = 100 * BYTES.length;

const length = (batch: ArrayLike<unknown>) => batch.length;
const one = () => 1;
const bytes = () => BYTES;
const packets = (piece: Uint8Array) => piece.length / BYTES.length;

/** The sum and the count of a hundred numbers. */
class Sums implements Collector<number, { count: number; sum: number }> {
  #held = { count: 0, sum: 0 };

  get size(): number {
    return this.#held.count;
  }

  get full(): boolean {
    return this.#held.count === 100;
  }

  add(n: number): void {
    this.#held.count++;
    this.#held.sum += n;
  }

  take(): { count: number; sum: number } {
    const held = this.#held;
    this.#held = { count: 0, sum: 0 };
    return held;
  }
}

const collecting = { collector: () => new Sums() };
const count = (batch: { count: number }) => batch.count;
const double = (n: number) => Promise.resolve(n * 2);

/** All of them. */
export const transforms: readonly Case[] = [
  {
    name: "BatchStream, piped",
    run: (load) => piped(load.stream().pipeThrough(new BatchStream<number>(100)), length),
  },
  {
    name: "BatchStream, piped, by weight and linger",
    perMillion: FEWER,
    run(load) {
      const batches = new BatchStream<number>({ maxWeight: 1e4, weigh: (n) => n % 100, linger: 1 });
      return piped(load.stream().pipeThrough(batches), length);
    },
  },
  {
    name: "BatchStream.from",
    run: (load) => read(BatchStream.from(load.stream(), 100), length),
  },
  {
    name: "BatchStream.from, linger 0",
    perMillion: FEWER,
    run: (load) => read(BatchStream.from(load.stream(), { linger: 0 }), length),
  },
  {
    name: "ChunkStream, piped",
    perMillion: FEWER,
    run(load) {
      const chunks = new ChunkStream<Uint8Array>({ maxBytes: MAXIMUM });
      return piped(load.stream<Uint8Array>(bytes).pipeThrough(chunks), length);
    },
  },
  {
    name: "ChunkStream.from",
    run: (load) => read(ChunkStream.from(load.stream(bytes), { maxBytes: MAXIMUM }), length),
  },
  {
    name: "BatchStream with a collector, piped",
    perMillion: FEWER,
    run: (load) => piped(load.stream().pipeThrough(new BatchStream(collecting)), count),
  },
  {
    name: "BatchStream.from with a collector",
    run: (load) => read(BatchStream.from(load.stream(), collecting), count),
  },
  {
    name: "FixedChunkStream, piped",
    run(load) {
      const pieces = new FixedChunkStream({ size: 4000 });
      return piped(load.stream<BufferSource>(bytes).pipeThrough(pieces), packets);
    },
  },
  {
    name: "MapStream, piped",
    perMillion: FEWER,
    run(load) {
      const results = load.stream().pipeThrough(new MapStream(double, { concurrency: 16 }));
      return piped(results, one);
    },
  },
  {
    name: "MapStream.from",
    run: (load) => read(MapStream.from(load.stream(), double, { concurrency: 16 }), one),
  },
  {
    name: "MapStream.from, a key each, unordered, timeout",
    perMillion: FEWER,
    run(load) {
      const options = { concurrency: 16, ordered: false, key: (n: number) => n, timeout: 60_000 };
      return read(MapStream.from(load.stream(), double, options), one);
    },
  },
  {
    name: "ThrottleStream, piped",
    async run(load) {
      const latest = new ThrottleStream<number>({ interval: 1, edge: "both" });
      const passed = await piped(load.stream().pipeThrough(latest), one);
      if (passed !== latest.stats.done) throw new Error(`${passed} of ${latest.stats.done} passed`);
      return passed + latest.stats.dropped;
    },
  },
  {
    name: "throttle",
    async run(load) {
      let passed = 0;
      using latest = throttle(() => passed++, { interval: 1, edge: "trailing" });
      await load.each(() => void latest());
      latest.flush();
      return passed + latest.stats.dropped;
    },
  },
];
