import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { withClock } from "./support/clock.ts";
import { collect, gate, settled, streamOf, turn } from "./support/gate.ts";
import { countListeners } from "./support/listeners.ts";
import { runAll, type RunAllOptions, test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

/** The results of `runAll`, each as its error, or "passed", "left out". */
async function outcomes(tests: NonNullable<RunAllOptions["tests"]>): Promise<unknown[]> {
  const ended: unknown[] = [];
  await runAll({
    tests,
    limit: 20,
    onResult: ({ outcome, error }) => ended.push(error ?? outcome),
  });
  return ended;
}

test("runAll() reports passes, throws and tests that never settle", async () => {
  // In Deno the time limit alone keeps nothing alive.
  const alive = setTimeout(() => {}, 60_000);
  const [passes, throws, hangs] = await outcomes([
    { name: "passes", body: () => {} },
    { name: "throws", body: () => Promise.reject("thrown") },
    { name: "hangs", body: () => new Promise<void>(() => {}) },
  ]);
  clearTimeout(alive);
  assertEquals([passes, throws], ["passed", "thrown"]);
  assertEquals((hangs as Error).message, "not settled within 20 ms");
});

test("runAll() reports a lost rejection as a failure", async () => {
  const lost = new Error("lost");
  assertEquals(await outcomes([{ name: "loses", body: () => void Promise.reject(lost) }]), [lost]);
});

test("runAll() fails a test that passes against an expected failure, and leaves out tests that can't run", async () => {
  const fails = { tests: /^/, hosts: [], effect: "fails", reason: "it lacks x" } as const;
  let ran = 0;
  const [expected, stale, leftOut] = await outcomes([
    { name: "fails", body: () => Promise.reject("thrown"), difference: fails },
    { name: "passes", body: () => {}, difference: fails },
    { name: "hangs", body: () => void ran++, difference: { ...fails, effect: "left out" } },
  ]);
  assertEquals([expected, leftOut, ran], ["expected", "left out", 0]);
  assertEquals(
    (stale as Error).message,
    "passes, but was expected to fail here, because it lacks x: take it out of differences.ts",
  );
});

test("settled() reports the three states", async () => {
  const { promise, resolve } = gate<number>();
  assertEquals(await settled(promise), "pending");
  resolve(1);
  assertEquals(await settled(promise), "fulfilled");
  assertEquals(await settled(Promise.reject(new Error("no"))), "rejected");
});

test("collect() reads a stream of streamOf(), which pulls only on demand", async () => {
  assertEquals(await collect(streamOf([1, 2, 3])), [1, 2, 3]);
  let taken = 0;
  let returned = false;
  const reader = streamOf((function* () {
    try {
      for (;;) yield ++taken;
    } finally {
      returned = true;
    }
  })()).getReader();
  await turn();
  assertEquals(taken, 0);
  assertEquals((await reader.read()).value, 1);
  await turn();
  assertEquals(taken, 1);
  await reader.cancel();
  assert(returned);
});

test("Clock.tick() fires due timers in order, including those set meanwhile", () =>
  withClock(async (clock) => {
    const seen: string[] = [];
    setTimeout(() => seen.push(`b ${performance.now() - start}`), 20);
    setTimeout(() => {
      seen.push(`a ${performance.now() - start}`);
      Promise.resolve().then(() => setTimeout(() => seen.push("c"), 5));
    }, 10);
    const dropped = setTimeout(() => seen.push("never"), 10);
    const start = performance.now();
    clearTimeout(dropped);
    assertEquals(clock.pending, 2);
    await clock.tick(9);
    assertEquals(seen, []);
    await clock.tick(91);
    assertEquals(seen, ["a 10", "c", "b 20"]);
    assertEquals([clock.pending, clock.now], [0, 100]);
  }));

test("Clock.tick() repeats an interval until it is cleared", () =>
  withClock(async (clock) => {
    let count = 0;
    const id = setInterval(() => ++count === 3 && clearInterval(id), 10);
    await clock.tick(100);
    assertEquals([count, clock.pending], [3, 0]);
  }));

test("Clock.tick() rejects with an error of a timer", () =>
  withClock(async (clock) => {
    setTimeout(() => {
      throw new TypeError("from a timer");
    }, 1);
    await assertRejects(() => clock.tick(1), TypeError, "from a timer");
  }));

test("setTimeout() fires at once when the delay is too long for the platforms", () =>
  withClock(async (clock) => {
    let fired = 0;
    for (const delay of [Infinity, NaN, 2 ** 31, -1]) setTimeout(() => fired++, delay);
    setTimeout(() => fired++, 2 ** 31 - 1);
    await clock.tick(0);
    assertEquals([fired, clock.pending], [4, 1]);
  }));

test("Clock.block() and Clock.jumpWall() fire nothing", () =>
  withClock(async (clock) => {
    const [start, wall] = [performance.now(), Date.now()];
    let firedAt = 0;
    setTimeout(() => firedAt = performance.now() - start, 10);
    clock.block(5000);
    clock.jumpWall(86_400_000);
    await turn();
    assertEquals(firedAt, 0);
    assertEquals(performance.now() - start, 5000);
    assertEquals(Date.now() - wall, 86_405_000);
    await clock.tick(0);
    assertEquals(firedAt, 5000);
  }));

test("withClock() puts the real clock back, even if the body throws", async () => {
  const before = [setTimeout, clearTimeout, performance.now, Date.now];
  await assertRejects(() => withClock(() => Promise.reject(new Error("thrown"))), Error, "thrown");
  const after = [setTimeout, clearTimeout, performance.now, Date.now];
  for (const [i, fn] of after.entries()) assertStrictEquals(fn, before[i]);
  assert(performance.now() < 1e9);
});

test("unhandled() collects nothing when all is handled", async () => {
  assertEquals(await unhandled(() => {}), []);
  assertEquals(await unhandled(() => void Promise.reject(1).catch(() => {})), []);
});

test("unhandled() collects lost rejections and uncaught errors", async () => {
  const lost = new Error("lost");
  assertEquals(await unhandled(() => void Promise.reject(lost)), [lost]);
  assertEquals(await unhandled(() => void Promise.reject(undefined)), [undefined]);
  const uncaught = new Error("uncaught");
  const thrown = await unhandled(() =>
    queueMicrotask(() => {
      throw uncaught;
    })
  );
  assertEquals(thrown, [uncaught]);
});

test("countListeners() follows add, remove, once and signal", () => {
  const controller = new AbortController();
  const other = new AbortController();
  const { signal } = controller;
  const listeners = countListeners(signal);
  const listener = () => {};
  signal.addEventListener("abort", listener);
  signal.addEventListener("abort", listener);
  signal.addEventListener("abort", listener, true);
  assertEquals(listeners.live, 2);
  signal.removeEventListener("abort", listener);
  signal.removeEventListener("abort", listener, { capture: true });
  assertEquals(listeners.live, 0);
  signal.addEventListener("abort", () => {}, { once: true });
  signal.addEventListener("abort", () => {}, { signal: other.signal });
  assertEquals(listeners.live, 2);
  other.abort();
  assertEquals(listeners.live, 1);
  controller.abort();
  assertEquals([listeners.live, listeners.added], [0, 4]);
});
