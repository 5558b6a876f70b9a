/** The recipe `examples/recipes/beacon.ts`, with a fake page. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { LogShipper, type Page, Refusal } from "../examples/recipes/beacon.ts";
import { withClock } from "./support/clock.ts";
import { type Gate, gate, microtasks, turn } from "./support/gate.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

interface Line {
  readonly id: string;
  readonly event: unknown;
}

function linesOf(body: unknown): Line[] {
  return String(body).split("\n").map((line) => JSON.parse(line));
}

/** The events in a body. */
function eventsOf(body: unknown): unknown[] {
  return linesOf(body).map(({ event }) => event);
}

function bytesOf(body: string): number {
  return new TextEncoder().encode(body).byteLength;
}

/** A window. */
class FakePage implements Page {
  readonly posts: Array<Gate<Response> & { readonly init: RequestInit }> = [];
  readonly beacons: string[] = [];
  readonly document = { visibilityState: "visible" };
  /** How many bytes of beacons the browser accepts. */
  room = Infinity;
  readonly navigator = {
    sendBeacon: (_url: string, body: string): boolean => {
      if (bytesOf(body) > this.room) return false;
      this.room -= bytesOf(body);
      this.beacons.push(body);
      return true;
    },
  };
  readonly #listeners = new Map<string, Set<(event: { readonly type: string }) => void>>();

  get listeners(): number {
    return [...this.#listeners.values()].reduce((sum, { size }) => sum + size, 0);
  }

  addEventListener(type: string, listener: (event: { readonly type: string }) => void): void {
    const known = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, known.add(listener));
  }

  removeEventListener(type: string, listener: (event: { readonly type: string }) => void): void {
    this.#listeners.get(type)?.delete(listener);
  }

  fetch(_url: string, init: RequestInit): Promise<Response> {
    const answer = gate<Response>();
    this.posts.push({ ...answer, init });
    return answer.promise;
  }

  dispatch(type: string, visibilityState = this.document.visibilityState): void {
    this.document.visibilityState = visibilityState;
    for (const listener of this.#listeners.get(type) ?? []) listener({ type });
  }

  /** The events of each POST. */
  get posted(): unknown[][] {
    return this.posts.map(({ init }) => eventsOf(init.body));
  }

  /** The events of each beacon. */
  get sent(): unknown[][] {
    return this.beacons.map(eventsOf);
  }

  async answer(status: number): Promise<void> {
    this.posts.at(-1)!.resolve(new Response(null, { status }));
    await turn();
  }
}

/** A shipper on a fake page, and the calls of `onLost`. */
function shipping(page = new FakePage()) {
  const lost: Array<[unknown[], unknown]> = [];
  const shipper = new LogShipper("/log", {
    page,
    maxItems: 3,
    linger: 100,
    onLost: (lines, reason) => lost.push([lines.flatMap(eventsOf), reason]),
  });
  const log = (...events: unknown[]) => events.map((event) => shipper.log(event));
  return { page, shipper, log, lost };
}

test("recipe beacon: a visible page sends by fetch, when a batch is full or its time is up", () =>
  withClock(async (clock) => {
    const { page, log } = shipping();
    log(1, 2, 3, 4);
    assertEquals(page.posted, [[1, 2, 3]]);
    const { method, keepalive } = page.posts[0]!.init;
    assertEquals([method, keepalive], ["POST", true]);
    await page.answer(204);
    await clock.tick(99);
    assertEquals(page.posted.length, 1);
    await clock.tick(1);
    assertEquals(page.posted, [[1, 2, 3], [4]]);
    await page.answer(200);
    page.dispatch("pagehide");
    assertEquals(page.beacons, []);
  }));

test("recipe beacon: a page that is left sends running and waiting lines by beacons", async () => {
  const { page, log, lost } = shipping();
  log(1, 2, 3, 4, 5);
  page.dispatch("pagehide");
  // Waiting lines go before the listener returns. Running ones go before the turn ends, even if `fetch` hangs.
  assertEquals(page.sent, [[4, 5]]);
  assert(page.posts[0]!.init.signal!.aborted);
  await microtasks();
  assertEquals(page.sent, [[4, 5], [1, 2, 3]]);
  page.dispatch("visibilitychange", "hidden");
  page.posts[0]!.reject(page.posts[0]!.init.signal!.reason);
  await turn();
  assertEquals([page.sent.length, lost], [2, []]);
});

test("recipe beacon: a hidden page does not wait for pagehide", async () => {
  const { page, log } = shipping();
  log(1);
  page.dispatch("visibilitychange", "hidden");
  assertEquals(page.sent, [[1]]);
  page.dispatch("pagehide");
  await turn();
  assertEquals(page.sent, [[1]]);
});

test("recipe beacon: the lines that a hidden page logs in one turn are one beacon", async () => {
  const { page, log } = shipping();
  page.dispatch("pagehide");
  log(1, 2);
  assertEquals(page.sent, []);
  await microtasks();
  log(3);
  await microtasks();
  assertEquals([page.sent, page.posted], [[[1, 2], [3]], []]);
});

test("recipe beacon: a page that begins hidden sends by beacons until it is shown", async () => {
  const page = new FakePage();
  page.document.visibilityState = "hidden";
  const { log, shipper } = shipping(page);
  log(1);
  await microtasks();
  assertEquals(page.sent, [[1]]);
  page.dispatch("pageshow");
  log(2);
  await microtasks();
  page.dispatch("visibilitychange", "visible");
  log(3, 4, 5);
  assertEquals([page.sent, page.posted], [[[1], [2]], [[3, 4, 5]]]);
  shipper.stop();
});

test("recipe beacon: a page that comes back goes on by fetch, and its ids go on, too", async () => {
  const { page, log, shipper } = shipping();
  log(1);
  page.dispatch("pagehide");
  page.dispatch("visibilitychange", "hidden");
  log(2);
  await microtasks();
  page.dispatch("visibilitychange", "visible");
  page.dispatch("pageshow");
  log(3, 4, 5);
  assertEquals([page.sent, page.posted], [[[1], [2]], [[3, 4, 5]]]);
  await page.answer(204);
  shipper.stop();
  const bodies = [...page.beacons, page.posts[0]!.init.body];
  const ids = bodies.flatMap(linesOf).map(({ id }) => id);
  const name = ids[0]!.slice(0, -1);
  assertEquals(ids, [0, 1, 2, 3, 4].map((n) => name + n));
});

test("recipe beacon: two pages have no id in common", () => {
  const pages = [shipping(), shipping()];
  for (const { log, shipper } of pages) {
    log(1);
    shipper.stop();
  }
  const ids = pages.flatMap(({ page }) => linesOf(page.beacons[0])).map(({ id }) => id);
  assert(ids[0] !== ids[1]);
});

test("recipe beacon: a batch goes again after 429, 503 and a failed fetch", () =>
  withClock(async (clock) => {
    const { page, log, lost } = shipping();
    log(1, 2, 3);
    for (const status of [429, 503]) {
      await page.answer(status);
      await clock.tick(1000);
    }
    page.posts.at(-1)!.reject(new TypeError("no network"));
    await clock.tick(1000);
    await page.answer(204);
    assertEquals([page.posted, lost], [Array(4).fill([1, 2, 3]), []]);
  }));

test("recipe beacon: a batch without an answer for 30 s goes again", () =>
  withClock(async (clock) => {
    const { page, log, shipper } = shipping();
    log(1, 2, 3);
    await clock.tick(29_999);
    assertEquals(page.posted.length, 1);
    await clock.tick(1000);
    assertEquals(page.posted, [[1, 2, 3], [1, 2, 3]]);
    shipper.stop();
  }));

test("recipe beacon: the pageshow of a page that was not left stops nothing", () => {
  const { page, log, shipper } = shipping();
  log(1, 2, 3, 4);
  page.dispatch("pageshow");
  assertEquals(page.beacons, []);
  shipper.stop();
});

test("recipe beacon: a batch that waits for its next attempt goes by a beacon", async () => {
  const { page, log } = shipping();
  log(1, 2, 3);
  await page.answer(503);
  page.dispatch("pagehide");
  assertEquals(page.sent, [[1, 2, 3]]);
});

test("recipe beacon: onLost gets a batch that the server refuses, and the next batch goes", async () => {
  const { page, log, lost, shipper } = shipping();
  log(1, 2, 3, 4, 5, 6);
  await page.answer(400);
  assertEquals(page.posted, [[1, 2, 3], [4, 5, 6]]);
  const [events, reason] = lost[0]!;
  assertEquals(events, [1, 2, 3]);
  assert(reason instanceof Refusal);
  assertEquals(reason.message, "400");
  shipper.stop();
});

test("recipe beacon: no beacon is over 8 KiB, and onLost gets the refused ones", async () => {
  const { page, log, lost } = shipping();
  log(...Array.from({ length: 13 }, (_, n) => `${n} ${"ü".repeat(1000)}`)); // 2 kB each
  page.room = 14_000;
  page.dispatch("pagehide");
  await microtasks();
  const numbers = (events: unknown[]) => events.map((event) => parseInt(String(event)));
  assertEquals(page.sent.map(numbers), [[3, 4, 5], [6, 7, 8]]);
  assertEquals(lost.map(([events]) => numbers(events)), [[9, 10, 11], [12], [0, 1, 2]]);
  for (const beacon of page.beacons) assert(bytesOf(beacon) <= 8192);
  const reason = lost[0]![1];
  assert(reason instanceof Refusal);
  assertEquals(reason.message, "sendBeacon returned false");
});

test("recipe beacon: onLost gets all lines if sendBeacon throws or is missing", async () => {
  const error = new TypeError("no such URL");
  const broken = () => {
    throw error;
  };
  for (const sendBeacon of [broken, undefined]) {
    const { page, log, lost } = shipping();
    log(1, 2, 3, 4, 5);
    Object.assign(page.navigator, { sendBeacon });
    page.dispatch("pagehide");
    await microtasks();
    assertEquals(lost.map(([events]) => events), [[4, 5], [1, 2, 3]]);
    if (sendBeacon) assertEquals(lost.map(([, reason]) => reason), [error, error]);
    else for (const [, reason] of lost) assert(reason instanceof TypeError);
    // The page goes on, and its next line doesn't throw.
    assertEquals(log(6), [true]);
    await microtasks();
    assertEquals(lost.at(-1)![0], [6]);
  }
});

for (
  const [ends, fail] of Object.entries<(error: Error) => unknown>({
    throws(error) {
      throw error;
    },
    rejects: (error) => Promise.reject(error),
  })
) {
  test(`recipe beacon: an onLost that ${ends} ends nothing, in a page that is visible or left`, async () => {
    const error = new Error("onLost");
    const page = new FakePage();
    const told: unknown[] = [];
    const shipper = new LogShipper("/log", {
      page,
      maxItems: 1,
      onLost: (lines) => {
        told.push(...lines.flatMap(eventsOf));
        return fail(error);
      },
    });
    const errors = await unhandled(async () => {
      shipper.log(1);
      await page.answer(400);
      assertEquals([shipper.log(2), page.posted], [true, [[1], [2]]]);
      const big = Array.from({ length: 3 }, (_, n) => `${n} ${"x".repeat(5000)}`);
      for (const event of big) shipper.log(event);
      page.room = 100;
      page.dispatch("pagehide");
      await turn();
      // The beacon of the running batch has room. `onLost` gets each of the others.
      assertEquals([told, page.sent], [[1, ...big], [[2]]]);
      assert(shipper.log("later"));
      await turn();
      assertEquals(told.at(-1), "later");
    });
    assertEquals(errors, Array(5).fill(error));
  });
}

test("recipe beacon: log returns false when 32 KiB wait, and a gap in the ids shows it", async () => {
  const { page, log } = shipping();
  const event = "x".repeat(8000);
  // One runs.
  assertEquals(log(...Array(6).fill(event)), [true, true, true, true, true, false]);
  page.dispatch("pagehide");
  log("late");
  await microtasks();
  const numbers = page.beacons.flatMap(linesOf).map(({ id }) => Number(id.split("-").at(-1)));
  assertEquals(numbers.sort((a, b) => a - b), [0, 1, 2, 3, 4, 6]);
});

test("recipe beacon: an event that is too long throws, and the others go on", () => {
  const { page, log, shipper } = shipping();
  const circle: { self?: unknown } = {};
  circle.self = circle;
  assertThrows(() => log(circle), TypeError);
  assertThrows(() => log("x".repeat(9000)), RangeError);
  log(1, 2, 3);
  assertEquals(page.posted, [[1, 2, 3]]);
  shipper.stop();
});

test("recipe beacon: stop sends the waiting lines and removes the listeners, and later events go by beacons", async () => {
  const { page, log, shipper } = shipping();
  log(1);
  assertEquals(page.listeners, 3);
  shipper.stop();
  assertEquals([page.sent, page.listeners], [[[1]], 0]);
  log(2);
  await microtasks();
  shipper.stop();
  assertEquals(page.sent, [[1], [2]]);
});
