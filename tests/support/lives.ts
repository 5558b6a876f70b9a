/** Uses every primitive and brings it to every end: afterwards its objects must be garbage. */

import {
  Aggregator,
  type Collector,
  Fanout,
  type HandlerContext,
  RateLimit,
  type Runner,
  Singleflight,
  type Sink,
} from "../../mod.ts";
import { ArrayCollector } from "./batching.ts";
import { collect, turn } from "./gate.ts";
import { rejection } from "./hand.ts";
import { sinks as basic } from "./sinks.ts";
import { from, make, type Stream, type Transform, transforms, variants } from "./transforms.ts";

/** Watches a value, and returns it. */
export type Watch = <V extends object>(kind: Kind, value: V) => V;

/**
 * The watched values. An ended object that is still referenced may keep only its options, the
 * reason of its end, and the item of a handler that never ends.
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

/** The values that an ended object may keep. */
export const keepable: ReadonlySet<Kind> = new Set(["handler", "running", "reason", "signal"]);

/** The life of an object. */
export interface Life {
  readonly name: string;
  /** Resolves after the end with the object. */
  live(signal: AbortSignal, watch: Watch): Promise<object>;
}

type Handler = (item: object, context: HandlerContext) => unknown;
interface SinkOptions {
  readonly signal: AbortSignal;
  readonly timeout: number;
  readonly key: (item: object) => unknown;
  readonly snapshot: () => Runner;
}

const LONG = 60_000;
const hang = () => new Promise<never>(() => {});
/** A collector that is never full. */
const collector = () => new ArrayCollector(Infinity) as unknown as Collector<object, object[]>;

type Open = (handler: Handler, options: SinkOptions) => Sink<object>;

const sinks: Record<string, Open> = {
  ...basic as unknown as Record<string, Open>,
  "Fanout, with all options that may hold an item": (handler, options) =>
    new Fanout(handler, { ...options, maxWait: LONG, overrun: "hold", retry: () => undefined }),
  "Aggregator, gathering": (handler, { key: _, ...options }) =>
    new Aggregator<object>(all(handler), { ...options, linger: LONG }),
  "Aggregator, gathering in a collector": (handler, { key: _, ...options }) =>
    new Aggregator(all(handler), { ...options, linger: LONG, collector }),
  "Aggregator, gathering in a collector for each key": (handler, options) =>
    new Aggregator(all(handler), { ...options, linger: LONG, collector }),
  "Aggregator, due in a collector for each key": (handler, options) =>
    new Aggregator(all(handler), { ...options, linger: 0, collector }),
};

function all(handler: Handler): (batch: object[], context: HandlerContext) => Promise<unknown[]> {
  return (batch, context) => Promise.all(batch.map((item) => handler(item, context)));
}

function livesOfSink(name: string): Life[] {
  /** Adds an item that runs and one that waits, ends the sink, and handles its end. */
  const life = (
    end: string,
    handle: (watch: Watch, reason: Error) => Handler,
    finish: (sink: Sink<object>, reason: Error, own: AbortController) => unknown,
  ): Life => ({
    name: `${name}, ${end}`,
    async live(shared, watch) {
      const reason = watch("reason", new Error(end));
      const own = new AbortController();
      // A hanging handler keeps its item forever, and everything that belongs to it.
      const kind = (kind: Kind, place: number): Kind =>
        place === 0 && ["abort", "signal", "left"].includes(end) ? "running" : kind;
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
      sink.closed.catch(() => {});
      const call = end === "left" ? { signal: watch("signal", own.signal) } : {};
      const calls = [0, 1].map((place) => sink.submit(watch(kind("item", place), {}), call));
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
    life("left", () => hang, (sink, reason, own) => {
      own.abort(reason);
      return sink.abort(reason);
    }),
  ];
}

function livesOfTransform(transform: Transform): Life[] {
  const { name, calls, from: hasFrom } = transform;
  const life = (
    end: string,
    finish: (stream: Stream, reason: Error, own: AbortController) => unknown,
  ): Life => ({
    name: `${name}, ${end}`,
    async live(shared, watch) {
      const reason = watch("reason", new Error(end));
      const own = new AbortController();
      const call = watch("handler", (_: unknown, context?: HandlerContext) => {
        if (context) watch("signal", context.signal);
        if (end === "error") throw reason;
        return watch("result", {});
      });
      const key = () => watch("key", {});
      const signal = end === "signal" ? watch("signal", own.signal) : shared;
      const stream = make(transform, { signal, call, key });
      const writer = stream.writable.getWriter();
      writer.closed.catch(() => {});
      for (let n = 0; n < 2; n++) writer.write(watch("item", itemOf(transform))).catch(() => {});
      await turn();
      writer.releaseLock();
      await finish(stream, reason, own);
      return stream;
    },
  });
  const drain = (stream: Stream) => collect(stream.readable);
  return [
    life("close", async (stream) => {
      const drained = drain(stream);
      await stream.writable.close();
      await drained;
    }),
    life("cancel", (stream, reason) => stream.readable.cancel(reason)),
    life("abort", (stream, reason) => stream.writable.abort(reason)),
    life("signal", (stream, reason, own) => {
      own.abort(reason);
      return rejection(drain(stream));
    }),
    ...(calls ? [life("error", (stream) => rejection(drain(stream)))] : []),
    ...(hasFrom ? livesOfFrom(transform) : []),
  ];
}

/** Each watched value is a new object. */
function itemOf({ items }: Transform): object {
  return items[0] instanceof Uint8Array ? new Uint8Array(1) : {};
}

/** A `from`, read to the end, cancelled and failing. */
function livesOfFrom(transform: Transform): Life[] {
  const life = (
    end: string,
    finish: (readable: ReadableStream<unknown>, reason: Error) => unknown,
  ): Life => ({
    name: `${transform.name}.from, ${end}`,
    async live(signal, watch) {
      const reason = watch("reason", new Error(end));
      async function* items() {
        for (let n = 0; n < 4; n++) yield watch("item", itemOf(transform));
        await undefined;
        if (end === "error") throw reason;
      }
      const readable = from(transform, watch("call", items()), { signal });
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

/** Two callers with signals and, if the function settles, one without. */
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
  // A reused object must not keep anything of its last use.
  const plain = (end: string, work: (watch: Watch, reason: Error) => Promise<unknown>): Life => ({
    name: `Singleflight without options, ${end}`,
    async live(_, watch) {
      const group = new Singleflight<object, unknown>();
      const reason = watch("reason", new Error(end));
      const fn = watch("handler", ({ signal }: HandlerContext) => {
        watch("signal", signal);
        return work(watch, reason);
      });
      const keys = [watch("key", {}), watch("key", {})];
      const calls = [...keys, ...keys].map((key) => watch("call", group.do(key, fn)));
      await Promise.allSettled(calls);
      return group;
    },
  });
  const value = (watch: Watch) => Promise.resolve(watch("result", {}));
  const error = (_: Watch, reason: Error) => Promise.reject(reason);
  return [
    life("value", value),
    life("error", error),
    life("left", hang),
    plain("value", value),
    plain("error", error),
  ];
}

/** One item that runs and one that waits, at the end of their sink. The limit lives on. */
function livesOfRate(): Life[] {
  return [{
    name: "RateLimit, abort",
    async live(signal, watch) {
      const rate = new RateLimit({ limit: 1, interval: LONG });
      const sink = new Fanout(watch("handler", () => {}), { rate, signal });
      for (const kind of ["item", "item"] as const) sink.tryPush(watch(kind, {}));
      await sink.abort();
      return rate;
    },
  }];
}

/** All lives. */
export const lives: readonly Life[] = [
  ...Object.keys(sinks).flatMap(livesOfSink),
  ...[...transforms, ...variants].flatMap(livesOfTransform),
  ...livesOfFlights(),
  ...livesOfRate(),
];
