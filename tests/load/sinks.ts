/** Items through every way into the sinks, and sinks that come and go. */

import { Aggregator, Fanout, type FanoutOptions, type Sink } from "../../mod.ts";
import { type Case, FEWER, type Load } from "./load.ts";

const WORKERS = { concurrency: 16 };
const nothing = () => {};
const later = () => Promise.resolve();
const fail = () => Promise.reject("failed");

/** Ends the sink, and returns the number of handled items. */
async function close({ sink, load }: { sink: Sink<number>; load: Load }): Promise<number> {
  await sink.close();
  const { accepted, done, failed, discarded } = sink.stats;
  if (accepted !== load.size || discarded > 0) throw new Error(JSON.stringify(sink.stats));
  return done + failed;
}

type Front = (sink: Sink<number>, load: Load) => Promise<unknown>;

/** The ways that both sinks have: for all items, and for fewer. */
function fronts(name: string, make: (options?: Options) => Sink<number>): Case[] {
  const front = (title: string, run: Front, rest: Partial<Case> = {}, options?: Options): Case => ({
    name: `${name}${title}`,
    ...rest,
    async run(load) {
      const sink = make(options);
      await run(sink, load);
      return await close({ sink, load });
    },
  });
  const fewer = { perMillion: FEWER };
  const consume: Front = (sink, load) => sink.consume(load.stream());
  const push: Front = (sink, load) => load.each((n) => sink.push(n));
  const tryPush: Front = (sink, load) =>
    load.each((n) => {
      if (!sink.tryPush(n)) return sink.push(n);
    });
  return [
    front(".tryPush", tryPush),
    front(".consume", consume),
    front(".consume, an iterable", (sink, load) => sink.consume(load.items()), fewer),
    front(".push", push, fewer),
    front(", piped", (sink, load) => load.stream().pipeTo(sink, { preventClose: true }), fewer),
    front(".consume, a key each", consume, fewer, { key: (n) => n }),
    front(".consume, timeout, context", consume, fewer, {
      timeout: 60_000,
      snapshot: () => (run) => run(),
    }),
  ];
}

type Options = Pick<FanoutOptions<number>, "key" | "timeout" | "snapshot">;

/** All cases. */
export const sinks: readonly Case[] = [
  ...fronts("Fanout", (options) => new Fanout(later, { ...WORKERS, ...options })),
  {
    name: "Fanout.tryPush, synchronous handler",
    perMillion: FEWER,
    async run(load) {
      const sink = new Fanout<number>(nothing, WORKERS);
      await load.each((n) => void sink.tryPush(n));
      return await close({ sink, load });
    },
  },
  {
    name: "Fanout.submit",
    perMillion: FEWER,
    async run(load) {
      const sink = new Fanout((n: number) => Promise.resolve(n));
      await load.each((n) => sink.submit(n));
      return await close({ sink, load });
    },
  },
  {
    name: "Fanout.trySubmit, every other one refused",
    perMillion: FEWER,
    async run(load) {
      const sink = new Fanout((n: number) => Promise.resolve(n), { capacity: 0 });
      let pending: Promise<number> | undefined;
      await load.each((n) => {
        const result = sink.trySubmit(n);
        if (!result) return pending;
        pending = result;
      });
      await sink.close();
      const { done, refused } = sink.stats;
      return done + refused;
    },
  },
  {
    name: "Fanout.tryPush, every handler runs on",
    perMillion: FEWER,
    async run(load) {
      let told = 0;
      const onError = () => void told++;
      const options = { timeout: 1, overrun: "hold" as const, onError, concurrency: 1000 };
      const sink = new Fanout<number>((_, { signal }) =>
        new Promise((settle) => {
          signal.addEventListener("abort", () => setTimeout(settle));
        }), options);
      await load.each((n) => sink.push(n));
      await sink.idle();
      if (sink.stats.overrunning > 0) throw new Error(JSON.stringify(sink.stats));
      return await close({ sink, load });
    },
  },
  {
    name: "Fanout.consume, every handler fails",
    perMillion: FEWER,
    async run(load) {
      let told = 0;
      const sink = new Fanout<number>(fail, { ...WORKERS, onError: () => void told++ });
      await sink.consume(load.stream());
      await close({ sink, load });
      return told;
    },
  },
  ...fronts(
    "Aggregator",
    (options) => new Aggregator(later, { maxItems: 100, ...WORKERS, ...options }),
  ),
  {
    name: "Aggregator.submit",
    perMillion: FEWER,
    async run(load) {
      const sink = new Aggregator<number>((batch: number[]) => batch, { linger: 0 });
      await load.each((n) => {
        const result = sink.submit(n);
        if (n % 100 === 99) return result;
      });
      return await close({ sink, load });
    },
  },
  {
    name: "Aggregator.consume, every batch fails",
    perMillion: FEWER,
    async run(load) {
      let told = 0;
      const options = {
        maxItems: 100,
        onError: (_: unknown, batch: number[]) => told += batch.length,
      };
      const sink = new Aggregator<number>(fail, options);
      await sink.consume(load.stream());
      await close({ sink, load });
      return told;
    },
  },
];
