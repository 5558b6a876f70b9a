/** The recipes of `examples/recipes/` for overload, limits and shutdown do what they say. */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ApiError, apiSink } from "../examples/recipes/api_client.ts";
import { bulkhead } from "../examples/recipes/bulkhead.ts";
import { crawl } from "../examples/recipes/crawler.ts";
import { shedLoad } from "../examples/recipes/load_shedding.ts";
import { drain } from "../examples/recipes/shutdown.ts";
import { Aggregator, Fanout, RateLimit } from "../mod.ts";
import { withClock } from "./support/clock.ts";
import { gate, microtasks, settled, turn } from "./support/gate.ts";
import { Hand, heard, rejection } from "./support/hand.ts";
import { countListeners } from "./support/listeners.ts";
import { test } from "./support/test.ts";

function request(path: string, signal?: AbortSignal): Request {
  return new Request(`http://localhost${path}`, signal ? { signal } : {});
}

/** Returns the path of a URL. */
function pathOf({ url }: Request): string {
  return new URL(url).pathname;
}

test("recipe load shedding: a request without room gets 503 at once, and the others are served", async () => {
  const open = gate();
  const handle = shedLoad(
    new Fanout(async (request: Request) => {
      await open.promise;
      return new Response(pathOf(request));
    }, { concurrency: 1, capacity: 1 }),
    { retryAfter: 7 },
  );
  const served = [handle(request("/1")), handle(request("/2"))];
  const shed = await handle(request("/3"));
  assertEquals([shed.status, shed.headers.get("retry-after")], [503, "7"]);
  open.resolve();
  const bodies = await Promise.all(served.map(async (response) => await (await response).text()));
  assertEquals(bodies, ["/1", "/2"]);
  assertEquals((await handle(request("/4"))).status, 200);
});

test("recipe load shedding: a request that waited too long gets 503, and its handler doesn't start", () =>
  withClock(async (clock) => {
    const hand = new Hand<Request, Response>();
    const pages = new Fanout(hand.handler, { concurrency: 1, capacity: 2, maxWait: 100 });
    const handle = shedLoad(pages);
    const first = handle(request("/1"));
    const old = [handle(request("/2")), handle(request("/3"))];
    await clock.tick(101);
    // The only room is the place of requests whose clients have given up.
    const late = handle(request("/4"));
    assertEquals((await Promise.all(old)).map(({ status }) => status), [503, 503]);
    hand.calls[0]!.resolve(new Response("1"));
    assertEquals((await first).status, 200);
    await turn();
    hand.calls[1]!.resolve(new Response("4"));
    assertEquals(await (await late).text(), "4");
    assertEquals(hand.started.map(pathOf), ["/1", "/4"]);
    assertEquals([pages.stats.discarded, pages.stats.refused], [2, 0]);
  }));

test("recipe load shedding: a client that leaves gives up its place, or aborts its handler", async () => {
  const hand = new Hand<Request, Response>();
  const pages = new Fanout(hand.handler, { concurrency: 1, capacity: 1 });
  const handle = shedLoad(pages);
  const [running, waiting] = [new AbortController(), new AbortController()];
  const first = handle(request("/1", running.signal));
  const second = handle(request("/2", waiting.signal));
  waiting.abort();
  assertEquals((await second).status, 499);
  assertEquals(pages.stats.waiting, 0);
  running.abort();
  assertEquals((await first).status, 499);
  const { signal, reject } = hand.calls[0]!;
  assert(signal.aborted);
  reject(signal.reason);
  await pages.idle();
  assertEquals([pages.stats.discarded, pages.stats.failed], [2, 0]);
});

test("recipe load shedding: a handler that fails rejects, and one that times out gives 503", async () => {
  const failure = new Error("no database");
  const errors: unknown[] = [failure, new DOMException("too slow", "TimeoutError")];
  const handle = shedLoad(new Fanout(() => Promise.reject(errors.shift())));
  assertStrictEquals(await rejection(handle(request("/1"))), failure);
  assertEquals((await handle(request("/2"))).status, 503);
});

test("recipe load shedding: while it closes, new requests get 503, and the others are served", async () => {
  const hand = new Hand<Request, Response>();
  const pages = new Fanout(hand.handler, { concurrency: 1 });
  const closing = new AbortController();
  const handle = shedLoad(pages, { closing: closing.signal });
  const served = [handle(request("/1")), handle(request("/2"))];
  closing.abort();
  const closed = pages.close();
  assertEquals((await handle(request("/3"))).status, 503);
  for (const n of [0, 1]) {
    hand.calls[n]!.resolve(new Response());
    await microtasks();
  }
  assertEquals((await Promise.all(served)).map(({ status }) => status), [200, 200]);
  await closed;
});

/** An API that notes the times of its calls. It answers from a list, and then with 200. */
function api(clock: { readonly now: number }, ...answers: Response[]) {
  const calls: Array<[string, number]> = [];
  const call = (path: string) => {
    calls.push([path, clock.now]);
    return Promise.resolve(answers.shift() ?? new Response(path));
  };
  return { calls, call };
}

function answer(status: number, retryAfter?: string): Response {
  const headers: Record<string, string> = retryAfter ? { "retry-after": retryAfter } : {};
  return new Response(null, { status, headers });
}

/** Advances the clock until the work is done. */
async function wind<R>(clock: { tick(ms: number): Promise<void> }, work: Promise<R>): Promise<R> {
  let over = false;
  work.then(() => over = true, () => over = true);
  for (let i = 0; i < 500 && !over; i++) await clock.tick(100);
  return await work;
}

test("recipe API client: two sinks share one limit", () =>
  withClock(async (clock) => {
    const { calls, call } = api(clock);
    const rate = new RateLimit({ limit: 10, interval: 1000 });
    const [users, orders] = [apiSink(call, rate), apiSink(call, rate)];
    const ids = Array.from({ length: 12 }, (_, id) => `/${id}`);
    const all = ids.flatMap((id) => [users.submit(`/u${id}`), orders.submit(`/o${id}`)]);
    const responses = await wind(clock, Promise.all(all));
    assertEquals(responses.length, 24);
    assertEquals(
      calls.map(([, at]) => at),
      [0, 1000, 2000].flatMap((at) => Array<number>(at < 2000 ? 10 : 4).fill(at)),
    );
  }));

for (
  const [how, header] of [
    ["in seconds", () => "3"],
    ["as a date", () => new Date(Math.ceil(Date.now() / 1000) * 1000 + 3000).toUTCString()],
  ] as const
) {
  test(`recipe API client: a 429 with Retry-After ${how} pauses both sinks, and is tried again`, () =>
    withClock(async (clock) => {
      const { calls, call } = api(clock, answer(429, header()));
      const rate = new RateLimit({ limit: 10, interval: 1000 });
      const [users, orders] = [apiSink(call, rate), apiSink(call, rate)];
      const user = users.submit("/user");
      await microtasks();
      const order = orders.submit("/order");
      const [first, second] = await wind(clock, Promise.all([user, order]));
      assertEquals([first.status, second.status], [200, 200]);
      assertEquals(calls[0], ["/user", 0]);
      assertEquals(calls.slice(1).map(([path]) => path).sort(), ["/order", "/user"]);
      for (const [path, at] of calls.slice(1)) assert(at >= 3000 && at <= 4000, `${path} at ${at}`);
    }));
}

test("recipe API client: a Retry-After that is nonsense or in the past pauses nothing", () =>
  withClock(async (clock) => {
    const past = new Date(Date.now() - 60_000).toUTCString();
    for (const header of ["soon", "-5", past, undefined]) {
      const { calls, call } = api(clock, answer(429, header));
      const rate = new RateLimit({ limit: 10, interval: 1000 });
      const sink = apiSink(call, rate);
      const asked = sink.submit("/");
      await microtasks();
      assertEquals(rate.stats.wait, 0, header);
      assertEquals((await wind(clock, asked)).status, 200);
      assertEquals(calls.length, 2);
    }
  }));

test("recipe API client: a Retry-After is at most an hour, and the body of an answer is cancelled", () =>
  withClock(async (clock) => {
    let cancelled = 0;
    const body = new ReadableStream({ cancel: () => void cancelled++ });
    const headers = { "retry-after": "99999999999" };
    const { call } = api(clock, new Response(body, { status: 429, headers }));
    const rate = new RateLimit({ limit: 10, interval: 1000 });
    const sink = apiSink(call, rate);
    const asked = rejection(sink.submit("/"));
    await microtasks();
    assertEquals([rate.stats.wait, cancelled], [3_600_000, 1]);
    await sink.abort();
    await asked;
  }));

test("recipe API client: 5xx is tried again later and later, until it gives up", () =>
  withClock(async (clock) => {
    const down = () => answer(503);
    const { calls, call } = api(clock, down(), down(), down(), down(), down());
    const sink = apiSink(call, new RateLimit({ limit: 10, interval: 1000 }));
    const error = await rejection(wind(clock, sink.submit("/")));
    assert(error instanceof ApiError && error.status === 503);
    const times = calls.map(([, at]) => at);
    assertEquals(times.length, 5);
    const delays = times.slice(1).map((at, i) => at - times[i]!);
    assert(delays.every((delay, i) => i === 0 || delay >= delays[i - 1]!), `${delays}`);
    assertEquals([sink.stats.retried, rightNow(sink)], [4, 0]);
  }));

function rightNow({ stats }: { stats: { waiting: number; running: number } }): number {
  return stats.waiting + stats.running;
}

test("recipe API client: another status fails at once, and a network error stays the same", () =>
  withClock(async (clock) => {
    const { calls, call } = api(clock, answer(404));
    const rate = new RateLimit({ limit: 10, interval: 1000 });
    const sink = apiSink(call, rate);
    const error = await rejection(sink.submit("/"));
    assert(error instanceof ApiError && error.status === 404);
    assertEquals(calls.length, 1);
    const refused = new TypeError("connection refused");
    const offline = apiSink(() => Promise.reject(refused), rate);
    assertStrictEquals(await rejection(offline.submit("/")), refused);
    assertEquals(clock.pending, 0);
  }));

/**
 * 50 tenants send a job each, a hundred times, to 16 workers. The first tenant is stuck. Returns how many of
 * its jobs were refused, how many of the others, and the least number of idle workers after a round.
 */
async function busyTenants(waiting: number) {
  const stuck = gate();
  const jobs = bulkhead((tenant: number) => tenant === 0 ? stuck.promise : Promise.resolve(), {
    tenant: (tenant) => `${tenant}`,
    ...{ waiting, concurrency: 16, capacity: 64 },
  });
  const refused = { stuck: 0, others: 0 };
  let idle = 16;
  for (let round = 0; round < 100; round++) {
    for (let tenant = 0; tenant < 50; tenant++) {
      if (!jobs.tryPush(tenant)) refused[tenant === 0 ? "stuck" : "others"]++;
    }
    while (jobs.stats.running > 1) await microtasks();
    idle = Math.min(idle, 16 - jobs.stats.running);
  }
  stuck.resolve();
  await jobs.close();
  return { refused, idle, stats: jobs.stats };
}

test("recipe bulkhead: without a limit, a stuck tenant makes the others refused, although workers are idle", async () => {
  const { refused, idle, stats } = await busyTenants(Infinity);
  // 15 of the 49 others find a worker. 34 need the queue, and the stuck tenant takes more of it each round.
  const others = 33 * 34 / 2 + 36 * 34;
  assertEquals([refused.stuck, refused.others, idle], [35, others, 15]);
  assertEquals(stats.done, 5000 - 35 - others);
});

test("recipe bulkhead: with a limit, only the stuck tenant is refused", async () => {
  const { refused, idle, stats } = await busyTenants(4);
  assertEquals([refused.stuck, refused.others, idle], [95, 0, 15]);
  assertEquals(stats.done, 5000 - 95);
});

test("recipe bulkhead: a tenant runs one job in each lane, and each lane keeps its order", async () => {
  const hand = new Hand<{ tenant: string; id: number }>();
  const jobs = bulkhead(hand.handler, {
    tenant: ({ tenant }) => tenant,
    lane: ({ id }) => id % 2,
    ...{ waiting: 1, concurrency: 16 },
  });
  const taken = (tenant: string) => [1, 2, 3, 4, 5].map((id) => jobs.tryPush({ tenant, id }));
  assertEquals(taken("ada"), [true, true, true, true, false]);
  assertEquals(taken("lin"), [true, true, true, true, false]);
  // A tenant whose name looks like a lane of another doesn't share it.
  assertEquals(taken("0 ada"), [true, true, true, true, false]);
  const ids = () => hand.started.filter(({ tenant }) => tenant === "ada").map(({ id }) => id);
  assertEquals(ids(), [1, 2]);
  hand.calls[1]!.resolve(0);
  await microtasks();
  assertEquals(ids(), [1, 2, 4]);
  // A push waits for room in its lane, and doesn't hold up other tenants.
  const pushed = jobs.push({ tenant: "ada", id: 5 });
  await jobs.push({ tenant: "joe", id: 1 });
  assertEquals(await settled(pushed), "pending");
  await jobs.abort();
  await rejection(pushed);
});

/** A site of pages with links. It notes the visits. */
class Site {
  readonly visits: string[] = [];
  readonly #links: (path: string) => string[];
  readonly #running = new Map<string, number>();
  most = 0;

  constructor(links: (path: string) => string[]) {
    this.#links = links;
  }

  readonly visit = async (url: string): Promise<string[]> => {
    this.visits.push(url);
    const { host, pathname } = new URL(url);
    const running = (this.#running.get(host) ?? 0) + 1;
    this.#running.set(host, running);
    this.most = Math.max(this.most, running);
    await turn();
    this.#running.set(host, this.#running.get(host)! - 1);
    return this.#links(pathname);
  };
}

const fail = (error: unknown) => {
  throw error;
};

test("recipe crawler: each page is visited once, and the crawl ends", async () => {
  const site = new Site(
    () => ["/", "/a", "a", "/b#top", "/b", "mailto:ada@example.org", "http://["],
  );
  const pages = await crawl("http://one.test/", site.visit, { depth: 9, onError: fail });
  const expected = ["http://one.test/", "http://one.test/a", "http://one.test/b"];
  assertEquals([pages, site.visits], [expected, expected]);
});

test("recipe crawler: the crawl stops at its depth", async () => {
  const site = new Site((path) => [`${path}x`]);
  const pages = await crawl("http://one.test/", site.visit, { depth: 2, onError: fail });
  assertEquals(pages.map((url) => new URL(url).pathname), ["/", "/x", "/xx"]);
  assertEquals(
    (await crawl("http://one.test/", site.visit, { depth: 0, onError: fail })).length,
    1,
  );
});

test("recipe crawler: a host has its limit, with far more links than workers", async () => {
  const links = Array.from({ length: 50 }, (_, i) => [`//one.test/${i}`, `//two.test/${i}`]).flat();
  for (const perHost of [1, 3]) {
    const site = new Site((path) => path === "/" ? links : []);
    const options = { depth: 1, concurrency: 16, perHost, onError: fail };
    const pages = await crawl("http://one.test/", site.visit, options);
    assertEquals([pages.length, site.visits.length, site.most], [101, 101, perHost]);
  }
});

test("recipe crawler: onError gets a visit that fails, and the crawl goes on", async () => {
  const failed: unknown[] = [];
  const error = new Error("404");
  const site = new Site((path) => path === "/a" ? fail(error) : ["/a", "/b"]);
  const onError = (error: unknown, url: string) => failed.push(error, url);
  const pages = await crawl("http://one.test/", site.visit, { depth: 2, onError });
  assertEquals(failed, [error, "http://one.test/a"]);
  assertEquals(pages.length, 3);
});

test("recipe crawler: the signal ends the crawl and the running visits", async () => {
  const controller = new AbortController();
  const seen: AbortSignal[] = [];
  const crawled = crawl("http://one.test/", (_url, signal) => {
    seen.push(signal);
    return new Promise((_resolve, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason), { once: true })
    );
  }, { depth: 1, onError: fail, signal: controller.signal });
  assertEquals(await settled(crawled.catch(() => {})), "pending");
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => crawled), reason);
  assertEquals(seen.map((signal) => signal.aborted), [true]);
  const early = crawl("http://one.test/", fail, {
    depth: 1,
    onError: fail,
    signal: controller.signal,
  });
  assertStrictEquals(await rejection(early), reason);
});

test("recipe crawler: the signal ends the crawl, even if a visit ignores it", async () => {
  const controller = new AbortController();
  const listeners = countListeners(controller.signal);
  const options = { depth: 1, onError: fail, signal: controller.signal };
  const crawled = rejection(crawl("http://one.test/", () => new Promise(() => {}), options));
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await crawled, reason);
  assertEquals(listeners.live, 0);
});

test("recipe crawler: a start that isn't a URL is an error, and leaves no listener on the signal", async () => {
  const { signal } = new AbortController();
  const listeners = countListeners(signal);
  const options = { depth: 1, onError: fail, signal };
  assert(await rejection(crawl("one.test", fail, options)) instanceof TypeError);
  assertEquals(await crawl("mailto:ada@one.test", fail, options), []);
  assertEquals(listeners.live, 0);
});

test("recipe crawler: onError gets a visit that never ends at its timeout, and the crawl goes on", () =>
  withClock(async (clock) => {
    const failed: string[] = [];
    const visit = (url: string) =>
      url.endsWith("/a") ? new Promise<string[]>(() => {}) : Promise.resolve(["/a", "/b"]);
    const onError = (error: unknown, url: string) => failed.push((error as Error).name, url);
    const crawled = crawl("http://one.test/", visit, { depth: 1, timeout: 10, onError });
    await clock.tick(10);
    assertEquals((await crawled).length, 3);
    assertEquals(failed, ["TimeoutError", "http://one.test/a"]);
  }));

/** Options of sinks that a signal ends, and the items that they reported. */
function program() {
  const [intake, end] = [new AbortController(), new AbortController()];
  const told: unknown[] = [];
  const options = {
    signal: end.signal,
    onDiscard: (items: number[], reason: unknown) =>
      void told.push(...items, (reason as DOMException).name),
    onError: (error: unknown, item: unknown) => void told.push(item, error),
  };
  const pipe = (source: ReadableStream<number>, sink: WritableStream<number>) =>
    source.pipeTo(sink, { signal: intake.signal, preventClose: true, preventAbort: true }).catch(
      () => {},
    );
  return { intake, end, told, options, pipe };
}

/** An endless source. It notes how many items were read, and whether it was cancelled. */
function endless(cancel: () => Promise<void> = () => Promise.resolve()) {
  const seen = { read: 0, cancelled: false };
  const source = new ReadableStream<number>({
    async pull(controller) {
      await turn();
      controller.enqueue(++seen.read);
    },
    cancel() {
      seen.cancelled = true;
      return cancel();
    },
  }, { highWaterMark: 0 });
  return { seen, source };
}

test("recipe shutdown: items that a pipe brought into one sink, and that sink into the next, are done", async () => {
  const { intake, end, told, options, pipe } = program();
  const written: number[] = [];
  const rows = new Aggregator<number>(async (batch) => {
    await turn();
    written.push(...batch);
  }, options);
  const jobs = new Fanout(async (n: number) => {
    await turn();
    await rows.push(n);
  }, { ...options, concurrency: 2, capacity: 3 });
  const { source, seen } = endless();
  const pipes = [pipe(source, jobs)];
  while (jobs.stats.done < 5) await turn();
  assertEquals(await drain({ intake, pipes, sinks: [jobs, rows], end }, 60_000), 0);
  assert(seen.cancelled && written.length >= 5);
  assertEquals(written.sort((a, b) => a - b), written.map((_, i) => i + 1));
  assertEquals([written.length, rows.stats.done, told], [jobs.stats.accepted, written.length, []]);
});

test("recipe shutdown: when the time is over it aborts, and reports all items that were not done", () =>
  withClock(async (clock) => {
    const { intake, end, told, options } = program();
    const hand = new Hand<number>();
    const sink = new Fanout(hand.handler, { ...options, concurrency: 2 });
    const failure = new Error("failed");
    for (const n of [1, 2, 3, 4]) sink.tryPush(n);
    const ended = drain({ intake, pipes: [], sinks: [sink], end }, 1000);
    hand.call(1).reject(failure);
    await clock.tick(999);
    assertEquals(told, [1, failure]);
    await clock.tick(1);
    assertEquals(told, [1, failure, 4, "TimeoutError"]);
    // One running handler stops by its signal. The other one finishes its item anyway.
    const { signal, reject } = hand.call(2);
    assert(signal.aborted);
    reject(signal.reason);
    hand.call(3).resolve(undefined);
    assertEquals(await ended, 3);
    assertEquals(told, [1, failure, 4, "TimeoutError", 2, "TimeoutError"]);
    assertEquals(clock.pending, 0);
  }));

test("recipe shutdown: it ends in time if a pipe waits for room, and if a source can't be cancelled", () =>
  withClock(async (clock) => {
    const { intake, end, told, options, pipe } = program();
    const sink = new Fanout<number>(() => new Promise(() => {}), { ...options, capacity: 1 });
    const { source } = endless(() => new Promise(() => {}));
    const pipes = [pipe(source, sink)];
    while (sink.stats.blocked === 0) await turn();
    const ended = drain({ intake, pipes, sinks: [sink], end }, 1000, 100);
    await clock.tick(1000);
    assertEquals(told, [2, "TimeoutError"]);
    // The third was never accepted. The first runs on forever.
    await clock.tick(100);
    assertEquals(await ended, 2);
    assertEquals(sink.stats.running, 1);
  }));

test("recipe shutdown: items that were lost before it began are not counted again", async () => {
  const { intake, end, told, options } = program();
  const failure = new Error("failed");
  const sink = new Fanout<number>(() => Promise.reject(failure), options);
  await sink.consume([1, 2], { signal: intake.signal });
  assertEquals(told, [1, failure, 2, failure]);
  assertEquals(await drain({ intake, pipes: [], sinks: [sink], end }, 60_000), 0);
  await sink.closed;
});

test("recipe shutdown: it waits for a sink that its pipe closes, before it closes the next one", async () => {
  const { intake, end, told, options } = program();
  const open = gate();
  const written: number[] = [];
  const rows = new Aggregator<number>((batch) => void written.push(...batch), options);
  const jobs = new Fanout(async (n: number) => {
    await open.promise;
    await rows.push(n);
  }, options);
  const piped = new ReadableStream<number>({
    start(controller) {
      for (const n of [1, 2, 3]) controller.enqueue(n);
      controller.close();
    },
  }).pipeTo(jobs);
  while (jobs.stats.accepted < 3) await turn();
  const ended = drain({ intake, pipes: [], sinks: [jobs, rows], end }, 60_000);
  assertEquals(await settled(ended), "pending");
  open.resolve();
  assertEquals([await ended, written, told], [0, [1, 2, 3], []]);
  await piped;
});

test("recipe shutdown: a sink that has failed doesn't keep the others from their end", async () => {
  const { intake, end, options } = program();
  const failed = heard(new Fanout<number>(() => Promise.reject(new Error("failed"))));
  failed.tryPush(1);
  await turn();
  const written: number[] = [];
  const rows = new Aggregator<number>((batch) => void written.push(...batch), options);
  rows.tryPush(2);
  assertEquals(await drain({ intake, pipes: [], sinks: [failed, rows], end }, 60_000), 0);
  assertEquals(written, [2]);
});
