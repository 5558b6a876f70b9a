/** The library calls user functions without a `this`. */

import { assertEquals } from "@std/assert";
import {
  Aggregator,
  BatchStream,
  ChunkStream,
  Fanout,
  MapStream,
  Singleflight,
  throttle,
} from "../mod.ts";
import { collect } from "./support/gate.ts";
import { test } from "./support/test.ts";

/** A function that records its `this`, and then runs `body`. */
function spy<R>(seen: unknown[], body: (...args: never[]) => R): () => R {
  return function (this: unknown, ...args: never[]) {
    seen.push(this);
    return body(...args);
  };
}

const fail = () => {
  throw new Error("fails");
};

test("Every primitive calls functions without a this [7.7]", async () => {
  const seen: unknown[] = [];
  const run = () => (call: () => unknown) => call();
  const hooks = {
    key: spy(seen, () => "key"),
    snapshot: spy(seen, run as never),
    onError: spy(seen, () => {}),
  };
  for (
    const open of [
      (handler: () => unknown) => new Fanout<number>(handler, hooks as never),
      (handler: () => unknown) =>
        new Aggregator<number>(handler, { maxItems: 1, ...hooks } as never),
    ]
  ) {
    const sink = open(spy(seen, fail));
    sink.tryPush(1);
    await sink.close();
  }
  const discarding = new Fanout<number>(() => new Promise(() => {}), {
    onDiscard: spy(seen, () => {}),
  });
  for (const n of [1, 2]) discarding.tryPush(n);
  await discarding.abort();
  await collect(MapStream.from([1], spy(seen, () => 1), { key: spy(seen, () => "key") }));
  await collect(BatchStream.from([1], { maxWeight: 2, weigh: spy(seen, () => 1) }));
  await collect(ChunkStream.from(["a"], { maxBytes: 2, byteLength: spy(seen, () => 1) }));
  const flights = new Singleflight<string, number>({ clone: spy(seen, () => 1) });
  await Promise.all([1, 2].map(() => flights.do("k", spy(seen, () => Promise.resolve(1)))));
  const cache = new Map([["k", 1]]);
  const cached = new Singleflight<string, number>({ cache, clone: spy(seen, () => 1) });
  await cached.do("k", () => 1);
  throttle(spy(seen, () => {}), { interval: Infinity })();
  assertEquals([seen.length, seen.filter((it) => it !== undefined)], [17, []]);
});
