/** Tests, for an SDK, how `observe` counts objects that come, go, come again and fail. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Fanout } from "../../../mod.ts";
import { collectGarbage } from "../../../tests/support/garbage.ts";
import { microtasks } from "../../../tests/support/gate.ts";
import { test } from "../../../tests/support/test.ts";
import { instrument, observe } from "../mod.ts";
import { type Sdk, withDiag, withSdk } from "./sdk.ts";

const DONE = "weir.queue.done weir.name=job";
const WAITING = "weir.queue.waiting weir.name=job";
const STATS = { accepted: 1, waiting: 1, running: 0, done: 1, failed: 0, discarded: 0 };

/** Registers the tests. */
export function counting(sdk: Sdk): void {
  test(`${sdk.name}: observe() reads only its object, no matter how many are observed`, () =>
    withSdk(sdk, async ({ meter, numbers }) => {
      let reads = 0;
      const targets = Array.from({ length: 500 }, () => ({
        get stats() {
          reads++;
          return STATS;
        },
      }));
      const looks = await derefs(() => {
        for (const target of targets) observe(target, { name: "job", meter });
      });
      assertEquals(reads, targets.length);
      assert(looks <= 2 * targets.length, `${looks} looks for garbage`);
      assertEquals((await numbers())[DONE], targets.length);
    }));

  test(`${sdk.name}: observe() lets go of garbage even if metrics are never collected`, () =>
    withSdk(sdk, async ({ meter, numbers }) => {
      for (let round = 0; round < 16; round++) {
        for (let n = 0; n < 50; n++) observe({ stats: { ...STATS } }, { name: "job", meter });
        await collectGarbage();
      }
      // A conservative collector may keep some.
      const looks = await derefs(numbers);
      assert(looks < 400, `${looks} of 800 are looked at`);
    }));

  for (const delta of [false, true]) {
    test(`${sdk.name}: observe() counts an object once when it is observed again, delta: ${delta}`, () =>
      withSdk(sdk, async ({ meter, numbers }) => {
        let before = 0;
        const done = async () => {
          const value = Number((await numbers())[DONE]);
          return before = delta ? before + value : value;
        };
        const sink = new Fanout((n: number) => n);
        const other = new Fanout((n: number) => n);
        observe(other, { name: "job", meter });
        await other.consume([1]);
        for (const total of [4, 7, 10]) {
          const observation = observe(sink, { name: "job", meter });
          await sink.consume([1, 2, 3]);
          assertEquals(await done(), total);
          observation.stop();
          await microtasks();
          assertEquals(await done(), total);
        }
        await sink.consume([1]);
        assertEquals(await done(), 10);
        observe(sink, { name: "job", meter });
        assertEquals(await done(), 11);
        observe(sink, { name: "another", meter });
        assertEquals((await numbers())["weir.queue.done weir.name=another"], 10);
        assertEquals([sink.stats.done, other.stats.done], [10, 1]);
      }, { delta }));
  }

  test(`${sdk.name}: two observations of one object count as one, which ends when both have ended`, () =>
    withSdk(sdk, async ({ meter, numbers }) => {
      const target = { stats: { ...STATS } };
      const [first, second] = [1, 2].map(() => observe(target, { name: "job", meter }));
      const read = async () => {
        const all = await numbers();
        return [all[DONE], all[WAITING]];
      };
      assertEquals(await read(), [1, 1]);
      first!.stop();
      first!.stop();
      target.stats = { ...STATS, done: 2 };
      assertEquals(await read(), [2, 1]);
      second!.stop();
      assertEquals(await read(), [2, 0]);
    }));

  test(`${sdk.name}: an object whose stats throw keeps its last numbers, and the others are exported`, () =>
    withDiag((told) =>
      withSdk(sdk, async ({ meter, numbers }) => {
        let fails = false;
        const bad = {
          get stats() {
            if (fails) throw new Error("no stats");
            return STATS;
          },
        };
        const good = { stats: { ...STATS } };
        const observation = observe(bad, { name: "job", meter });
        observe(good, { name: "job", meter });
        assertEquals((await numbers())[DONE], 2);
        fails = true;
        good.stats = { ...STATS, done: 5 };
        assertEquals((await numbers())[DONE], 6);
        assertEquals(told, ["no stats"]);
        observation.stop();
        assertEquals((await numbers())[DONE], 6);
      })
    ));

  test(`${sdk.name}: stop() ends the observation even if idle throws or rejects`, () =>
    withDiag(() =>
      withSdk(sdk, async ({ meter, numbers }) => {
        const ways = [() => Promise.reject(new Error("idle")), () => {
          throw new Error("idle");
        }];
        for (const idle of ways) {
          const target = { stats: STATS, idle };
          observe(target, { name: "job", meter }).stop();
        }
        await microtasks();
        assertEquals((await numbers())[WAITING], 0);
      })
    ));

  test(`${sdk.name}: an attribute that the SDK can't take is refused by its name`, () =>
    withSdk(sdk, ({ meter }) => {
      const loop: unknown[] = [];
      loop.push(loop);
      for (const value of [1n as unknown, [1n], { a: 1 }, () => {}, Symbol("a"), loop]) {
        const options = { attributes: { shard: value as string }, meter };
        const wrong = 'option "attributes" must be an object whose values are strings';
        assertThrows(() => observe({ stats: STATS }, { name: "a", ...options }), TypeError, wrong);
        assertThrows(
          () => instrument(() => {}, { destination: "a", ...options }),
          TypeError,
          wrong,
        );
      }
      const attributes = { a: "a", b: 1, c: true, d: ["a", null], e: undefined! };
      observe({ stats: STATS }, { name: "a", attributes, meter });
      return Promise.resolve();
    }));
}

/** The number of weak references that are read while `run` runs. */
async function derefs(run: () => unknown): Promise<number> {
  const { deref } = WeakRef.prototype;
  let looks = 0;
  WeakRef.prototype.deref = function (this: WeakRef<object>) {
    looks++;
    return deref.call(this);
  };
  try {
    await run();
  } finally {
    WeakRef.prototype.deref = deref;
  }
  return looks;
}
