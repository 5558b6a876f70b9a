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
import { PriorityFanout, type PriorityOptions } from "../examples/recipes/priority.ts";
import { type Hook, hooks, PermanentError, unlessPermanent } from "../examples/recipes/retry.ts";
import { StaleCache } from "../examples/recipes/stale_while_revalidate.ts";
import { Fanout, RateLimit } from "../mod.ts";
import { withClock } from "./support/clock.ts";
import { collect, settled, turn } from "./support/gate.ts";
import { Hand, rejection } from "./support/hand.ts";
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

/** A `PriorityFanout` whose handlers the test settles, and what its hooks get. */
function prioritized(options: PriorityOptions<string> = {}) {
  const hand = new Hand<string, string>();
  const discarded: string[] = [];
  const failed: string[] = [];
  const jobs = new PriorityFanout(hand.handler, {
    onDiscard: (items, reason) => void discarded.push(...items.map((item) => `${item} ${reason}`)),
    onError: (error, item) => void failed.push(`${item} ${(error as Error).name ?? error}`),
    ...options,
  });
  const push = (...items: string[]) =>
    items.map((item) => jobs.tryPush(item, item.startsWith("u") ? 0 : 1));
  return { hand, jobs, push, discarded, failed };
}

test("recipe priority: urgent items start before normal ones, within one concurrency", async () => {
  const { hand, jobs, push } = prioritized({ concurrency: 2 });
  push("n1", "n2", "n3", "n4", "u1", "u2");
  assertEquals([jobs.waiting(0), jobs.waiting(1), jobs.stats.running], [2, 2, 2]);
  for (let n = 0; n < 6; n += 2) {
    assertEquals([hand.calls.length, jobs.stats.running], [n + 2, 2]);
    for (const call of hand.calls.slice(n)) call.resolve("");
    await turn();
  }
  assertEquals(hand.started, ["n1", "n2", "u1", "u2", "n3", "n4"]);
  await jobs.close();
  assertEquals([jobs.stats.done, jobs.waiting(0), jobs.waiting(1)], [6, 0, 0]);
});

test("recipe priority: a rate holds for all priorities together, and urgent items go first", () =>
  withClock(async (clock) => {
    const starts: string[] = [];
    const rate = new RateLimit({ limit: 2, interval: 1000 });
    const jobs = new PriorityFanout((item: string) => void starts.push(`${item} ${clock.now}`), {
      concurrency: 16,
      rate,
    });
    for (const item of ["n1", "n2", "n3", "n4"]) jobs.tryPush(item, 1);
    await clock.tick(500);
    for (const item of ["u1", "u2", "u3"]) jobs.tryPush(item, 0);
    await clock.tick(3000);
    await jobs.close();
    assertEquals(starts, ["n1 0", "n2 0", "u1 1000", "u2 1000", "u3 2000", "n3 2000", "n4 3000"]);
  }));

test("recipe priority: a pause starts nothing, and a resume starts the most urgent", async () => {
  const { hand, jobs, push } = prioritized({ concurrency: 2 });
  push("n1", "n2", "n3");
  jobs.concurrency = 0;
  push("u1");
  for (const call of hand.calls) call.resolve("");
  await turn();
  assertEquals([hand.started, jobs.stats.running, jobs.stats.waiting], [["n1", "n2"], 0, 2]);
  jobs.concurrency = 1;
  assertEquals([hand.started, jobs.concurrency], [["n1", "n2", "u1"], 1]);
  await jobs.abort();
});

test("recipe priority: the bound is one, and a push waits for room", async () => {
  const { hand, jobs, push } = prioritized({ capacity: 2 });
  assertEquals(push("n1", "n2", "n3", "n4", "u1"), [true, true, true, false, false]);
  const leaving = new AbortController();
  const left = rejection(jobs.push("u2", 0, { signal: leaving.signal }));
  const pushed = jobs.push("u3", 0);
  assertEquals([jobs.stats.blocked, jobs.waiting(0)], [2, 0]);
  leaving.abort("gone");
  assertEquals([await left, await settled(pushed)], ["gone", "pending"]);
  hand.call("n1").resolve("");
  await pushed;
  assertEquals([hand.started, jobs.waiting(0), jobs.waiting(1)], [["n1", "n2"], 1, 1]);
  hand.call("n2").resolve("");
  await turn();
  assertEquals(hand.started, ["n1", "n2", "u3"]);
  assertEquals([jobs.stats.accepted, jobs.stats.refused], [4, 2]);
  await jobs.abort();
});

test("recipe priority: an item without a place to wait starts before its push goes on", async () => {
  const { hand, jobs } = prioritized({ capacity: 0 });
  const pushes = ["n1", "n2", "n3"].map((item) => jobs.push(item, 1));
  for (const item of ["n1", "n2", "n3"]) {
    await turn();
    hand.call(item).resolve("");
  }
  await Promise.all(pushes);
  await jobs.close();
  assertEquals([hand.started, jobs.waiting(1)], [["n1", "n2", "n3"], 0]);
});

test("recipe priority: at an abort each item goes to onDiscard once, the most urgent first", async () => {
  const { hand, jobs, push, discarded } = prioritized({ capacity: 4 });
  push("n1", "n2", "n3", "u1");
  const submitted = rejection(jobs.submit("u2", 0));
  const blocked = rejection(jobs.push("u3", 0));
  await turn();
  await jobs.abort("stop");
  assertEquals(discarded, ["u1 stop", "u2 stop", "n2 stop", "n3 stop"]);
  assertEquals([await submitted, await blocked], ["stop", "stop"]);
  hand.call("n1").reject(hand.call("n1").signal.reason);
  await jobs.idle();
  assertEquals(discarded.slice(4), ["n1 stop"]); // it gave up at the abort
  assertEquals([jobs.stats.accepted, jobs.stats.discarded, jobs.waiting(1)], [5, 5, 0]);
});

test("recipe priority: an item whose push has not gone on yet is discarded once, too", async () => {
  const { hand, jobs, discarded } = prioritized({ capacity: 1 });
  jobs.tryPush("n1", 1);
  jobs.tryPush("n2", 1);
  const pushed = jobs.push("n3", 1);
  hand.call("n1").resolve("");
  while (jobs.stats.blocked > 0) await undefined;
  void jobs.abort("stop");
  assertEquals(discarded, ["n3 stop"]);
  await pushed; // it was accepted
  await turn();
  assertEquals([discarded, jobs.waiting(1)], [["n3 stop"], 0]);
});

test("recipe priority: a retry keeps its item, and its slot is free meanwhile", () =>
  withClock(async (clock) => {
    const asked: string[] = [];
    const { hand, jobs, push } = prioritized({
      retry: (_error, attempt, item) => {
        asked.push(`${item} ${attempt}`);
        return attempt < 2 ? 100 : undefined;
      },
    });
    push("n1", "n2");
    hand.call("n1").reject("busy");
    await turn();
    push("u1");
    assertEquals(hand.started, ["n1", "n2"]);
    await clock.tick(100);
    hand.call("n2").resolve("");
    await turn();
    hand.call("n1").resolve("");
    await turn();
    assertEquals(hand.started, ["n1", "n2", "n1", "u1"]);
    hand.call("u1").resolve("");
    await jobs.close();
    assertEquals([asked, jobs.stats.done, jobs.stats.retried], [["n1 1"], 3, 1]);
  }));

test("recipe priority: a timeout counts from the start of its item, and frees the slot", () =>
  withClock(async (clock) => {
    const { hand, jobs, push, failed } = prioritized({ timeout: 50 });
    push("n1", "n2", "u1");
    await clock.tick(49);
    assertEquals(hand.started, ["n1"]);
    await clock.tick(1);
    assertEquals([hand.started, hand.call("n1").signal.aborted], [["n1", "u1"], true]);
    await clock.tick(30);
    hand.call("u1").resolve("");
    await turn();
    await clock.tick(49);
    assertEquals(failed, ["n1 TimeoutError"]);
    hand.call("n2").resolve("");
    await jobs.close();
    assertEquals([jobs.stats.done, jobs.stats.failed], [2, 1]);
  }));

test("recipe priority: each submit gets the result or the error of the item that it brought", async () => {
  const { hand, jobs, push, failed } = prioritized();
  const normal = jobs.submit("n1", 1);
  const later = rejection(jobs.submit("n2", 1));
  const urgent = jobs.submit("u1", 0);
  push("u2");
  for (const item of ["n1", "u1"]) {
    hand.call(item).resolve(`${item} done`);
    await turn();
  }
  assertEquals([await normal, await urgent], ["n1 done", "u1 done"]);
  for (const item of ["u2", "n2"]) {
    hand.call(item).reject(`${item} failed`);
    await turn();
  }
  assertEquals([await later, failed], ["n2 failed", ["u2 u2 failed"]]);
});

test("recipe priority: submit does not get the late result of an attempt that has timed out", () =>
  withClock(async (clock) => {
    const { hand, jobs } = prioritized({ timeout: 50, retry: () => 10 });
    const result = jobs.submit("n1", 1);
    await clock.tick(50);
    hand.calls[0]!.resolve("late");
    await clock.tick(10);
    assertEquals([await settled(result), hand.calls.length], ["pending", 2]);
    hand.calls[1]!.resolve("in time");
    assertEquals(await result, "in time");
    await jobs.close();
  }));

test("recipe priority: without onError a failure ends the sink, and what waits is discarded", async () => {
  const { hand, jobs, push, discarded } = prioritized({ onError: undefined });
  const submitted = rejection(jobs.submit("n1", 1));
  push("n2", "n3");
  hand.call("n1").reject("its caller knows");
  assertEquals(await submitted, "its caller knows");
  await turn();
  const ended = rejection(jobs.closed);
  hand.call("n2").reject("broken");
  assertEquals([await ended, discarded], ["broken", ["n3 broken"]]);
});

test("recipe priority: a priority that there isn't is refused, and nothing is accepted", async () => {
  const { jobs } = prioritized({ priorities: 3 });
  assertEquals(jobs.tryPush("a", 2), true);
  const message = "RangeError: priority must be from 0 to 2; got 3";
  assertEquals(String(await rejection(jobs.submit("b", 3))), message);
  assertEquals(String(await rejection(jobs.push("b", 3))), message);
  assertEquals(jobs.stats.accepted, 1);
  await jobs.abort();
});
