/**
 * An item that is written and aborted in one turn goes out only if a `TransformStream` hands it
 * out.
 */

import { assertEquals } from "@std/assert";
import { BatchStream, ChunkStream, FixedChunkStream, MapStream, ThrottleStream } from "../mod.ts";
import { turn } from "./support/gate.ts";
import { rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

interface Pair {
  readonly readable: ReadableStream<unknown>;
  readonly writable: WritableStream;
}

/** Streams that hand over each item separately. */
const makes: Record<string, () => Pair> = {
  BatchStream: () => new BatchStream(1),
  ChunkStream: () => new ChunkStream({ maxBytes: 1 }),
  FixedChunkStream: () => new FixedChunkStream(1),
  MapStream: () => new MapStream((item: unknown) => item),
  ThrottleStream: () => new ThrottleStream({ interval: 1 }),
  "ThrottleStream at both edges": () => new ThrottleStream({ interval: 1, edge: "both" }),
};

/** Writes, reads and aborts, with a microtask or a turn in between. */
const orders = [
  ..."war wra rwa wmar wmra wamr twar twra trwa twmar twmra twrma twamr".split(" "),
  // The second write waits, and the stream holds the first item.
  ..."twwar twwra twtwar twtwra twmwamr".split(" "),
];

async function play({ readable, writable }: Pair, order: string): Promise<string> {
  const [writer, reader] = [writable.getWriter(), readable.getReader()];
  for (const promise of [writer.closed, writer.ready, reader.closed]) promise.catch(() => {});
  let got = "nothing";
  for (const step of order) {
    if (step === "t") await turn();
    if (step === "m") await undefined;
    if (step === "w") writer.write(new Uint8Array([7])).catch(() => {});
    if (step === "a") writer.abort("aborted");
    if (step === "r") {
      reader.read().then(({ done }) => got = done ? "the end" : "the item", (error) => got = error);
    }
  }
  await turn();
  await turn();
  return got;
}

for (const [name, make] of Object.entries(makes)) {
  test(`${name} hands out an item that is written and aborted in one turn exactly when a TransformStream does [4.17]`, async () => {
    for (const order of orders) {
      assertEquals(await play(make(), order), await play(new TransformStream(), order), order);
    }
  });
}

test("BatchStream and MapStream call onDiscard with an item that is written and aborted in one turn [4.17] [4.11]", async () => {
  const told: unknown[] = [];
  const onDiscard = (items: unknown[], reason: unknown) => void told.push([...items, reason]);
  const never = () => new Promise(() => {});
  const streams = [
    new BatchStream({ maxItems: 1, onDiscard }),
    new MapStream(never, { capacity: 2, onDiscard }),
  ];
  for (const { readable, writable } of streams) {
    const [writer, reader] = [writable.getWriter(), readable.getReader()];
    writer.closed.catch(() => {});
    if (writable === streams[1]!.writable) await writer.write("runs");
    else await writer.ready;
    writer.write("held");
    const read = reader.read().catch((error: unknown) => error);
    await writer.abort("aborted");
    assertEquals(await read, "aborted");
  }
  assertEquals(told, [["held", "aborted"], ["held", "aborted"]]);
});

/** Streams whose second write, or whose close, waits for demand. */
const waiting: Record<string, (signal: AbortSignal) => Pair> = {
  BatchStream: (signal) => new BatchStream({ maxItems: 1, signal }),
  ChunkStream: (signal) => new ChunkStream({ maxBytes: 1, signal }),
  FixedChunkStream: (signal) => new FixedChunkStream({ size: 1, signal }),
  MapStream: (signal) => new MapStream(() => new Promise(() => {}), { signal }),
  ThrottleStream: (signal) => new ThrottleStream({ interval: Number.MIN_VALUE, signal }),
};

/** The reasons that both sides get, and the waiting write or close. */
async function reasons(
  make: (signal: AbortSignal) => Pair,
  last: "write" | "close",
  ends: readonly string[],
): Promise<unknown[]> {
  const own = new AbortController();
  const { readable, writable } = make(own.signal);
  const [writer, reader] = [writable.getWriter(), readable.getReader()];
  writer.ready.catch(() => {});
  await writer.write(new Uint8Array([7]));
  const told = [
    last === "write" ? writer.write(new Uint8Array([7])) : writer.close(),
    ...[writer.closed, reader.closed],
  ].map(rejection);
  await turn();
  for (const end of ends) {
    if (end === "abort") writer.abort(end).catch(() => {});
    else own.abort(end);
  }
  return await Promise.all(told);
}

for (const [name, make] of Object.entries(waiting)) {
  test(`${name} gives both sides one reason when abort() and its signal come in one turn [4.7] [4.X5] [4.M7] [4.T5]`, async () => {
    for (const ends of [["abort", "signal"], ["signal", "abort"]]) {
      const told = Array<unknown>(3).fill(ends[0]);
      assertEquals(await reasons(make, "write", ends), told);
      if (name === "MapStream") assertEquals(await reasons(make, "close", ends), told);
    }
  });
}
