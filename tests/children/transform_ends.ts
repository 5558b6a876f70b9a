/** Every way to end a transform stream with pending timers of a day: the process exits. */

import { MapStream } from "../../mod.ts";
import { from, make, type Transform, transforms, variants } from "../support/transforms.ts";
import { type Case, DAY, hang, turn } from "./case.ts";

type Reader = ReadableStreamDefaultReader<unknown>;

const bad = new Error("bad");
/** User code, which fails on a bad item, and never ends if it may be asynchronous. */
const call = (item: unknown) => {
  if (item === bad) throw bad;
  return hang();
};

const edges = transforms.filter(({ name }) => name === "ThrottleStream").flatMap((throttle) =>
  ["leading", "trailing"].map((edge): Transform => ({
    ...throttle,
    name: `ThrottleStream (${edge})`,
    busy: () => ({ interval: DAY, edge }),
  }))
);

/** Writes the item, reads a chunk, and waits until nothing more happens. */
async function opened(transform: Transform) {
  const own = new AbortController();
  const { readable, writable } = make(transform, { signal: own.signal, call });
  const [writer, reader] = [writable.getWriter(), readable.getReader()];
  const write = (item: unknown) => writer.write(item).catch(() => {});
  write(transform.items[0]);
  // Reads like a pump, which ends with the stream.
  const pump = (async () => {
    while (!(await reader.read()).done);
  })().catch(() => {});
  await turn();
  return { own, writer, reader, write, pump };
}

type Opened = Awaited<ReturnType<typeof opened>>;

const ways: Record<string, (opened: Opened) => unknown> = {
  "its consumer cancels": ({ reader }) => reader.cancel("enough"),
  "its producer aborts": ({ writer }) => writer.abort("failed"),
  "its signal aborts": ({ own }) => own.abort("over"),
  "it is closed": ({ writer }) => writer.close(),
};

function ofTransform(transform: Transform): Case[] {
  const { name, calls, from } = transform;
  const usual = Object.entries(ways).filter(([how]) =>
    // Its end waits for its calls.
    name !== "MapStream" || how !== "it is closed"
  );
  const made = usual.map(([how, end]): Case => ({
    name: `${name} lets the process exit when ${how} with an item pending [F-36]`,
    async run() {
      const opening = await opened(transform);
      end(opening);
      await opening.pump;
      console.log("ended");
    },
    prints: ["ended"],
  }));
  const idle: Case = {
    name: `${name} lets the process exit when nothing is pending and it is not ended [F-36]`,
    async run() {
      const { readable, writable } = make(transform, {
        signal: new AbortController().signal,
        call,
      });
      writable.getWriter();
      readable.getReader().read().catch(() => {});
      await turn();
      console.log("idle");
    },
    prints: ["idle"],
  };
  const through: Case = {
    name: `${name} lets the process exit when it has handed over all items and is not ended ` +
      "[7.17] [F-36]",
    async run() {
      const stream = make(transform);
      const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
      let chunks = 0;
      const pump = async () => {
        for (;; chunks++) await reader.read();
      };
      void pump();
      for (const item of transform.items) await writer.write(item);
      (stream as { flush?(): void }).flush?.();
      await turn();
      console.log(chunks > 0 ? "handed over" : "nothing");
    },
    prints: ["handed over"],
  };
  const thrown: Case[] = !calls ? [] : [{
    name:
      `${name} keeps the process alive, and lets it exit, when user code throws with an item pending ` +
      "[F-29] [F-36]",
    async run() {
      const { write, pump } = await opened(transform);
      await write(bad);
      await pump;
      await turn();
      console.log("alive");
    },
    prints: ["alive"],
  }];
  return [...made, idle, through, ...thrown, ...(from ? ofFrom(transform) : [])];
}

function ofFrom(transform: Transform): Case[] {
  const { name, calls, items: [item] } = transform;
  type End = (own: AbortController, reader: Reader, fail: () => void) => unknown;
  const ways: Record<string, End> = {
    "its consumer cancels": (_, reader) => reader.cancel("enough"),
    "its source fails": (_, __, fail) => fail(),
    "its signal aborts": (own) => own.abort("over"),
  };
  const usual = Object.entries(ways).filter(([how]) =>
    // Its end waits for its calls.
    name !== "MapStream" || how !== "its source fails"
  );
  const made = usual.map(([how, end]): Case => ({
    name: `${name}.from() lets the process exit when ${how} with an item pending [F-36]`,
    async run() {
      const own = new AbortController();
      let fail!: () => void;
      const failure = new Promise<never>((_, reject) => fail = () => reject(new Error("source")));
      failure.catch(() => {});
      async function* source() {
        yield item;
        await failure;
      }
      const reader = from(transform, source(), { signal: own.signal, call }).getReader();
      const read = reader.read().catch(() => {});
      await turn();
      end(own, reader, fail);
      await read;
      console.log("ended");
    },
    prints: ["ended"],
  }));
  const thrown: Case[] = !calls ? [] : [{
    name:
      `${name}.from() keeps the process alive, and lets it exit, when user code throws [F-29] [F-36]`,
    async run() {
      const reader = from(transform, [item, bad], { call }).getReader();
      await reader.read().catch((error) => console.log(error.message));
    },
    prints: ["bad"],
  }];
  return [...made, ...thrown, {
    name: `${name}.from() lets the process exit when it is never read [F-36]`,
    run() {
      from(transform, [item], { call });
      console.log("made");
    },
    prints: ["made"],
  }];
}

/** All cases. */
export const transformEnds: readonly Case[] = [
  ...[...transforms, ...variants, ...edges].flatMap(ofTransform),
  {
    name: "MapStream lets the process exit when it has closed [F-36]",
    async run() {
      const stream = new MapStream(() => turn(), { concurrency: 3, timeout: DAY });
      const writer = stream.writable.getWriter();
      const reader = stream.readable.getReader();
      for (const item of [1, 2]) writer.write(item);
      const closed = writer.close();
      while (!(await reader.read()).done);
      await closed;
      console.log("closed");
    },
    prints: ["closed"],
  },
];
