/** `MapStream`: so many calls, results in their order, and the first failure ends it. */

import fc from "fast-check";
import { type HandlerContext, MapStream } from "../mod.ts";
import type { Clock } from "./support/clock.ts";
import { type Gate, gate } from "./support/gate.ts";
import {
  type Front,
  type Numbered,
  TransformRun,
  type TransformStep,
  transformSteps,
} from "./races/transform_run.ts";
import { type Exploration, exploration, explored } from "./races/explore.ts";
import { type Advance, advance, often, type Race, race, suite } from "./races/race.ts";
import { pass } from "./races/sink_events.ts";
import { transformEvents } from "./races/transform_events.ts";

interface Setup {
  readonly front: Front;
  readonly concurrency: number;
  readonly ordered: boolean;
  readonly keyed: boolean;
  readonly timed: boolean;
}

interface Plan {
  readonly key: number;
  readonly ends: "by hand" | "at once" | "throws";
}

interface Item extends Numbered, Plan {
  /** Who waits for it; none where it ended at once. */
  call?: Gate<Item>;
  signal?: AbortSignal;
  startedAt?: number;
  /** Its call has ended. */
  over: boolean;
}

type Settle = {
  readonly do: "settle";
  readonly which: readonly { readonly nth: number; readonly fails: boolean }[];
};

const TIMEOUT = 10;

class MapRun extends TransformRun<Plan, Item, Item, Settle> {
  readonly #setup: Setup;
  /** In the order of their settlement. */
  readonly #settled: Item[] = [];
  #received = 0;

  constructor(setup: Setup, clock: Clock) {
    super(clock);
    this.#setup = setup;
    const { front, concurrency, ordered, keyed, timed } = setup;
    const { signal } = this;
    const options = {
      ...{ concurrency, ordered, signal, timeout: timed ? TIMEOUT : Infinity },
      ...(keyed && { key: (item: Item) => item.key }),
    };
    const fn = (item: Item, context: HandlerContext) => this.#call(item, context);
    if (front === "writer") this.open(new MapStream(fn, options));
    else this.openFrom(front, (source) => MapStream.from(source, fn, options));
  }

  protected make(id: number, plan: Plan): Item {
    return { id, ...plan, over: false };
  }

  protected chunk(item: Item): Item {
    return item;
  }

  #call(item: Item, context: HandlerContext): Item | Promise<Item> {
    const { concurrency, keyed, timed } = this.#setup;
    const running = this.#running;
    this.must(item.startedAt === undefined, "called twice");
    this.must(!this.over, "called after the end");
    this.must(running.length < concurrency, "too many run");
    this.must(!keyed || running.every(({ key }) => key !== item.key), "two of one key");
    item.startedAt = this.clock.now;
    if (item.ends === "at once") {
      this.#over(item);
      return item;
    }
    if (item.ends === "throws") {
      this.#over(item);
      this.end("thrown");
      throw "thrown";
    }
    // Every other one does not care whether it is aborted.
    if (timed || item.id % 2 === 0) {
      item.signal = context.signal;
      item.signal.addEventListener("abort", () => this.#aborted(item));
    }
    item.call = gate<Item>();
    // Heard just before the stream hears it.
    item.call.promise.then(() => this.#over(item), (error) => {
      this.#over(item);
      this.end(error);
    });
    return item.call.promise;
  }

  #over(item: Item): void {
    item.over = true;
    this.#settled.push(item);
  }

  #aborted(item: Item): void {
    const { reason } = item.signal!;
    if (item.over || this.over) return;
    this.must(this.clock.now - item.startedAt! >= TIMEOUT, "a wrong timeout");
    this.must(reason.name === "TimeoutError", "not a timeout");
    this.end(reason);
  }

  get #running(): Item[] {
    return this.written.filter(({ startedAt, over }) => startedAt !== undefined && !over);
  }

  override can(step: Parameters<TransformRun<Plan, Item, Item, Settle>["can"]>[0]): boolean {
    if (step.do !== "settle") return super.can(step);
    return step.which.every(({ nth }) => nth < this.#running.length);
  }

  protected override doOther({ which }: Settle): void {
    const running = this.#running;
    for (const { nth, fails } of which) {
      const item = running[nth % running.length];
      if (fails) item?.call?.reject("failed");
      else item?.call?.resolve(item);
    }
  }

  protected receive(value: unknown): void {
    const order = this.#setup.ordered ? this.written : this.#settled;
    this.must(value === order[this.#received++], "out of order");
  }

  protected override checkAlways(): void {
    if (!this.over) return;
    for (const { signal } of this.#running) {
      if (signal) this.must(this.isReason(signal.reason), "a call is not aborted");
    }
    this.must(this.clock.pending === 0, "a timer is left");
  }

  protected checkOpen(): void {
    const { concurrency, ordered, timed } = this.#setup;
    const held = this.accepted - this.#received;
    this.must(held <= concurrency, "too much is held");
    this.must(this.writes === 0 || held === concurrency, "a write waits for no reason");
    this.checkSource(held < concurrency);
    this.#checkStarted();
    const next = ordered
      ? this.written[this.#received]?.over
      : this.#settled.length > this.#received;
    this.must(!(next && this.reads > 0), "a result is late");
    const running = this.#running;
    for (const { startedAt } of running) {
      this.must(!timed || this.clock.now - startedAt! < TIMEOUT, "runs on");
    }
    this.must(this.clock.pending <= (timed && running.length > 0 ? 1 : 0), "a timer too many");
    if (this.closing !== "no" && this.writes === 0) {
      this.must(this.closing === (running.length === 0 ? "fulfilled" : "pending"), "close");
    }
  }

  /** All that is taken has started; by key only the oldest that has not ended. */
  #checkStarted(): void {
    const blocked = new Set<number>();
    for (const item of this.written.slice(0, this.accepted)) {
      const starts = !this.#setup.keyed || item.over || !blocked.has(item.key);
      this.must(starts === (item.startedAt !== undefined), "calls");
      if (!item.over) blocked.add(item.key);
    }
  }

  protected override help(): void {
    for (const item of this.#running) item.call?.resolve(item);
  }

  protected override checkEnd(): void {
    if (!this.over) this.must(this.#received === this.written.length, "lost");
  }
}

const RULES = "[4.M1] [4.M5] [4.M7] [4.M8] [7.3] [7.5]";

function map(name: string, promise: string, fixed: Partial<Setup>, fronts: Front[]): Race {
  const { ordered, keyed = false, timed = false } = fixed;
  return race({
    name,
    promise: `${promise} keeps its promises in every schedule ${RULES}`,
    setups: fc.record({
      front: fc.constantFrom(...fronts),
      concurrency: fc.constantFrom(1, 2, 3, 5),
      ordered: ordered === undefined ? fc.boolean() : fc.constant(ordered),
      keyed: fc.constant(keyed),
      timed: timed ? fc.boolean() : fc.constant(false),
    }, { noNullPrototype: true }),
    steps: fc.oneof(
      ...transformSteps<Plan>(fc.record({
        key: fc.nat(2),
        ends: fc.oneof(
          often(8, fc.constant("by hand" as const)),
          often(2, fc.constant("at once" as const)),
          often(1, fc.constant("throws" as const)),
        ),
      }, { noNullPrototype: true })),
      often(
        7,
        fc.array(
          fc.record({
            nth: fc.nat(4),
            fails: fc.nat(15).map((n) => n === 0),
          }, { noNullPrototype: true }),
          { minLength: 1, maxLength: 3, size: "max" },
        ).map((which) => ({ do: "settle" as const, which })),
      ),
      often(timed ? 4 : 1, advance(1, 4, 5, 9, 10)),
    ),
    late: timed ? [4, 9, 10, 25] : [],
    start: (setup, clock) => new MapRun(setup, clock),
  });
}

/** Of `MapStream`. */
export const races: readonly Race[] = suite([
  map("map-stream", "MapStream in order [4.M2] [4.M6]", { ordered: true, timed: true }, ["writer"]),
  map("map-stream-unordered", "MapStream without order [4.M3]", { ordered: false }, ["writer"]),
  map("map-stream-keyed", "MapStream by key [4.M2] [4.M3] [4.M4] [4.M9]", { keyed: true }, [
    "writer",
    "iterator",
  ]),
  map("map-stream-from", "MapStream.from() [4.M2] [4.M3] [4.M6] [4.M9]", { timed: true }, [
    "stream",
    "iterator",
  ]),
]);

const SETUP: Setup = {
  front: "writer",
  concurrency: 2,
  ordered: true,
  keyed: false,
  timed: false,
};

function every(name: string, setup: Partial<Setup>): Exploration {
  const { keyed, timed } = setup;
  const plan: Plan = { key: 0, ends: "by hand" };
  const end = (nth: number, fails: boolean): Settle => ({ do: "settle", which: [{ nth, fails }] });
  return exploration<Setup, TransformStep<Plan> | Settle | Advance>({
    name,
    races,
    setup: { ...SETUP, ...setup },
    events: {
      ...transformEvents<Plan>(keyed ? { a: plan, b: { ...plan, key: 1 } } : { "": plan }),
      "write throws": { do: "write", items: [{ ...plan, ends: "throws" }] },
      "done 0": end(0, false),
      "done 1": end(1, false),
      "fails 0": end(0, true),
      "fails 1": end(1, true),
      ...(timed && pass(TIMEOUT / 2, TIMEOUT)),
    },
    // In the turn of an abort a call that has waited for its key may still start.
    apart: keyed ? /^close|abort/ : /^close/,
  });
}

/** Of `MapStream`. */
export const explorations: readonly Exploration[] = explored([
  every("map-stream", {}),
  every("map-stream-timeout", { timed: true }),
  every("map-stream-unordered", { ordered: false }),
  every("map-stream-keyed", { keyed: true }),
  every("map-stream-from", { front: "stream" }),
]);
