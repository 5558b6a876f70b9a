/**
 * From a `Readable` of Node into a sink: the effect of each end on the call, the source and the
 * sink.
 */

import { assert, assertEquals } from "@std/assert";
import { addAbortSignal, pipeline as pipelineWithCallback, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Fanout, MapStream } from "../../mod.ts";
import { gate } from "../support/gate.ts";
import { test } from "../support/test.ts";
import {
  BAD_FOR_END,
  BAD_FOR_STAGE,
  errors,
  isDocumented,
  pushed,
  quiet,
  stage,
  told,
  Watched,
  web,
} from "./node_streams.ts";

/** One end. */
interface Row {
  /** The first cell of its row in docs/node-streams.md. */
  readonly what: string;
  readonly happens: (parts: Parts) => unknown;
  /** The outcomes of the call, the `Readable` and the sink, as in the other cells. */
  readonly cells: string[];
}

interface Parts {
  readonly readable: Readable;
  /** The outcome of the call. */
  readonly call: AbortController;
  /** The outcome of the sink. */
  readonly stop: AbortController;
}

type Way = (readable: Readable, sink: Fanout<number>, signal: AbortSignal) => Promise<unknown>;

/** Untyped, because the types of Deno and Node use different web stream types. */
const pipeThen = pipelineWithCallback as unknown as (...streams: unknown[]) => void;

const byFunction: Way = (readable, sink, signal) =>
  pipeline(
    readable,
    (items) => sink.consume(MapStream.from(items, stage)),
    { signal },
  );

const byFunctionAndCallback: Way = (readable, sink) => {
  const { promise, resolve, reject } = gate();
  pipelineWithCallback(
    readable,
    (items: AsyncIterable<number>) => sink.consume(MapStream.from(items, stage)),
    (error) => error ? reject(error) : resolve(),
  );
  return promise;
};

const byConsume: Way = (readable, sink, signal) =>
  sink.consume(MapStream.from<number, number>(readable, stage), { signal });

const byStreams: Way = (readable, sink, signal) =>
  web.pipeline(readable, new MapStream(stage), sink, { signal });

const byStreamsAndCallback: Way = (readable, sink) => {
  const { promise, resolve, reject } = gate();
  pipeThen(
    readable,
    new MapStream(stage),
    sink,
    (error?: Error) => error ? reject(error) : resolve(),
  );
  return promise;
};

const ends = {
  ends: { what: "the source ends", happens: ({ readable }) => readable.push(null) },
  sourceFails: {
    what: "the source fails",
    happens: ({ readable }) => readable.destroy(errors.source),
  },
  destroy: { what: "`readable.destroy()`", happens: ({ readable }) => readable.destroy() },
  abortSignal: {
    what: "`addAbortSignal(signal, readable)` aborts",
    happens({ readable }) {
      const controller = new AbortController();
      addAbortSignal(controller.signal, readable);
      controller.abort(errors.reason);
    },
  },
  stageFails: { what: "a stage fails", happens: ({ readable }) => readable.push(BAD_FOR_STAGE) },
  handlerFails: { what: "a handler fails", happens: ({ readable }) => readable.push(BAD_FOR_END) },
  sinkAborts: {
    what: "the `signal` of the sink aborts",
    happens: ({ stop }) => stop.abort(errors.reason),
  },
  callAborts: {
    what: "the `signal` of the call aborts",
    happens: ({ call }) => call.abort(errors.reason),
  },
} satisfies Record<string, Omit<Row, "cells">>;

const PREMATURE = "rejects with `ERR_STREAM_PREMATURE_CLOSE`";
const ABORTED = "rejects with an `AbortError`";

const sourceEnds: Row[] = [
  { ...ends.ends, cells: ["fulfills", "destroyed", "open"] },
  { ...ends.sourceFails, cells: ["rejects with the source's error", "destroyed", "open"] },
  { ...ends.destroy, cells: [PREMATURE, "destroyed", "open"] },
  { ...ends.abortSignal, cells: [ABORTED, "destroyed", "open"] },
];

const functionEnds: Row[] = [
  ...sourceEnds,
  { ...ends.stageFails, cells: ["rejects with the stage's error", "destroyed", "open"] },
  {
    ...ends.handlerFails,
    cells: ["rejects with the handler's error", "destroyed", "fails with the handler's error"],
  },
  {
    ...ends.sinkAborts,
    cells: ["rejects with the reason", "destroyed", "fails with the reason"],
  },
];

const streamEnds: Row[] = [
  { ...ends.ends, cells: ["fulfills", "destroyed", "closed"] },
  {
    ...ends.sourceFails,
    cells: ["rejects with the source's error", "destroyed", "fails with the source's error"],
  },
  {
    ...ends.destroy,
    cells: [PREMATURE, "destroyed", "fails with `ERR_STREAM_PREMATURE_CLOSE`"],
  },
  { ...ends.abortSignal, cells: [ABORTED, "destroyed", "fails with an `AbortError`"] },
  {
    ...ends.stageFails,
    cells: ["rejects with the stage's error", "destroyed", "fails with the stage's error"],
  },
  {
    ...ends.handlerFails,
    cells: [
      "rejects with the handler's error at the next chunk",
      "destroyed at the next chunk",
      "fails with the handler's error",
    ],
  },
  {
    ...ends.sinkAborts,
    cells: [
      "rejects with the reason at the next chunk",
      "destroyed at the next chunk",
      "fails with the reason",
    ],
  },
];

const FUNCTION = "`pipeline` into a function";
const CONSUME = "`consume` alone";
const STREAMS = "`pipeline` into web streams";

/** All ways, each with the heading of its table, and the rows. */
const tables: ReadonlyArray<readonly [heading: string, form: string, Way, readonly Row[]]> = [
  [FUNCTION, "", byFunction, [
    ...functionEnds,
    { ...ends.callAborts, cells: [ABORTED, "destroyed", "open"] },
  ]],
  [FUNCTION, ", with a callback", byFunctionAndCallback, functionEnds],
  [CONSUME, "", byConsume, [
    ...sourceEnds,
    {
      ...ends.stageFails,
      cells: ["rejects with the stage's error", "destroyed", "open"],
    },
    {
      ...ends.handlerFails,
      cells: [
        "rejects with the handler's error",
        "destroyed at the next chunk",
        "fails with the handler's error",
      ],
    },
    {
      ...ends.sinkAborts,
      cells: ["rejects with the reason", "destroyed at the next chunk", "fails with the reason"],
    },
    {
      ...ends.callAborts,
      cells: ["rejects with the reason", "destroyed at the next chunk", "open"],
    },
  ]],
  [STREAMS, "", byStreams, [
    ...streamEnds,
    { ...ends.callAborts, cells: [ABORTED, "destroyed", "fails with an `AbortError`"] },
  ]],
  [STREAMS, ", with a callback", byStreamsAndCallback, streamEnds],
];

for (const [heading, form, way, rows] of tables) {
  for (const { what, happens, cells } of rows) {
    const name =
      `${heading}${form}: the call, the source and the sink end as the page says when ${what}`;
    test(name.replaceAll("`", ""), async () => {
      assertEquals(await play(way, happens), cells);
      assert(isDocumented(heading, [what, ...cells]), "the table of the page has no such row");
    });
  }
}

/** Makes one event happen while the source is quiet, and returns all outcomes. */
async function play(way: Way, happens: Row["happens"]): Promise<string[]> {
  const readable = pushed();
  const [call, stop] = [new AbortController(), new AbortController()];
  const started = gate();
  const sink = new Fanout((item: number) => {
    started.resolve();
    if (item === BAD_FOR_END) throw errors.handler;
  }, { signal: stop.signal });
  let ended = "open";
  sink.closed.then(() => ended = "closed", (error) => ended = `fails with ${told(error)}`);
  const watched = new Watched(way(readable, sink, call.signal));
  readable.push(1);
  await started.promise;
  happens({ readable, call, stop });
  await quiet();
  const early = watched.state;
  const { destroyed } = readable;
  if (!destroyed) readable.push(2);
  const settled = await watched.settled;
  await quiet();
  assert(readable.destroyed, "the source is never destroyed");
  return [
    early ?? `${settled} at the next chunk`,
    destroyed ? "destroyed" : "destroyed at the next chunk",
    ended,
  ];
}
