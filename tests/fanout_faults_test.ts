/** `Fanout`: a throw, a rejection and a broken thenable have the same effect. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { Fanout } from "../mod.ts";
import { turn } from "./support/gate.ts";
import { counts, rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

const failures: Record<string, (error: unknown) => unknown> = {
  "throws synchronously [F-13]": (error) => {
    throw error;
  },
  "rejects [F-14]": (error) => Promise.reject(error),
  "gives a thenable that throws in then [F-15]": (error) => ({
    then() {
      throw error;
    },
  }),
  "gives a thenable that rejects in then [F-15]": (error) => ({
    then: (_: unknown, reject: (error: unknown) => void) => reject(error),
  }),
  "gives an object whose then cannot be read [F-15]": (error) => ({
    get then() {
      throw error;
    },
  }),
};
const frozen = Object.freeze({ code: 1 });
const errors = [new Error("e"), undefined, null, 0, false, "", "text", frozen, NaN];

for (const [how, handler] of Object.entries(failures)) {
  test(`Fanout.submit() rejects with the same error when the handler ${how} [5.3] [7]`, async () => {
    for (const error of errors) {
      const seen: unknown[] = [];
      const fanout = new Fanout(() => handler(error), { onError: (error) => seen.push(error) });
      assertStrictEquals(await rejection(fanout.submit(1)), error);
      assertStrictEquals(await rejection(fanout.submit(2)), error);
      assertEquals(fanout.stats, counts({ accepted: 2, failed: 2 }));
      assertEquals(seen, []);
      await fanout.close();
    }
  });

  test(`Fanout calls onError with the error and the item when the handler ${how} [5.3]`, async () => {
    for (const error of errors) {
      const seen: unknown[][] = [];
      const fanout = new Fanout(() => handler(error), {
        onError: (...args) => seen.push(args),
      });
      await fanout.push("a");
      await fanout.push("b");
      await fanout.idle();
      assertEquals(seen, [[error, "a"], [error, "b"]]);
      assertStrictEquals(seen[0]![0], error);
      assertEquals(fanout.stats, counts({ accepted: 2, failed: 2 }));
      await fanout.close();
    }
  });

  test(`Fanout fails with the same error when the handler ${how} and neither onError nor a submit gets it [5.3]`, async () => {
    for (const error of errors) {
      const fanout = new Fanout(() => handler(error));
      assertEquals(fanout.tryPush(1), true);
      await fanout.idle();
      assertEquals(fanout.stats, counts({ accepted: 1, failed: 1 }));
      assertStrictEquals(thrownBy(() => fanout.tryPush(2)), error);
      assertStrictEquals(await rejection(fanout.push(2)), error);
      assertStrictEquals(await rejection(fanout.close()), error);
      assertStrictEquals(await rejection(fanout.getWriter().closed), error);
    }
  });
}

function thrownBy(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

test("Fanout takes only the first settlement of a thenable [F-15]", async () => {
  const seen: unknown[] = [];
  const fanout = new Fanout((n: number) => ({
    then(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
      if (n % 2) resolve(n);
      reject("late");
      resolve("later");
      throw "last";
    },
  } as PromiseLike<unknown>), { onError: (error) => seen.push(error) });
  assertEquals(await fanout.submit(1), 1);
  assertEquals(await rejection(fanout.submit(2)), "late");
  await turn();
  assertEquals(fanout.stats, counts({ accepted: 2, done: 1, failed: 1 }));
});

test("Fanout waits for a promise of a subclass by the then of that class [F-15]", async () => {
  class Own extends Promise<number> {
    override then<A = number, B = never>(
      fulfilled?: ((value: number) => A | PromiseLike<A>) | null,
      rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
    ): Promise<A | B> {
      return Promise.resolve(7).then(fulfilled, rejected);
    }
  }
  const fanout = new Fanout(() => new Own(() => {}));
  assertEquals(await fanout.submit(1), 7);
});

test("Fanout is not re-entered by a thenable that calls back synchronously [F-15]", () => {
  const fanout = new Fanout(() => ({
    then(resolve: (value: unknown) => void) {
      resolve(1);
    },
  } as PromiseLike<unknown>));
  fanout.tryPush(1);
  assertEquals(fanout.stats, counts({ accepted: 1, running: 1 }));
});

test("Kratos fanout: a job that panics stops no worker [5.3] [F-13]", async () => {
  const workers = 4;
  let handled = 0;
  const fanout = new Fanout((n: number) => {
    if (n % 2) throw new Error("panic");
    handled++;
    return turn();
  }, { concurrency: workers, onError() {} });
  await fanout.consume(Array.from({ length: 100 }, (_, n) => n));
  assertEquals([handled, fanout.stats.failed], [50, 50]);
  const hands = Array.from({ length: workers }, () => fanout.tryPush(0));
  assertEquals(hands, [true, true, true, true]);
  assertEquals(fanout.stats.running, workers);
  await fanout.close();
});
