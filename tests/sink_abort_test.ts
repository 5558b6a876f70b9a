/** Sinks: the outcome of items whose handlers run when the sink ends. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { Aggregator } from "../mod.ts";
import { gate, turn } from "./support/gate.ts";
import { assertConserved, heard, rejection } from "./support/hand.ts";
import { type Options, sinks } from "./support/sinks.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

const reason = new Error("shutdown");

/** Errors of handlers that only answer the abort. */
const echoes: Record<string, (signal: AbortSignal) => unknown> = {
  "the reason": (signal) => signal.reason,
  "an AbortError": () => new DOMException("aborted", "AbortError"),
  "an AbortError of another realm": () =>
    Object.assign(Object.create(null), { name: "AbortError" }),
  "an error whose cause is the reason": () => new Error("stopped", { cause: reason }),
};
/** Errors of any other kind. */
const failures: Record<string, () => unknown> = {
  "another error": () => new Error("database"),
  "nothing": () => undefined,
  "a text": () => "text",
  "an error with another cause": () => new Error("stopped", { cause: new Error("other") }),
  "an error whose name cannot be read": () =>
    Object.defineProperty({}, "name", {
      get() {
        throw new Error("name");
      },
    }),
};

for (const [name, open] of Object.entries(sinks)) {
  /** Three run: one of them was submitted, and one does not settle. One waits. */
  const busy = (fail: (signal: AbortSignal) => unknown, more: Options) => {
    const own = new AbortController();
    const seen: unknown[][] = [];
    const sink = open((n, { signal }) => {
      const { promise, reject } = gate<never>();
      if (n < 3) signal.addEventListener("abort", () => reject(fail(signal)));
      return promise;
    }, {
      concurrency: 3,
      onDiscard: (items, reason) => seen.push(["discarded", items, reason]),
      signal: own.signal,
      ...more,
    });
    sink.tryPush(1);
    const submitted = rejection(sink.submit(2));
    for (const n of [3, 4]) sink.tryPush(n);
    return { sink, own, seen, submitted };
  };

  for (const [what, echo] of Object.entries(echoes)) {
    for (const how of ["abort()", "the signal"] as const) {
      test(`${name} counts an item that ends with ${what} after ${how} as discarded, and calls onDiscard [5.21] [5.6] [3]`, async () => {
        const onError = () => seen.push(["failed"]);
        const { sink, own, seen, submitted } = busy(echo, { onError });
        const lost = await unhandled(async () => {
          if (how === "abort()") await sink.abort(reason);
          else own.abort(reason);
          assertStrictEquals(await submitted, reason);
        });
        const discarded = (...items: number[]) => ["discarded", items, reason];
        assertEquals([lost, seen], [[], [discarded(4), discarded(1), discarded(2)]]);
        const { running, done, failed } = sink.stats;
        assertEquals([sink.stats.discarded, running, done, failed], [3, 1, 0, 0]);
        assertConserved(sink);
      });
    }
  }

  for (const [what, failure] of Object.entries(failures)) {
    test(`${name} calls onError for an item that ends with ${what} after an abort, submitted or not [5.21]`, async () => {
      const errors: unknown[] = [];
      const fail = () => {
        const error = failure();
        errors.push(error);
        return error;
      };
      const onError = (error: unknown) => seen.push(["failed", error]);
      const { sink, seen, submitted } = busy(fail, { onError });
      const lost = await unhandled(async () => {
        await sink.abort(reason);
        assertStrictEquals(await submitted, reason);
      });
      assertEquals([lost, seen.map(([kind]) => kind)], [[], ["discarded", "failed", "failed"]]);
      assertStrictEquals(seen[1]![1], errors[0]);
      assertStrictEquals(seen[2]![1], errors[1]);
      const { running, done, failed, discarded } = sink.stats;
      assertEquals([running, done, failed, discarded], [1, 0, 2, 1]);
    });
  }

  test(`${name} without onError counts an item that fails after an abort as failed [5.21]`, async () => {
    const { sink, seen } = busy(() => new Error("database"), {});
    heard(sink);
    assertEquals(await unhandled(() => sink.abort(reason)), []);
    assertEquals([seen.length, sink.stats.failed, sink.stats.discarded], [1, 2, 1]);
  });

  test(`${name} keeps the reason of the abort when onError fails after it [5.21] [5.3]`, async () => {
    const onError = () => Promise.reject(new Error("onError"));
    const { sink } = busy(() => new Error("database"), { onError });
    assertEquals(await unhandled(() => sink.abort(reason)), []);
    assertStrictEquals(await rejection(sink.closed), reason);
    assertEquals([sink.stats.failed, sink.stats.running], [2, 1]);
  });

  test(`${name} counts an item that succeeds after an abort as done [5.21]`, async () => {
    const one = gate<number>();
    const seen: unknown[] = [];
    const sink = open(() => one.promise, { onDiscard: (items) => seen.push(items) });
    sink.tryPush(1);
    await sink.abort(reason);
    one.resolve(1);
    await sink.idle();
    assertEquals([sink.stats.done, seen], [1, []]);
  });

  test(`${name} counts the echo of the failure that has ended it as discarded [5.21] [5.3]`, async () => {
    const rejects: Array<(error: unknown) => void> = [];
    const seen: unknown[] = [];
    const sink = heard(open((n, { signal }) => {
      const { promise, reject } = gate<never>();
      signal.addEventListener(
        "abort",
        () => reject(new Error("stopped", { cause: signal.reason })),
      );
      rejects[n] = reject;
      return promise;
    }, { concurrency: 2, onDiscard: (...args) => seen.push(args) }));
    for (const n of [1, 2]) sink.tryPush(n);
    rejects[1]!(reason);
    await turn();
    assertEquals(seen, [[[2], reason]]);
    assertEquals([sink.stats.failed, sink.stats.discarded], [1, 1]);
  });

  test(`${name} counts discarded items before it calls onDiscard [5.21]`, async () => {
    const counted: unknown[] = [];
    const sink = open((_, { signal }) => {
      const { promise, reject } = gate<never>();
      signal.addEventListener("abort", () => reject(signal.reason));
      return promise;
    }, {
      onDiscard() {
        const { running, discarded } = sink.stats;
        counted.push([running, discarded]);
      },
    });
    sink.tryPush(1);
    await sink.abort(reason);
    await sink.idle();
    assertEquals(counted, [[0, 1]]);
  });

  test(`${name} treats an AbortError before the end as a failure [5.21] [5.3]`, async () => {
    const error = new DOMException("own", "AbortError");
    const seen: unknown[] = [];
    const sink = open(() => Promise.reject(error), { onError: (error) => seen.push(error) });
    sink.tryPush(1);
    await sink.close();
    assertEquals([seen, sink.stats.failed], [[error], 1]);
  });
}

test("Aggregator after an abort counts each item of a batch by its own outcome [5.21] [5.18]", async () => {
  const seen: unknown[] = [];
  const error = new Error("database");
  const results = gate<unknown[]>();
  const sink = new Aggregator<number>(() => results.promise, {
    maxItems: 4,
    onError: (...args) => seen.push(args),
    onDiscard: (...args) => seen.push(args),
  });
  const submitted = rejection(sink.submit(1));
  for (const n of [2, 3, 4]) sink.tryPush(n);
  await sink.abort(reason);
  assertStrictEquals(await submitted, reason);
  results.resolve([error, 2, reason, Promise.reject(reason)]);
  await sink.idle();
  assertEquals(seen, [[error, [1], [1, 2, 3, 4]], [[3, 4], reason]]);
  const { done, failed, discarded } = sink.stats;
  assertEquals([done, failed, discarded], [1, 1, 2]);
});
