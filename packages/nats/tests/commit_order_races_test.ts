/** `commitOrder` keeps its promises in every schedule. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { commitOrder } from "../delivery.ts";
import { type Gate, gate, microtasks } from "../../../tests/support/gate.ts";
import { test } from "../../../tests/support/test.ts";

const no = new Error("no");

/** The steps of an order. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("begin"), key: fc.nat(2) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("settle"), which: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("commit"), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("drop"), key: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("idle") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("turn") }) },
);

interface Begun {
  readonly key: number;
  readonly value: number;
  readonly end: () => void;
  readonly era: number;
  settled: boolean;
}

test("commitOrder() keeps its promises in every schedule", async () => {
  const seed = Math.trunc(Math.random() * 2 ** 31);
  await fc.assert(
    fc.asyncProperty(
      fc.array(step as fc.Arbitrary<Record<string, unknown>>, { maxLength: 60, size: "max" }),
      play,
    ),
    { seed, numRuns: 300 },
  );
});

async function play(steps: readonly Record<string, unknown>[]): Promise<void> {
  const begun: Begun[] = [];
  const eras = [0, 0, 0];
  const committed = [-1, -1, -1];
  const running = new Map<number, { value: number; era: number; over: Gate }>();
  let clock = 0;
  const idles: Promise<unknown>[] = [];
  // A throw inside a commit would count as its failure.
  const wrong: string[] = [];
  const order = commitOrder((value: number, key: number) => {
    if (running.has(key)) wrong.push("two commits of a key run");
    const mine = begun.filter((each) => each.key === key && each.era === eras[key]);
    const open = mine.findIndex((each) => !each.settled);
    const prefix = open === -1 ? mine : mine.slice(0, open);
    if (prefix.at(-1)?.value !== value) {
      wrong.push(`${value} is not the last of the prefix, ${prefix.at(-1)?.value}`);
    }
    const over = gate();
    running.set(key, { value, era: eras[key]!, over });
    return over.promise;
  });
  const pending = () =>
    begun.filter(({ key, era, value }) => era === eras[key] && value > committed[key]!).length;
  const finish = async (key: number, fails: boolean) => {
    const { value, era, over } = running.get(key)!;
    running.delete(key);
    if (fails) {
      // An `idle` call waits, so that the error is not unhandled.
      idles.push(order.idle().catch(() => {}));
      over.reject(no);
    } else {
      over.resolve();
      if (era === eras[key]) {
        assert(value > committed[key]!, "never backwards");
        committed[key] = value;
      }
    }
    await microtasks();
  };
  for (const { do: what, key, which, fails } of steps as never as Record<string, never>[]) {
    if (what === "begin") {
      const value = clock++;
      begun.push({
        key: key!,
        value,
        era: eras[key!]!,
        settled: false,
        end: order.begin(key!, value),
      });
    } else if (what === "settle") {
      const open = begun.filter((each) => !each.settled);
      const one = open[which! % open.length];
      if (one) {
        one.settled = true;
        one.end();
      }
    } else if (what === "commit") {
      const [first] = running.keys();
      if (first !== undefined) await finish(first, fails!);
    } else if (what === "drop") {
      order.drop(key!);
      eras[key!]!++;
      committed[key!] = -1;
    } else if (what === "idle") idles.push(order.idle().catch(() => {}));
    else await microtasks();
    assertEquals([wrong, order.pending], [[], pending()]);
  }
  await microtasks();
  while (running.size > 0) for (const key of [...running.keys()]) await finish(key, false);
  for (const each of begun) if (!each.settled) (each.settled = true, each.end());
  await microtasks();
  while (running.size > 0) for (const key of [...running.keys()]) await finish(key, false);
  await Promise.all(idles);
  for (const key of [0, 1, 2]) {
    const last = begun.findLast((each) => each.key === key && each.era === eras[key]);
    // A later commit covers a failed one, if there is one.
    if (last && committed[key] !== last.value) {
      const end = order.begin(key, clock);
      begun.push({ key, value: clock, era: eras[key]!, settled: true, end });
      end();
      await microtasks();
      assertEquals(running.get(key)?.value, clock++);
      await finish(key, false);
    }
  }
  assertEquals([wrong, order.pending], [[], 0]);
  await order.idle();
}
