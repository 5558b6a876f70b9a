/** The recipes of `examples/recipes/` do what they say. */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import { DataLoader } from "../examples/recipes/data_loader.ts";
import { type DeadLetter, withDeadLetters } from "../examples/recipes/dead_letters.ts";
import { type MultipartUpload, upload } from "../examples/recipes/multipart.ts";
import { coalesced } from "../examples/recipes/responses.ts";
import { callersContext } from "../examples/recipes/tracing.ts";
import { TtlCache } from "../examples/recipes/ttl_cache.ts";
import { Aggregator, backoff, Fanout, Singleflight } from "../mod.ts";
import { withClock } from "./support/clock.ts";
import { gate, microtasks, settled, streamOf, turn } from "./support/gate.ts";
import { Hand, heard, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

test("recipe dead letters: an item that fails is kept with its reason, and the others are handled", async () => {
  const kept: DeadLetter<number>[] = [];
  const letters = new Aggregator<DeadLetter<number>>((batch) => void kept.push(...batch));
  const error = new Error("odd");
  const fanout = withDeadLetters(
    async (n: number) => {
      await turn();
      if (n % 2 === 1) throw error;
    },
    letters,
    { concurrency: 3 },
  );
  await fanout.consume([1, 2, 3, 4, 5]);
  await fanout.close();
  await letters.close();
  assertEquals(kept, [1, 3, 5].map((item) => ({ item, reason: error })));
  assertEquals([fanout.stats.done, fanout.stats.failed], [2, 3]);
});

test("recipe dead letters: items that wait at an abort are kept, even more than the capacity", async () => {
  const kept: DeadLetter<number>[] = [];
  const letters = new Aggregator<DeadLetter<number>>(async (batch) => {
    await turn();
    kept.push(...batch);
  }, { maxItems: 2, capacity: 2 });
  const fanout = withDeadLetters(() => new Promise(() => {}), letters);
  for (let item = 0; item < 10; item++) fanout.tryPush(item);
  const reason = new Error("shutdown");
  await fanout.abort(reason);
  await letters.close();
  assertEquals(kept, [1, 2, 3, 4, 5, 6, 7, 8, 9].map((item) => ({ item, reason })));
  assertEquals(fanout.stats.discarded, 9);
});

test("recipe dead letters: if no letter can be kept, the sink fails, too", async () => {
  const lost = new Error("disk full");
  const letters = new Aggregator<DeadLetter<number>>(() => {
    throw lost;
  }, { maxItems: 1 });
  heard(letters);
  const fanout = withDeadLetters(() => {
    throw new Error("failed");
  }, letters);
  fanout.tryPush(1);
  await turn();
  // The first letter was accepted, and errored its sink; the second is refused.
  fanout.tryPush(2);
  const error = await assertRejects(() => fanout.close());
  assertStrictEquals(error, lost);
});

test("recipe dead letters: with `retry`, an item is kept once, when `retry` has given up", () =>
  withClock(async (clock) => {
    const kept: DeadLetter<number>[] = [];
    const letters = new Aggregator<DeadLetter<number>>((batch) => void kept.push(...batch));
    const calls: number[] = [];
    const error = new Error("odd");
    const fanout = withDeadLetters(
      (n: number, { attempt }) => {
        calls.push(n);
        if (n === 1 || attempt < 3) throw error;
      },
      letters,
      { retry: backoff({ attempts: 4, jitter: false }) },
    );
    const consumed = fanout.consume([1, 2]);
    await clock.tick(100 + 200 + 400);
    await consumed;
    await fanout.close();
    await letters.close();
    assertEquals(calls, [1, 2, 1, 2, 1, 2, 1]);
    assertEquals(kept, [{ item: 1, reason: error }]);
    assertEquals([fanout.stats.done, fanout.stats.failed], [1, 1]);
  }));

test("recipe dead letters: an item that waited too long is kept, and a submitted one goes to its caller", () =>
  withClock(async (clock) => {
    const kept: DeadLetter<number>[] = [];
    const letters = new Aggregator<DeadLetter<number>>((batch) => void kept.push(...batch));
    const hand = new Hand<number>();
    const fanout = withDeadLetters(hand.handler, letters, { maxWait: 10 });
    for (const item of [1, 2]) fanout.tryPush(item);
    const submitted = rejection(fanout.submit(3));
    await clock.tick(11);
    hand.call(1).resolve(0);
    const late = await submitted as DOMException;
    assertEquals(late.name, "TimeoutError");
    const failed = rejection(fanout.submit(4));
    hand.call(4).reject(late);
    assertStrictEquals(await failed, late);
    await fanout.close();
    await letters.close();
    assertEquals(kept.map(({ item, reason }) => [item, (reason as Error).name]), [
      [2, "TimeoutError"],
    ]);
  }));

test("recipe data loader: keys of one turn make one query, each key once", async () => {
  const queries: number[][] = [];
  const users = new DataLoader<number, string>((ids) => {
    queries.push(ids);
    return Promise.resolve(ids.map((id) => `user ${id}`));
  });
  const names = await Promise.all([3, 1, 3, 2, 1].map((id) => users.load(id)));
  assertEquals(names, ["user 3", "user 1", "user 3", "user 2", "user 1"]);
  assertEquals(queries, [[3, 1, 2]]);
  await users.load(3); // nothing is cached
  assertEquals(queries, [[3, 1, 2], [3]]);
});

test("recipe data loader: while a query runs, keys gather for the next one", () =>
  withClock(async (clock) => {
    const gates = [gate(), gate()];
    const queries: number[][] = [];
    const users = new DataLoader<number, number>(async (ids) => {
      queries.push(ids);
      await gates[queries.length - 1]!.promise;
      return ids;
    });
    const asked: Promise<number>[] = [];
    for (const id of [1, 2, 1, 3]) {
      asked.push(users.load(id));
      await clock.tick(1);
    }
    assertEquals(queries, [[1]]);
    for (const { resolve } of gates) resolve();
    assertEquals(await Promise.all(asked), [1, 2, 1, 3]);
    assertEquals(queries, [[1], [2, 3]]);
  }));

test("recipe data loader: callers that await something first are in one query, each key once", () =>
  withClock(async (clock) => {
    const queries: number[][] = [];
    const users = new DataLoader<number, number>((ids) => {
      queries.push(ids);
      return Promise.resolve(ids);
    });
    const asked = Array.from({ length: 20 }, async (_, i) => {
      await microtasks(i % 5);
      return await users.load(i % 10);
    });
    // They get all the turns that they need. The millisecond isn't over.
    for (let turns = 0; turns < 5; turns++) await turn();
    assertEquals(queries, []);
    await clock.tick(1);
    assertEquals(await Promise.all(asked), Array.from(asked, (_, i) => i % 10));
    assertEquals(queries.map((ids) => ids.sort()), [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]);
    assertEquals(clock.pending, 0);
  }));

test("recipe data loader: a query has at most its limit of keys, and each caller gets an answer", async () => {
  const sizes: number[] = [];
  let [running, most] = [0, 0];
  const squares = new DataLoader<number, number>(async (ids) => {
    sizes.push(ids.length);
    most = Math.max(most, ++running);
    await turn();
    running--;
    return ids.map((id) => id * id);
  }, { maxItems: 10, concurrency: 2 });
  const ids = Array.from({ length: 95 }, (_, id) => id);
  assertEquals(await Promise.all(ids.map((id) => squares.load(id))), ids.map((id) => id * id));
  assert(sizes.every((size) => size <= 10), `${sizes}`);
  assertEquals([sizes.length, most], [10, 2]);
});

test("recipe data loader: an error rejects the callers of its key or of its query, and not later ones", async () => {
  const missing = new Error("no user 2");
  const down = new Error("down");
  let up = true;
  const users = new DataLoader<number, string>((ids) =>
    up ? Promise.resolve(ids.map((id) => id === 2 ? missing : `user ${id}`)) : Promise.reject(down)
  );
  const load = (...ids: number[]) => Promise.allSettled(ids.map((id) => users.load(id)));
  const first = { status: "fulfilled" as const, value: "user 1" };
  assertEquals(await load(1, 2), [first, { status: "rejected", reason: missing }]);
  up = false;
  const rejected = { status: "rejected" as const, reason: down };
  assertEquals(await load(1, 3), [rejected, rejected]);
  up = true;
  assertEquals(await load(1), [first]);
});

test("recipe cache with time to live: a value is good until its time is over", () =>
  withClock(async (clock) => {
    let calls = 0;
    const flights = new Singleflight<string, number>({ cache: new TtlCache(100) });
    const ask = () => Promise.all([flights.do("k", () => ++calls), flights.do("k", () => ++calls)]);
    assertEquals(await ask(), [1, 1]);
    await clock.tick(99);
    assertEquals(await ask(), [1, 1]);
    await clock.tick(1); // a hit doesn't extend it
    assertEquals(await ask(), [2, 2]);
    assertEquals(clock.pending, 0);
  }));

test("recipe cache with time to live: `set` removes values that are too old", () =>
  withClock((clock) => {
    const cache = new TtlCache<number, undefined>(100);
    for (let key = 0; key < 1000; key++) {
      cache.set(key, undefined);
      clock.block(1);
    }
    assertEquals(cache.size, 100);
    cache.set(950, undefined);
    clock.block(60);
    assertEquals([949, 950, 999].map((key) => cache.has(key)), [false, true, true]);
    assertEquals(cache.get(949), undefined);
    assert(cache.delete(950) && !cache.has(950));
    cache.clear();
    assertEquals(cache.size, 0);
  }));

test("recipe response coalescing: one request, and a body for each caller", async () => {
  let requests = 0;
  const get = coalesced(async (url) => {
    requests++;
    await turn();
    return new Response(`${url} ${requests}`, { headers: { "x-from": "origin" } });
  });
  const responses = await Promise.all([get("/a"), get("/a"), get("/b"), get("/a")]);
  assertEquals(responses.map((response) => response.headers.get("x-from")), [
    ...Array(4).fill("origin"),
  ]);
  const bodies = await Promise.all(responses.map((response) => response.text()));
  assertEquals(bodies, ["/a 2", "/a 2", "/b 2", "/a 2"]);
  assertEquals(await (await get("/a")).text(), "/a 3");
});

test("recipe response coalescing: each caller gets the status and headers, and may change its bytes", async () => {
  const sent = {
    status: 404,
    statusText: "Not here",
    headers: [
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["content-encoding", "gzip"],
      ["content-length", "7"],
      ["connection", "close"],
      ["keep-alive", "timeout=5"],
      ["transfer-encoding", "chunked"],
      ["x-from", "origin"],
    ] as [string, string][],
  };
  const get = coalesced(async () => {
    await turn();
    return new Response(new Uint8Array([1, 2, 3]), sent);
  });
  const [one, two] = await Promise.all([get("/"), get("/")]);
  new Uint8Array(await one.arrayBuffer()).fill(0);
  assertEquals(new Uint8Array(await two.arrayBuffer()), new Uint8Array([1, 2, 3]));
  for (const { status, statusText, headers } of [one, two]) {
    assertEquals([status, statusText], [404, "Not here"]);
    // A browser shows no cookies, and each has them in its own place.
    const given = [...new Response(null, sent).headers].map(String);
    const kept = given.filter((header) => /^(set-cookie|x-from),/.test(header));
    assertEquals([...headers].map(String).sort(), kept.sort());
  }
});

test("recipe response coalescing: if a response has no body, each caller gets none", async () => {
  const get = coalesced(async () => {
    await turn();
    return new Response(null, { status: 204 });
  });
  const responses = await Promise.all([get("/"), get("/")]);
  assertEquals(responses.map(({ status, body }) => [status, body]), [[204, null], [204, null]]);
});

test("recipe response coalescing: a body that was not decoded keeps its content-encoding", async () => {
  const get = coalesced(async (url) => {
    await turn();
    return new Response("body", { headers: { "content-encoding": url } });
  });
  const codings = ["gzip", "BR", "zstd", "aws-chunked", "identity"];
  const responses = await Promise.all(codings.map((coding) => get(coding)));
  assertEquals(responses.map(({ headers }) => headers.get("content-encoding")), [
    ...[null, null, null],
    "aws-chunked",
    "identity",
  ]);
});

test("recipe response coalescing: a status text that `new Response` refuses is left out", async () => {
  const texts = ["Gr\ufffdn", "Grün", "Not here"];
  const get = coalesced(async (url) => {
    await turn();
    const response = new Response("body", { status: 404 });
    // `fetch` of Node gives this.
    return Object.defineProperty(response, "statusText", { value: texts[Number(url)] });
  });
  const responses = await Promise.all(texts.map((_, n) => get(`${n}`)));
  assertEquals(responses.map(({ statusText }) => statusText), ["", "Grün", "Not here"]);
});

test("recipe response coalescing: the request ends when the last caller has left", async () => {
  const signals: AbortSignal[] = [];
  const get = coalesced((_url, { signal }) => {
    signals.push(signal);
    return new Promise(() => {});
  });
  const [one, two] = [new AbortController(), new AbortController()];
  const first = get("/", one.signal);
  const second = get("/", two.signal);
  one.abort(new Error("one"));
  await assertRejects(() => first, Error, "one");
  assertEquals(signals.map((signal) => signal.aborted), [false]);
  two.abort(new Error("two"));
  await assertRejects(() => second, Error, "two");
  assertEquals(signals.map((signal) => signal.aborted), [true]);
});

test("recipe tracing: a handler runs in the context of its caller, even if the item waited", async () => {
  const request = new AsyncLocalStorage<string>();
  const seen: Array<[string, string | undefined]> = [];
  await using fanout = new Fanout(async (item: string) => {
    await turn();
    seen.push([item, request.getStore()]);
  }, { snapshot: callersContext });
  const items = ["a", "b", "c"];
  for (const item of items) request.run(`request ${item}`, () => fanout.tryPush(item));
  fanout.tryPush("d");
  await fanout.idle();
  assertEquals(seen, [...items.map((item): [string, string] => [item, `request ${item}`]), [
    "d",
    undefined,
  ]]);
});

test("recipe tracing: a batch runs in the context of the item that opened it", async () => {
  const request = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  await using sink = new Aggregator<string>((batch) => void seen.push(batch, request.getStore()), {
    snapshot: callersContext,
  });
  for (const item of ["a", "b"]) request.run(`request ${item}`, () => sink.tryPush(item));
  await sink.flush();
  assertEquals(seen, [["a", "b"], "request a"]);
});

/** An object store that notes its calls. */
class Store implements MultipartUpload {
  readonly parts = new Map<string, Uint8Array>();
  readonly signals: AbortSignal[] = [];
  running = 0;
  mostRunning = 0;
  object: Uint8Array | undefined;
  cancelled = 0;
  readonly #delay: (number: number) => Promise<void>;

  constructor(delay: (number: number) => Promise<void> = turn) {
    this.#delay = delay;
  }

  async part(number: number, bytes: Uint8Array, signal: AbortSignal): Promise<string> {
    this.signals.push(signal);
    this.mostRunning = Math.max(this.mostRunning, ++this.running);
    await this.#delay(number);
    this.running--;
    this.parts.set(`tag ${number}`, bytes);
    return `tag ${number}`;
  }

  async complete(tags: readonly string[]): Promise<void> {
    const parts = tags.map((tag) => this.parts.get(tag)!);
    this.object = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
  }

  cancel(): Promise<void> {
    this.cancelled++;
    return Promise.resolve();
  }
}

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => i * 31);
}

test("recipe multipart upload: parts of one size, several at once, completed in order", async () => {
  // Later parts are faster.
  const store = new Store(async (number) => {
    for (let turns = number; turns < 12; turns++) await turn();
  });
  const all = bytes(10_500);
  const pieces = Array.from({ length: 35 }, (_, i) => all.subarray(i * 300, (i + 1) * 300));
  await upload(streamOf(pieces), store, { size: 1000, concurrency: 4 });
  assertEquals(store.object, all);
  assertEquals(
    [...store.parts.values()].map((part) => part.length).sort((a, b) => a - b),
    [500, ...Array(10).fill(1000)],
  );
  assertEquals([store.mostRunning, store.cancelled], [4, 0]);
});

test("recipe multipart upload: it reads only as much of the source as it uploads", async () => {
  let read = 0;
  const slow = gate();
  const store = new Store(() => slow.promise);
  function* source() {
    for (; read < 100; read++) yield bytes(1000);
  }
  const uploaded = upload(streamOf(source()), store, { size: 1000, concurrency: 3 });
  for (let i = 0; i < 20; i++) await turn();
  assertEquals(store.running, 3);
  assert(read <= 3 + 4, `${read} pieces were read`);
  slow.resolve();
  await uploaded;
  assertEquals(store.object!.length, 100_000);
});

test("recipe multipart upload: a part that fails cancels the others, the source and the upload", async () => {
  const failure = new Error("part 2");
  const store = new Store((number) =>
    number === 2 ? Promise.reject(failure) : new Promise(() => {})
  );
  let cancelled: unknown;
  const source = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(bytes(1000)),
    cancel: (reason) => void (cancelled = reason),
  });
  const uploaded = upload(source, store, { size: 1000, concurrency: 3 });
  assertStrictEquals(await assertRejects(() => uploaded), failure);
  assert(store.signals.every((signal) => signal.aborted));
  assertEquals([store.cancelled, store.object], [1, undefined]);
  await turn();
  assertStrictEquals(cancelled, failure);
});

test("recipe multipart upload: a source that fails cancels the upload", async () => {
  const failure = new Error("disk");
  const store = new Store();
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytes(1500)),
    async pull(controller) {
      await turn();
      controller.error(failure);
    },
  });
  const uploaded = upload(source, store, { size: 1000 });
  assertEquals(
    await settled(uploaded.catch((error) => assertStrictEquals(error, failure))),
    "pending",
  );
  assertStrictEquals(await assertRejects(() => uploaded), failure);
  assertEquals([store.cancelled, store.object], [1, undefined]);
});
