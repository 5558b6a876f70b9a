/** Unhandled failures of sinks: which end the process, and which must not. */

import { Aggregator, Fanout } from "../../mod.ts";
import { type Case, fail, failingLate, hang, oops, tell, turn } from "./case.ts";

/** Both sinks, with items one by one. */
type Sink = Fanout<number> | Aggregator<number>;
type Options = {
  readonly concurrency?: number;
  readonly capacity?: number;
  readonly timeout?: number;
  readonly onError?: (error: unknown) => unknown;
  readonly onDiscard?: (items: number[]) => void;
  readonly signal?: AbortSignal;
};
type Handler = (item: number) => unknown;
const sinks: Record<string, (handler: Handler, options?: Options) => Sink> = {
  Fanout: (handler, options) => new Fanout(handler, options),
  Aggregator: (handler, options) =>
    new Aggregator(([item]: number[]) => handler(item!), { maxItems: 1, ...options }),
};

function ofSink(name: string, open: (typeof sinks)[string]): Case[] {
  return [
    {
      name: `${name} that fails without a pending promise ends the process [5.20] [F-19]`,
      async run() {
        const sink = open(fail, { concurrency: 2 });
        for (const item of [1, 2, 3]) sink.tryPush(item);
        await sink.push(4);
        console.log("pushed");
        await sink.idle();
      },
      ...{ prints: ["pushed"], dies: "oops" },
    },
    {
      name:
        `${name} that fails after closed was taken keeps the process alive [5.19] [5.20] [F-19]`,
      async run() {
        const sink = open(fail, { concurrency: 2 });
        const ended = tell(sink.closed);
        for (const item of [1, 2, 3]) sink.tryPush(item);
        await sink.push(4);
        await sink.idle();
        await ended;
        // The second failure is the same error, and so the echo of the first.
        console.log(sink.stats.discarded);
      },
      prints: ["rejected: oops", "3"],
    },
    {
      name: `${name} with one failing item of fifty ends the process [5.20]`,
      async run() {
        const handler = (item: number) => item === 1 ? fail() : turn();
        const sink = open(handler, { capacity: 50 });
        for (let item = 1; item <= 50; item++) await sink.push(item);
        console.log("pushed");
      },
      ...{ prints: ["pushed"], dies: "oops" },
    },
    {
      name:
        `${name} that fails while an idle writer has its lock leaves the failure to the writer [5.20]`,
      async run() {
        const sink = open(fail);
        sink.tryPush(1);
        sink.getWriter();
        await sink.idle();
        console.log(sink.stats.failed);
      },
      prints: ["1"],
    },
    {
      name: `${name} that is aborted without a pending promise leaves nothing unhandled [5.20]`,
      async run() {
        const own = new AbortController();
        const sinks = [open(hang), open(hang, { signal: own.signal })];
        for (const sink of sinks) for (const item of [1, 2]) sink.tryPush(item);
        sinks[0]!.abort(oops);
        own.abort(oops);
        await turn();
        console.log(...sinks.map(({ stats }) => stats.discarded));
      },
      prints: ["1 1"],
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
      name: `${name} leaves a handled submit to its caller [F-14]`,
      async run() {
        const sink = open(fail);
        await tell(sink.submit(1));
        await tell(sink.close());
      },
      prints: ["rejected: oops", "fulfilled"],
    },
    {
      name: `${name} leaves a dropped submit to the process [F-14]`,
      async run() {
        const sink = open(fail);
        sink.submit(1);
        console.log("dropped");
        await turn();
      },
      ...{ prints: ["dropped"], dies: "oops" },
    },
    {
      name: `${name} leaves a dropped consume to the process [F-13]`,
      run() {
        open(fail).consume([1]);
        console.log("dropped");
      },
      ...{ prints: ["dropped"], dies: "oops" },
    },
    {
      name: `${name} surfaces an error of onDiscard, after all callers got the reason [F-18]`,
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
      name: `${name} whose onError fails is errored, and the process stays alive [F-18]`,
      async run() {
        const onError = () => Promise.reject(new Error("onError"));
        const sink = open(fail, { onError });
        const ended = tell(sink.closed);
        sink.tryPush(1);
        await sink.idle();
        await ended;
      },
      prints: ["rejected: onError"],
    },
    {
      name: `${name} whose onError fails without a pending promise ends the process [5.20] [F-18]`,
      async run() {
        const sink = open(fail, { onError: () => Promise.reject(oops) });
        sink.tryPush(1);
        console.log("pushed");
        await sink.idle();
      },
      ...{ prints: ["pushed"], dies: "oops" },
    },
    {
      name: `${name} that fails in await using rejects only the block [F-20]`,
      async run() {
        const sink = open(fail);
        sink.tryPush(1);
        await tell(sink[Symbol.asyncDispose]());
      },
      prints: ["rejected: oops"],
    },
    {
      name:
        `${name} that is aborted while it consumes leaves no rejection of the source unhandled ` +
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
      name: `${name} at the end of a pipe rejects only the pipe [F-13] [F-21]`,
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

/** All cases. */
export const sinkFailures: readonly Case[] = Object.entries(sinks).flatMap(([name, open]) =>
  ofSink(name, open)
);
