/** The rows of docs/migration.md, "Node streams": a `Writable` with a `highWaterMark`, and a sink. */

import { assertEquals } from "@std/assert";
import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { Aggregator, Fanout, MapStream } from "../../mod.ts";
import { test } from "../support/test.ts";
import { Gated, ids, Job, messageOf, same, turns } from "./migration.ts";

type Run = (item: number) => Promise<unknown>;

/** A `Writable` with an asynchronous handler. */
function writable(run: Run, highWaterMark = 16): Writable {
  return new Writable({
    objectMode: true,
    highWaterMark,
    write: (item: number, _encoding, done) => void run(item).then(() => done(), done),
  });
}

test("migration Node streams: new Writable({ objectMode: true, highWaterMark, write }) -> Fanout", () =>
  same(
    { started: ids(10), most: 1 },
    async () => {
      const job = new Job();
      const stream = writable(job.run);
      for (const n of ids(10)) stream.write(n);
      stream.end();
      await finished(stream);
      return { started: job.started, most: job.most };
    },
    async () => {
      const job = new Job();
      const sink = new Fanout(job.run, { capacity: 16 });
      for (const n of ids(10)) sink.tryPush(n);
      await sink.close();
      return { started: job.started, most: job.most };
    },
  ));

test("migration Node streams: if (!writable.write(item)) await once(writable, 'drain') -> push", () =>
  same(
    { started: ids(10), waited: 2 },
    async () => {
      const job = new Job();
      let waited = 0;
      const stream = writable(job.run, 3);
      for (const n of ids(10)) {
        const drained = once(stream, "drain");
        const room = stream.write(n);
        waited = Math.max(waited, stream.writableLength - 1); // one of them runs
        if (!room) await drained;
      }
      stream.end();
      await finished(stream);
      return { started: job.started, waited };
    },
    async () => {
      const job = new Job();
      let waited = 0;
      const sink = new Fanout(job.run, { capacity: 2 });
      for (const n of ids(10)) {
        await sink.push(n);
        waited = Math.max(waited, sink.stats.waiting);
      }
      await sink.close();
      return { started: job.started, waited };
    },
  ));

test("migration Node streams: writable.write(item) === false -> tryPush(item) === false", async () => {
  await same(
    [true, true, false],
    () => {
      const stream = writable(new Gated().run, 3);
      const taken = ids(3).map((n) => stream.write(n));
      for (const n of ids(100)) stream.write(n);
      assertEquals(stream.writableLength, 103); // false is advice: it has taken them all
      stream.destroy();
      return taken;
    },
    async () => {
      const sink = new Fanout(new Gated().run, { capacity: 1 });
      const taken = ids(3).map((n) => sink.tryPush(n));
      for (const n of ids(100)) sink.tryPush(n);
      assertEquals([sink.stats.accepted, sink.stats.refused], [2, 101]); // false is a bound
      await sink.abort();
      return taken;
    },
  );
});

test("migration Node streams: writev(chunks, done) after cork() -> Aggregator", () =>
  same(
    [[1, 2, 3]],
    async () => {
      const batches: number[][] = [];
      const stream = new Writable({
        objectMode: true,
        writev(chunks, done) {
          batches.push(chunks.map(({ chunk }) => chunk));
          done();
        },
      });
      stream.cork();
      for (const n of ids(3)) stream.write(n);
      stream.uncork();
      stream.end();
      await finished(stream);
      return batches;
    },
    async () => {
      const batches: number[][] = [];
      const sink = new Aggregator((batch: number[]) => void batches.push(batch), { linger: 0 });
      for (const n of ids(3)) sink.tryPush(n);
      await sink.close();
      return batches;
    },
  ));

test("migration Node streams: writable.end(); await finished(writable) -> close", () =>
  same(
    ids(5),
    async () => {
      const job = new Job();
      const stream = writable(job.run);
      for (const n of ids(5)) stream.write(n);
      stream.end();
      await finished(stream);
      return job.started;
    },
    async () => {
      const job = new Job();
      const sink = new Fanout(job.run);
      for (const n of ids(5)) sink.tryPush(n);
      await sink.close();
      return job.started;
    },
  ));

test("migration Node streams: writable.destroy(error) -> abort", async () => {
  const discarded: number[] = [];
  await same(
    { message: "stop", started: [1] },
    async () => {
      const gated = new Gated();
      const stream = writable(gated.run);
      const message = messageOf(() => finished(stream));
      for (const n of ids(3)) stream.write(n);
      stream.destroy(new Error("stop"));
      await turns();
      return { message: await message, started: gated.started };
    },
    async () => {
      const gated = new Gated();
      const sink = new Fanout(gated.run, { onDiscard: (items) => void discarded.push(...items) });
      const message = messageOf(() => sink.closed);
      for (const n of ids(3)) sink.tryPush(n);
      await sink.abort(new Error("stop"));
      await turns();
      return { message: await message, started: gated.started };
    },
  );
  assertEquals(discarded, [2, 3]); // a Writable has no list of what it gives up
});

test("migration Node streams: writable.on('error', log) -> closed", () =>
  same(
    { message: "failed: 2", started: [1, 2] },
    async () => {
      const job = new Job(2);
      const stream = writable(job.run);
      const failed = new Promise<Error>((resolve) => stream.on("error", resolve));
      for (const n of ids(4)) stream.write(n);
      const { message } = await failed;
      await turns();
      return { message, started: job.started };
    },
    async () => {
      const job = new Job(2);
      const sink = new Fanout(job.run);
      const failed = messageOf(() => sink.closed);
      for (const n of ids(4)) sink.tryPush(n);
      const message = await failed;
      await turns();
      return { message, started: job.started };
    },
  ));

test("migration Node streams: await pipeline(readable, writable) -> pipeline into consume", () =>
  same(
    ids(10),
    async () => {
      const job = new Job();
      await pipeline(Readable.from(ids(10)), writable(job.run));
      return job.started;
    },
    async () => {
      const job = new Job();
      await using sink = new Fanout(job.run);
      await pipeline(Readable.from(ids(10)), (items: AsyncIterable<number>) => sink.consume(items));
      return job.started;
    },
  ));

test("migration Node streams: readable.map(get, { concurrency: 4 }) -> MapStream.from", () =>
  same(
    { results: ids(10).map((n) => `done: ${n}`), most: 4 },
    async () => {
      const job = new Job();
      const mapped = Readable.from(ids(10)).map((n) => job.run(n), { concurrency: 4 });
      return { results: await mapped.toArray() as string[], most: job.most };
    },
    async () => {
      const job = new Job();
      const mapped = MapStream.from(Readable.from(ids(10)), job.run, { concurrency: 4 });
      return { results: await Array.fromAsync(mapped), most: job.most };
    },
  ));

test("migration Node streams: writable.writableLength -> stats", () =>
  same(
    5,
    () => {
      const stream = writable(new Gated().run);
      for (const n of ids(5)) stream.write(n);
      const { writableLength } = stream;
      stream.destroy();
      return writableLength;
    },
    async () => {
      const sink = new Fanout(new Gated().run);
      for (const n of ids(5)) sink.tryPush(n);
      const { waiting, running } = sink.stats;
      await sink.abort();
      return waiting + running;
    },
  ));

test("migration Node streams: readable.pipe(writable) -> consume", () =>
  same(
    ids(10),
    async () => {
      const job = new Job();
      await finished(Readable.from(ids(10)).pipe(writable(job.run)));
      return job.started;
    },
    async () => {
      const job = new Job();
      await using sink = new Fanout(job.run);
      await sink.consume(Readable.from(ids(10)));
      return job.started;
    },
  ));

test("migration Node streams: Readable.toWeb(readable).pipeTo(w) -> pipeTo(sink)", () => {
  const items = () => Readable.toWeb(Readable.from(ids(10))) as unknown as ReadableStream<number>;
  return same(
    ids(10),
    async () => {
      const started: number[] = [];
      await items().pipeTo(new WritableStream({ write: (n) => void started.push(n) }));
      return started;
    },
    async () => {
      const job = new Job();
      await items().pipeTo(new Fanout(job.run));
      return job.started;
    },
  );
});

test("migration Node streams, differs: a source that fails destroys a Writable, and leaves a sink open", async () => {
  const failing = async function* () {
    yield 1;
    await turns();
    throw new Error("the file is gone");
  };
  const [theirs, ours] = [new Job(), new Job()];
  const stream = writable(theirs.run);
  const piped = await messageOf(() => pipeline(Readable.from(failing()), stream));
  await using sink = new Fanout(ours.run);
  const consumed = await messageOf(() => sink.consume(Readable.from(failing())));
  assertEquals([piped, consumed], ["the file is gone", "the file is gone"]);
  assertEquals([stream.destroyed, sink.tryPush(2)], [true, true]);
});
