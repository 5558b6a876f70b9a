/** Pending items keep the process alive until they are handled, and no longer. */

import {
  Aggregator,
  BatchStream,
  ChunkStream,
  Fanout,
  MapStream,
  Singleflight,
  throttle,
  ThrottleStream,
} from "../../mod.ts";
import { ArrayCollector } from "../support/batching.ts";
import { type Case, DAY, hang, tell, turn } from "./case.ts";

const SOON = 50;

interface Transform<R> {
  readonly readable: ReadableStream<R>;
  readonly writable: WritableStream<string>;
}

const lingering: Record<string, () => Transform<unknown>> = {
  BatchStream: () => new BatchStream({ linger: SOON }),
  ChunkStream: () => new ChunkStream({ maxBytes: 99, linger: SOON }),
  "BatchStream with a collector": () =>
    new BatchStream({ collector: () => new ArrayCollector(9), linger: SOON }),
  "ThrottleStream (trailing)": () => new ThrottleStream({ interval: SOON, edge: "trailing" }),
};

/** Several times a linger. */
function block(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4 * SOON);
}

const all: readonly Case[] = [
  ...Object.entries(lingering).map(([name, make]): Case => ({
    name: `${name} keeps the process alive until its items are handed over [F-36]`,
    run() {
      const { readable, writable } = make();
      writable.getWriter().write("held").catch(() => {});
      readable.getReader().read().then(({ value }) => console.log(String(value)));
      console.log("waits");
    },
    prints: ["waits", "held"],
  })),
  {
    name: "Aggregator keeps the process alive until its open batch is handled [F-36]",
    async run() {
      const handle = async (batch: number[]) => {
        await turn();
        console.log(...batch);
      };
      const sink = new Aggregator(handle, { linger: SOON, timeout: DAY });
      for (const item of [1, 2]) await sink.push(item);
      console.log("waits");
    },
    prints: ["waits", "1 2"],
  },
  {
    name: "Fanout keeps the process alive until a hanging handler times out [F-16] [F-36]",
    run() {
      const fanout = new Fanout(hang, {
        timeout: SOON,
        onError: (error, item) => console.log((error as Error).name, item),
      });
      for (const item of [1, 2]) fanout.tryPush(item);
    },
    prints: ["TimeoutError 1", "TimeoutError 2"],
  },
  {
    name: "MapStream keeps the process alive until a hanging call times out [F-16] [F-36]",
    async run() {
      const results = MapStream.from(["held"], hang, { timeout: SOON });
      await results.getReader().read().catch((error) => console.log(error.name));
    },
    prints: ["TimeoutError"],
  },
  {
    name: "Singleflight does not keep the process alive until its forgetAfter is over [6.4] [F-36]",
    run() {
      const flight = new Singleflight({ forgetAfter: DAY });
      flight.do("key", hang);
      console.log(flight.size);
    },
    prints: ["1"],
  },
  {
    name: "throttle() keeps the process alive until the waiting call is made [F-36]",
    run() {
      const options = { interval: SOON, edge: "trailing" } as const;
      const throttled = throttle((text: string) => console.log(text), options);
      for (const text of ["first", "latest"]) throttled(text);
      console.log("waits");
    },
    prints: ["waits", "latest"],
  },
  {
    name: "Aggregator flushes once, late, when the event loop is blocked [F-35]",
    async run() {
      const sink = new Aggregator((batch: number[]) => console.log(...batch), { linger: SOON });
      sink.tryPush(1);
      await turn();
      block();
      sink.tryPush(2);
      await new Promise((resolve) => setTimeout(resolve, SOON));
      sink.tryPush(3);
      console.log("waits");
    },
    prints: ["1 2", "waits", "3"],
  },
  {
    name: "Aggregator counts a linger from its first item when the event loop is blocked [F-35]",
    run() {
      const sink = new Aggregator((batch: number[]) => console.log(...batch), { linger: SOON });
      sink.tryPush(1);
      block();
      setTimeout(() => console.log("later"), SOON / 2);
    },
    prints: ["1", "later"],
  },
  ...Object.entries(lingering).slice(0, 3).map(([name, make]): Case => ({
    name: `${name} flushes once, late, when the event loop is blocked [F-35]`,
    async run() {
      const { readable, writable } = make();
      const [writer, reader] = [writable.getWriter(), readable.getReader()];
      const read = reader.read();
      await writer.write("a");
      await turn();
      block();
      writer.write("b");
      console.log(String((await read).value));
      writer.write("c");
      console.log(String((await reader.read()).value));
    },
    // The stream takes the second write when the writing code yields, which is before the timer.
    prints: ["a,b", "c"],
  })),
  {
    name:
      "Aggregator ends, and the process stays alive, when its collector throws at its timer [F-29]",
    async run() {
      class Broken extends ArrayCollector {
        override take(): never {
          throw new Error("take");
        }
      }
      const sink = new Aggregator<unknown, unknown, unknown>(() => {}, {
        collector: () => new Broken(9),
        linger: SOON,
      });
      sink.tryPush(1);
      await tell(sink.getWriter().closed);
    },
    prints: ["rejected: take"],
  },
  {
    name: "BatchStream ends, and the process stays alive, when its collector throws at its timer " +
      "[F-29]",
    async run() {
      class Broken extends ArrayCollector {
        override take(): never {
          throw new Error("take");
        }
      }
      const collector = () => new Broken(9);
      const { readable, writable } = new BatchStream<unknown, unknown>({
        collector,
        linger: SOON,
      });
      const writer = writable.getWriter();
      writer.write(1).catch(() => {});
      await tell(readable.getReader().read());
      await tell(writer.closed);
    },
    prints: ["rejected: take", "rejected: take"],
  },
];

/** All cases. */
export const waits: readonly Case[] = all.map((child) => ({ ...child, alone: true }));
