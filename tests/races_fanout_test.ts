/** `Fanout`: bounded, in order, one at a time for each key, and every item has one end. */

import fc from "fast-check";
import { Fanout, type SinkContext } from "../mod.ts";
import type { Clock } from "./support/clock.ts";
import { type Exploration, exploration, explored } from "./races/explore.ts";
import { type Race, race, suite } from "./races/race.ts";
import { TIMEOUT } from "./races/sink_calls.ts";
import {
  comes,
  concurrency,
  ends,
  items,
  leaves,
  orders,
  pass,
  type SinkEvents,
} from "./races/sink_events.ts";
import { SinkRun } from "./races/sink_run.ts";
import {
  type Item,
  type Job,
  type Manners,
  type SinkSetup,
  type SinkStep,
  sinkSteps,
  type Verdict,
} from "./races/sink_steps.ts";

interface Setup extends SinkSetup {
  readonly capacity: number;
}

class FanoutRun extends SinkRun<Setup> {
  constructor(setup: Setup, clock: Clock) {
    super(setup, clock, (run, options) => {
      const handler = (item: Item, context: SinkContext) => run.handle([item], context);
      const { capacity, onError } = setup;
      const failed = (error: unknown, item: Item) => run.failed(error, [item]);
      const hook = onError === "absent" ? undefined : failed;
      return new Fanout<Item>(handler, {
        ...options,
        capacity,
        onError: hook,
        ...(setup.retry !== undefined && {
          retry: (error: unknown, attempt: number, item: Item) => run.again(error, attempt, [item]),
        }),
      });
    });
  }

  protected readonly alone = true;
  protected readonly atOnce = 1;

  protected get capacity(): number {
    return this.setup.capacity;
  }

  protected hasRoom(item: Item): boolean {
    return this.fits(item, true) ||
      (!this.over(true) && this.#isStartable(item) && !this.awaitsRate && !this.#isBehind(item) &&
        this.goesAgain !== "yes" && this.#toStart.every((other) => this.isLate(other)));
  }

  /** The waiting items that could start now, without retries. */
  get #toStart(): Item[] {
    return this.offers.slice(0, this.stats.accepted).filter((item) =>
      !item.job && !item.end && !item.again && this.#isStartable(item)
    );
  }

  /** Whether another item of its key waits, which is about to start. */
  #isBehind({ plan }: Item): boolean {
    const accepted = this.offers.slice(0, this.stats.accepted);
    return this.setup.keyed &&
      accepted.some((other) => !other.job && !other.end && other.plan.key === plan.key);
  }

  protected outcome([item]: readonly Item[], end: string): Verdict {
    return end === "fails" ? { failed: true, value: { error: "handler" } } : {
      failed: false,
      value: item,
    };
  }

  protected verdict(_job: Job, _place: number, outcome: Verdict): Verdict {
    return outcome;
  }

  override do(step: SinkStep): void {
    super.do(step);
    // At once.
    const now = step.do === "tryPush" || step.do === "trySubmit" || step.do === "concurrency";
    if (now && !this.first && !this.awaitsRate) {
      this.#checkStarted();
    }
  }

  protected checkStart([item]: readonly Item[]): void {
    const busy = this.#busy;
    for (const older of this.offers) {
      if (older === item) break;
      if (!older.job && !older.end && !older.again) {
        this.must(busy.has(older.plan.key), "an older item was passed over");
      }
    }
  }

  /** The keys with a running handler. */
  get #busy(): Set<number> {
    const busy = this.delayedKeys() as Set<number>;
    if (!this.setup.keyed) return busy;
    for (const job of this.jobs) if (this.keeps(job)) busy.add(job.items[0]!.plan.key);
    return busy;
  }

  protected checkProgress(): void {
    const { timed } = this.setup;
    this.#checkStarted();
    const { next } = this;
    const comes = next && (this.fits(next) || (!this.over() && this.#isStartable(next)));
    this.must(!comes, "kept out");
    for (const { over, startedAt } of this.jobs) {
      this.must(!timed || over || this.clock.now - startedAt < TIMEOUT, "runs on");
    }
  }

  #checkStarted(): void {
    this.must(this.#toStart.length === 0, "a worker is idle");
  }

  /** Whether a worker is free for an item. */
  #isStartable({ plan }: Item): boolean {
    const held = this.jobs.filter((job) => job.over && job.held === "no" && this.keeps(job));
    return this.stats.running + held.length < this.concurrency && !this.#busy.has(plan.key) &&
      this.mayStart;
  }

  protected timers(): number {
    return this.setup.timed && this.stats.running > 0 && !this.first ? 1 : 0;
  }
}

const RULES =
  "[3] [5.0] [5.1] [5.2] [5.3] [5.5] [5.6] [5.8] [5.11] [5.13] [5.15] [5.19] [5.20] [5.21] [5.23] [5.30] [5.31] [5.33] [5.36] [5.38] [5.39] [5.48] [7.3] [7.5]";
const RULES_OF_CONSUME = RULES.replace("[5.15]", "[5.14] [5.15] [5.29]");

const FRONTS = ["plain", "snapshot", "writer"] as const;
const RATE = { limit: 1, interval: 3 };
const CONSUME = "consume" as const;

function fanout(
  name: string,
  promise: string,
  fixed: Partial<Setup>,
  manners: Partial<Manners> = {},
): Race {
  const { front, keyed = false, timed = false, retry, leaves = false, maxWait, rate } = fixed;
  const { keyCapacity, capacityWeight } = fixed;
  const { shy = false } = manners;
  const again = retry !== undefined;
  return race({
    name,
    promise: `${promise} keeps every promise in every schedule ${
      front === "consume" ? RULES_OF_CONSUME : RULES
    }`,
    setups: fc.record({
      concurrency: fc.integer({ min: 1, max: 4 }),
      capacity: fc.integer({ min: 0, max: 5 }),
      keyed: timed || again || leaves || maxWait || rate ? fc.boolean() : fc.constant(keyed),
      timed: again ? fc.boolean() : fc.constant(timed),
      holds: timed || again ? fc.boolean() : fc.constant(false),
      front: front ? fc.constant(front) : fc.constantFrom(...FRONTS, ...again ? [CONSUME] : []),
      onError: fc.constantFrom("absent", "sync", "async", "throws", "rejects"),
      ...(again && { retry: fc.constantFrom(0, 3) }),
      ...(maxWait && {
        maxWait: fc.constant(maxWait),
        ...(!shy && { front: fc.constantFrom("plain", "snapshot") }),
        retry: fc.constantFrom(undefined, 3),
      }),
      ...(rate && {
        rate: fc.record({
          limit: fc.integer({ min: 1, max: 2 }),
          interval: fc.constantFrom(3, 5),
        }, { noNullPrototype: true }),
        retry: fc.constantFrom(undefined, 3),
        leaves: fc.boolean(),
      }),
      ...(leaves && { leaves: fc.constant(true), retry: fc.constantFrom(undefined, 0, 3) }),
      ...(keyCapacity && {
        keyCapacity: fc.integer({ min: 1, max: 3 }),
        keyed: fc.constant(true),
        front: fc.constantFrom(...FRONTS, CONSUME),
        retry: fc.constantFrom(undefined, 0, 3),
        leaves: fc.boolean(),
      }),
      ...(capacityWeight && {
        capacityWeight: fc.constantFrom(4, 7, 10),
        keyed: fc.boolean(),
        front: fc.constantFrom("plain", "snapshot"),
        retry: fc.constantFrom(undefined, 0, 3),
        leaves: fc.boolean(),
      }),
    }, { noNullPrototype: true }),
    steps: sinkSteps({
      ways: ["tryPush", "trySubmit", "push", "submit", "write"],
      ends: ["done", "done", "fails", "gives up"],
      advances: timed || again || maxWait || rate || keyCapacity || capacityWeight
        ? [1, 4, 5, 9, 10]
        : [1],
      leaves: leaves || [rate, keyCapacity, capacityWeight].some((each) => each !== undefined),
      ...manners,
    }),
    late: timed || again || maxWait || rate ? [4, 9, 10, 25] : [],
    start: (setup, clock) => new FanoutRun(setup, clock),
  });
}

/** The races and explorations of `Fanout`. */
export const races: readonly Race[] = suite([
  fanout("fanout", "Fanout", {}),
  fanout("fanout-keyed", "Fanout by key", { keyed: true }),
  fanout("fanout-timeout", "Fanout with a timeout [5.7] [5.37]", { timed: true }),
  fanout("fanout-retry", "Fanout with a retry [5.7] [5.37] [5.40]", { retry: 0 }, {
    orders: ["end"],
  }),
  fanout("fanout-max-wait", "Fanout with a maxWait [5.40] [5.44]", { maxWait: 5 }, { shy: true }),
  fanout("fanout-max-wait-inside", "Fanout with a maxWait, from inside [5.40] [5.44]", {
    maxWait: 5,
  }),
  fanout("fanout-rate", "Fanout with a rate [5.40] [5.42] [8.1]", { rate: RATE }),
  fanout("fanout-leave", "Fanout whose callers leave [5.40] [5.42]", { leaves: true }, {
    ways: ["push", "submit", "submit", "trySubmit"],

    advances: [1, 2, 3],
  }),
  fanout("fanout-key-capacity", "Fanout with a keyCapacity [5.40] [5.42] [5.45]", {
    keyCapacity: 1,
  }, { orders: ["end", "stop"] }),
  fanout("fanout-capacity-weight", "Fanout with a capacityWeight [5.27] [5.40] [5.42] [5.46]", {
    capacityWeight: 1,
  }, { ways: ["tryPush", "trySubmit", "push", "submit"] }),
  fanout("fanout-consume", "Fanout.consume()", { front: "consume" }, {
    ways: ["tryPush", "push", "write", "write", "write"],
    orders: ["end", "break"],
  }),
  fanout("fanout-pipe", "Fanout at the end of a pipe", { front: "pipe" }, {
    ways: ["tryPush", "push", "write", "write", "write"],
  }),
  fanout("fanout-consume-leave", "Fanout.consume() with a signal [5.42] [5.43]", {
    front: CONSUME,
    leaves: true,
  }, {
    ways: ["push", "submit", "write", "write", "write"],
    orders: ["end", "break", "stop", "stop"],
  }),
]);

const SETUP: Setup = {
  concurrency: 2,
  capacity: 1,
  keyed: false,
  timed: false,
  holds: false,
  front: "plain",
  onError: "absent",
};

function every(
  name: string,
  setup: Partial<Setup>,
  events: SinkEvents,
): Exploration {
  return exploration({ name, races, setup: { ...SETUP, ...setup }, events });
}

/** The races and explorations of `Fanout`. */
export const explorations: readonly Exploration[] = explored([
  every("fanout", {}, {
    ...items(["tryPush", "push", "submit"]),
    ...ends("done", "fails"),
    ...orders("flush", "idle", "close", "abort", "signal"),
  }),
  every("fanout-on-error", { onError: "async" }, {
    ...items(["push", "submit"]),
    ...ends("done", "fails"),
    ...orders("flush", "idle", "close", "abort"),
  }),
  every("fanout-abort", { onError: "sync" }, {
    ...items(["push", "submit"]),
    ...ends("done", "fails", "gives up"),
    ...orders("close", "abort", "signal"),
  }),
  every("fanout-direct", { capacity: 0 }, {
    ...items(["tryPush", "push", "submit"]),
    ...ends("done", "fails"),
    ...orders("flush", "close", "abort"),
  }),
  every("fanout-inside", {}, {
    "push at once": comes("push", { ends: "at once" }),
    "push throws": comes("push", { ends: "throws" }),
    "push pushes": comes("push", { act: "push" }),
    "push closes": comes("push", { act: "close" }),
    "push aborts": comes("push", { act: "abort" }),
    "submit flushes": comes("submit", { act: "flush" }),
    ...ends("done"),
    ...orders("flush", "close"),
  }),
  every("fanout-keyed", { keyed: true, onError: "sync" }, {
    ...items(["tryPush", "push", "submit"], true),
    ...ends("done", "fails"),
    ...orders("flush", "close", "abort"),
  }),
  every("fanout-timeout", { timed: true, onError: "sync" }, {
    ...items(["push", "submit"]),
    ...ends("done", "fails"),
    ...pass(TIMEOUT / 2, TIMEOUT),
    ...orders("flush", "close", "abort"),
  }),
  every("fanout-overrun", { timed: true, holds: true, onError: "sync", concurrency: 1 }, {
    ...items(["push", "trySubmit"]),
    ...ends("done", "fails"),
    ...pass(TIMEOUT),
    ...orders("flush", "idle", "close", "abort"),
  }),
  every("fanout-overrun-keyed", { timed: true, holds: true, keyed: true, onError: "sync" }, {
    ...items(["push"], true),
    ...ends("done"),
    ...pass(TIMEOUT),
    ...orders("flush", "close", "abort"),
  }),
  every("fanout-concurrency", { onError: "sync" }, {
    ...items(["trySubmit", "push"]),
    "push pauses": comes("push", { act: "pause" }),
    ...ends("done"),
    ...concurrency(0, 1, 3),
    ...orders("flush", "close", "abort"),
  }),
  every("fanout-retry", { retry: 0, concurrency: 1, onError: "sync" }, {
    ...items(["push", "submit"]),
    ...ends("done", "fails"),
    ...pass(1),
    ...orders("flush", "close", "abort"),
  }),
  every("fanout-retry-keyed", { retry: 3, keyed: true }, {
    ...items(["push"], true),
    "push a throws": comes("push", { key: 0, ends: "throws" }),
    ...ends("done", "fails"),
    ...pass(3),
    ...orders("close", "abort"),
  }),
  every("fanout-retry-hold", { retry: 3, timed: true, holds: true, keyed: true }, {
    ...items(["push"], true),
    ...ends("done"),
    ...pass(3, TIMEOUT),
    ...orders("close", "abort"),
  }),
  every("fanout-leave", { leaves: true, concurrency: 1 }, {
    ...items(["push", "submit"]),
    ...ends("done", "fails", "gives up"),
    ...leaves,
    ...orders("flush", "close", "abort"),
  }),
  every("fanout-leave-keyed", { leaves: true, keyed: true, onError: "sync" }, {
    ...items(["submit"], true),
    ...ends("done", "fails"),
    ...leaves,
    ...orders("close", "abort"),
  }),
  every("fanout-leave-retry", { leaves: true, retry: 3, capacity: 0, concurrency: 1 }, {
    ...items(["submit"]),
    "submit leaves": comes("submit", { act: "leave" }),
    ...ends("done", "fails"),
    ...leaves,
    ...pass(3),
    ...orders("close", "abort"),
  }),
  every("fanout-max-wait", { maxWait: 5, concurrency: 0, onError: "sync" }, {
    ...items(["tryPush", "push", "submit"]),
    ...ends("done"),
    ...concurrency(1),
    ...pass(5, 6),
    ...orders("flush", "abort"),
  }),
  every("fanout-key-capacity", { keyed: true, keyCapacity: 1, concurrency: 0, capacity: 1 }, {
    ...items(["tryPush", "push"], true),
    ...ends("done"),
    ...concurrency(1),
    ...orders("flush", "close", "abort"),
  }),
  every("fanout-key-capacity-leave", {
    keyed: true,
    keyCapacity: 1,
    concurrency: 0,
    leaves: true,
  }, {
    ...items(["push", "submit"], true),
    ...ends("done"),
    ...concurrency(1),
    ...leaves,
    ...orders("abort"),
  }),
  every("fanout-capacity-weight", { capacityWeight: 3, concurrency: 0, capacity: 2 }, {
    "push light": comes("push", { weight: 1 }),
    "tryPush heavy": comes("tryPush", { weight: 3 }),
    "push heavy": comes("push", { weight: 3 }),
    "push heavier": comes("push", { weight: 4 }),
    ...ends("done"),
    ...concurrency(1),
    ...orders("flush", "abort"),
  }),
  every("fanout-rate", { rate: RATE, onError: "sync" }, {
    ...items(["tryPush", "push"]),
    ...ends("done"),
    ...pass(3, 1),
    ...orders("flush", "idle", "close", "abort"),
  }),
  every("fanout-rate-leave", { rate: RATE, leaves: true, capacity: 0 }, {
    ...items(["submit"]),
    ...ends("done"),
    ...leaves,
    ...pass(3),
    ...orders("flush", "close", "abort"),
  }),
  every("fanout-consume", { front: "consume" }, {
    ...items(["push", "write"]),
    ...ends("done", "fails"),
    ...orders("end", "break", "flush", "close", "abort"),
  }),
  every("fanout-consume-leave", { front: CONSUME, leaves: true, concurrency: 1 }, {
    ...items(["push", "write"]),
    ...ends("done"),
    ...orders("stop", "end", "flush", "abort"),
  }),
]);
