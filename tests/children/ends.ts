/**
 * Every way to end a sink, a flight and a throttle with pending timers of a day: the process exits.
 */

import { Aggregator, Fanout, Singleflight, throttle } from "../../mod.ts";
import { type Case, DAY, hang, turn } from "./case.ts";

const bad = new Error("bad");

/** A sink with a handler that hangs, and an item that waits. */
type Opener = (own: AbortController) => Fanout<unknown> | Aggregator<unknown>;

const working = { timeout: DAY, linger: DAY };
const sinks: Record<string, Opener> = {
  Fanout: ({ signal }) => new Fanout(() => hang(), { timeout: DAY, signal }),
  Aggregator: ({ signal }) => new Aggregator(() => hang(), { ...working, maxItems: 2, signal }),
};

const sinkEnds: Record<string, (sink: ReturnType<Opener>, own: AbortController) => unknown> = {
  "it is aborted": (sink) => sink.abort("over"),
  "its writer aborts": (sink) => sink.getWriter().abort("over"),
  "its signal aborts": (_, own) => own.abort("over"),
  "it is aborted while it closes": (sink, own) => {
    sink.close().catch(() => {});
    own.abort("over");
  },
};

function ofSink(name: string, open: Opener): Case[] {
  const made = Object.entries(sinkEnds).map(([how, end]): Case => ({
    name: `${name} lets the process exit when ${how} with hanging handlers [F-16] [F-36]`,
    async run() {
      const own = new AbortController();
      const sink = open(own);
      for (const item of [1, 2, 3]) sink.tryPush(item);
      await turn();
      await end(sink, own);
      const { accepted, waiting } = sink.stats;
      console.log(accepted, waiting);
    },
    prints: ["3 0"],
  }));
  return [...made, {
    name: `${name} lets the process exit when nothing is pending and it is not ended [F-36]`,
    async run() {
      const { signal } = new AbortController();
      const options = { timeout: DAY, signal };
      const sink = name === "Fanout"
        ? new Fanout(() => {}, options)
        : new Aggregator(() => {}, { ...working, ...options });
      await sink.consume([1, 2, 3]);
      await turn();
      console.log(sink.stats.done);
    },
    prints: ["3"],
  }, {
    name: `${name} lets the process exit when it has closed [F-36]`,
    async run() {
      const options = { timeout: DAY, signal: new AbortController().signal };
      const sink = name === "Fanout"
        ? new Fanout(turn, options)
        : new Aggregator(turn, { ...working, ...options });
      for (const item of [1, 2, 3]) sink.tryPush(item);
      await sink.close();
      console.log(sink.stats.done);
    },
    prints: ["3"],
  }, {
    name: `${name} lets the process exit when a handler has failed [F-36]`,
    async run() {
      let calls = 0;
      const handler = async () => {
        await turn();
        if (++calls === 1) throw bad;
        await hang();
      };
      const options = { timeout: DAY, concurrency: 2 };
      const sink = name === "Fanout"
        ? new Fanout(handler, options)
        : new Aggregator(handler, { ...working, ...options, maxItems: 2 });
      for (const item of [1, 2, 3]) sink.tryPush(item);
      await sink.getWriter().closed.catch((error) => console.log(error.message));
    },
    prints: ["bad"],
  }];
}

const flights: Record<string, (flight: Singleflight, own: AbortController) => unknown> = {
  "all callers have left": (_, own) => own.abort("left"),
  "its keys are forgotten": (flight) => flight.forget("key"),
  "it is cleared": (flight) => flight.clear(),
};

const singleflights: Case[] = [
  ...Object.entries(flights).map(([how, end]): Case => ({
    name: `Singleflight lets the process exit when ${how} with a call in flight [F-36]`,
    async run() {
      const own = new AbortController();
      const flight = new Singleflight({ forgetAfter: DAY });
      flight.do("key", hang, { signal: own.signal }).catch(() => {});
      await turn();
      end(flight, own);
      console.log(flight.size);
    },
    prints: ["0"],
  })),
  {
    name: "Singleflight lets the process exit when nothing is in flight [F-36]",
    async run() {
      const flight = new Singleflight<string, void>({ forgetAfter: DAY, cache: new Map() });
      await flight.do("key", turn, { signal: new AbortController().signal });
      await flight.do("bad", () => Promise.reject(bad)).catch(() => {});
      console.log(flight.size);
    },
    prints: ["0"],
  },
];

const throttles = (["trailing", "both"] as const).flatMap((edge) =>
  (["flush", "cancel", "dispose"] as const).map((how): Case => ({
    name: `throttle() (${edge}) lets the process exit after ${how} with a call pending [F-36]`,
    run() {
      const throttled = throttle((text: string) => console.log(text), { interval: DAY, edge });
      for (const text of ["first", "second", "third"]) throttled(text);
      if (how === "dispose") throttled[Symbol.dispose]();
      else throttled[how]();
      console.log(throttled.stats.waiting);
    },
    prints: how === "cancel"
      ? edge === "both" ? ["first", "0"] : ["0"]
      : edge === "both"
      ? ["first", "third", "0"]
      : ["third", "0"],
  }))
);

/** All cases. */
export const ends: readonly Case[] = [
  ...Object.entries(sinks).flatMap(([name, open]) => ofSink(name, open)),
  ...singleflights,
  ...throttles,
  {
    name: "throttle() (leading) lets the process exit in the middle of an interval [F-36]",
    run() {
      const throttled = throttle((text: string) => console.log(text), { interval: DAY });
      for (const text of ["first", "second"]) throttled(text);
    },
    prints: ["first"],
  },
];
