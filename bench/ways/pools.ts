/** Ways to have a function called for each item, 16 calls at once. */

import fastq from "fastq";
import pLimit from "p-limit";
import pMap from "p-map";
import PQueue from "p-queue";
import { Fanout } from "../../mod.ts";
import { BURST, bursts, numbers, source } from "../loads.ts";
import type { Way } from "./way.ts";

/** What is called for an item. */
export type Handler = (item: number) => Promise<void>;

/** A way to have `n` items handled: those that wait for nobody take a burst of them at once. */
export interface Pool extends Way {
  run(n: number, handler: Handler, burst?: number): Promise<void>;
}

const SIXTEEN = { concurrency: 16 };

/** The floor: loops that wait for nothing but the handler. */
export const loops: Pool = {
  kind: "floor",
  name: "16 loops that await",
  bounded: true,
  run: async (n, handler) => {
    let i = 0;
    const loop = async () => {
      while (i < n) await handler(i++);
    };
    await Promise.all(Array.from({ length: 16 }, loop));
  },
};

/** All others. */
export const pools: readonly Pool[] = [
  {
    kind: "weir",
    name: "Fanout.tryPush",
    bounded: true,
    run: async (n, handler, burst = BURST) => {
      await using fanout = new Fanout(handler, SIXTEEN);
      for (const [from, to] of bursts(n, burst)) {
        for (let i = from; i < to; i++) fanout.tryPush(i);
        await fanout.idle();
      }
    },
  },
  {
    kind: "weir",
    name: "Fanout.push, each awaited",
    bounded: true,
    run: async (n, handler) => {
      await using fanout = new Fanout(handler, SIXTEEN);
      for (let i = 0; i < n; i++) await fanout.push(i);
    },
  },
  {
    kind: "weir",
    name: "pipe to Fanout",
    bounded: true,
    run: (n, handler) => source(n).pipeTo(new Fanout(handler, SIXTEEN)),
  },
  {
    kind: "weir",
    name: "Fanout.consume",
    bounded: true,
    run: async (n, handler) => {
      await using fanout = new Fanout(handler, SIXTEEN);
      await fanout.consume(source(n));
    },
  },

  {
    kind: "peer",
    name: "p-queue, onSizeLessThan",
    bounded: true,
    run: async (n, handler) => {
      const queue = new PQueue(SIXTEEN);
      for (let i = 0; i < n; i++) {
        if (queue.size >= BURST) await queue.onSizeLessThan(BURST);
        queue.add(() => handler(i));
      }
      await queue.onIdle();
    },
  },
  {
    kind: "peer",
    name: "p-map",
    // It reads no further than it calls. Only what it returns grows, an array of all results.
    bounded: true,
    run: async (n, handler, burst = BURST) => {
      for (const [from, to] of bursts(n, burst)) await pMap(numbers(from, to), handler, SIXTEEN);
    },
  },
  {
    kind: "peer",
    name: "p-queue",
    bounded: false,
    run: async (n, handler, burst = BURST) => {
      const queue = new PQueue(SIXTEEN);
      for (const [from, to] of bursts(n, burst)) {
        for (let i = from; i < to; i++) queue.add(() => handler(i));
        await queue.onIdle();
      }
    },
  },
  {
    kind: "peer",
    name: "p-limit",
    bounded: false,
    run: async (n, handler, burst = BURST) => {
      const limit = pLimit(16);
      for (const [from, to] of bursts(n, burst)) {
        const results: Promise<void>[] = [];
        for (let i = from; i < to; i++) results.push(limit(handler, i));
        await Promise.all(results);
      }
    },
  },
  {
    kind: "peer",
    name: "fastq.promise",
    bounded: false,
    run: async (n, handler, burst = BURST) => {
      const queue = fastq.promise(handler, 16);
      for (const [from, to] of bursts(n, burst)) {
        for (let i = from; i < to; i++) queue.push(i);
        await queue.drained();
      }
    },
  },
];
