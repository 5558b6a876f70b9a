/** Unhandled failures, except those of sinks: which end the process, and which must not. */

import {
  BatchStream,
  ChunkStream,
  FixedChunkStream,
  MapStream,
  Singleflight,
  throttle,
} from "../../mod.ts";
import { ArrayCollector } from "../support/batching.ts";
import { type Case, fail, failingLate, hang, oops, tell, turn } from "./case.ts";

const ignore = () => {};

const froms: Record<
  string,
  (source: AsyncIterable<number>, signal?: AbortSignal) => ReadableStream
> = {
  BatchStream: (source, signal) => BatchStream.from(source, { signal }),
  ChunkStream: (source, signal) =>
    ChunkStream.from(source, { maxBytes: 9, byteLength: () => 1, signal }),
  "BatchStream with a collector": (source, signal) =>
    BatchStream.from(source, { collector: () => new ArrayCollector(9), signal }),
  MapStream: (source, signal) => MapStream.from(source, hang, { concurrency: 9, signal }),
};

function ofFrom(name: string, from: (typeof froms)[string]): Case[] {
  return [
    {
      name:
        `${name}.from() leaves no rejection of its source unhandled when its signal aborts [F-33]`,
      async run() {
        const own = new AbortController();
        const read = tell(from(failingLate(), own.signal).getReader().read());
        await turn();
        own.abort("over");
        await read;
        await turn();
        await turn();
      },
      prints: ["returned", "rejected: over"],
    },
    {
      name: `${name}.from() surfaces an error of its source's end after a cancel [F-30]`,
      async run() {
        const reader = from(failingLate()).getReader();
        const read = tell(reader.read());
        await turn();
        await tell(reader.cancel("enough"));
        await read;
      },
      ...{ prints: ["returned", "fulfilled", "fulfilled"], dies: "oops" },
    },
  ];
}

const broken: Record<string, () => TransformStreamPair> = {
  BatchStream: () => new BatchStream({ maxWeight: 9, weigh: thrower }),
  ChunkStream: () => new ChunkStream({ maxBytes: 9, byteLength: thrower }),
  "BatchStream with a collector": () =>
    new BatchStream({
      collector: () => ({ size: 0, full: false, add: thrower, take: ignore }),
    }),
  FixedChunkStream: () => new FixedChunkStream({ size: 9 }) as TransformStreamPair,
  MapStream: () => new MapStream(thrower),
};

interface TransformStreamPair {
  readonly readable: ReadableStream<unknown>;
  readonly writable: WritableStream<unknown>;
}

function thrower(): never {
  throw oops;
}

function ofTransform(name: string, make: () => TransformStreamPair): Case[] {
  const id = name === "MapStream" ? "[F-13]" : name === "FixedChunkStream" ? "[F-09]" : "[F-29]";
  return [
    {
      name: `${name} that fails in an unread pipe leaves nothing unhandled ${id}`,
      async run() {
        const source = new ReadableStream({
          pull: (controller) => controller.enqueue(1),
          cancel: () => console.log("cancelled"),
        });
        const readable = source.pipeThrough(make());
        readable.getReader().closed.catch(ignore);
        await turn();
        await turn();
      },
      prints: ["cancelled"],
    },
    {
      name: `${name} that fails rejects only its reader and its writer ${id}`,
      async run() {
        const { readable, writable } = make();
        const [writer, reader] = [writable.getWriter(), readable.getReader()];
        const read = reader.read();
        // A call of `MapStream` starts when its write has been accepted.
        await writer.write(1).catch(ignore);
        await read.catch(() => console.log("read"));
        await writer.closed.catch(() => console.log("closed"));
        await writer.write(2).catch(() => console.log("written"));
      },
      prints: ["read", "closed", "written"],
    },
  ];
}

/** All cases. */
export const failures: readonly Case[] = [
  ...Object.entries(froms).flatMap(([name, from]) => ofFrom(name, from)),
  ...Object.entries(broken).flatMap(([name, make]) => ofTransform(name, make)),
  {
    name: "MapStream whose calls reject late leaves nothing unhandled [F-17] [F-19]",
    async run() {
      let late = 0;
      const calls = async (item: number) => {
        await new Promise((resolve) => setTimeout(resolve, item));
        console.log("late", ++late);
        throw oops;
      };
      const results = MapStream.from([20, 20, 21], calls, { concurrency: 3, timeout: 5 });
      await results.getReader().read().catch((error) => console.log(error.name));
      while (late < 3) await turn();
    },
    prints: ["TimeoutError", "late 1", "late 2", "late 3"],
  },
  {
    name: "throttle() surfaces an error of its function when a timer calls it [F-13]",
    run() {
      const throttled = throttle(thrower, { interval: 20, edge: "trailing" });
      throttled();
      console.log("waits");
    },
    ...{ prints: ["waits"], dies: "oops" },
  },
  {
    name: "Singleflight leaves the failure only to its callers [F-13]",
    async run() {
      const flight = new Singleflight();
      const { signal } = new AbortController();
      const calls = [
        flight.do("key", fail),
        flight.do("key", fail),
        flight.do("key", fail, { signal }),
        flight.doShared("key", fail),
      ];
      await Promise.all(calls.map(tell));
    },
    prints: ["rejected: oops", "rejected: oops", "rejected: oops", "rejected: oops"],
  },
  {
    name: "Singleflight leaves a dropped call to the process [F-13]",
    run() {
      new Singleflight().do("key", fail);
      console.log("dropped");
    },
    ...{ prints: ["dropped"], dies: "oops" },
  },
  {
    name: "Singleflight whose callers have all left leaves nothing unhandled [F-17]",
    async run() {
      const own = new AbortController();
      const flight = new Singleflight();
      const late = async () => {
        await turn();
        console.log("late");
        throw oops;
      };
      const call = tell(flight.do("key", late, { signal: own.signal }));
      own.abort("left");
      await call;
      await turn();
      await turn();
    },
    prints: ["rejected: left", "late"],
  },
  {
    name: "Singleflight.forget() leaves no rejection of the old call unhandled [F-39]",
    async run() {
      const flight = new Singleflight<string, unknown>();
      const old = tell(flight.do("key", fail));
      flight.forget("key");
      await tell(flight.do("key", turn));
      await old;
    },
    prints: ["rejected: oops", "fulfilled"],
  },
];
