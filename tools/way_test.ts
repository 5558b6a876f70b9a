/**
 * An item's way: through how many files, and calls, an item comes to user code. Counted by the
 * engine while one item goes its way, after another has gone before it.
 */

import { assert } from "@std/assert";
import { Session } from "node:inspector/promises";
import { Aggregator, BatchStream, Fanout, MapStream, Singleflight } from "../mod.ts";

const SOURCES = new URL("../src/", import.meta.url).href;
/** Everybody uses the first; the second is told how many items, and never which. */
const ASIDE = /^core\/(shared\/|work\/counts\.ts)/;

const done = Promise.resolve();

/** The way of an item: what brings one, and through how many files it may come to user code. */
const ways: Record<string, { files: number; prepare: () => () => unknown }> = {
  "Fanout.tryPush() to its handler": {
    files: 4,
    prepare: () => {
      const fanout = new Fanout(() => done, { concurrency: 2 });
      fanout.tryPush(0);
      return () => fanout.tryPush(1);
    },
  },
  "Aggregator.tryPush() to its handler": {
    files: 6,
    prepare: () => {
      const aggregator = new Aggregator(() => done, { maxItems: 2 });
      aggregator.tryPush(0);
      return () => aggregator.tryPush(1);
    },
  },
  "a write to a MapStream to its function": {
    files: 4,
    prepare: () => {
      const { readable, writable } = new MapStream(() => done, { concurrency: 2 });
      readable.getReader().read();
      const writer = writable.getWriter();
      return () => writer.write(1);
    },
  },
  "a write to a BatchStream to its batch": {
    files: 4,
    prepare: () => {
      const { readable, writable } = new BatchStream(1);
      readable.getReader().read();
      const writer = writable.getWriter();
      return () => writer.write(1);
    },
  },
  "Singleflight.do() to its function": {
    files: 2,
    prepare: () => {
      const flight = new Singleflight();
      return () => flight.do("key", () => done);
    },
  },
};

const session = new Session();
session.connect();
await session.post("Profiler.enable");

for (const [name, { files, prepare }] of Object.entries(ways)) {
  Deno.test(`${name} is at most ${files} files`, async () => {
    const go = prepare();
    // The streams have started by then.
    await new Promise((resolve) => setTimeout(resolve));
    const way = await called(go);
    const calls = way.reduce((sum, [, count]) => sum + count, 0);
    const through = way.map(([file]) => file).filter((file) => !ASIDE.test(file));
    const line = `${name}: ${calls} calls, ${through.length} files: ${through.join(", ")}`;
    console.log(line);
    assert(through.length > 0 && through.length <= files, line);
  });
}

/** The files whose functions are called, and how often. */
async function called(go: () => unknown): Promise<[file: string, calls: number][]> {
  const start = { callCount: true, detailed: false, allowTriggeredUpdates: false };
  await session.post("Profiler.startPreciseCoverage", start);
  go();
  const { result } = await session.post("Profiler.takePreciseCoverage");
  await session.post("Profiler.stopPreciseCoverage");
  return result.filter(({ url }) => url.startsWith(SOURCES)).map(({ url, functions }) => {
    // A module has a function of its own, without a name, that ran when it was imported.
    const named = functions.filter(({ functionName }) => functionName !== "");
    const calls = named.reduce((sum, { ranges }) => sum + ranges[0]!.count, 0);
    return [url.slice(SOURCES.length), calls] as [string, number];
  }).filter(([, calls]) => calls > 0);
}
