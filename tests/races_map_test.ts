/** `MapStream`: a bounded number of calls, results in order, and the first failure ends it. */

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
  /** The capacity beyond the concurrency. */
  readonly ahead: number;
  /** Whether `onError` gets a failure, which is then skipped. */
  readonly skips: boolean;
  readonly ordered: boolean;
  readonly keyed: boolean;
  readonly timed: boolean;
  /** Whether a call that runs on after its timeout keeps its place. */
  readonly holds: boolean;
}

interface Plan {
  readonly key: number;
  readonly ends: "by hand" | "at once" | "throws";
}

interface Item extends Numbered, Plan {
  /** The function that settles it; none if it was synchronous. */
  call?: Gate<Item>;
  signal?: AbortSignal;
  startedAt?: number;
  /** Whether its call has ended or timed out. */
  over: boolean;
  /** Whether it has timed out and its promise is pending. */
  overruns: boolean;
  /** Whether it was skipped because of a failure that `onError` got. */
  failed: boolean;
  told: boolean;
}

type Settle = {
  readonly do: "settle";
  readonly which: readonly { readonly nth: number; readonly fails: boolean }[];
};

const TIMEOUT = 10;

class MapRun extends TransformRun<Plan, Item, Item, Settle> {
  readonly #setup: Setup;
  readonly #stream: MapStream<Item, Item> | undefined;
  /** The items with a result, in the order of settlement. */
  readonly #settled: Item[] = [];
  #received = 0;
  /** The number of results in order that were received, or skipped in their turn. */
  #passed = 0;
  /** The items that `onDiscard` got. */
  readonly #discarded: Item[] = [];

  constructor(setup: Setup, clock: Clock) {
    super(clock);
    this.#setup = setup;
    const { front, concurrency, ahead, ordered, keyed, skips, timed, holds } = setup;
    const { signal } = this;
    const options = {
      ...{ concurrency, ordered, signal, timeout: timed ? TIMEOUT : Infinity },
      ...(holds && { overrun: "hold" as const }),
      ...(ahead > 0 && { capacity: concurrency + ahead }),
      ...(keyed && { key: (item: Item) => item.key }),
      ...(skips && { onError: (error: unknown, item: Item) => this.#tell(error, item) }),
      onDiscard: (items: Item[], reason: unknown) => {
        this.must(
          items.length > 0 && this.isReason(reason),
          "onDiscard got no items, or a wrong reason",
        );
        this.#discarded.push(...items);
      },
    };
    const fn = (item: Item, context: HandlerContext) => this.#call(item, context);
    if (front === "writer") this.open(this.#stream = new MapStream(fn, options));
    else {
      const flatten = (front === "pages") as false;
      this.openFrom(front, (source) => MapStream.from(source, fn, { ...options, flatten }));
    }
  }

  protected make(id: number, plan: Plan): Item {
    return { id, ...plan, over: false, overruns: false, failed: false, told: false };
  }

  protected chunk(item: Item): Item {
    return item;
  }

  #call(item: Item, context: HandlerContext): Item | Promise<Item> {
    const { concurrency, keyed, timed } = this.#setup;
    const busy = this.#busy;
    this.must(item.startedAt === undefined, "called twice");
    this.must(!this.over, "called after the end");
    this.must(busy.length < concurrency, "too many run");
    this.must(!keyed || busy.every(({ key }) => key !== item.key), "two of one key");
    item.startedAt = this.clock.now;
    if (item.ends === "at once") {
      this.#over(item);
      return item;
    }
    if (item.ends === "throws") {
      this.#fail(item, "thrown");
      throw "thrown";
    }
    // Every second call ignores an abort.
    if (timed || item.id % 2 === 0) {
      item.signal = context.signal;
      item.signal.addEventListener("abort", () => this.#aborted(item));
    }
    item.call = gate<Item>();
    // Called just before the stream's own reaction.
    item.call.promise.then(() => this.#over(item), (error) => this.#fail(item, error));
    return item.call.promise;
  }

  #over(item: Item): void {
    item.overruns = false;
    // A call is ignored after its timeout.
    if (item.over) return;
    item.over = true;
    this.#settled.push(item);
  }

  #fail(item: Item, error: unknown, overruns = false): void {
    item.overruns = overruns;
    if (item.over) return;
    if (!this.#setup.skips) this.end(error);
    item.over = item.failed = true;
    // Nothing is reported after the end.
    if (this.over) item.told = true;
  }

  #tell(error: unknown, item: Item): void {
    const { name = error } = Object(error);
    this.must(item.failed && !item.told, "onError got no failure, or got one twice");
    this.must(["thrown", "failed", "TimeoutError"].includes(name), "another error");
    item.told = true;
  }

  /** The items that are accepted, or that the source gave, and have not started. */
  get #waiting(): Item[] {
    const given = this.source ? this.written : this.written.slice(0, this.accepted);
    return given.filter(({ startedAt }) => startedAt === undefined);
  }

  #aborted(item: Item): void {
    const { reason } = item.signal!;
    if (item.over || this.over) return;
    this.must(this.clock.now - item.startedAt! >= TIMEOUT, "a wrong timeout");
    this.must(reason.name === "TimeoutError", "not a timeout");
    this.#fail(item, reason, true);
  }

  get #running(): Item[] {
    return this.written.filter(({ startedAt, over }) => startedAt !== undefined && !over);
  }

  /** The calls with a pending promise. */
  get #open(): Item[] {
    return this.written.filter(({ startedAt, over, overruns }) =>
      startedAt !== undefined && (!over || overruns)
    );
  }

  /** The items that have a place. */
  get #busy(): Item[] {
    return this.#setup.holds ? this.#open : this.#running;
  }

  override can(step: Parameters<TransformRun<Plan, Item, Item, Settle>["can"]>[0]): boolean {
    if (step.do !== "settle") return super.can(step);
    return step.which.every(({ nth }) => nth < this.#open.length);
  }

  protected override doOther({ which }: Settle): void {
    const open = this.#open;
    for (const { nth, fails } of which) {
      const item = open[nth % open.length];
      if (fails) item?.call?.reject("failed");
      else item?.call?.resolve(item);
    }
  }

  protected receive(value: unknown): void {
    this.#skip();
    this.must(value === this.#order[this.#passed++], "out of order");
    this.#received++;
  }

  get #order(): readonly Item[] {
    return this.#setup.ordered ? this.written : this.#settled;
  }

  /** A failed item is skipped in its turn. */
  #skip(): void {
    while (this.#order[this.#passed]?.failed) this.#passed++;
  }

  protected drained(): boolean {
    this.#skip();
    return this.written.every(({ over }) => over) && this.#passed === this.#order.length;
  }

  protected override checkAlways(): void {
    const failed = this.written.filter((item) => item.failed);
    if (this.#setup.skips) {
      this.must(failed.every(({ told }) => told), "onError did not get a failure");
    }
    const { discarded } = this.#checkStats(failed.length);
    if (!this.over) return;
    const lost = this.#waiting;
    this.must(discarded === undefined || discarded === lost.length, "discarded");
    this.must(this.#discarded.length === lost.length, "onDiscard got more items, or fewer");
    this.must(lost.every((item, n) => item === this.#discarded[n]), "onDiscard got other items");
    for (const { signal } of this.#running) {
      if (signal) this.must(this.isReason(signal.reason), "a call is not aborted");
    }
    this.must(this.clock.pending === 0, "a timer is left");
  }

  #checkStats(failures: number): { readonly discarded?: number } {
    if (!this.#stream) return {};
    const { accepted, waiting, running, done, failed, discarded, overrunning } = this.#stream.stats;
    this.must(accepted === waiting + running + done + failed + discarded, "not conserved");
    this.must(accepted === this.accepted, "accepted");
    this.must(waiting === (this.over ? 0 : this.#waiting.length), "waiting");
    this.must(overrunning === this.#open.length - running, "overrunning");
    this.must(running === this.#running.length && failed === failures, "running or failed");
    this.must(this.over !== undefined || discarded === 0, "discarded for no reason");
    return { discarded };
  }

  protected checkOpen(): void {
    const { front, concurrency, ahead, ordered, timed } = this.#setup;
    this.#skip();
    const skipped = ordered ? 0 : this.written.filter(({ failed }) => failed).length;
    const most = this.#passed + skipped + concurrency + ahead;
    // The others of a page wait outside.
    const entered = front === "pages" ? Math.min(this.accepted, most) : this.accepted;
    this.must(entered <= most, "too much is held");
    this.must(this.writes === 0 || entered === most, "a write waits for no reason");
    this.checkSource(entered < most);
    this.#checkStarted(entered);
    const next = ordered ? this.written[this.#passed]?.over : this.#settled.length > this.#passed;
    this.must(!(next && this.reads > 0), "a result is late");
    const running = this.#running;
    for (const { startedAt } of running) {
      this.must(!timed || this.clock.now - startedAt! < TIMEOUT, "runs on");
    }
    this.must(this.clock.pending <= (timed && running.length > 0 ? 1 : 0), "a timer too many");
    if (this.closing !== "no" && this.writes === 0) {
      const settled = running.length + this.#waiting.length === 0;
      this.must(this.closing === (settled ? "fulfilled" : "pending"), "close");
    }
  }

  /**
   * As many calls run as possible, the oldest first. With a key, only the oldest of each key that
   * has not ended runs.
   */
  #checkStarted(entered: number): void {
    const { concurrency, keyed } = this.#setup;
    const busy = this.#busy;
    const full = busy.length === concurrency;
    const blocked = new Set<number>();
    let waits = false;
    for (const item of this.written.slice(0, entered)) {
      const started = item.startedAt !== undefined;
      if (keyed && !item.over && blocked.has(item.key)) this.must(!started, "two of one key");
      else this.must(started || full, "a call does not start");
      if (!keyed) this.must(!(started && waits), "a call starts too early");
      waits ||= !started;
      if (!item.over || busy.includes(item)) blocked.add(item.key);
    }
  }

  protected override help(): void {
    for (const item of this.#open) item.call?.resolve(item);
  }

  protected override checkEnd(): void {
    if (this.over) return;
    const failed = this.written.filter((item) => item.failed).length;
    this.must(this.#received + failed === this.written.length, "lost");
  }
}

const RULES = "[3] [4.M1] [4.M5] [4.M7] [4.M8] [4.M11] [4.M12] [4.M13] [7.3] [7.5]";

function map(name: string, promise: string, fixed: Partial<Setup>, fronts: Front[]): Race {
  const { ordered, keyed = false, timed = false } = fixed;
  return race({
    name,
    promise: `${promise} keeps its promises in every schedule ${RULES}`,
    setups: fc.record({
      front: fc.constantFrom(...fronts),
      concurrency: fc.constantFrom(1, 2, 3, 5),
      ahead: fc.constantFrom(0, 0, 1, 3),
      skips: fc.boolean(),
      ordered: ordered === undefined ? fc.boolean() : fc.constant(ordered),
      keyed: fc.constant(keyed),
      timed: timed ? fc.boolean() : fc.constant(false),
      holds: timed ? fc.boolean() : fc.constant(false),
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

/** The races and explorations of `MapStream`. */
export const races: readonly Race[] = suite([
  map("map-stream", "MapStream in order [4.M2] [4.M6] [4.M15]", { ordered: true, timed: true }, [
    "writer",
  ]),
  map("map-stream-unordered", "MapStream without order [4.M3]", { ordered: false }, ["writer"]),
  map("map-stream-keyed", "MapStream by key [4.M2] [4.M3] [4.M4] [4.M6] [4.M9] [4.M15] [4.12]", {
    keyed: true,
    timed: true,
  }, [
    "writer",
    "iterator",
  ]),
  map("map-stream-from", "MapStream.from() [4.M2] [4.M3] [4.M6] [4.M9] [4.M15] [4.12] [4.19]", {
    timed: true,
  }, [
    "stream",
    "iterator",
    "pages",
  ]),
]);

const SETUP: Setup = {
  front: "writer",
  concurrency: 2,
  ahead: 0,
  ordered: true,
  keyed: false,
  skips: false,
  timed: false,
  holds: false,
};

function every(name: string, setup: Partial<Setup>): Exploration {
  const { keyed, timed } = setup;
  const plan: Plan = { key: 0, ends: "by hand" };
  const end = (nth: number, fails: boolean): Settle => ({ do: "settle", which: [{ nth, fails }] });
  return exploration<Setup, TransformStep<Plan> | Settle | Advance>({
    name,
    races,
    depth: timed ? 6 : 7,
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
    apart: /^close/,
  });
}

/** The races and explorations of `MapStream`. */
export const explorations: readonly Exploration[] = explored([
  every("map-stream", {}),
  every("map-stream-timeout", { timed: true }),
  every("map-stream-overrun", { timed: true, holds: true, skips: true, concurrency: 1, ahead: 1 }),
  every("map-stream-unordered", { ordered: false }),
  every("map-stream-keyed", { keyed: true }),
  every("map-stream-ahead", { concurrency: 1, ahead: 1, skips: true }),
  every("map-stream-from", { front: "stream" }),
]);
