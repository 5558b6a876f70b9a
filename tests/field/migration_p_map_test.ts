/** The rows of docs/migration.md, "p-map": p-map and `MapStream` do the same job. */

import { assertEquals } from "@std/assert";
import pMap, { pMapIterable, pMapSettled, pMapSkip, pMapStop } from "p-map";
import { Fanout, MapStream } from "../../mod.ts";
import { test } from "../support/test.ts";
import { Gated, ids, Job, messageOf, same, turns } from "./migration.ts";

test("migration p-map: await pMap(urls, get, { concurrency: 4 }) -> Array.fromAsync", () =>
  same(
    { results: ids(10).map((n) => `done: ${n}`), most: 4, error: "failed: 3" },
    async () => {
      const job = new Job();
      const results = await pMap(ids(10), job.run, { concurrency: 4 });
      const failing = new Job(3).run;
      const error = await messageOf(() => pMap(ids(10), failing, { concurrency: 4 }));
      await turns(); // the calls that run go on
      return { results, most: job.most, error };
    },
    async () => {
      const job = new Job();
      const results = await Array.fromAsync(MapStream.from(ids(10), job.run, { concurrency: 4 }));
      const failing = MapStream.from(ids(10), new Job(3).run, { concurrency: 4 });
      const error = await messageOf(() => Array.fromAsync(failing));
      await turns();
      return { results, most: job.most, error };
    },
  ));

test("migration p-map: for await (const x of pMapIterable(urls, get)) -> MapStream.from", () =>
  same(
    { results: ids(10).map((n) => `done: ${n}`), most: 3 },
    async () => {
      const job = new Job();
      const results: string[] = [];
      for await (const x of pMapIterable(ids(10), job.run, { concurrency: 3 })) results.push(x);
      return { results, most: job.most };
    },
    async () => {
      const job = new Job();
      const results: string[] = [];
      for await (const x of MapStream.from(ids(10), job.run, { concurrency: 3 })) results.push(x);
      return { results, most: job.most };
    },
  ));

test("migration p-map: { concurrency: 2, backpressure: 6 } -> capacity", async () => {
  const play = async (open: (source: Iterable<number>) => AsyncIterable<string>) => {
    let read = 0;
    const source = function* () {
      for (const n of ids(50)) {
        read++;
        yield n;
      }
    };
    const iterator = open(source())[Symbol.asyncIterator]();
    await iterator.next();
    await turns(20);
    await iterator.return!();
    return read - 1; // beside the one that was collected
  };
  await same(
    6,
    () => play((items) => pMapIterable(items, new Job().run, { concurrency: 2, backpressure: 6 })),
    () => play((items) => MapStream.from(items, new Job().run, { concurrency: 2, capacity: 6 })),
  );
});

test("migration p-map: { preserveOrder: false } -> { ordered: false }", async () => {
  const play = async (gated: Gated, results: AsyncIterable<string>) => {
    const all = Array.fromAsync(results);
    await turns();
    for (const n of [2, 3, 1]) await gated.settle(n);
    return await all;
  };
  await same(
    ["done: 2", "done: 3", "done: 1"],
    () => {
      const gated = new Gated();
      return play(
        gated,
        pMapIterable(ids(3), gated.run, { concurrency: 3, preserveOrder: false }),
      );
    },
    () => {
      const gated = new Gated();
      return play(gated, MapStream.from(ids(3), gated.run, { concurrency: 3, ordered: false }));
    },
  );
});

test("migration p-map: return pMapSkip in a catch -> onError", () =>
  same(
    ["done: 1", "done: 3"],
    () => {
      const job = new Job(2);
      return pMap(ids(3), (n) => job.run(n).catch(() => pMapSkip), { concurrency: 2 });
    },
    () =>
      Array.fromAsync(
        MapStream.from(ids(3), new Job(2).run, { concurrency: 2, onError: () => {} }),
      ),
  ));

test("migration p-map: { stopOnError: false } -> onError", () =>
  same(
    ["failed: 2", "failed: 4"],
    async () => {
      const mapped = pMap(ids(5), new Job(2, 4).run, { concurrency: 2, stopOnError: false });
      const error: AggregateError = await mapped.then(() => {}, (error) => error);
      return error.errors.map(({ message }) => message);
    },
    async () => {
      const errors: string[] = [];
      const results = await Array.fromAsync(MapStream.from(ids(5), new Job(2, 4).run, {
        concurrency: 2,
        onError: (error) => void errors.push((error as Error).message),
      }));
      assertEquals(results, ["done: 1", "done: 3", "done: 5"]); // which p-map's error loses
      return errors;
    },
  ));

test("migration p-map: await pMapSettled(urls, get, { concurrency: 4 }) -> allSettled over submit", () => {
  const told = (results: PromiseSettledResult<string>[]) =>
    results.map((result) =>
      result.status === "fulfilled" ? result.value : (result.reason as Error).message
    );
  return same(
    ["done: 1", "failed: 2", "done: 3"],
    async () => told(await pMapSettled(ids(3), new Job(2).run, { concurrency: 4 })),
    async () => {
      await using sink = new Fanout(new Job(2).run, { concurrency: 4 });
      return told(await Promise.allSettled(ids(3).map((n) => sink.submit(n))));
    },
  );
});

test("migration p-map: { signal } -> { signal }", async () => {
  let told = 0;
  const play = async (map: (signal: AbortSignal) => Promise<unknown>) => {
    const stop = new AbortController();
    const message = messageOf(() => map(stop.signal));
    await turns();
    stop.abort(new Error("stop"));
    return await message;
  };
  await same(
    "stop",
    () => play((signal) => pMap(ids(5), new Gated().run, { concurrency: 2, signal })),
    () => {
      const gated = new Gated();
      const get = (n: number, { signal }: { signal: AbortSignal }) => {
        signal.addEventListener("abort", () => told++);
        return gated.run(n);
      };
      return play((signal) =>
        Array.fromAsync(MapStream.from(ids(5), get, { concurrency: 2, signal }))
      );
    },
  );
  assertEquals(told, 2); // p-map's mapper is given no signal
});

test("migration p-map: return pMapStop -> break", async () => {
  const page = (n: number) => Promise.resolve(n < 4 ? [`row ${n}`] : []);
  const numbers = function* () {
    for (let n = 1;; n++) yield n;
  };
  await same(
    [["row 1"], ["row 2"], ["row 3"]],
    () =>
      pMap(numbers(), async (n) => {
        const rows = await page(n);
        return rows.length === 0 ? pMapStop : rows;
      }, { concurrency: 2 }),
    async () => {
      const pages: string[][] = [];
      for await (const rows of MapStream.from(numbers(), page, { concurrency: 2 })) {
        if (rows.length === 0) break;
        pages.push(rows);
      }
      return pages;
    },
  );
});

test("migration p-map: (url, index) => … -> entries()", () =>
  same(
    ["0 a", "1 b"],
    () => pMap(["a", "b"], (url, index) => Promise.resolve(`${index} ${url}`), { concurrency: 2 }),
    () =>
      Array.fromAsync(
        MapStream.from(["a", "b"].entries(), ([index, url]) => `${index} ${url}`, {
          concurrency: 2,
        }),
      ),
  ));

test("migration p-map, differs: after a failure its calls go on, and ours are told to stop", async () => {
  let told = 0;
  const get = (n: number, { signal }: { signal: AbortSignal }) => {
    if (n === 1) return Promise.reject(new Error("failed: 1"));
    signal.addEventListener("abort", () => told++);
    return new Promise<string>(() => {});
  };
  const map = MapStream.from(ids(5), get, { concurrency: 3 });
  assertEquals(await messageOf(() => Array.fromAsync(map)), "failed: 1");
  assertEquals(told, 2);
});
