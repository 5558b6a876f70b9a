/** Failures that nobody looks at: which of them end the process, and which must not. */

import {
  Aggregator,
  BatchStream,
  ChunkStream,
  CollectStream,
  Fanout,
  FixedChunkStream,
  MapStream,
  Singleflight,
  throttle,
} from "../../mod.ts";
import { ArrayCollector } from "../../tests/support/batching.ts";
import { type Case, hang, tell, turn } from "./case.ts";

const oops = new Error("oops");
const fail = async () => {
  await turn();
  throw oops;
};
const ignore = () => {};

/** Both sinks: items one by one. */
type Sink = Fanout<number> | Aggregator<number>;
type Options = {
  readonly concurrency?: number;
  readonly timeout?: number;
  readonly onError?: (error: unknown) => unknown;
  readonly onDiscard?: (items: number[]) => void;
};
const sinks: Record<string, (handler: () => unknown, options?: Options) => Sink> = {
  Fanout: (handler, options) => new Fanout(handler, options),
  Aggregator: (handler, options) => new Aggregator(handler, { maxItems: 1, ...options }),
};

function ofSink(name: string, open: (typeof sinks)[string]): Case[] {
  return [
    {
      name: `${name} that fails while nobody holds a promise leaves nothing unhandled [F-19]`,
      async run() {
        const sink = open(fail, { concurrency: 2 });
        for (const item of [1, 2, 3]) sink.tryPush(item);
        await sink.push(4);
        await sink.idle();
        console.log(sink.stats.failed, sink.stats.discarded);
      },
      prints: ["2 2"],
    },
    {
      name: `${name} whose two handlers fail in one tick leaves nothing unhandled [F-19]`,
      async run() {
        const rejects: Array<(reason: unknown) => void> = [];
        const handler = () => new Promise((_, reject) => rejects.push(reject));
        const sink = open(handler, { concurrency: 2 });
        for (const item of [1, 2]) sink.tryPush(item);
        rejects[1]!(new Error("first"));
        rejects[0]!(new Error("second"));
        await tell(sink.close());
      },
      prints: ["rejected: first"],
    },
    {
      name: `${name} whose failures onError takes leaves nothing unhandled [F-13] [F-14]`,
      async run() {
        const told: unknown[] = [];
        const reasons = [oops, undefined, "text", Object.freeze({})];
        const handler = () => {
          const reason = reasons[told.length];
          if (told.length % 2) throw reason;
          return Promise.reject(reason);
        };
        const sink = open(handler, { onError: (error) => told.push(error) });
        for (const item of [1, 2, 3, 4]) await sink.push(item);
        await sink.close();
        console.log(told.every((error, place) => error === reasons[place]), told.length);
      },
      prints: ["true 4"],
    },
    {
      name: `${name} whose handlers reject after their timeout leaves nothing unhandled [F-17]`,
      async run() {
        let late = 0;
        const handler = async () => {
          await new Promise((resolve) => setTimeout(resolve, 60));
          console.log("late", ++late);
          throw oops;
        };
        const names: string[] = [];
        const onError = (error: unknown) => names.push((error as Error).name);
        const sink = open(handler, { timeout: 10, concurrency: 2, onError });
        for (const item of [1, 2]) sink.tryPush(item);
        await sink.close();
        console.log(...names);
        while (late < 2) await turn();
      },
      prints: ["TimeoutError TimeoutError", "late 1", "late 2"],
    },
    {
      name: `${name} whose handlers reject after an abort leaves nothing unhandled [F-17]`,
      async run() {
        const sink = open(fail, { concurrency: 2 });
        for (const item of [1, 2, 3]) sink.tryPush(item);
        const submitted = tell(sink.submit(4));
        await sink.abort("over");
        await submitted;
        await sink.idle();
        console.log(sink.stats.failed);
      },
      prints: ["rejected: over", "2"],
    },
    {
      name: `${name} leaves a submit that its caller handles to the caller [F-14]`,
      async run() {
        const sink = open(fail);
        await tell(sink.submit(1));
        await tell(sink.close());
      },
      prints: ["rejected: oops", "fulfilled"],
    },
    {
      name: `${name} leaves a submit that its caller drops to the process [F-14]`,
      async run() {
        const sink = open(fail);
        sink.submit(1);
        console.log("dropped");
        await turn();
      },
      ...{ prints: ["dropped"], dies: "oops" },
    },
    {
      name: `${name} leaves a consume that its caller drops to the process [F-13]`,
      run() {
        open(fail).consume([1]);
        console.log("dropped");
      },
      ...{ prints: ["dropped"], dies: "oops" },
    },
    {
      name: `${name} surfaces what onDiscard throws, after everybody was told [F-18]`,
      async run() {
        const onDiscard = () => {
          throw oops;
        };
        const sink = open(hang, { onDiscard });
        for (const item of [1, 2]) sink.tryPush(item);
        const flushed = tell(sink.flush());
        sink.abort("over");
        await flushed;
      },
      ...{ prints: ["rejected: over"], dies: "oops" },
    },
    {
      name: `${name} whose onError fails is errored, and the process lives [F-18]`,
      async run() {
        const onError = () => Promise.reject(new Error("onError"));
        const sink = open(fail, { onError });
        sink.tryPush(1);
        await sink.idle();
        await tell(sink.close());
      },
      prints: ["rejected: onError"],
    },
    {
      name: `${name} that fails as it is disposed of tells the block, and nobody else [F-20]`,
      async run() {
        const sink = open(fail);
        sink.tryPush(1);
        await tell(sink[Symbol.asyncDispose]());
      },
      prints: ["rejected: oops"],
    },
    {
      name: `${name} that is aborted while it consumes leaves nothing of the source unhandled ` +
        "[F-17] [F-31]",
      async run() {
        const sink = open(hang);
        const consumed = tell(sink.consume(failingLate()));
        await turn();
        await sink.abort("over");
        await consumed;
        await turn();
        await turn();
      },
      prints: ["returned", "rejected: over"],
    },
    {
      name: `${name} at the end of a pipe tells it, and nobody else [F-13] [F-21]`,
      async run() {
        const source = new ReadableStream<number>({
          pull: (controller) => controller.enqueue(1),
          cancel: (reason) => console.log("cancelled:", reason.message),
        });
        await tell(source.pipeTo(open(fail)));
      },
      prints: ["cancelled: oops", "rejected: oops"],
    },
  ];
}

/** A source whose read and whose return both fail when nobody waits for them any more. */
function failingLate(): AsyncIterable<number> {
  let reads = 0;
  let failRead!: (reason: unknown) => void;
  const pending = new Promise<never>((_, reject) => failRead = reject);
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => ++reads === 1 ? Promise.resolve({ value: 1, done: false }) : pending,
      return() {
        console.log("returned");
        failRead(oops);
        return fail();
      },
    }),
  };
}

const froms: Record<
  string,
  (source: AsyncIterable<number>, signal?: AbortSignal) => ReadableStream
> = {
  BatchStream: (source, signal) => BatchStream.from(source, { signal }),
  ChunkStream: (source, signal) =>
    ChunkStream.from(source, { maxBytes: 9, byteLength: () => 1, signal }),
  CollectStream: (source, signal) =>
    CollectStream.from(source, { collector: () => new ArrayCollector(9), signal }),
  MapStream: (source, signal) => MapStream.from(source, hang, { concurrency: 9, signal }),
};

function ofFrom(name: string, from: (typeof froms)[string]): Case[] {
  return [
    {
      name: `${name}.from() leaves nothing of its source unhandled when its signal aborts [F-33]`,
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
      name: `${name}.from() surfaces what its source throws at its end after a cancel [F-30]`,
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
  CollectStream: () =>
    new CollectStream({
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
      name: `${name} that fails in a pipe which nobody reads leaves nothing unhandled ${id}`,
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
      name: `${name} that fails tells those who read and write, and nobody else ${id}`,
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

/** All of them. */
export const failures: readonly Case[] = [
  ...Object.entries(sinks).flatMap(([name, open]) => ofSink(name, open)),
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
    name: "throttle() surfaces what its function throws where a timer calls it [F-13]",
    run() {
      const throttled = throttle(thrower, { interval: 20, edge: "trailing" });
      throttled();
      console.log("waits");
    },
    ...{ prints: ["waits"], dies: "oops" },
  },
  {
    name: "Singleflight leaves the failure to each of its callers, and to nobody else [F-13]",
    async run() {
      const flight = new Singleflight();
      const { signal } = new AbortController();
      const calls = [
        flight.do("key", fail),
        flight.do("key", fail),
        flight.do("key", fail, { signal }),
        flight.run("key", fail),
      ];
      await Promise.all(calls.map(tell));
    },
    prints: ["rejected: oops", "rejected: oops", "rejected: oops", "rejected: oops"],
  },
  {
    name: "Singleflight leaves a call that its caller drops to the process [F-13]",
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
    name: "Singleflight.forget() leaves nothing of the old call unhandled [F-39]",
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
