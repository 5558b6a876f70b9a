/** Sinks: an abort without a reason, and one while they close. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { turn } from "./support/gate.ts";
import { assertConserved, heard, rejection } from "./support/hand.ts";
import { hang, sinks } from "./support/sinks.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

for (const [name, open] of Object.entries(sinks)) {
  test(`${name} rejects all that it has promised with one AbortError where abort() has no reason [5.22] [F-34]`, async () => {
    const signals: AbortSignal[] = [];
    const discarded: unknown[] = [];
    const sink = open((_, { signal }) => {
      signals.push(signal);
      return hang();
    }, { capacity: 1, onDiscard: (_, reason) => discarded.push(reason) });
    const lost = await unhandled(async () => {
      sink.tryPush(1);
      const calls = [2, 3].map((n) => sink.submit(n));
      calls.push(sink.push(4), sink.flush(), sink.consume([5]), sink.closed);
      const rejections = calls.map(rejection);
      await sink.abort();
      const later = [sink.push(6), sink.submit(6), sink.flush(), sink.close()].map(rejection);
      const [first, ...others] = await Promise.all([...rejections, ...later]);
      assertEquals((first as Error).name, "AbortError");
      for (const other of others) assertStrictEquals(other, first);
      assertStrictEquals(signals[0]!.reason, first);
      assertStrictEquals(discarded[0], first);
    });
    assertEquals(lost, []);
    assertConserved(sink);
  });

  test(`${name} rejects the write in flight with an AbortError, and the others as the standard has it, where an abort has no reason [5.22] [F-34]`, async () => {
    const sink = open(hang, { capacity: 1 });
    for (const n of [1, 2]) sink.tryPush(n);
    const writer = sink.getWriter();
    await turn();
    const [first, second] = [3, 4].map((n) => rejection(writer.write(n)));
    const closed = rejection(writer.closed);
    await turn();
    await writer.abort();
    assertEquals(((await first) as Error).name, "AbortError");
    assertEquals([await second, await closed], [undefined, undefined]);
  });

  for (const when of ["while the writes before it wait for room", "while it drains"] as const) {
    test(`${name} rejects its close() with an AbortError where abort() has no reason, ${when} [5.22] [F-31]`, async () => {
      const sink = open(hang, { capacity: 1 });
      sink.tryPush(1);
      if (when !== "while it drains") {
        sink.tryPush(2);
        const writer = sink.getWriter();
        writer.write(3).catch(() => {});
        await turn();
        writer.releaseLock();
      }
      const closing = rejection(sink.close());
      await turn();
      await sink.abort();
      assertEquals(((await closing) as Error).name, "AbortError");
      assertStrictEquals(await rejection(sink.closed), await closing);
    });
  }

  test(`${name}.abort() while close() is under way resolves, and the close rejects with the reason [5.23] [F-31]`, async () => {
    const reason = new Error("now");
    const lost = await unhandled(async () => {
      for (const turns of [0, 1]) {
        const sink = open(hang);
        sink.tryPush(1);
        const closing = rejection(sink.close());
        if (turns > 0) await turn();
        assertEquals(await Promise.all([sink.abort(reason), sink.abort("second")]), [
          undefined,
          undefined,
        ]);
        assertStrictEquals(await closing, reason);
        assertStrictEquals(await rejection(sink.closed), reason);
      }
    });
    assertEquals(lost, []);
  });

  test(`${name}.abort() of a locked sink rejects while it closes, and does nothing [5.23] [5.6]`, async () => {
    let settle!: (value: unknown) => void;
    const sink = heard(open(() => new Promise((yes) => settle = yes)));
    sink.tryPush(1);
    const closing = sink.getWriter().close();
    await turn();
    assert(await rejection(sink.abort("x")) instanceof TypeError);
    settle(1);
    await closing;
  });
}
