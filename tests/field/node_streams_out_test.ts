/**
 * From a stream of ours into a `Writable` of Node: the effect of each end on the call and on both
 * sides.
 */

import { assert, assertEquals } from "@std/assert";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { MapStream } from "../../mod.ts";
import { test } from "../support/test.ts";
import {
  BAD_FOR_END,
  BAD_FOR_STAGE,
  errors,
  isDocumented,
  Pushed,
  quiet,
  type Source,
  stage,
  Tap,
  Watched,
  web,
  written,
} from "./node_streams.ts";

/** One end. */
interface Row {
  /** The first cell of its row in docs/node-streams.md. */
  readonly what: string;
  readonly happens: (parts: Parts) => unknown;
  /** The outcomes of the call, the source and the `Writable`, as in the other cells. */
  readonly cells: string[];
}

interface Parts {
  readonly source: Source;
  readonly writable: Writable;
  /** The outcome of the call. */
  readonly call: AbortController;
  /** The outcome of the stage. */
  readonly stop: AbortController;
}

/** A call, and its source. */
type Way = (
  writable: Writable,
  signal: AbortSignal,
  stop: AbortSignal,
) => [Source, Promise<unknown>];

/** A call from a stream of ours, whose source is not a stream of Node. */
function from(
  call: (
    stream: ReadableStream<number>,
    writable: Writable,
    signal: AbortSignal,
  ) => Promise<unknown>,
): Way {
  return (writable, signal, stop) => {
    const source = new Tap();
    return [source, call(MapStream.from(source, stage, { signal: stop }), writable, signal)];
  };
}

const between: Way = (writable, signal, stop) => {
  const source = new Pushed();
  const call = pipeline(
    source.readable,
    (items: AsyncIterable<number>) => MapStream.from(items, stage, { signal: stop }),
    writable,
    { signal },
  );
  return [source, call];
};

const byPipeTo = from((stream, writable, signal) =>
  stream.pipeTo(Writable.toWeb(writable), { signal })
);

const byPipeline = from((stream, writable, signal) => pipeline(stream, writable, { signal }));

const byFromWeb = from((stream, writable, signal) =>
  pipeline(web.toReadable(stream, { objectMode: true }), writable, { signal })
);

const ends = {
  ends: { what: "the source ends", happens: ({ source }) => source.end() },
  sourceFails: {
    what: "the source fails",
    happens: ({ source }) => source.fail(errors.source),
  },
  stageFails: { what: "a stage fails", happens: ({ source }) => source.give(BAD_FOR_STAGE) },
  stageAborts: {
    what: "the `signal` of a stage aborts",
    happens: ({ stop }) => stop.abort(errors.reason),
  },
  writableFails: {
    what: "the `Writable` fails",
    happens: ({ source }) => source.give(BAD_FOR_END),
  },
  destroy: { what: "`writable.destroy()`", happens: ({ writable }) => writable.destroy() },
  destroyWith: {
    what: "`writable.destroy(error)`",
    happens: ({ writable }) => writable.destroy(errors.writable),
  },
  callAborts: {
    what: "the `signal` of the call aborts",
    happens: ({ call }) => call.abort(errors.reason),
  },
} satisfies Record<string, Omit<Row, "cells">>;

const ABORTED = "rejects with an `AbortError`";
const PREMATURE = "rejects with `ERR_STREAM_PREMATURE_CLOSE`";
const FAILED = "rejects with the `Writable`'s error";

const all: Row[] = [
  { ...ends.ends, cells: ["fulfills", "ended", "finished"] },
  { ...ends.sourceFails, cells: ["rejects with the source's error", "failed", "destroyed"] },
  { ...ends.stageFails, cells: ["rejects with the stage's error", "left", "destroyed"] },
  { ...ends.stageAborts, cells: ["rejects with the reason", "left", "destroyed"] },
  { ...ends.writableFails, cells: [FAILED, "left", "destroyed"] },
];

/** All ways, each with the heading of its table, and the rows. */
const tables: ReadonlyArray<readonly [heading: string, Way, readonly Row[]]> = [
  ["Between a `Readable` and a `Writable`", between, [
    ...all,
    {
      ...ends.destroy,
      cells: [`${PREMATURE} at the next chunk`, "left at the next chunk", "destroyed"],
    },
    { ...ends.destroyWith, cells: [FAILED, "left", "destroyed"] },
    { ...ends.callAborts, cells: [ABORTED, "left", "destroyed"] },
  ]],
  ["`pipeTo(Writable.toWeb(writable))`", byPipeTo, [
    ...all,
    { ...ends.destroy, cells: [ABORTED, "left", "destroyed"] },
    { ...ends.destroyWith, cells: [FAILED, "left", "destroyed"] },
    { ...ends.callAborts, cells: ["rejects with the reason", "left", "destroyed"] },
  ]],
  ["`pipeline` from `Readable.fromWeb`", byFromWeb, [
    ...all,
    { ...ends.destroy, cells: [PREMATURE, "left", "destroyed"] },
    { ...ends.destroyWith, cells: [FAILED, "left", "destroyed"] },
    { ...ends.callAborts, cells: [ABORTED, "left", "destroyed"] },
  ]],
  ["`pipeline` from a web stream", byPipeline, [
    ...all,
    {
      ...ends.destroy,
      cells: [`${PREMATURE} at the next chunk`, "left at the next chunk", "destroyed"],
    },
    {
      ...ends.destroyWith,
      cells: [`${FAILED} at the next chunk`, "left at the next chunk", "destroyed"],
    },
    {
      ...ends.callAborts,
      cells: [`${ABORTED} at the next chunk`, "left at the next chunk", "destroyed"],
    },
  ]],
];

for (const [heading, way, rows] of tables) {
  for (const { what, happens, cells } of rows) {
    const name =
      `${heading}: the call, the source and the Writable end as the page says when ${what}`;
    test(name.replaceAll("`", ""), async () => {
      assertEquals(await play(way, happens), cells);
      assert(isDocumented(heading, [what, ...cells]), "the table of the page has no such row");
    });
  }
}

/** Makes one event happen while the source is quiet, and returns all outcomes. */
async function play(way: Way, happens: Row["happens"]): Promise<string[]> {
  const { writable, items } = written();
  const [call, stop] = [new AbortController(), new AbortController()];
  const [source, promise] = way(writable, call.signal, stop.signal);
  const watched = new Watched(promise);
  source.give(1);
  await quiet();
  assertEquals(items, [1]);
  happens({ source, writable, call, stop });
  await quiet();
  const early = watched.state;
  const { fate } = source;
  if (fate === undefined) source.give(2);
  const settled = await watched.settled;
  await quiet();
  assert(writable.destroyed, "the Writable is never destroyed");
  return [
    early ?? `${settled} at the next chunk`,
    fate ?? `${source.fate} at the next chunk`,
    writable.writableFinished ? "finished" : "destroyed",
  ];
}
