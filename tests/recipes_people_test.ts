/** The recipes of `examples/recipes/` for retries, stale values, live pages and priorities do what they say. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  type Connection,
  eventStream,
  feed,
  received,
  sendAll,
  type Socket,
} from "../examples/recipes/live_feed.ts";
import { Slots } from "../examples/recipes/priority.ts";
import { type Hook, hooks, PermanentError, unlessPermanent } from "../examples/recipes/retry.ts";
import { StaleCache } from "../examples/recipes/stale_while_revalidate.ts";
import { Fanout } from "../mod.ts";
import { withClock } from "./support/clock.ts";
import { collect, settled, turn } from "./support/gate.ts";
import { Hand, heard, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

function hook(id: string): Hook {
  return { id, url: `https://shop.test/${id}`, body: "{}" };
}

test("recipe retry: the slot is free while an item waits for its next attempt", () =>
  withClock(async (clock) => {
    const sent: string[] = [];
    const send = (_url: string, { headers }: { headers: Record<string, string> }) => {
      const id = headers["idempotency-key"]!;
      sent.push(id);
      const status = id === "a" && sent.length < 4 ? 503 : 204;
      return Promise.resolve(new Response(null, { status }));
    };
    const failed: unknown[] = [];
    const onError = (error: unknown) => void failed.push(error);
    const sink = hooks({ concurrency: 1, onError }, send);
    for (const id of ["a", "b", "c"]) sink.tryPush(hook(id));
    await turn();
    assertEquals(sent, ["a", "b", "c"]);
    assertEquals([sink.stats.waiting, sink.stats.running, sink.stats.done], [1, 0, 2]);
    await clock.tick(100);
    assertEquals(sent, ["a", "b", "c", "a"]); // with the same id
    await sink.close();
    assertEquals([sink.stats.done, sink.stats.retried, failed], [3, 1, []]);
  }));

test("recipe retry: an attempt ends at its timeout, before the next one starts", () =>
  withClock(async (clock) => {
    let [live, most, attempts] = [0, 0, 0];
    const send = (_url: string, { signal }: { signal: AbortSignal }) => {
      attempts++;
      most = Math.max(most, ++live);
      return new Promise<Response>((_resolve, reject) => {
        signal.addEventListener("abort", () => (live--, reject(signal.reason)));
      });
    };
    const failed: [string, string][] = [];
    const onError = (error: unknown, { id }: Hook) => void failed.push([id, (error as Error).name]);
    const retry = unlessPermanent({ attempts: 3, min: 10, jitter: false });
    const sink = hooks({ concurrency: 1, timeout: 1000, retry, onError }, send);
    for (const id of ["a", "b"]) sink.tryPush(hook(id));
    await clock.tick(10_000);
    await sink.close();
    assertEquals([most, attempts, live, clock.pending], [1, 6, 0, 0]);
    assertEquals(failed, [["a", "TimeoutError"], ["b", "TimeoutError"]]);
  }));

test("recipe retry: a loop in the handler goes on beside the next item, as the recipe warns", () =>
  withClock(async (clock) => {
    const sent: string[] = [];
    const sink = new Fanout(async (id: string) => {
      for (;;) {
        sent.push(id);
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
    }, { concurrency: 1, timeout: 100, onError: () => {} });
    for (const id of ["a", "b"]) sink.tryPush(id);
    await clock.tick(59);
    assertEquals(sent, ["a"]); // it holds the slot
    await clock.tick(100);
    assertEquals(sent, ["a", "a", "b", "a"]); // "a" has failed, and goes on
    await sink.abort();
  }));

test("recipe retry: a permanent error is not retried, and retries end", () =>
  withClock(async (clock) => {
    const statuses: Record<string, number> = { lost: 404, down: 500, busy: 429, late: 408 };
    const sent: string[] = [];
    const send = (url: string) => {
      const id = url.split("/").at(-1)!;
      sent.push(id);
      return Promise.resolve(new Response("why", { status: statuses[id]! }));
    };
    const failed: unknown[] = [];
    const sink = hooks({
      onError: (error, { id }) => failed.push(id, error instanceof PermanentError, `${error}`),
      retry: unlessPermanent({ attempts: 2 }),
    }, send);
    for (const id of Object.keys(statuses)) {
      sink.tryPush(hook(id));
      await clock.tick(100);
    }
    await sink.close();
    assertEquals(sent, ["lost", "down", "down", "busy", "busy", "late", "late"]);
    const told = (id: string) => `https://shop.test/${id} answered ${statuses[id]}`;
    assertEquals(failed, [
      ...["lost", true, `PermanentError: ${told("lost")}`],
      ...["down", "busy", "late"].flatMap((id) => [id, false, `Error: ${told(id)}`]),
    ]);
  }));

/** A `StaleCache` whose loads the test settles: fresh for 10 ms, and too old after 100. */
function stale(options?: { readonly timeout?: number }) {
  const loads = new Hand<string, string>();
  const told: unknown[] = [];
  const cache = new StaleCache<string, string>(loads.handler, {
    fresh: 10,
    maxAge: 100,
    retryAfter: 20,
    onError: (error, key) => void told.push(key, error),
    ...options,
  });
  const fill = async (key: string, value: string) => {
    const got = cache.get(key);
    loads.calls.at(-1)!.resolve(value);
    assertEquals(await got, value);
  };
  return { loads, told, cache, fill };
}

test("recipe stale values: a stale value is the answer at once, and one load refreshes it", () =>
  withClock(async (clock) => {
    const { loads, told, cache, fill } = stale();
    await fill("a", "a1");
    clock.block(9);
    assertEquals([await cache.get("a"), loads.calls.length], ["a1", 1]);
    clock.block(1);
    const got = [cache.get("a"), cache.get("a"), cache.get("a")];
    assertEquals(await Promise.all(got), ["a1", "a1", "a1"]);
    assertEquals(loads.calls.length, 2);
    loads.calls[1]!.resolve("a2");
    await turn();
    assertEquals([await cache.get("a"), loads.calls.length, told], ["a2", 2, []]);
    assertEquals(clock.pending, 0);
  }));

test("recipe stale values: a failed refresh keeps the value until its limit, and is reported", () =>
  withClock(async (clock) => {
    const { loads, told, cache, fill } = stale();
    await fill("a", "a1");
    clock.block(10);
    const down = new Error("down");
    assertEquals(await cache.get("a"), "a1");
    loads.calls[1]!.reject(down);
    await turn();
    assertEquals(told, ["a", down]);
    clock.block(19);
    assertEquals([await cache.get("a"), loads.calls.length], ["a1", 2]); // too early to try again
    clock.block(1);
    assertEquals([await cache.get("a"), loads.calls.length], ["a1", 3]);
    clock.block(69); // 99 ms old
    assertEquals([await cache.get("a"), loads.calls.length], ["a1", 3]);
    clock.block(1);
    const waits = rejection(cache.get("a")); // joins the refresh
    assertEquals([await settled(waits), loads.calls.length], ["pending", 3]);
    loads.calls[2]!.reject(down);
    assertStrictEquals(await waits, down);
    await turn();
    assertEquals(told, ["a", down, "a", down]);
    const again = cache.get("a");
    loads.calls[3]!.resolve("a2");
    assertEquals(await again, "a2");
    assertEquals(clock.pending, 0);
  }));

test("recipe stale values: a refresh that hangs is given up at its timeout, and its load aborts", () =>
  withClock(async (clock) => {
    const { loads, told, cache, fill } = stale({ timeout: 30 });
    await fill("a", "a1");
    clock.block(10);
    await cache.get("a");
    const { signal } = loads.calls[1]!;
    await clock.tick(29);
    assert(!signal.aborted);
    await clock.tick(1);
    assert(signal.aborted);
    assertEquals([told[0], (told[1] as Error).name], ["a", "TimeoutError"]);
    await clock.tick(20);
    assertEquals([await cache.get("a"), loads.calls.length], ["a1", 3]);
    loads.calls[2]!.resolve("a2");
    await turn();
    assertEquals([await cache.get("a"), clock.pending], ["a2", 0]);
  }));

test("recipe stale values: a load that runs at a delete is not stored", () =>
  withClock(async (clock) => {
    const { loads, told, cache, fill } = stale();
    await fill("a", "a1");
    clock.block(10);
    await cache.get("a");
    assert(cache.delete("a"));
    loads.calls[1]!.resolve("old");
    await turn();
    assertEquals([cache.size, told], [0, []]);
    await fill("a", "a2");
    assertEquals(await cache.get("a"), "a2");
  }));

test("recipe stale values: without a value callers share a load, and may leave it", async () => {
  const { loads, told, cache } = stale();
  const leaving = new AbortController();
  const [left, stays] = [cache.get("a", leaving), cache.get("a")];
  const gone = rejection(left);
  leaving.abort("gone");
  assertEquals(await gone, "gone");
  assert(!loads.calls[0]!.signal.aborted);
  const failure = new Error("none");
  const failed = rejection(stays);
  loads.calls[0]!.reject(failure);
  assertStrictEquals(await failed, failure);
  assertEquals([loads.calls.length, told, cache.size], [1, [], 0]); // its callers know
});

test("recipe stale values: old entries go when a new value comes in", () =>
  withClock(async (clock) => {
    const { cache, fill } = stale();
    await fill("a", "a1");
    clock.block(50);
    await fill("b", "b1");
    assertEquals(cache.size, 2);
    clock.block(50);
    await fill("c", "c1");
    assertEquals(cache.size, 2);
  }));

/** A source that the test writes to. */
function hose<T>() {
  let controller!: ReadableStreamDefaultController<T>;
  const cancelled: unknown[] = [];
  const stream = new ReadableStream<T>({
    start: (given) => void (controller = given),
    cancel: (reason) => void cancelled.push(reason),
  });
  return { stream, cancelled, send: (value: T) => controller.enqueue(value), controller };
}

/** Throws if a source fails. */
const onError = (error: unknown) => {
  throw error;
};

test("recipe live feed: a page gets the latest of each source, at most once in an interval", () =>
  withClock(async (clock) => {
    const [ada, lin] = [hose<number>(), hose<number>()];
    const page = feed({ ada: ada.stream, lin: lin.stream }, { interval: 100, onError }).getReader();
    const first = page.read();
    await turn();
    ada.send(1);
    assertEquals((await first).value, { ada: 1 });
    const second = page.read();
    for (const n of [2, 3, 4]) ada.send(n);
    lin.send(1);
    await clock.tick(99);
    assertEquals(await settled(second), "pending");
    await clock.tick(1);
    assertEquals((await second).value, { ada: 4, lin: 1 });
    lin.send(2);
    await clock.tick(100);
    assertEquals((await page.read()).value, { lin: 2 });
    await page.cancel();
    assertEquals(clock.pending, 0);
  }));

test("recipe live feed: a page that does not read costs one update, and the latest values", () =>
  withClock(async (clock) => {
    const ada = hose<number>();
    const page = feed({ ada: ada.stream }, { interval: 100, onError }).getReader();
    await turn();
    for (let n = 1; n <= 1000; n++) {
      ada.send(n);
      if (n % 100 === 0) await clock.tick(100);
    }
    assertEquals(clock.pending, 0);
    assertEquals((await page.read()).value, { ada: 1 });
    await clock.tick(100);
    assertEquals((await page.read()).value, { ada: 1000 });
    const last = page.read();
    await clock.tick(1000);
    assertEquals(await settled(last), "pending");
    await page.cancel();
  }));

test("recipe live feed: when the page leaves, every source is cancelled, and no timer is left", () =>
  withClock(async (clock) => {
    const [ada, lin] = [hose<number>(), hose<number>()];
    const { body, headers } = eventStream(
      feed({ ada: ada.stream, lin: lin.stream }, { onError }),
    );
    assertEquals(headers.get("content-type"), "text/event-stream");
    const page = body!.getReader();
    const first = page.read();
    await turn();
    ada.send(1);
    assertEquals(new TextDecoder().decode((await first).value), 'data: {"ada":1}\n\n');
    const second = page.read();
    await turn();
    ada.send(2);
    await turn();
    assertEquals(clock.pending, 1);
    await page.cancel("gone");
    await second;
    await turn();
    assertEquals([ada.cancelled.length, lin.cancelled.length, clock.pending], [1, 1, 0]);
  }));

test("recipe live feed: a source that fails is reported, and the end comes after the last value", () =>
  withClock(async (clock) => {
    const [ada, lin] = [hose<number>(), hose<number>()];
    const told: unknown[] = [];
    const page = feed({ ada: ada.stream, lin: lin.stream }, {
      onError: (error, source) => void told.push(source, error),
    });
    const updates = collect(page);
    await turn();
    ada.send(1);
    await turn();
    ada.controller.error("broken");
    lin.send(1);
    lin.send(2);
    await turn();
    assertEquals(told, ["ada", "broken"]);
    lin.controller.close();
    assertEquals(await updates, [{ ada: 1 }, { lin: 2 }]);
    assertEquals(clock.pending, 0);
  }));

/** A connection as a `WebSocket` has it, without one. */
class FakeSocket extends EventTarget implements Connection, Socket {
  readyState = 1;
  bufferedAmount = 0;
  readonly sent: string[] = [];

  send(text: string): void {
    this.sent.push(text);
  }

  receive(data: string): void {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  close(): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.dispatchEvent(new Event("close"));
  }
}

test("recipe live feed: messages of sockets are a source, and a cancel closes its socket", async () => {
  const [one, other] = [new FakeSocket(), new FakeSocket()];
  const reader = received(one).getReader();
  const rest = collect(received(other));
  for (const text of ["a", "b"]) {
    one.receive(text);
    other.receive(text);
  }
  assertEquals((await reader.read()).value, "a");
  await reader.cancel();
  one.receive("late");
  other.close();
  other.receive("late");
  assertEquals([one.readyState, await rest], [3, ["a", "b"]]);

  const [lost, trying] = [new FakeSocket(), new FakeSocket()];
  const failed = rejection(collect(received(lost)));
  lost.readyState = 3;
  lost.dispatchEvent(new Event("error"));
  lost.dispatchEvent(new Event("close"));
  assertEquals(String(await failed), "Error: connection lost");
  const read = received(trying).getReader().read();
  trying.readyState = 0; // an `EventSource` connects again
  trying.dispatchEvent(new Event("error"));
  trying.receive("there");
  assertEquals((await read).value, "there");
});

test("recipe live feed: a socket that is slow gets no more than its buffer takes", () =>
  withClock(async (clock) => {
    const ada = hose<number>();
    const socket = new FakeSocket();
    const updates = feed({ ada: ada.stream }, { interval: 10, onError });
    const sent = sendAll(socket, updates, { maxBuffered: 100, poll: 50 });
    await turn();
    ada.send(1);
    await turn();
    assertEquals(socket.sent, ['{"ada":1}']);
    socket.bufferedAmount = 101;
    for (const n of [2, 3, 4]) {
      ada.send(n);
      await clock.tick(10);
    }
    await clock.tick(1000);
    // One was asked for before the buffer was full.
    assertEquals(socket.sent, ['{"ada":1}', '{"ada":2}']);
    socket.bufferedAmount = 0;
    await clock.tick(100);
    assertEquals(socket.sent.slice(2), ['{"ada":3}', '{"ada":4}']);
    socket.close();
    await sent;
    await turn();
    assertEquals([ada.cancelled.length, clock.pending], [1, 0]);
  }));

test("recipe live feed: a socket is closed when the feed ends or fails", async () => {
  const ada = hose<number>();
  const socket = new FakeSocket();
  const sent = sendAll(socket, feed({ ada: ada.stream }, { onError }));
  await turn();
  ada.send(1);
  ada.controller.close();
  await sent;
  assertEquals([socket.sent, socket.readyState], [['{"ada":1}'], 3]);
  const failing = new FakeSocket();
  const lost = hose<number>();
  const failed = rejection(sendAll(failing, feed({ lost: lost.stream }, { onError })));
  await turn();
  lost.controller.error("broken");
  assertEquals([await failed, failing.readyState], ["broken", 3]);
});

/** Two sinks that share slots, and whose handlers the test settles. */
function prioritized(count: number, most: { readonly urgent?: number; readonly normal?: number }) {
  const slots = new Slots(count);
  const hand = new Hand<string, string>();
  const sink = (priority: number, most = count) =>
    slots.sink(hand.handler, { priority, most, capacity: 1 });
  const normal = sink(1, most.normal);
  return { hand, normal, urgent: sink(0, most.urgent) };
}

test("recipe priority: a slot goes to the most urgent, and normal items can't take their room", async () => {
  const { hand, urgent, normal } = prioritized(1, {});
  const accepted = ["n1", "n2", "n3", "n4"].map((item) => normal.tryPush(item));
  assertEquals(accepted, [true, true, true, false]);
  const results = ["u1", "u2", "u3"].map((item) => urgent.submit(item));
  assertEquals(urgent.trySubmit("u4"), undefined); // it has its own bound
  for (let n = 0; n < 6; n++) {
    await turn();
    assertEquals(hand.calls.length, n + 1);
    hand.calls[n]!.resolve(hand.started[n]!.toUpperCase());
  }
  assertEquals(hand.started, ["n1", "u1", "u2", "u3", "n2", "n3"]);
  assertEquals(await Promise.all(results), ["U1", "U2", "U3"]);
  await Promise.all([urgent.close(), normal.close()]);
  assertEquals([urgent.stats.done, normal.stats.done], [3, 3]);
});

test("recipe priority: when all slots become free at once, urgent items get all of them", async () => {
  const { hand, urgent, normal } = prioritized(3, {});
  for (const n of [1, 2, 3, 4]) normal.tryPush(`n${n}`);
  for (const n of [1, 2, 3, 4, 5, 6]) urgent.tryPush(`u${n}`);
  for (let n = 0; n < 9; n += 3) {
    await turn();
    assertEquals(hand.calls.length, n + 3);
    for (const call of hand.calls.slice(n)) call.resolve("");
  }
  await turn();
  assertEquals(hand.started, ["n1", "n2", "n3", "u1", "u2", "u3", "u4", "u5", "u6", "n4"]);
});

test("recipe priority: a flood of urgent items starves normal ones, unless `most` bounds it", async () => {
  for (const most of [undefined, 1]) {
    const { hand, urgent, normal } = prioritized(2, most === undefined ? {} : { urgent: most });
    for (let n = 0; n < 10; n++) {
      while (urgent.tryPush("urgent"));
      normal.tryPush("normal");
      await turn();
      hand.calls[n]!.resolve("");
    }
    assertEquals(hand.started.includes("normal"), most === 1);
  }
});

test("recipe priority: urgent items start at once where normal ones may not use every slot", async () => {
  const { hand, urgent, normal } = prioritized(2, { normal: 1 });
  for (const item of ["n1", "n2", "n3"]) normal.tryPush(item);
  urgent.tryPush("u1");
  await turn();
  assertEquals(hand.started, ["n1", "u1"]);
});

test("recipe priority: a caller that leaves gives up its place, and a failure its slot", async () => {
  const { hand, urgent, normal } = prioritized(1, {});
  const first = rejection(normal.submit("n1"));
  const leaving = new AbortController();
  const left = rejection(urgent.submit("u1", { signal: leaving.signal }));
  const second = urgent.submit("u2");
  await turn();
  leaving.abort("gone");
  assertEquals(await left, "gone");
  hand.calls[0]!.reject("broken");
  assertEquals(await first, "broken");
  await turn();
  assertEquals(hand.started, ["n1", "u2"]);
  hand.calls[1]!.resolve("done");
  assertEquals(await second, "done");
  assertEquals(urgent.stats.discarded, 1);
});

test("recipe priority: at an abort what waits for a slot is discarded, and the other sink goes on", async () => {
  const slots = new Slots(1);
  const hand = new Hand<string>();
  const discarded: string[] = [];
  const normal = slots.sink(hand.handler, { priority: 1 });
  const urgent = slots.sink(hand.handler, {
    priority: 0,
    onDiscard: (items) => void discarded.push(...items),
  });
  normal.tryPush("n1");
  for (const item of ["u1", "u2", "u3"]) urgent.tryPush(item);
  await turn();
  await heard(urgent).abort("stop");
  await urgent.idle();
  assertEquals(discarded.sort(), ["u1", "u2", "u3"]);
  hand.calls[0]!.resolve(0);
  await normal.idle();
  normal.tryPush("n2");
  await turn();
  assertEquals(hand.started, ["n1", "n2"]);
});
