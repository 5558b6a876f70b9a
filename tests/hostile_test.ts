/** Polluted globals: properties that every object inherits have no effect. */

import { assertEquals } from "@std/assert";
import { Singleflight, type Sink, throttle } from "../mod.ts";
import { collect, streamOf } from "./support/gate.ts";
import { sinks } from "./support/sinks.ts";
import { test } from "./support/test.ts";
import { from, make, text, transforms, variants } from "./support/transforms.ts";

/** Names that the platform itself reads from the objects of a stream, and that would break it. */
const POLLUTION: Record<string, unknown> = {
  type: "bytes",
  size: 5,
  abort: 5,
  highWaterMark: -1,
};

/** Runs code while every object inherits names that the library must ignore. */
async function polluted<R>(run: () => R | Promise<R>): Promise<R> {
  for (const [name, value] of Object.entries(POLLUTION)) {
    Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true });
  }
  try {
    return await run();
  } finally {
    for (const name in POLLUTION) delete (Object.prototype as Record<string, unknown>)[name];
  }
}

for (const transform of [...transforms, ...variants]) {
  const { name, items, results } = transform;
  test(`${name} works when Object.prototype is polluted [7.11]`, async () => {
    const source = streamOf(items);
    const given = await polluted(() => {
      const { readable, writable } = make(transform);
      const writer = writable.getWriter();
      for (const item of items) writer.write(item).catch(() => {});
      writer.close().catch(() => {});
      return collect(readable);
    });
    assertEquals(text(given), text(results));
    if (!transform.from) return;
    assertEquals(text(await polluted(() => collect(from(transform, source)))), text(results));
  });
}

for (const [name, open] of Object.entries(sinks)) {
  test(`${name} works when Object.prototype is polluted [7.11]`, async () => {
    const handled: unknown[] = [];
    await polluted(async () => {
      const sink =
        (open as (handler: (item: unknown) => unknown, options: object) => Sink<unknown>)(
          (item) => handled.push(item),
          {},
        );
      await sink.push(1);
      await sink.consume([2, 3]);
      await sink.close();
    });
    assertEquals(handled.flat(), [1, 2, 3]);
  });
}

test("Singleflight and throttle() work when Object.prototype is polluted [7.11]", async () => {
  const given = await polluted(async () => {
    const flight = new Singleflight<string, number>({ clone: (n) => n, cache: new Map() });
    const { signal } = new AbortController();
    const calls = [flight.do("k", () => Promise.resolve(1)), flight.do("k", () => 2, { signal })];
    const ran: number[] = [];
    throttle((n: number) => ran.push(n), { interval: 9 })(3);
    return [...await Promise.all(calls), ...ran];
  });
  assertEquals(given, [1, 1, 3]);
});
