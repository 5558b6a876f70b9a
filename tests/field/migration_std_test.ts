/**
 * The rows of docs/migration.md, "@std". `deno-std` is what `@std` is on npm. It has no unstable modules: for
 * those the expected outcome is what their documentation says.
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { retry } from "@std/async/retry";
import { debounce as untypedDebounce } from "deno-std/async/debounce.js";
import { pooledMap as untypedPooledMap } from "deno-std/async/pool.js";
import { mergeReadableStreams as untypedMerge } from "deno-std/streams/merge_readable_streams.js";
import { backoff, BatchStream, Fanout, FixedChunkStream, MapStream, throttle } from "../../mod.ts";
import { collect, streamOf } from "../support/gate.ts";
import { test } from "../support/test.ts";
import { timed } from "../support/timed.ts";
import { ids, Job, nameOf, same } from "./migration.ts";

// The package comes without types.
interface Debounced {
  (value: number): void;
  clear(): void;
  flush(): void;
}
const debounce = untypedDebounce as (fn: (value: number) => void, wait: number) => Debounced;
const pooledMap = untypedPooledMap as (
  limit: number,
  items: Iterable<number>,
  fn: (item: number) => Promise<string>,
) => AsyncIterableIterator<string>;
const mergeReadableStreams = untypedMerge as (
  ...streams: ReadableStream<number>[]
) => ReadableStream<number>;

test("migration @std: pooledMap(4, urls, get) -> MapStream.from", () =>
  same(
    { results: ids(10).map((n) => `done: ${n}`), most: 4 },
    async () => {
      const job = new Job();
      const results = await Array.fromAsync(pooledMap(4, ids(10), job.run));
      return { results, most: job.most };
    },
    async () => {
      const job = new Job();
      const results = await Array.fromAsync(MapStream.from(ids(10), job.run, { concurrency: 4 }));
      return { results, most: job.most };
    },
  ));

test("migration @std, differs: pooledMap ends with one error of all failures, MapStream with the first itself", async () => {
  const outcome = async (results: AsyncIterable<string>) => {
    const seen: string[] = [];
    try {
      for await (const result of results) seen.push(result);
      return "no error";
    } catch (error) {
      const { name, message, errors = [] } = error as AggregateError;
      return { seen, name, errors: errors.length, own: message === "failed: 1" };
    }
  };
  assertEquals(
    await outcome(pooledMap(2, ids(4), new Job(1, 2).run)),
    { seen: [], name: "AggregateError", errors: 2, own: false },
  );
  assertEquals(
    await outcome(MapStream.from(ids(4), new Job(1, 2).run, { concurrency: 2 })),
    { seen: [], name: "Error", errors: 0, own: true },
  );
});

timed("migration @std: debounce(save, 100) -> throttle at the trailing edge", async (clock) => {
  const burst = async (call: (value: number) => unknown) => {
    for (const value of ids(3)) call(value);
    await clock.tick(100);
  };
  await same(
    [3],
    async () => {
      const saved: number[] = [];
      await burst(debounce((value) => saved.push(value), 100));
      return saved;
    },
    async () => {
      const saved: number[] = [];
      const options = { interval: 100, edge: "trailing" } as const;
      await burst(throttle((value: number) => saved.push(value), options));
      return saved;
    },
  );
});

timed(
  "migration @std, differs: calls that never pause postpone debounce, and not throttle",
  async (clock) => {
    const saved: Record<string, number[]> = { debounced: [], throttled: [] };
    const debounced = debounce((value) => saved.debounced!.push(value), 100);
    const throttled = throttle((value: number) => saved.throttled!.push(value), {
      interval: 100,
      edge: "trailing",
    });
    for (const value of ids(10)) {
      debounced(value);
      throttled(value);
      await clock.tick(50);
    }
    assertEquals(saved, { debounced: [], throttled: [2, 4, 6, 8, 10] });
    debounced.clear();
  },
);

timed("migration @std: debounced.flush() -> flush", () =>
  same(
    [2],
    () => {
      const saved: number[] = [];
      const save = debounce((value) => saved.push(value), 100);
      save(1);
      save(2);
      save.flush();
      return saved;
    },
    () => {
      const saved: number[] = [];
      const options = { interval: 100, edge: "trailing" } as const;
      const save = throttle((value: number) => saved.push(value), options);
      save(1);
      save(2);
      save.flush();
      return saved;
    },
  ));

timed("migration @std: debounced.clear() -> cancel", (clock) =>
  same(
    [],
    async () => {
      const saved: number[] = [];
      const save = debounce((value) => saved.push(value), 100);
      save(1);
      save.clear();
      await clock.tick(100);
      return saved;
    },
    async () => {
      const saved: number[] = [];
      const options = { interval: 100, edge: "trailing" } as const;
      const save = throttle((value: number) => saved.push(value), options);
      save(1);
      save.cancel();
      await clock.tick(100);
      return saved;
    },
  ));

timed("migration @std: throttle(log, 1000) -> throttle", async (clock) => {
  // "prevents the given func from being called more than once within a given timeframe"
  const logged: number[] = [];
  const log = throttle((value: number) => logged.push(value), { interval: 1000 });
  log(1);
  await clock.tick(999);
  log(2);
  await clock.tick(1);
  log(3);
  assertEquals(logged, [1, 3]);
});

timed("migration @std: retry(() => send(item)) -> backoff", async (clock) => {
  const busyTwice = (calls: number[], start: number) => (item: string) => {
    calls.push(clock.now - start);
    if (calls.length < 3) throw new Error("busy");
    return `done: ${item}`;
  };
  await same(
    { result: "done: a", calls: [0, 1000, 3000] },
    async () => {
      const calls: number[] = [];
      const send = busyTwice(calls, clock.now);
      const result = retry(() => send("a"), { jitter: 0 });
      await clock.tick(3000);
      return { result: await result, calls };
    },
    async () => {
      const calls: number[] = [];
      const options = { retry: backoff({ min: 1000, max: 60_000, jitter: false }) };
      await using sink = new Fanout(busyTwice(calls, clock.now), options);
      const result = sink.submit("a");
      await clock.tick(3000);
      return { result: await result, calls };
    },
  );
});

timed("migration @std: deadline(send(item), 1000) -> timeout", async (clock) => {
  const never = () => new Promise<string>(() => {});
  const play = async (call: Promise<unknown>) => {
    const name = nameOf(call);
    await clock.tick(1000);
    return await name;
  };
  await same(
    "TimeoutError",
    () => {
      // `AbortSignal.timeout` is real: it is waited for.
      return nameOf(deadline(never(), 1));
    },
    async () => {
      await using sink = new Fanout(never, { timeout: 1000 });
      return await play(sink.submit(1));
    },
  );
});

test("migration @std: mergeReadableStreams(a, b).pipeTo(w) -> two consume", () => {
  const streams = () => [streamOf([1, 2, 3]), streamOf([4, 5])] as const;
  return same(
    [1, 2, 3, 4, 5],
    async () => {
      const seen: number[] = [];
      const writable = new WritableStream<number>({ write: (n) => void seen.push(n) });
      await mergeReadableStreams(...streams()).pipeTo(writable);
      return seen.toSorted();
    },
    async () => {
      const seen: number[] = [];
      await using sink = new Fanout((n: number) => void seen.push(n));
      await Promise.all(streams().map((stream) => sink.consume(stream)));
      return seen.toSorted();
    },
  );
});

test("migration @std: new BatchStream(2) -> the same", async () => {
  // "Emits a T[] every size input chunks and flushes any final non-empty partial batch"
  const batches = await collect(streamOf(ids(5)).pipeThrough(new BatchStream<number>(2)));
  assertEquals(batches, [[1, 2], [3, 4], [5]]);
});

test("migration @std: new FixedChunkStream(4) -> the same", async () => {
  // "resize Uint8Array chunks into perfectly size chunks with the exception of the last chunk"
  const bytes = [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6, 7, 8, 9)];
  const pieces = await collect(streamOf(bytes).pipeThrough(new FixedChunkStream(4)));
  assertEquals(pieces.map((piece) => [...piece]), [[1, 2, 3, 4], [5, 6, 7, 8], [9]]);
});
