/** Every way to end a transform stream, with a day of timers pending: then the process exits. */

import {
  BatchStream,
  ChunkStream,
  FixedChunkStream,
  MapStream,
  type Source,
  ThrottleStream,
} from "../../mod.ts";
import { ArrayCollector } from "../../tests/support/batching.ts";
import { type Case, DAY, hang, turn } from "./case.ts";

type Reader = ReadableStreamDefaultReader<unknown>;

/** A transform stream, in which an item is pending. */
interface Transform {
  readonly name: string;
  readonly item: unknown;
  readonly make: (signal: AbortSignal) => {
    readonly readable: ReadableStream<unknown>;
    readonly writable: WritableStream<never>;
  };
  readonly from?: (source: Source<unknown>, signal: AbortSignal) => ReadableStream<unknown>;
  /** An item on which its user code throws. */
  readonly bad?: unknown;
}

const bad = new Error("bad");
const refuse = (item: unknown) => {
  if (item === bad) throw bad;
  return 1;
};
class Refusing extends ArrayCollector {
  override add(item: unknown): void {
    refuse(item);
    super.add(item);
  }
}
const map = (item: unknown) => refuse(item) && hang();

const batch = { maxWeight: 9, weigh: refuse, linger: DAY };
const chunk = { maxBytes: 9, byteLength: refuse, linger: DAY };
const collect = { collector: () => new Refusing(9), linger: DAY };
const mapping = { concurrency: 3, timeout: DAY };

const transforms: readonly Transform[] = [
  {
    ...{ name: "BatchStream", item: "held", bad },
    make: (signal) => new BatchStream({ ...batch, signal }),
    from: (source, signal) => BatchStream.from(source, { ...batch, signal }),
  },
  {
    ...{ name: "ChunkStream", item: "held", bad },
    make: (signal) => new ChunkStream({ ...chunk, signal }),
    from: (source, signal) => ChunkStream.from(source, { ...chunk, signal }),
  },
  {
    ...{ name: "BatchStream with a collector", item: "held", bad },
    make: (signal) => new BatchStream({ ...collect, signal }),
    from: (source, signal) => BatchStream.from(source, { ...collect, signal }),
  },
  {
    ...{ name: "MapStream", item: "held", bad },
    make: (signal) => new MapStream(map, { ...mapping, signal }),
    from: (source, signal) => MapStream.from(source, map, { ...mapping, signal }),
  },
  {
    ...{ name: "FixedChunkStream", item: new Uint8Array(1) },
    make: (signal) => new FixedChunkStream({ size: 2, signal }),
  },
  ...(["leading", "trailing", "both"] as const).map((edge) => ({
    name: `ThrottleStream (${edge})`,
    item: "held",
    make: (signal: AbortSignal) => new ThrottleStream({ interval: DAY, edge, signal }),
  })),
];

/** Writes the item, asks for a chunk, and waits until all that can happen has. */
async function opened(transform: Transform) {
  const own = new AbortController();
  const { readable, writable } = transform.make(own.signal);
  const [writer, reader] = [writable.getWriter(), readable.getReader()];
  const write = (item: unknown) => writer.write(item as never).catch(() => {});
  write(transform.item);
  // As a pump does: it ends with the stream.
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
  const { name, bad, from } = transform;
  const usual = Object.entries(ways).filter(([how]) =>
    // It waits for its calls.
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
    name: `${name} lets the process exit when nothing is pending and nobody ends it [F-36]`,
    async run() {
      const { readable, writable } = transform.make(new AbortController().signal);
      writable.getWriter();
      readable.getReader().read().catch(() => {});
      await turn();
      console.log("idle");
    },
    prints: ["idle"],
  };
  const thrown: Case[] = bad === undefined ? [] : [{
    name: `${name} lets the process live, and exit, when user code throws with an item pending ` +
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
  return [...made, idle, ...thrown, ...(from ? ofFrom(transform, from) : [])];
}

function ofFrom({ name, item, bad }: Transform, from: NonNullable<Transform["from"]>): Case[] {
  type End = (own: AbortController, reader: Reader, fail: () => void) => unknown;
  const ways: Record<string, End> = {
    "its consumer cancels": (_, reader) => reader.cancel("enough"),
    "its source fails": (_, __, fail) => fail(),
    "its signal aborts": (own) => own.abort("over"),
  };
  const made = Object.entries(ways).map(([how, end]): Case => ({
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
      const reader = from(source(), own.signal).getReader();
      const read = reader.read().catch(() => {});
      await turn();
      end(own, reader, fail);
      await read;
      console.log("ended");
    },
    prints: ["ended"],
  }));
  return [...made, {
    name: `${name}.from() lets the process live, and exit, when user code throws [F-29] [F-36]`,
    async run() {
      const reader = from([item, bad], new AbortController().signal).getReader();
      await reader.read().catch((error) => console.log(error.message));
    },
    prints: ["bad"],
  }, {
    name: `${name}.from() lets the process exit when nobody asks it for anything [F-36]`,
    run() {
      from([item], new AbortController().signal);
      console.log("made");
    },
    prints: ["made"],
  }];
}

/** All of them. */
export const transformEnds: readonly Case[] = [
  ...transforms.flatMap(ofTransform),
  {
    name: "MapStream lets the process exit when it has closed [F-36]",
    async run() {
      const stream = new MapStream(() => turn(), mapping);
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
