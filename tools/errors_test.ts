/** docs/errors.md has every message that users meet, and each as it is. */

import { assert, assertEquals } from "@std/assert";
import {
  Aggregator,
  ChunkStream,
  Fanout,
  type FanoutOptions,
  FixedChunkStream,
  MapStream,
  RateLimit,
  Singleflight,
} from "../mod.ts";

const handler = (): void => {};
const hang = (): Promise<never> => new Promise(() => {});
const fail = (): Promise<never> => Promise.reject(new Error("503"));

const fanout = (options: unknown) => (): unknown =>
  new Fanout(handler, options as FanoutOptions<unknown>);

/** Calls that go wrong, each with the kind of its error. */
const CALLS: readonly [kind: string, call: () => unknown][] = [
  ["TypeError", fanout({ timeout: "5" })],
  ["RangeError", fanout({ name: "mails", timeout: 0 })],
  ["TypeError", () => new RateLimit({ limit: 10 } as never)],
  ["TypeError", fanout({ concurency: 4 })],
  ["TypeError", fanout({ threads: 4 })],
  ["TypeError", fanout(new AbortController().signal)],
  ["TypeError", () => new Fanout({ concurrency: 4 } as never)],
  ["TypeError", fanout({ keyCapacity: 2 })],
  ["TypeError", () => new Aggregator(handler, { maxItems: 9, collector: hang as never })],
  ["RangeError", () => new Aggregator(handler, { maxItems: Infinity })],
  ["RangeError", () => new Aggregator(handler, { capacity: 10 })],
  ["RangeError", () => new MapStream(handler, { concurrency: 8, capacity: 4 })],

  ["TypeError", async () => {
    const closed = new Fanout(handler);
    await closed.close();
    closed.tryPush(1);
  }],
  ["TypeError", () => {
    const locked = weighing();
    locked.getWriter();
    return locked.close();
  }],
  ["RangeError", () => weighing().push(20)],
  ["RangeError", () => weighing().push(NaN)],
  ["TypeError", () => weighing().push("1" as never)],
  ["RangeError", () => {
    const failing = new Fanout(fail, { retry: () => NaN });
    failing.tryPush(1);
    return failing.closed;
  }],
  ["TypeError", () => {
    const users = new Aggregator((_ids: number[]) => ["user 1"], { linger: 0 });
    return Promise.all([users.submit(1), users.submit(2)]);
  }],
  ["TypeError", () => weighing().submit(1, new AbortController().signal as never)],
  ["TypeError", () => weighing().consume("abc" as never)],
  ["TypeError", () => weighing().consume([1] as never, { flatten: true })],
  [
    "TypeError",
    () => weighing().consume({ [Symbol.iterator]: () => ({ next: () => 1 }) } as never),
  ],
  ["TypeError", () => read(ChunkStream.from([{}], { maxBytes: 8 }))],
  ["TypeError", () => read(FixedChunkStream.from(["a"] as never, { size: 8 }))],
  ["TypeError", () => {
    const cache = { get: () => Promise.resolve(), set() {}, has() {}, delete() {} };
    return new Singleflight({ cache: cache as never }).do("a", hang);
  }],
  ["Error", () => {
    const flight = new Singleflight<string, string>();
    const again = (): Promise<string> => flight.do("a", again);
    return again();
  }],

  ["TimeoutError", () => new Fanout(hang, { timeout: 1 }).submit(1)],
  ["TimeoutError", async () => {
    let done = (_?: unknown): void => {};
    const slow = new Fanout(() => new Promise((resolve) => done = resolve), { maxWait: 1 });
    slow.tryPush(1);
    const late = slow.submit(2);
    setTimeout(() => done(), 5);
    await late;
  }],
  ["TimeoutError", () => {
    const failing = new Fanout(fail, { timeout: 1, onError: hang });
    failing.tryPush(1);
    return failing.closed;
  }],
  ["TimeoutError", () => {
    const busy = new Fanout(hang);
    busy.tryPush(1);
    return busy.close({ timeout: 1 });
  }],
];

function weighing(): Fanout<number> {
  return new Fanout(handler, { weigh: (size: number) => size, capacityWeight: 10 });
}

async function read(source: AsyncIterable<unknown>): Promise<void> {
  for await (const _item of source);
}

/** What the page says in its tables: `<class>` is an object that may have a name, `…` is anything. */
function written(page: string): RegExp[] {
  const spans = page.matchAll(/^\|.*?`((?:<class>|[A-Z]\w+)(?:\.\w+)?: [^`]*)`/gm);
  return Array.from(spans, ([, message]) => {
    const pattern = RegExp("^" + message!.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") + "$").source;
    return new RegExp(pattern.replaceAll("<class>", '[A-Z]\\w+( "\\w+")?').replaceAll("…", ".*"));
  });
}

Deno.test("docs/errors.md has every message, and no other", async () => {
  const rules = written(await Deno.readTextFile("docs/errors.md"));
  const messages: string[] = [];
  for (const [kind, call] of CALLS) {
    const error: Error = await (async () => await call())().then(
      () => new Error(`nothing is wrong with ${call}`),
      (error) => error,
    );
    assertEquals(error.name, kind, error.message);
    messages.push(error.message);
  }
  for (const message of messages) {
    assert(rules.some((rule) => rule.test(message)), `not on the page: ${message}`);
  }
  for (const rule of rules) {
    assert(messages.some((message) => rule.test(message)), `on the page, but never said: ${rule}`);
  }
});
