/** The writable side of the batching streams, `flush` and `stats`. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { kinds, reasonOf } from "./support/batching.ts";
import { withClock } from "./support/clock.ts";
import { collect, counted, settled, turn } from "./support/gate.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

type Stream = ReturnType<typeof kinds[number]["make"]>;

function ends(stream: Stream) {
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  for (const promise of [writer.closed, writer.ready, reader.closed]) promise.catch(() => {});
  return { writer, reader };
}

for (const { name, make } of kinds) {
  test(`${name} closes both sides at once when it holds nothing, even without demand [4.7]`, async () => {
    const { writer, reader } = ends(make(2));
    const closed = [writer.close(), reader.closed];
    assertEquals(await Promise.all(closed.map(settled)), ["fulfilled", "fulfilled"]);
  });

  test(`${name} makes writes wait while it holds a full batch and there is no demand [4.5] [F-27]`, async () => {
    const { writer, reader } = ends(make(2));
    const writes = ["a", "b", "c", "d"].map((item) => writer.write(item));
    assertEquals(await Promise.all(writes.map(settled)), [
      "fulfilled",
      "fulfilled",
      "pending",
      "pending",
    ]);
    assertEquals(await settled(writer.ready), "pending");
    assertEquals((await reader.read()).value, ["a", "b"]);
    await Promise.all(writes);
    await writer.ready;
  });

  test(`${name} is ready for items before a batch is read`, async () => {
    const { writer } = ends(make(2));
    await writer.ready;
    assertEquals(writer.desiredSize, 1);
  });

  const early: [
    event: string,
    end: (stream: ReturnType<typeof ends>, own: AbortController) => unknown,
  ][] = [
    ["the consumer cancels [F-30]", ({ reader }) => reader.cancel("the end")],
    ["the writer aborts [F-31]", ({ writer }) => writer.abort("the end")],
    ["the signal aborts [F-33]", (_, own) => own.abort("the end")],
  ];
  for (const [event, end] of early) {
    test(`${name} rejects the waiting write, and does not count it, when ${event} [4.7] [3]`, () =>
      withClock(async (clock) => {
        const own = new AbortController();
        const stream = make(2, { linger: 10, signal: own.signal });
        const both = ends(stream);
        const writes = ["a", "b", "c", "d"].map((item) => both.writer.write(item));
        const reasons = Promise.all(writes.slice(2).map(reasonOf));
        await turn();
        assertEquals(await unhandled(() => end(both, own)), []);
        assertEquals(await reasons, ["the end", "the end"]);
        assertEquals(await reasonOf(both.writer.closed), "the end");
        assertEquals(stream.stats, { accepted: 2, waiting: 0, done: 0, discarded: 2, batches: 0 });
        assertEquals(clock.pending, 0);
      }));

    test(`${name} rejects writes and does nothing more after ${event} [F-32]`, async () => {
      const own = new AbortController();
      const stream = make(2, { signal: own.signal });
      const both = ends(stream);
      await both.writer.write("a");
      await end(both, own);
      const { stats } = stream;
      assertEquals(await reasonOf(both.writer.write("b")), "the end");
      assertEquals((await reasonOf(both.writer.close())) !== undefined, true);
      stream.flush();
      assertEquals(stream.stats, stats);
    });
  }

  test(`${name} rejects a write after close [F-32]`, async () => {
    const { writer } = ends(make(2));
    await writer.close();
    assert(await reasonOf(writer.write("a")) instanceof TypeError);
  });

  test(`${name} gives the consumer undefined when that is the reason of abort, even while a write waits [7.3] [F-34]`, async () => {
    for (const waits of [false, true]) {
      const { writer, reader } = ends(make(1));
      const writes = [writer.write("a"), ...(waits ? [writer.write("b")] : [])];
      for (const write of writes) write.catch(() => {});
      await turn();
      await writer.abort(undefined);
      assertStrictEquals(await reasonOf(reader.read()), undefined);
      assertStrictEquals(await reasonOf(writer.closed), undefined);
    }
  });

  test(`${name} takes no item of an aborted write when the consumer reads at that time [4.7] [3] [F-31]`, async () => {
    const stream = make(1);
    const { writer, reader } = ends(stream);
    await writer.write("a");
    const waits = reasonOf(writer.write("b"));
    await turn();
    const aborting = writer.abort("the end");
    // In either order, it is the last chunk.
    await reader.read().catch(() => {});
    await aborting;
    assertEquals(await waits, "the end");
    assertEquals(await reasonOf(reader.read()), "the end");
    assertEquals(stream.stats.accepted, 1);
  });

  test(`${name} follows the standard when it is closed or aborted twice [F-31]`, async () => {
    const closed = ends(make(2));
    const closing = closed.writer.close();
    assertEquals(await reasonOf(closed.writer.close()) instanceof TypeError, true);
    await closing;
    await closed.writer.abort("too late");
    assertEquals((await closed.reader.read()).done, true);

    const aborted = ends(make(2));
    await Promise.all([aborted.writer.abort("first"), aborted.writer.abort("second")]);
    assertEquals(await reasonOf(aborted.reader.read()), "first");
  });

  test(`${name} follows the standard when it is aborted while it closes [F-31]`, () =>
    withClock(async (clock) => {
      const stream = make(2, { linger: 10 });
      const { writer, reader } = ends(stream);
      await writer.write("a");
      // The close has begun, and can't fail any more.
      const closing = writer.close();
      await writer.abort("too late");
      await closing;
      assertEquals((await reader.read()).value, ["a"]);

      const early = ends(make(2));
      // The stream has not started yet.
      const reason = reasonOf(early.writer.close());
      await early.writer.abort("in time");
      assertEquals(await reason, "in time");
      assertEquals(await reasonOf(early.reader.read()), "in time");
      assertEquals(clock.pending, 0);
    }));

  test(`${name} closes its writable at once, even if the rest is not read [4.7]`, async () => {
    const stream = make(3);
    const { writer, reader } = ends(stream);
    await writer.write("a");
    await writer.close();
    assertEquals(stream.stats, { accepted: 1, waiting: 1, done: 0, discarded: 0, batches: 0 });
    assertEquals((await reader.read()).value, ["a"]);
    assertEquals(stream.stats, { accepted: 1, waiting: 0, done: 1, discarded: 0, batches: 1 });
  });

  test(`${name}.flush() emits the batch when there is demand`, () =>
    withClock(async (clock) => {
      const stream = make(3, { linger: 10 });
      const { writer, reader } = ends(stream);
      const read = reader.read();
      await writer.write("a");
      stream.flush();
      assertEquals((await read).value, ["a"]);
      await turn();
      assertEquals(clock.pending, 0);
    }));

  test(`${name}.flush() keeps collecting when there is no demand [4.5]`, () =>
    withClock(async (clock) => {
      const stream = make(3, { linger: 10 });
      const { writer, reader } = ends(stream);
      await writer.write("a");
      stream.flush();
      await turn();
      assertEquals(clock.pending, 0);
      await writer.write("b");
      assertEquals((await reader.read()).value, ["a", "b"]);
      const next = reader.read();
      await writer.write("c");
      assertEquals(await settled(next), "pending");
      await writer.abort().catch(() => {});
      await next.catch(() => {});
    }));

  test(`${name}.flush() does nothing without items, or after close [4.1] [F-31]`, async () => {
    const stream = make(3);
    stream.flush();
    const { writer, reader } = ends(stream);
    const read = reader.read();
    await writer.write("a");
    assertEquals(await settled(read), "pending");
    const closing = writer.close();
    stream.flush();
    stream.flush();
    await closing;
    assertEquals((await read).value, ["a"]);
    stream.flush();
    assertEquals((await reader.read()).done, true);
  });

  test(`${name}.stats adds up at every moment [3]`, async () => {
    const stream = make(2);
    const seen: number[][] = [];
    const see = () => {
      const { accepted, waiting, done, discarded, batches } = stream.stats;
      seen.push([accepted, waiting, done, discarded, batches]);
    };
    const { writer, reader } = ends(stream);
    see();
    await writer.write(1);
    see();
    await writer.write(2);
    const waits = writer.write(3);
    await turn();
    see();
    await reader.read();
    await waits;
    see();
    await reader.cancel();
    see();
    assertEquals(seen, [
      [0, 0, 0, 0, 0],
      [1, 1, 0, 0, 0],
      [2, 2, 0, 0, 0],
      [3, 1, 2, 0, 1],
      [3, 0, 2, 1, 1],
    ]);
  });

  test(`${name} ends a pipe with the same reason when the signal aborts [7.3]`, async () => {
    let taken = 0;
    const source = new ReadableStream({
      pull: (controller) => controller.enqueue(counted(taken++)),
    });
    const own = new AbortController();
    const stream = make(2, { signal: own.signal });
    const piping = reasonOf(source.pipeTo(stream.writable));
    const reader = stream.readable.getReader();
    await reader.read();
    own.abort("enough");
    assertEquals(await piping, "enough");
    reader.releaseLock();
    assertEquals(await reasonOf(collect(stream.readable)), "enough");
  });
}
