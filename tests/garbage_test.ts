/** An ended object keeps nothing, and nothing keeps an ended object. */

import { assert, assertEquals } from "@std/assert";
import * as library from "../mod.ts";
import { Aggregator, Fanout } from "../mod.ts";
import { collectGarbage } from "./support/garbage.ts";
import { countListeners } from "./support/listeners.ts";
import { keepable, type Kind, lives, type Watch } from "./support/lives.ts";
import { test } from "./support/test.ts";

const ROUNDS = 32;
// A conservative collector treats any value on the stack that looks like a pointer as one: it has
// kept up to five objects at once. A real leak shows in every round.
const STRAY = "Bun" in globalThis ? ROUNDS / 4 : 0;

/** Runs one life many times. */
class Lived {
  readonly #traces: Array<[kind: Kind | "itself", trace: WeakRef<object>]> = [];
  readonly #watch: Watch = (kind, value) => {
    this.#traces.push([kind, new WeakRef(value)]);
    return value;
  };

  async live({ live }: typeof lives[number], signal: AbortSignal, had: object[]): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      had.push(await live(signal, this.#watch));
      this.#traces.push(["itself", new WeakRef(had.at(-1)!)]);
    }
  }

  /** Returns the kinds of objects that were not collected, and their number, except some kinds. */
  left(except: ReadonlySet<string>): string[] {
    const counts = new Map<string, number>();
    for (const [kind, trace] of this.#traces) {
      if (!except.has(kind) && trace.deref()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    return [...counts].filter(([, count]) => count > STRAY).map(([kind, n]) => `${n} × ${kind}`);
  }
}

test("Every primitive that holds items is in the table of lives [7.5]", () => {
  // Exports that aren't classes have no end, and `Sink` is a base class.
  const { Sink: _, backoff: __, byteLength: ___, throttle: ____, ...primitives } = library;
  const alive = Object.keys(primitives).filter((name) =>
    lives.some((life) => life.name.startsWith(name))
  );
  assertEquals(alive, Object.keys(primitives));
});

test("Each primitive keeps none of its items after any end, and can be collected [7.5] [F-36]", async () => {
  const { signal } = new AbortController();
  const listeners = countListeners(signal);
  const had: object[] = [];
  const all = new Map(lives.map((life) => [life, new Lived()]));
  for (const [life, lived] of all) {
    await lived.live(life, signal, had);
    assertEquals(listeners.live, 0, life.name);
  }
  const left = (except: Iterable<string>) =>
    [...all].flatMap(([{ name }, lived]) => {
      return lived.left(new Set(except)).map((what) => `${name}: ${what}`);
    });

  await collectGarbage();
  assertEquals(left(["itself", ...keepable]), [], "while it is referenced");
  had.length = 0;
  await collectGarbage();
  assertEquals(left([]), [], "when it is not referenced");
});

test("Fanout keeps none of the sources that it has consumed [7.5] [F-36]", async () => {
  const traces: WeakRef<object>[] = [];
  const fanout = new Fanout(() => {});
  const consumeOne = (): Promise<void> => {
    const source = [{}];
    traces.push(new WeakRef(source));
    return fanout.consume(source);
  };
  for (let round = 0; round < ROUNDS; round++) await consumeOne();
  await collectGarbage();
  const left = traces.filter((trace) => trace.deref()).length;
  assert(left <= STRAY, `${left} are left`);
  await fanout.close();
});

test("An Aggregator without references still calls onDiscard when its signal aborts, but not after it is closed [5.35]", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const told: unknown[] = [];
  const make = (name: string): Aggregator<string> => {
    const onDiscard = (items: string[], reason: unknown) => told.push([name, items, reason]);
    const sink = new Aggregator<string>(() => {}, { linger: Infinity, signal, onDiscard });
    sink.tryPush("held");
    return sink;
  };
  make("open");
  await make("closed").close();
  await collectGarbage();
  controller.abort("over");
  assertEquals(told, [["open", ["held"], "over"]]);
});
