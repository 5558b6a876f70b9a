/** Items through every transform, by a pipe and by `from`. */

import { BatchStream, MapStream, throttle, ThrottleStream } from "../../mod.ts";
import { from, make, type Transform, transforms, variants } from "../support/transforms.ts";
import { type Case, FEWER, type Load, piped, read } from "./load.ts";

const length = (batch: ArrayLike<unknown>) => batch.length;
const one = () => 1;
const double = (n: number) => Promise.resolve(n * 2);

/** All items by a pipe, and fewer by `from`, if there is one. */
function ofTransform(transform: Transform): Case[] {
  const { name, items, from: hasFrom, count } = transform;
  const stream = (load: Load) => load.stream((n) => items[n % items.length]);
  return [
    {
      name: `${name}, piped`,
      async run(load) {
        const made = make(transform) as ReturnType<typeof make> & { stats?: { dropped?: number } };
        return await piped(stream(load).pipeThrough(made), count) + (made.stats?.dropped ?? 0);
      },
    },
    ...(!hasFrom ? [] : [{
      name: `${name}.from`,
      perMillion: FEWER,
      async run(load: Load) {
        const passed = await read(from(transform, stream(load)), count);
        // A throttle drops all items between the first and the last.
        return name === "ThrottleStream" && passed === 2 ? load.size : passed;
      },
    }]),
  ];
}

/** All cases. */
export const transformCases: readonly Case[] = [
  ...[...transforms, ...variants].flatMap(ofTransform),
  {
    name: "BatchStream, piped, by weight and linger",
    perMillion: FEWER,
    run(load) {
      const batches = new BatchStream<number>({ maxWeight: 1e4, weigh: (n) => n % 100, linger: 1 });
      return piped(load.stream().pipeThrough(batches), length);
    },
  },
  {
    name: "BatchStream.from, linger 0",
    perMillion: FEWER,
    run: (load) => read(BatchStream.from(load.stream(), { linger: 0 }), length),
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
    name: "ThrottleStream, piped, a millisecond each",
    perMillion: FEWER,
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
