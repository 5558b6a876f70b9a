/** `Aggregator`: a batch runs in the context of its first item. */

import { assertEquals } from "@std/assert";
import { Aggregator, type Runner } from "../mod.ts";
import { ids } from "./support/aggregating.ts";
import { turn } from "./support/gate.ts";
import { Hand } from "./support/hand.ts";
import { test } from "./support/test.ts";

/** A handmade context: it is `current` while its runner runs. */
function contexts() {
  const state = { current: "none", captured: 0 };
  const context = (): Runner => {
    state.captured++;
    const mine = state.current;
    return (run) => {
      const before = state.current;
      state.current = mine;
      try {
        return run();
      } finally {
        state.current = before;
      }
    };
  };
  const within = <R>(name: string, run: () => R): R => {
    const before = state.current;
    state.current = name;
    try {
      return run();
    } finally {
      state.current = before;
    }
  };
  return { state, context, within };
}

test("Aggregator runs a batch in the context of its first item, no matter which caller fills or flushes it [5.9]", async () => {
  const { state, context, within } = contexts();
  const seen: unknown[] = [];
  const sink = new Aggregator<number>((batch) => void seen.push([state.current, ...batch]), {
    maxItems: 2,
    linger: Infinity,
    snapshot: context,
  });
  for (const n of ids(1, 5)) within(`request ${n}`, () => sink.tryPush(n));
  assertEquals(seen, [["request 1", 1, 2], ["request 3", 3, 4]]);
  await within("flusher", () => sink.flush());
  assertEquals(seen[2], ["request 5", 5]);
  assertEquals(state.captured, 5);
  await sink.close();
});

test("Aggregator runs onError in the context of the batch's first item [5.32]", async () => {
  const { state, context, within } = contexts();
  const seen: unknown[] = [];
  const sink = new Aggregator<number>((batch) => {
    if (batch[0] === 1) throw "at once";
    return Promise.reject("later");
  }, {
    maxItems: 2,
    linger: Infinity,
    snapshot: context,
    onError: (error) => seen.push([state.current, error]),
  });
  for (const n of ids(1, 4)) within(`request ${n}`, () => void sink.push(n));
  await within("closer", () => sink.close());
  assertEquals(seen, [["request 1", "at once"], ["request 3", "later"]]);
});

test("Aggregator keeps a context for each key's batch, and for items that waited for room [5.9] [5.2]", async () => {
  const { state, context, within } = contexts();
  const hand = new Hand<unknown>();
  const sink = new Aggregator<string>(
    (batch, at) => hand.handler([state.current, ...batch], at),
    {
      maxItems: 2,
      capacity: 2,
      linger: Infinity,
      snapshot: context,
      key: (item) => item[0],
    },
  );
  for (const item of ["a1", "b1", "b2", "a2", "a3"]) {
    within(`request ${item}`, () => void sink.push(item));
  }
  for (let n = 0; n < 2; n++) {
    hand.calls[n]!.resolve(0);
    await turn();
  }
  const closed = sink.close();
  await turn();
  for (let n = 2; n < 4; n++) {
    hand.calls[n]?.resolve(0);
    await turn();
  }
  await closed;
  // "a1" goes out at capacity.
  assertEquals(hand.started.map((call) => (call as string[])[0]), [
    "request a1",
    "request b1",
    "request a2",
  ]);
});

test("Aggregator.tryPush() captures no context for an item that it refuses [5.9]", () => {
  const { state, context } = contexts();
  const sink = new Aggregator<number>(() => new Promise(() => {}), {
    maxItems: 1,
    capacity: 1,
    snapshot: context,
  });
  assertEquals(ids(1, 5).map((n) => sink.tryPush(n)), [true, true, false, false, false]);
  assertEquals(state.captured, 2);
});
