/** `Aggregator`: no batch is early, late, empty or too large, and every item has one end. */

import fc from "fast-check";
import { Aggregator, type SinkContext } from "../mod.ts";
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
import { Batches, close } from "./races/sink_batches.ts";
import { SinkRun } from "./races/sink_run.ts";
import { type Item, type Job, MISSING, type SinkSetup } from "./races/sink_steps.ts";
import { type End, type Manners, sinkSteps, type Verdict } from "./races/sink_steps.ts";

const MAX_WEIGHT = 6;

interface Setup extends SinkSetup {
  readonly maxItems: number;
  /** Besides `maxItems`. */
  readonly spare: number;
  readonly weighed: boolean;
  /** Whether `weigh` throws for the heaviest items. */
  readonly picky: boolean;
  readonly linger: number;
}

/** A batch at the time when the handler got it. */
interface Handed {
  readonly items: readonly Item[];
  readonly copy: readonly Item[];
}

class AggregatorRun extends SinkRun<Setup> {
  readonly #handed: readonly Handed[];
  /** The first items of the batches that were full or due at the last quiet moment. */
  readonly #due = new Set<Item>();
  readonly #batches: Batches;
  /**
   * The items that waited for room at each flush: their batches are closed when all of them have
   * come in.
   */
  #flushes: Item[][] = [];
  /** All items of ended sources. */
  readonly #ended = new Set<Item>();

  constructor(setup: Setup, clock: Clock) {
    const handed: Handed[] = [];
    super(setup, clock, (run, options) => {
      const { maxItems, spare, weighed, picky, linger, onError } = setup;
      const handler = (items: Item[], context: SinkContext) => {
        handed.push({ items, copy: [...items] });
        return run.handle(items, context);
      };
      const failed = (error: unknown, items: Item[]) => run.failed(error, items);
      const weigh = (item: Item) => {
        if (picky && item.plan.weight > MAX_WEIGHT) throw run.refuse(item);
        return item.plan.weight;
      };
      return new Aggregator<Item>(handler, {
        ...options,
        maxItems,
        capacity: maxItems + spare,
        linger,
        ...(weighed && {
          maxWeight: MAX_WEIGHT,
          weigh: options.weigh ?? weigh,
        }),
        onError: onError === "absent" ? undefined : failed,
        ...(setup.retry !== undefined && {
          retry: (error: unknown, attempt: number, items: Item[]) =>
            run.again(error, attempt, items),
        }),
      });
    });
    this.#handed = handed;
    this.#batches = new Batches(setup);
  }

  protected readonly alone = false;

  protected get capacity(): number {
    return this.setup.maxItems + this.setup.spare;
  }

  protected get atOnce(): number {
    return this.setup.maxItems;
  }

  protected hasRoom(item: Item): boolean {
    return this.fits(item, true);
  }

  protected outcome(items: readonly Item[], end: End): Verdict {
    if (end === "fails") return { failed: true, value: { error: "batch" } };
    const results: unknown[] = [...items];
    if (end === "one") results[items.length - 1] = new Error("item");
    // Not of both kinds: the items that are left get an error of the sink.
    const [first] = items;
    if (end === "count" && items.every(({ submitted }) => submitted === first!.submitted)) {
      results.pop();
    }
    return { failed: false, value: results };
  }

  protected verdict({ items }: Job, place: number, { failed, value }: Verdict): Verdict {
    if (failed) return { failed, value };
    const results = value as unknown[];
    // Only submitted items whose callers wait need a result.
    const asked = !this.first && items.some(({ submitted, left }) => submitted && !left);
    if (results.length < items.length) return { failed: asked, value: MISSING };
    const own = results[place];
    return { failed: own instanceof Error, value: own };
  }

  protected override flushing(): void {
    this.look();
    const { accepted } = this.stats;
    for (const item of this.offers.slice(0, accepted)) this.#close(item);
    this.#flushes.push(this.offers.slice(accepted).filter((item) => !this.isComing(item)));
  }

  protected override consumed(given: ReadonlySet<Item>): void {
    for (const item of given) this.#ended.add(item);
  }

  /** Finds the batches that a flush has closed. Items of a full key hold up no others. */
  #comeIn(accepted: number): void {
    if (this.#flushes.length === 0) return;
    const inLine = new Set(this.offers.filter(({ kept }, place) => place >= accepted && !kept));
    this.#flushes = this.#flushes.map((covered) => {
      if (covered.some((item) => inLine.has(item))) return covered;
      for (const item of covered) if (!item.kept) this.#close(item);
      return covered.filter(({ kept }) => kept);
    }).filter(({ length }) => length > 0);
  }

  /** Marks its batch as due and closed. */
  #close(item: Item): void {
    item.due = true;
    if (item.batch) close(item.batch, this.clock.now);
  }

  protected override onAccept(item: Item, place: number): void {
    this.#comeIn(place);
    const { keyCapacity, maxWait } = this.setup;
    if (maxWait !== undefined) this.#batches.add(item, this.#keyOf(item), this.clock.now);
    if (keyCapacity === undefined) return;
    // If no more items of its key may wait, its open batch is due.
    const { key } = item.plan;
    const waiting = this.ofKey(key).filter((item) => this.offers.indexOf(item) <= place);
    if (waiting.length >= keyCapacity) { for (const item of waiting) item.due = true; }
  }

  protected checkStart(items: readonly Item[]): void {
    const key = this.#keyOf(items[0]!);
    const expected = this.#waiting().get(key) ?? [];
    this.must(items.every((item, place) => item === expected[place]), "not in order");
    const { batch } = items[0]!;
    // The stream closes the sink a moment after its last write came in. Until then others may join
    // its batch.
    const joined = this.closing && this.setup.front === "writer";
    this.must(
      !batch || batch.items.length === items.length || joined,
      "not as it has gathered",
    );
    this.must(items.length <= this.setup.maxItems, "too many in a batch");
    this.must(items.length === 1 || this.#weight(items) <= MAX_WEIGHT, "too heavy");
    const next = this.offers.find((item) =>
      !item.job && !item.end && !item.again && !items.includes(item) && this.#keyOf(item) === key
    );
    const crowded = this.stats.waiting + items.length >= this.capacity || this.heavy;
    const inTime = this.#isFull(items, next) || this.#isDue(items);
    // A flush need not wait for an item that got in line after later ones.
    const flushed = this.setup.keyCapacity !== undefined &&
      this.#flushes.some((covered) => covered.includes(items[0]!));
    this.must(inTime || flushed || this.closing || crowded, "too early");
    for (const due of this.#due) {
      const older = !due.job && !due.end && !due.again &&
        this.offers.indexOf(due) < this.offers.indexOf(items[0]!);
      const busy = this.jobs.some((job) => this.keeps(job) && job.key === this.#keyOf(due)) ||
        this.delayedKeys().has(this.#keyOf(due));
      this.must(!older || busy, "an older batch was passed over");
    }
  }

  override look(entering?: number): void {
    super.look(entering);
    const { accepted } = this.stats;
    this.#comeIn(accepted);
    if (this.#isEnding) this.#batches.closeAll(this.clock.now);
    this.#batches.look(this.clock.now);
  }

  /**
   * Checks that no worker is idle while a batch may start, and that no item is kept out while there
   * is room.
   */
  protected checkProgress(): void {
    const { waiting } = this.stats;
    const { keyed, timed } = this.setup;
    this.must(!this.next || !this.fits(this.next), "kept out");
    const running = this.jobs.filter((job) => this.keeps(job));
    for (const { over, startedAt } of running) {
      this.must(!timed || over || this.clock.now - startedAt < TIMEOUT, "runs on");
    }
    this.#due.clear();
    for (const items of this.#waiting().values()) {
      const [first] = items;
      if (this.#isFull(items, undefined) || this.#isDue(items)) {
        this.#due.add(first!);
      }
    }
    if (running.length >= this.concurrency || !this.mayStart) return;
    for (const [key, items] of this.#waiting()) {
      if (keyed && running.some((job) => job.key === key)) continue;
      if (this.delayedKeys().has(key)) continue;
      const startable = this.#isEnding || waiting >= this.capacity || this.heavy ||
        this.#isFull(items, undefined) ||
        this.#isDue(items);
      this.must(!startable, "a worker is idle");
    }
  }

  /** No more items come. */
  get #isEnding(): boolean {
    return this.closing && this.offers.length === this.stats.accepted && this.coming === 0;
  }

  protected timers(): number {
    const { timed, linger } = this.setup;
    const { waiting, running } = this.stats;
    const lingering = waiting > 0 && linger > 0 && linger < Infinity ? 1 : 0;
    return lingering + (timed && running > 0 && !this.first ? 1 : 0);
  }

  protected override checkEnd(): void {
    for (const { items, copy } of this.#handed) {
      const same = items.length === copy.length && items.every((item, n) => item === copy[n]);
      this.must(same, "a batch was touched again");
    }
  }

  #keyOf({ plan }: Item): unknown {
    return this.setup.keyed ? plan.key : undefined;
  }

  /** The accepted items of each key that have not gone to a handler, in order. */
  #waiting(): Map<unknown, Item[]> {
    const byKey = new Map<unknown, Item[]>();
    const { accepted } = this.stats;
    for (let place = 0; place < accepted; place++) {
      const item = this.offers[place]!;
      if (item.job || item.end || item.again) continue;
      const key = this.#keyOf(item);
      const before = byKey.get(key);
      if (before) before.push(item);
      else byKey.set(key, [item]);
    }
    return byKey;
  }

  #weight(items: readonly Item[]): number {
    if (!this.setup.weighed) return 0;
    let sum = 0;
    for (const { plan } of items) sum += plan.weight;
    return sum;
  }

  /** Whether a batch of these items takes no more, or not the next item. */
  #isFull(items: readonly Item[], next: Item | undefined): boolean {
    const weight = this.#weight(items);
    return items.length >= this.setup.maxItems || weight >= MAX_WEIGHT ||
      (next !== undefined && weight + this.#weight([next]) > MAX_WEIGHT);
  }

  /** Whether a batch that begins with these items is due. */
  #isDue(items: readonly Item[]): boolean {
    const [first] = items;
    return first!.due ||
      first!.acceptedAt! + this.setup.linger <= this.clock.now ||
      items.some((item) => this.#ended.has(item));
  }
}

const RULES =
  "[3] [4.1] [4.2] [4.4] [5.1] [5.2] [5.3] [5.5] [5.6] [5.8] [5.11] [5.13] [5.15] [5.19] [5.20] [5.21] [5.23] [5.30] [5.31] [5.36] [5.38] [5.39] [5.48] [7.3] [7.5]";
const RULES_OF_CONSUME = RULES.replace("[5.15]", "[5.14] [5.15] [5.29]");

const FRONTS = ["plain", "snapshot", "writer"] as const;
const RATE = { limit: 1, interval: 3 };
const CONSUME = "consume" as const;

function aggregator(
  name: string,
  promise: string,
  fixed: Partial<Setup>,
  manners: Partial<Manners> = {},
): Race {
  const { front, keyed = false, timed = false, weighed = false, picky = false } = fixed;
  const { shy = false } = manners;
  const { linger, spare, retry, leaves = false, rate, keyCapacity, capacityWeight, maxWait } =
    fixed;
  const again = retry !== undefined;
  return race({
    name,
    promise: `${promise} keeps every promise in every schedule ${
      front === "consume" ? RULES_OF_CONSUME : RULES
    }`,
    setups: fc.record({
      concurrency: fc.integer({ min: 1, max: 3 }),
      maxItems: fc.integer({ min: 1, max: 4 }),
      spare: spare === undefined ? fc.nat(4) : fc.nat(spare),
      keyed: timed || again || leaves || rate ? fc.boolean() : fc.constant(keyed),
      timed: again ? fc.boolean() : fc.constant(timed),
      holds: timed || again ? fc.boolean() : fc.constant(false),
      weighed: fc.constant(weighed),
      picky: fc.constant(picky),
      linger: linger === undefined ? fc.constantFrom(4, 4, 10, Infinity) : fc.constant(linger),
      front: front ? fc.constant(front) : fc.constantFrom(...FRONTS, ...again ? [CONSUME] : []),
      onError: fc.constantFrom("absent", "sync", "async", "throws", "rejects"),
      ...(again && { retry: fc.constantFrom(0, 3) }),
      ...(rate && {
        rate: fc.record({
          limit: fc.integer({ min: 1, max: 2 }),
          interval: fc.constantFrom(3, 5),
        }, { noNullPrototype: true }),
        retry: fc.constantFrom(undefined, 3),
      }),
      ...(leaves && { leaves: fc.constant(true), retry: fc.constantFrom(undefined, 0, 3) }),
      ...(maxWait && {
        maxWait: fc.constant(maxWait),
        keyed: fc.boolean(),
        front: fc.constantFrom(...shy ? FRONTS : ["plain", "snapshot"] as const),
        retry: fc.constantFrom(undefined, 3),
      }),
      ...(keyCapacity && {
        keyCapacity: fc.integer({ min: 1, max: 4 }),
        keyed: fc.constant(true),
        weighed: fc.boolean(),
        picky: fc.boolean(),
        front: fc.constantFrom(...FRONTS, CONSUME),
        retry: fc.constantFrom(undefined, 0, 3),
      }),
      ...(capacityWeight && {
        capacityWeight: fc.constantFrom(4, 7, 10),
        keyed: fc.boolean(),
        weighed: fc.boolean(),
        front: fc.constantFrom("plain", "snapshot"),
        retry: fc.constantFrom(undefined, 0, 3),
      }),
    }, { noNullPrototype: true }).filter(({ retry, onError }) =>
      // The delay of the retries would begin only after the others have failed.
      !leaves || retry === undefined || onError === "absent" || onError === "sync"
    ).filter(({ picky, front }) => !picky || front !== CONSUME),
    steps: sinkSteps({
      ways: ["tryPush", "trySubmit", "push", "submit", "write"],
      ends: ["done", "done", "done", "fails", "gives up"],
      advances: [1, 2, 3, 4, 5],
      leaves,
      ...manners,
    }),
    late: [2, 4, 10],
    start: (setup, clock) => new AggregatorRun(setup, clock),
  });
}

/** The races and explorations of `Aggregator`. */
export const races: readonly Race[] = suite([
  aggregator("aggregator", "Aggregator", {}),
  aggregator("aggregator-weight", "Aggregator by weight [4.3]", { weighed: true }),
  aggregator("aggregator-picky", "Aggregator whose weigh throws [5.27]", {
    weighed: true,
    picky: true,
  }),
  aggregator("aggregator-keyed", "Aggregator by key [5.28]", { keyed: true, spare: 1 }),
  aggregator("aggregator-adaptive", "Aggregator without a linger [4.6]", { linger: 0 }),
  aggregator("aggregator-timeout", "Aggregator with a timeout [5.7] [5.37]", { timed: true }, {
    advances: [1, 4, 5, 6, 9, 10],
  }),
  aggregator("aggregator-submit", "Aggregator.submit() [5.10]", {}, {
    ways: ["submit", "submit", "submit", "push"],
    ends: ["done", "done", "fails", "one", "count", "gives up"],
  }),
  aggregator("aggregator-retry", "Aggregator with a retry [5.7] [5.37] [5.40]", { retry: 0 }, {
    ends: ["done", "fails", "one", "count", "gives up"],
    orders: ["end"],
  }),
  aggregator("aggregator-rate", "Aggregator with a rate [5.40] [8.1]", { rate: RATE }),
  aggregator("aggregator-leave", "Aggregator whose callers leave [5.40] [5.42]", { leaves: true }, {
    ways: ["push", "submit", "submit", "trySubmit"],
    ends: ["done", "fails", "one", "count", "gives up"],
    advances: [1, 2, 3],
  }),
  aggregator("aggregator-max-wait", "Aggregator with a maxWait [5.40] [5.44]", { maxWait: 5 }, {
    ...{ shy: true, ends: ["done", "fails", "one"], advances: [1, 4, 5, 9, 10] },
  }),
  aggregator("aggregator-max-wait-inside", "Aggregator with a maxWait, from inside [5.44]", {
    maxWait: 5,
  }, { advances: [1, 4, 5, 9, 10] }),
  aggregator(
    "aggregator-key-capacity",
    "Aggregator with a keyCapacity [5.27] [5.28] [5.40] [5.45]",
    {
      keyCapacity: 1,
    },
    { ends: ["done", "fails", "one"], orders: ["end", "flush", "flush"] },
  ),
  aggregator(
    "aggregator-capacity-weight",
    "Aggregator with a capacityWeight [5.27] [5.40] [5.46]",
    {
      capacityWeight: 1,
    },
    { ways: ["tryPush", "trySubmit", "push", "submit"], ends: ["done", "fails", "one"] },
  ),
  aggregator("aggregator-consume", "Aggregator.consume()", { front: "consume" }, {
    ways: ["push", "write", "write"],
    orders: ["end", "break"],
  }),
  aggregator("aggregator-consume-leave", "Aggregator.consume() with a signal [5.42] [5.43]", {
    front: CONSUME,
    leaves: true,
  }, {
    ways: ["push", "submit", "write", "write", "write"],
    orders: ["end", "break", "stop", "stop"],
  }),
]);

const SETUP: Setup = {
  concurrency: 2,
  maxItems: 2,
  spare: 0,
  keyed: false,
  timed: false,
  holds: false,
  weighed: false,
  picky: false,
  linger: 4,
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

/** The races and explorations of `Aggregator`. */
export const explorations: readonly Exploration[] = explored([
  every("aggregator", { concurrency: 1 }, {
    ...items(["tryPush", "push", "submit"]),
    ...ends("done", "fails"),
    ...pass(4),
    ...orders("flush", "idle", "close", "abort"),
  }),
  every("aggregator-abort", { concurrency: 1, onError: "sync" }, {
    ...items(["push", "submit"]),
    ...ends("done", "fails", "gives up"),
    ...orders("flush", "close", "abort", "signal"),
  }),
  every("aggregator-inside", { concurrency: 1 }, {
    "push at once": comes("push", { ends: "at once" }),
    "push throws": comes("push", { ends: "throws" }),
    "push pushes": comes("push", { act: "push" }),
    "push closes": comes("push", { act: "close" }),
    "push aborts": comes("push", { act: "abort" }),
    "submit flushes": comes("submit", { act: "flush" }),
    ...ends("done"),
    ...orders("flush", "close"),
  }),
  every("aggregator-weight", { weighed: true, concurrency: 1 }, {
    "push weightless": comes("push", { weight: 0 }),
    "push light": comes("push", { weight: 1 }),
    "push heavy": comes("push", { weight: MAX_WEIGHT }),
    "push heavier": comes("push", { weight: MAX_WEIGHT + 1 }),
    ...ends("done"),
    ...pass(4),
    ...orders("flush", "close", "abort"),
  }),
  every("aggregator-keyed", { keyed: true, onError: "sync" }, {
    ...items(["tryPush", "push"], true),
    ...ends("done", "fails"),
    ...pass(2, 4),
    ...orders("flush", "close", "abort"),
  }),
  every("aggregator-keyed-weight", { keyed: true, weighed: true, concurrency: 1, spare: 1 }, {
    "push a": comes("push", { key: 0 }),
    "push b": comes("push", { key: 1 }),
    "push a heavy": comes("push", { key: 0, weight: MAX_WEIGHT }),
    "push b heavy": comes("push", { key: 1, weight: MAX_WEIGHT }),
    ...ends("done"),
    ...pass(4),
    ...orders("flush", "close"),
  }),
  every("aggregator-picky", { weighed: true, picky: true, concurrency: 1 }, {
    ...items(["push", "submit"]),
    "tryPush picked": comes("tryPush", { weight: MAX_WEIGHT + 1 }),
    "push picked": comes("push", { weight: MAX_WEIGHT + 1 }),
    "submit picked": comes("submit", { weight: MAX_WEIGHT + 1 }),
    ...ends("done", "fails"),
    ...pass(4),
    ...orders("flush", "close", "abort"),
  }),
  every("aggregator-adaptive", { linger: 0, concurrency: 1 }, {
    ...items(["push", "submit"]),
    ...ends("done", "fails"),
    ...orders("flush", "idle", "close", "abort", "signal"),
  }),
  every("aggregator-timeout", { timed: true, onError: "async" }, {
    ...items(["push"]),
    ...ends("done", "fails"),
    ...pass(4, TIMEOUT),
    ...orders("flush", "close", "abort"),
  }),
  every("aggregator-submit", { concurrency: 1, onError: "sync" }, {
    ...items(["push", "submit"]),
    ...ends("done", "fails", "one", "count"),
    ...pass(4),
    ...orders("flush", "close", "abort"),
  }),
  every("aggregator-overrun", { timed: true, holds: true, onError: "sync", concurrency: 1 }, {
    ...items(["push", "trySubmit"]),
    ...ends("done"),
    ...pass(4, TIMEOUT),
    ...orders("flush", "idle", "close", "abort"),
  }),
  every("aggregator-concurrency", { onError: "sync" }, {
    ...items(["trySubmit", "push"]),
    ...ends("done"),
    ...pass(4),
    ...concurrency(0, 1, 3),
    ...orders("flush", "close", "abort"),
  }),
  every("aggregator-retry", { retry: 3, concurrency: 1, onError: "sync" }, {
    ...items(["push", "submit"]),
    ...ends("done", "fails", "one"),
    ...pass(3),
    ...orders("flush", "close", "abort"),
  }),
  every("aggregator-retry-keyed", { retry: 3, keyed: true, maxItems: 1 }, {
    ...items(["push"], true),
    ...ends("done", "fails"),
    ...pass(3),
    ...orders("flush", "close", "abort"),
  }),
  every("aggregator-leave", { leaves: true, concurrency: 1, onError: "sync" }, {
    ...items(["push", "submit"]),
    ...ends("done", "fails", "gives up"),
    ...leaves,
    ...orders("flush", "close", "abort"),
  }),
  every("aggregator-leave-retry", { leaves: true, concurrency: 1, retry: 3 }, {
    ...items(["push", "submit"]),
    ...ends("done", "fails", "one"),
    ...leaves,
    ...pass(3),
    ...orders("close", "abort"),
  }),
  every("aggregator-key-capacity", { keyed: true, keyCapacity: 1, concurrency: 0 }, {
    ...items(["tryPush", "push"], true),
    ...ends("done"),
    ...concurrency(1),
    ...orders("flush", "close", "abort"),
  }),
  every("aggregator-key-capacity-due", { keyed: true, keyCapacity: 2, maxItems: 3 }, {
    ...items(["tryPush", "push"], true),
    ...ends("done"),
    ...pass(4),
    ...orders("flush", "close", "abort"),
  }),
  every("aggregator-capacity-weight", { capacityWeight: 3, keyed: true, spare: 1 }, {
    "push a": comes("push", { weight: 1 }),
    "tryPush b": comes("tryPush", { key: 1, weight: 2 }),
    "push b": comes("push", { key: 1, weight: 3 }),
    "push b heavier": comes("push", { key: 1, weight: 4 }),
    ...ends("done"),
    ...pass(4),
    ...orders("close", "abort"),
  }),
  every("aggregator-max-wait", { maxWait: 5, concurrency: 0, onError: "sync" }, {
    ...items(["tryPush", "push", "submit"]),
    ...ends("done"),
    ...concurrency(1),
    ...pass(4, 10),
    ...orders("flush"),
  }),
  every("aggregator-rate", { rate: RATE, onError: "sync" }, {
    ...items(["tryPush", "push"]),
    ...ends("done"),
    ...pass(3),
    ...orders("flush", "close", "abort"),
  }),
  every("aggregator-consume", { front: "consume", concurrency: 1 }, {
    ...items(["push", "write"]),
    ...ends("done", "fails"),
    ...pass(4),
    ...orders("end", "break", "flush", "close", "abort"),
  }),
  every("aggregator-consume-leave", { front: CONSUME, leaves: true, concurrency: 1 }, {
    ...items(["tryPush", "write"]),
    ...ends("done"),
    ...orders("stop", "end", "flush", "abort"),
  }),
]);
