/** Sinks: `closed`, and unhandled failures, which surface. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { settled, turn } from "./support/gate.ts";
import { rejection } from "./support/hand.ts";
import { hang, type Options, reasons, type Sink, sinks, thrower } from "./support/sinks.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

/** A sink with one running item, and a function that makes it fail. */
interface Failing {
  readonly sink: Sink;
  readonly fail: (error: unknown) => void;
}

for (const [name, open] of Object.entries(sinks)) {
  const failing = (options: Options = {}): Failing => {
    let fail!: Failing["fail"];
    const sink = open((n) => n === 1 ? new Promise((_, no) => fail = no) : n, options);
    sink.tryPush(1);
    return { sink, fail };
  };

  test(`${name}.closed is one promise, and resolves when the sink has drained [5.19]`, async () => {
    let settle!: (value: unknown) => void;
    const sink = open(() => new Promise((yes) => settle = yes));
    const { closed } = sink;
    sink.tryPush(1);
    const closing = sink.close();
    assertEquals(await settled(closed), "pending");
    settle(1);
    await closing;
    assertEquals(await closed, undefined);
    assertStrictEquals(sink.closed, closed);
  });

  test(`${name}.closed rejects with the same error, or the reason of an abort [5.19] [7.3]`, async () => {
    for (const reason of reasons) {
      const { sink, fail } = failing();
      const closed = rejection(sink.closed);
      fail(reason);
      assertStrictEquals(await closed, reason);
      if (reason === undefined) continue;
      const own = new AbortController();
      const aborted = open(hang);
      const signalled = open(hang, { signal: own.signal });
      const ends = [aborted, signalled].map(({ closed }) => rejection(closed));
      aborted.abort(reason);
      own.abort(reason);
      for (const end of ends) assertStrictEquals(await end, reason);
    }
  });

  test(`${name} surfaces an unhandled failure once, and unchanged [5.20]`, async () => {
    for (const reason of reasons) {
      const lost = await unhandled(async () => {
        const { sink, fail } = failing({ concurrency: 2 });
        // These calls have got their results before.
        await sink.push(2);
        await sink.submit(3);
        sink.idle();
        const writer = sink.getWriter();
        await writer.write(4);
        writer.releaseLock();
        sink.tryPush(5);
        fail(reason);
      });
      assertEquals(lost.length, 1);
      assertStrictEquals(lost[0], reason);
    }
  });

  test(`${name} surfaces an unhandled error of onError [5.20] [5.3]`, async () => {
    const error = new Error("onError");
    const lost = await unhandled(() => {
      const onError = () => {
        throw error;
      };
      const { fail } = failing({ onError });
      fail("handler");
    });
    assertEquals(lost, [error]);
  });

  test(`${name} surfaces a failure that is handled only a turn later [5.20]`, async () => {
    const error = new Error("handler");
    const later: unknown[] = [];
    const lost = await unhandled(async () => {
      const { sink, fail } = failing();
      fail(error);
      await turn();
      await turn();
      for (const call of [sink.push(2), sink.close()]) later.push(await rejection(call));
    });
    assertEquals([lost, later], [[error], [error, error]]);
  });

  /** What handles the failure, if it is pending when the sink fails. */
  const hearers: Record<string, (sink: Sink) => unknown> = {
    "a read of closed": (sink) => sink.closed.catch(() => {}),
    "push()": (sink) => {
      // There may be room for the first.
      for (const n of [2, 3]) sink.push(n).catch(() => {});
    },
    "submit()": (sink) => sink.submit(2).catch(() => {}),
    "a submit that has no room": (sink) => {
      sink.tryPush(2);
      return sink.submit(3).catch(() => {});
    },
    "a submit that runs": (sink) => sink.submit(-1).catch(() => {}),
    "flush()": (sink) => sink.flush().catch(() => {}),
    "consume()": (sink) => sink.consume([2]).catch(() => {}),
    "consume() of a silent source": (sink) => sink.consume(new ReadableStream()).catch(() => {}),
    "close()": (sink) => sink.close().catch(() => {}),
    "await using": (sink) => sink[Symbol.asyncDispose]().catch(() => {}),
    "an idle writer": (sink) => sink.getWriter(),
    "a writer that has closed it and released its lock": (sink) => {
      const writer = sink.getWriter();
      writer.close().catch(() => {});
      writer.releaseLock();
    },
    "a pipe": (sink) => new ReadableStream<number>().pipeTo(sink).catch(() => {}),
  };
  for (const [hearer, listen] of Object.entries(hearers)) {
    for (const when of ["before it", "in the same turn"] as const) {
      // A sink that has failed lets nothing wait.
      if (when !== "before it" && /^a (submit|writer) that /.test(hearer)) continue;
      test(`${name} leaves no failure unhandled for ${hearer} that starts ${when} [5.20]`, async () => {
        const error = new Error("handler");
        const lost = await unhandled(async () => {
          if (when === "in the same turn") {
            const sink = open(thrower(error));
            sink.tryPush(1);
            listen(sink);
            return;
          }
          const concurrency = hearer.endsWith("runs") ? 2 : 1;
          let reject!: (error: unknown) => void;
          const handler = (n: number) => n < 0 ? hang() : new Promise((_, no) => reject = no);
          const sink = open(handler, { concurrency, capacity: 1 });
          sink.tryPush(1);
          await turn();
          listen(sink);
          reject(error);
        });
        assertEquals(lost, []);
      });
    }
  }

  test(`${name} leaves no failure unhandled that tryPush throws in the same turn [5.20]`, async () => {
    const lost = await unhandled(() => {
      const sink = open(() => {
        throw new Error("handler");
      });
      sink.tryPush(1);
      try {
        sink.tryPush(2);
      } catch { /* It is what the caller was told. */ }
    });
    assertEquals(lost, []);
  });

  test(`${name} with onError leaves nothing unhandled [5.20] [5.3]`, async () => {
    const told: unknown[] = [];
    const lost = await unhandled(() => {
      const { fail } = failing({ onError: (error) => told.push(error) });
      fail("handler");
    });
    assertEquals([lost, told], [[], ["handler"]]);
  });

  test(`${name} leaves no abort unhandled, by a call, a writer or a signal [5.20] [5.6]`, async () => {
    const own = new AbortController();
    const lost = await unhandled(async () => {
      open(hang).abort("call");
      const writer = open(hang).getWriter();
      writer.closed.catch(() => {});
      writer.abort("writer");
      open(hang, { signal: own.signal });
      open(hang, { signal: AbortSignal.abort("before") });
      await turn();
      own.abort("signal");
    });
    assertEquals(lost, []);
  });

  test(`${name} leaves unhandled a closed that is read and dropped [5.20]`, async () => {
    const error = new Error("handler");
    const lost = await unhandled(() => {
      const { sink, fail } = failing();
      sink.closed.then(() => {});
      fail(error);
    });
    assertEquals(lost, [error]);
  });
}
