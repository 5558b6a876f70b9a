/** The normal and early ends of the transform streams that don't batch. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { reasonOf } from "./support/batching.ts";
import { withClock } from "./support/clock.ts";
import { settled, turn } from "./support/gate.ts";
import { countListeners } from "./support/listeners.ts";
import { type Ends, ways } from "./support/transforms.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";
import { unhandled } from "./support/unhandled.ts";

const reasons = [new Error("the reason"), "a word", undefined, null, 0, Object.freeze({})];

/** Ways to end a stream early, and the sides that get the reason. */
const early = [
  {
    name: "the consumer cancels",
    id: "[F-30]",
    end: (ends: Ends, _: AbortController, reason: unknown) => ends.reader.cancel(reason),
    consumer: "closed",
    producer: "told",
  },
  {
    name: "the producer fails",
    id: "[F-31]",
    end: (ends: Ends, _: AbortController, reason: unknown) => ends.abort(reason),
    consumer: "told",
    producer: "knows",
  },
  {
    name: "the signal aborts",
    id: "[F-33]",
    end: (_: Ends, own: AbortController, reason: unknown) => own.abort(reason),
    consumer: "told",
    producer: "told",
  },
];

for (const { name, timers, waits, item, open, make, hold } of ways) {
  for (const { name: event, id, end, consumer, producer } of early) {
    // Items read before a failure of the source are handed over first: `map_stream_from_test.ts`.
    const rest = id === "[F-31]" && name.endsWith(".from()");
    if (!rest) {
      timed(
        `${name} drops its items and gives both sides the same reason when ${event} [7.3] ${id} [F-34] [F-36]`,
        async (clock) => {
          for (const reason of reasons) {
            const own = new AbortController();
            const listeners = countListeners(own.signal);
            const ends = open(own.signal);
            await hold(ends, clock);
            assertEquals([clock.pending, listeners.live], [timers, 1]);
            // This item waits outside if there is no room.
            await ends.add(item);
            const lost = await unhandled(() => end(ends, own, reason));
            assertEquals(lost, []);
            assertEquals([clock.pending, listeners.live], [0, 0]);
            // A signal that aborts without a reason makes one.
            const expected = id === "[F-33]" ? own.signal.reason : reason;
            if (consumer === "told") {
              assertStrictEquals(await reasonOf(ends.reader.read()), expected);
            } else assertEquals((await ends.reader.read()).done, true);
            if (producer === "told") {
              assertStrictEquals(await ends.told, expected);
            }
            if (ends.stats) assertEquals([ends.stats.waiting, ends.stats.done], [0, 0]);
          }
        },
      );
    }

    timed(
      `${name} leaves nothing behind when ${event} before anything is added ${id} [F-36]`,
      async (clock) => {
        const own = new AbortController();
        const listeners = countListeners(own.signal);
        const ends = open(own.signal);
        assertEquals(await unhandled(() => end(ends, own, "early")), []);
        if (consumer === "told") assertEquals(await reasonOf(ends.reader.read()), "early");
        assertEquals([clock.pending, listeners.live], [0, 0]);
      },
    );

    if (!rest) {
      timed(`${name} stays ended when ${event} twice [F-31]`, async (clock) => {
        const own = new AbortController();
        const ends = open(own.signal);
        await hold(ends, clock);
        const lost = await unhandled(async () => {
          await end(ends, own, "first");
          own.abort("second");
          await ends.reader.cancel("second").catch(() => {});
        });
        assertEquals(lost, []);
        if (consumer === "told") assertEquals(await reasonOf(ends.reader.read()), "first");
        else assertEquals((await ends.reader.read()).done, true);
        if (producer === "told") assertEquals(await ends.told, "first");
      });
    }
  }

  test(`${name} takes nothing and errors both sides when the signal has aborted before [F-33]`, async () => {
    for (const reason of reasons) {
      const signal = AbortSignal.abort(reason);
      const listeners = countListeners(signal);
      const ends = open(signal);
      assertStrictEquals(await reasonOf(ends.reader.read()), signal.reason);
      assertStrictEquals(await ends.told, signal.reason);
      assertEquals(listeners.added, 0);
    }
  });

  for (const aborted of [false, true]) {
    const how = aborted ? "it has aborted" : "they have ended";
    test(`${name} shares one listener on a signal, and leaves none when ${how} [7.5] [F-33]`, async () => {
      const own = new AbortController();
      const listeners = countListeners(own.signal);
      const many = Array.from({ length: 100 }, () => open(own.signal));
      assertEquals([listeners.added, listeners.live], [1, 1]);
      const last = many.pop()!;
      await Promise.all(many.map(({ reader }) => reader.cancel()));
      assertEquals([listeners.added, listeners.live], [1, 1]);
      if (aborted) own.abort("all");
      else await last.reader.cancel("all");
      assertEquals(await last.told, "all");
      assertEquals(listeners.live, 0);
    });
  }

  test(`${name} closes both sides when nothing was added, and leaves no listener [F-36]`, () =>
    withClock(async (clock) => {
      const { signal } = new AbortController();
      const listeners = countListeners(signal);
      const ends = open(signal);
      const read = ends.reader.read();
      await ends.close();
      assertEquals((await read).done, true);
      assertEquals([clock.pending, listeners.live], [0, 0]);
    }));

  if (!make) continue;

  const both = (signal?: AbortSignal) => {
    const stream = make(signal);
    const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
    for (const promise of [writer.closed, writer.ready, reader.closed]) promise.catch(() => {});
    return { writer, reader };
  };

  if (waits) {
    for (const how of ["cancel", "abort", "signal"]) {
      timed(
        `${name} rejects waiting writes with the same reason by ${how} [F-32] [F-34]`,
        async (clock) => {
          for (const reason of reasons) {
            const own = new AbortController();
            const { writer, reader } = both(own.signal);
            const add = (...items: unknown[]) => {
              for (const item of items) writer.write(item).catch(() => {});
              return turn();
            };
            await hold({ reader, add } as unknown as Ends, clock);
            const pending = [writer.write(item), writer.write(item)];
            for (const write of pending) assertEquals(await settled(write), "pending");
            const lost = await unhandled(async () => {
              if (how === "cancel") await reader.cancel(reason);
              else if (how === "abort") await writer.abort(reason);
              else own.abort(reason);
              const given = how === "signal" ? own.signal.reason : reason;
              // The current write gets it from the signal of the writable, which has its own
              // reason.
              const first = await reasonOf(pending[0]!);
              if (reason !== undefined) assertStrictEquals(first, given);
              assertStrictEquals(await reasonOf(pending[1]!), given);
              assertStrictEquals(await reasonOf(writer.closed), given);
              if (how !== "cancel") assertStrictEquals(await reasonOf(reader.read()), given);
            });
            assertEquals(lost, []);
          }
        },
      );
    }
  }

  test(`${name} rejects writes after it has ended [F-32]`, async () => {
    const own = new AbortController();
    const cancelled = both();
    await cancelled.reader.cancel("the end");
    const aborted = both();
    await aborted.writer.abort("the end");
    const signalled = both(own.signal);
    own.abort("the end");
    for (const { writer } of [cancelled, aborted, signalled]) {
      assertEquals(await reasonOf(writer.write(item)), "the end");
      assert(await reasonOf(writer.close()) !== undefined);
    }
    const { writer } = both();
    await writer.close();
    assert(await reasonOf(writer.write(item)) instanceof TypeError);
  });

  test(`${name} follows the standard when it is closed or aborted twice [F-31]`, async () => {
    const closed = both();
    const closing = closed.writer.close();
    assert(await reasonOf(closed.writer.close()) instanceof TypeError);
    await closing;
    await closed.writer.abort("too late");
    assertEquals((await closed.reader.read()).done, true);

    const aborted = both();
    await Promise.all([aborted.writer.abort("first"), aborted.writer.abort("second")]);
    assertEquals(await reasonOf(aborted.reader.read()), "first");

    const early = both();
    // The close has not begun, because the stream has not started yet.
    const reason = reasonOf(early.writer.close());
    await early.writer.abort("in time");
    assertEquals(await reason, "in time");
    assertEquals(await reasonOf(early.reader.read()), "in time");
  });

  test(`${name} ends a pipe with the same reason when the signal aborts [7.3]`, async () => {
    const source = new ReadableStream({
      async pull(controller) {
        // A throttle drops items endlessly.
        await turn();
        controller.enqueue(item);
      },
    });
    const own = new AbortController();
    const stream = make(own.signal);
    const piping = reasonOf(source.pipeTo(stream.writable));
    await turn();
    own.abort("enough");
    assertEquals(await piping, "enough");
    assertEquals(await reasonOf(stream.readable.getReader().read()), "enough");
  });
}
