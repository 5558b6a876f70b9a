/** Every primitive, used and brought to every end: what must be garbage after that. */

import {
  Aggregator,
  BatchStream,
  ChunkStream,
  type Collector,
  Fanout,
  FixedChunkStream,
  type HandlerContext,
  MapStream,
  type Runner,
  Singleflight,
  type Sink,
  ThrottleStream,
} from "../../mod.ts";
import { collect, turn } from "./gate.ts";
import { rejection } from "./hand.ts";

/** Watches a value, and returns it. */
export type Watch = <V extends object>(kind: Kind, value: V) => V;

/**
 * What is watched. An object that has ended, and that somebody still has, may keep what it was made
 * of, the reason of its end, and the item of a handler that never ends; nothing else.
 */
export type Kind =
  | "item"
  | "key"
  | "snapshot"
  | "result"
  | "call"
  | "handler"
  | "running"
  | "reason"
  | "signal";

/** Those that an object that has ended may keep. */
export const keepable: ReadonlySet<Kind> = new Set(["handler", "running", "reason", "signal"]);

/** From the making of an object to its end. */
export interface Life {
  readonly name: string;
  /** Resolves after the end with the object. */
  live(signal: AbortSignal, watch: Watch): Promise<object>;
}

type Handler = (item: object, context: HandlerContext) => unknown;
type Pair = TransformStreamPair<object>;

interface TransformStreamPair<T> {
  readonly readable: ReadableStream<unknown>;
  readonly writable: WritableStream<T>;
}

interface SinkOptions {
  readonly signal: AbortSignal;
  readonly timeout: number;
  readonly key: (item: object) => unknown;
  readonly snapshot: () => Runner;
}

const LONG = 60_000;
const hang = () => new Promise<never>(() => {});
const bytes = () => new Uint8Array(8);

const sinks: Record<string, (handler: Handler, options: SinkOptions) => Sink<object>> = {
  Fanout: (handler, options) => new Fanout(handler, options),
  Aggregator: (handler, options) =>
    new Aggregator<object>(all(handler), { ...options, maxItems: 1, linger: LONG }),
  "Aggregator, gathering": (handler, { key: _, ...options }) =>
    new Aggregator<object>(all(handler), { ...options, linger: LONG }),
  "Aggregator, gathering in a collector": (handler, { key: _, ...options }) =>
    new Aggregator(all(handler), { ...options, linger: LONG, collector: gatherer() }),
  "Aggregator, gathering in a collector for each key": (handler, options) =>
    new Aggregator(all(handler), { ...options, linger: LONG, collector: gatherer() }),
  "Aggregator, due in a collector for each key": (handler, options) =>
    new Aggregator(all(handler), { ...options, linger: 0, collector: gatherer() }),
};

function all(handler: Handler): (batch: object[], context: HandlerContext) => Promise<unknown[]> {
  return (batch, context) => Promise.all(batch.map((item) => handler(item, context)));
}

/** Collectors that are never full. */
function gatherer(onAdd = () => {}): () => Collector<object, object[]> {
  return () => {
    let held: object[] = [];
    return {
      get size() {
        return held.length;
      },
      full: false,
      add(item) {
        onAdd();
        held.push(item);
      },
      take() {
        const taken = held;
        held = [];
        return taken;
      },
    };
  };
}

function livesOfSink(name: string): Life[] {
  /** Gives it an item that runs and one that waits, has it ended, and hears of the end. */
  const life = (
    end: string,
    handle: (watch: Watch, reason: Error) => Handler,
    finish: (sink: Sink<object>, reason: Error, own: AbortController) => unknown,
  ): Life => ({
    name: `${name}, ${end}`,
    async live(shared, watch) {
      const reason = watch("reason", new Error(end));
      const own = new AbortController();
      // The item of a handler that hangs is with it for ever, and so is all that belongs to it.
      const kind = (kind: Kind, place: number): Kind =>
        place === 0 && (end === "abort" || end === "signal") ? "running" : kind;
      let keys = 0;
      const key = () => watch(kind("key", keys++), {});
      let snapshots = 0;
      const snapshot = () => {
        const run: Runner = (handle) => handle();
        return watch(kind("snapshot", snapshots++), run);
      };
      const handler: Handler = (item, context) => {
        watch("signal", context.signal);
        return handle(watch, reason)(item, context);
      };
      const sink = sinks[name]!(watch("handler", handler), {
        signal: end === "signal" ? watch("signal", own.signal) : shared,
        timeout: LONG,
        key,
        snapshot,
      });
      const calls = [0, 1].map((place) => sink.submit(watch(kind("item", place), {})));
      const heard = calls.map((call, place) => watch(kind("call", place), call).catch(() => {}));
      sink.tryPush(watch("item", {}));
      await turn();
      await finish(sink, reason, own);
      await Promise.all(heard);
      return sink;
    },
  });
  const answer = (watch: Watch): Handler => () => Promise.resolve(watch("result", {}));
  return [
    life("close", answer, (sink) => sink.close()),
    life("abort", () => hang, (sink, reason) => sink.abort(reason)),
    life("signal", () => hang, (sink, reason, own) => {
      own.abort(reason);
      return rejection(sink.close());
    }),
    life("error", (_, reason) => () => Promise.reject(reason), (sink) => rejection(sink.close())),
  ];
}

type Make = (signal: AbortSignal, watch: Watch, fail: () => void) => Pair;

const transforms: Record<string, { make: Make; item?: () => object; fails?: false }> = {
  BatchStream: {
    make: (signal, watch, fail) =>
      new BatchStream<object>({
        ...{ linger: LONG, maxWeight: 10, signal },
        weigh: watch("handler", () => {
          fail();
          return 1;
        }),
      }),
  },
  ChunkStream: {
    make: (signal, watch, fail) =>
      new ChunkStream<object>({
        ...{ linger: LONG, maxBytes: 10, signal },
        byteLength: watch("handler", () => {
          fail();
          return 1;
        }),
      }),
  },
  "BatchStream with a collector": {
    make(signal, watch, fail) {
      const collector = watch("handler", gatherer(fail));
      return new BatchStream<object, object[]>({ linger: LONG, signal, collector });
    },
  },
  FixedChunkStream: {
    make: (signal) => new FixedChunkStream({ size: 64, signal }) as unknown as Pair,
    item: bytes,
    fails: false,
  },
  MapStream: {
    make(signal, watch, fail) {
      const fn = watch("handler", async (_: object, context: HandlerContext) => {
        watch("signal", context.signal);
        await undefined;
        fail();
        return watch("result", {});
      });
      const key = () => watch("key", {});
      return new MapStream(fn, { ...{ concurrency: 2, timeout: LONG }, key, signal });
    },
  },
  ThrottleStream: {
    make: (signal) => new ThrottleStream<object>({ interval: LONG, edge: "both", signal }),
    fails: false,
  },
};

function livesOfTransform(name: string): Life[] {
  const { make, item = () => ({}), fails = true } = transforms[name]!;
  const life = (
    end: string,
    finish: (pair: Pair, reason: Error, own: AbortController) => unknown,
  ): Life => ({
    name: `${name}, ${end}`,
    async live(shared, watch) {
      const reason = watch("reason", new Error(end));
      const own = new AbortController();
      const fail = () => {
        if (end === "error") throw reason;
      };
      const signal = end === "signal" ? watch("signal", own.signal) : shared;
      const pair = make(signal, watch, fail);
      const writer = pair.writable.getWriter();
      writer.closed.catch(() => {});
      for (let n = 0; n < 2; n++) writer.write(watch("item", item())).catch(() => {});
      await turn();
      writer.releaseLock();
      await finish(pair, reason, own);
      return pair;
    },
  });
  const drain = (pair: Pair) => collect(pair.readable);
  return [
    life("close", async (pair) => {
      const drained = drain(pair);
      await pair.writable.close();
      await drained;
    }),
    life("cancel", (pair, reason) => pair.readable.cancel(reason)),
    life("abort", (pair, reason) => pair.writable.abort(reason)),
    life("signal", (pair, reason, own) => {
      own.abort(reason);
      return rejection(drain(pair));
    }),
    ...(fails ? [life("error", (pair) => rejection(drain(pair)))] : []),
  ];
}

/** Each `from`, read to the end, cancelled and failing. */
function livesOfFrom(
  name: string,
  from: (source: AsyncIterable<object>, signal: AbortSignal) => ReadableStream<unknown>,
): Life[] {
  const life = (
    end: string,
    finish: (readable: ReadableStream<unknown>, reason: Error) => unknown,
  ): Life => ({
    name: `${name}.from, ${end}`,
    async live(shared, watch) {
      const reason = watch("reason", new Error(end));
      async function* items() {
        for (let n = 0; n < 4; n++) yield watch("item", {});
        await undefined;
        if (end === "error") throw reason;
      }
      const readable = from(watch("call", items()), shared);
      await finish(readable, reason);
      return readable;
    },
  });
  return [
    life("close", (readable) => collect(readable)),
    life("cancel", async (readable, reason) => {
      const reader = readable.getReader();
      await reader.read();
      await reader.cancel(reason);
    }),
    life("error", (readable) => rejection(collect(readable))),
  ];
}

/** Two callers with signals, and, where the function settles, one who has none. */
function livesOfFlights(): Life[] {
  const life = (end: string, work: (watch: Watch, reason: Error) => Promise<unknown>): Life => ({
    name: `Singleflight, ${end}`,
    async live(shared, watch) {
      const reason = watch("reason", new Error(end));
      const group = new Singleflight<object, unknown>({ forgetAfter: LONG });
      const key = watch("key", {});
      const own = new AbortController();
      const fn = watch("handler", ({ signal }: HandlerContext) => {
        watch("signal", signal);
        return work(watch, reason);
      });
      const leaves = end === "left";
      const signals = [leaves ? own.signal : shared, watch("signal", own.signal)];
      const calls: Promise<unknown>[] = signals.map((signal) =>
        group.doShared(key, fn, { signal })
      );
      if (!leaves) calls.push(group.do(key, fn));
      const heard = calls.map((call) => watch("call", call).catch(() => {}));
      if (leaves) own.abort(reason);
      await Promise.all(heard);
      return group;
    },
  });
  return [
    life("value", (watch) => Promise.resolve(watch("result", {}))),
    life("error", (_, reason) => Promise.reject(reason)),
    life("left", hang),
  ];
}

/** All of them. */
export const lives: readonly Life[] = [
  ...Object.keys(sinks).flatMap(livesOfSink),
  ...Object.keys(transforms).flatMap(livesOfTransform),
  ...livesOfFrom(
    "BatchStream",
    (source, signal) => BatchStream.from(source, { maxItems: 2, linger: LONG, signal }),
  ),
  ...livesOfFrom(
    "MapStream",
    (source, signal) =>
      MapStream.from(source, (item) => Promise.resolve(item), { concurrency: 2, signal }),
  ),
  ...livesOfFlights(),
];
