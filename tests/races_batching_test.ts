/** The batching streams: no batch is early, late, empty, too large, or touched by an old timer. */

import fc from "fast-check";
import { type BatchStats, BatchStream, type Collector } from "../mod.ts";
import type { Clock } from "./support/clock.ts";
import { type Front, type Numbered, TransformRun, transformSteps } from "./races/transform_run.ts";
import { type Exploration, exploration, explored } from "./races/explore.ts";
import { advance, often, type Race, race, simply, suite } from "./races/race.ts";
import { pass } from "./races/sink_events.ts";
import { transformEvents } from "./races/transform_events.ts";

interface Setup {
  readonly front: Front;
  readonly maxItems: number;
  readonly maxWeight: number;
  readonly linger: number;
  /** By a custom collector, whose `maxItems` are different weights. */
  readonly own: boolean;
  /** Whether there is an `onDiscard`. */
  readonly tells: boolean;
}

interface Item extends Numbered {
  readonly weight: number;
}

/** A custom batch. */
class Bag {
  readonly items: Item[];

  constructor(items: Item[]) {
    this.items = items;
  }
}

class BatchRun extends TransformRun<number, Item, Item, { readonly do: "flush" }> {
  readonly #setup: Setup;
  readonly #stream: { readonly stats: BatchStats; flush(): void } | undefined;
  #done = 0;
  #batches = 0;
  /** The batches, as the consumer has left them. */
  readonly #handed: { readonly batch: Item[]; readonly copy: Item[] }[] = [];
  /** The items before this one were flushed. */
  #flushed = 0;
  /** The items that `onDiscard` got. */
  readonly #told: Item[] = [];

  constructor(setup: Setup, clock: Clock) {
    super(clock);
    this.#setup = setup;
    const { front, maxItems, maxWeight, linger, own, tells } = setup;
    const { signal } = this;
    const weigh = (item: Item) => item.weight;
    const onDiscard = (items: Item[], reason: unknown) => {
      this.must(
        items.length > 0 && this.isReason(reason),
        "onDiscard got no items, or a wrong reason",
      );
      this.#told.push(...items);
    };
    const ends = { linger, signal, ...(tells && { onDiscard }) };
    const limits = { maxItems, ...ends, ...(maxWeight < Infinity && { maxWeight, weigh }) };
    const collecting = { collector: () => this.#collector(), ...ends };
    if (front === "writer") {
      const stream = own ? new BatchStream(collecting) : new BatchStream(limits);
      this.#stream = stream;
      this.open(stream);
    } else {
      const flatten = (front === "pages") as false;
      this.openFrom(front, (source) => {
        return own
          ? BatchStream.from(source, { ...collecting, flatten })
          : BatchStream.from(source, { ...limits, flatten });
      });
    }
  }

  #collector(): Collector<Item, Bag> {
    let items: Item[] = [];
    const full = () => this.#complete(items);
    return {
      get size() {
        return items.length;
      },
      get full() {
        return full();
      },
      fits: (item) => this.#within([...items, item]),
      add: (item) => void items.push(item),
      take() {
        const bag = new Bag(items);
        items = [];
        return bag;
      },
    };
  }

  protected make(id: number, weight: number): Item {
    return { id, weight };
  }

  protected chunk(item: Item): Item {
    return item;
  }

  protected override doOther(): void {
    if (!this.#stream) return;
    // An item that was just written is already in the stream, though its write has not resolved.
    this.#flushed = this.#stream.stats.accepted;
    this.#stream.flush();
  }

  protected receive(value: unknown): void {
    this.must(value instanceof (this.#setup.own ? Bag : Array), "no batch");
    const batch = value instanceof Bag ? value.items : value as Item[];
    this.must(batch.length > 0, "an empty batch");
    this.must(batch.every((item, n) => item === this.written[this.#done + n]), "out of order");
    this.must(batch.length === 1 || this.#within(batch), "over the limits");
    this.#batches++;
    this.#done += batch.length;
    this.must(this.#isFull(batch) || this.#isDue(batch), "too early");
    // An item that did not fit waited outside, and is accepted now.
    const next = this.written[this.#done];
    if (this.source && next) next.acceptedAt = this.clock.now;
    // The consumer owns it now.
    this.#handed.push({ batch: batch.reverse(), copy: [...batch] });
  }

  protected drained(): boolean {
    return this.#done === this.written.length;
  }

  protected override checkAlways(): void {
    if (this.#setup.tells) {
      // A rejected write informs its producer. A source no longer has the item that it gave.
      const given = this.source ? this.written.length : this.accepted;
      const lost = this.over ? this.written.slice(this.#done, given) : [];
      const same = lost.length === this.#told.length && lost.every((it, n) => it === this.#told[n]);
      this.must(same, "onDiscard got other items");
    }
    if (!this.#stream) return;
    const { accepted, waiting, done, discarded, batches } = this.#stream.stats;
    this.must(accepted === waiting + done + discarded, "not conserved");
    this.must(accepted === this.accepted, "accepted");
    this.must(done === this.#done && batches === this.#batches, "done");
    const ended = this.over || this.readableEnded;
    this.must(!ended || waiting === 0, "something is still held");
    this.must(this.over !== undefined || discarded === 0, "discarded for no reason");
    this.must(!ended || this.clock.pending === 0, "a timer is left");
  }

  protected checkOpen(): void {
    const held = this.written.slice(this.#done, this.accepted);
    // With a source, the item that does not fit, and the rest of its page.
    let outside = 0;
    const most = this.#setup.front === "pages" ? Infinity : 1;
    for (; this.source && held.length > 1 && !this.#within(held); outside++) held.pop();
    this.must(held.length <= 1 || this.#within(held), "more than one batch is held");
    this.must(outside <= most, "more than one was read");
    const ready = this.#isFull(held) || this.#isDue(held);
    this.must(!(ready && this.reads > 0), "too late");
    this.must(this.writes === 0 || this.#isFull(held), "a write waits for no reason");
    this.checkSource(!outside && !this.#complete(held));
    const ticking = held.length > 0 && !ready && this.#setup.linger < Infinity;
    this.must(this.clock.pending === (ticking ? 1 : 0), "timers");
  }

  protected override checkEnd(): void {
    for (const { batch, copy } of this.#handed) {
      const same = batch.length === copy.length && batch.every((item, n) => item === copy[n]);
      this.must(same, "a batch was touched again");
    }
    if (!this.over) this.must(this.#done === this.written.length, "lost");
    if (!this.#stream) return;
    const { waiting, accepted, done, discarded } = this.#stream.stats;
    this.must(waiting === 0 && done + discarded === accepted, "not conserved");
  }

  #within(items: readonly Item[]): boolean {
    return this.#size(items) <= this.#setup.maxItems && weightOf(items) <= this.#setup.maxWeight;
  }

  /** Whether it takes no more items. */
  #complete(items: readonly Item[]): boolean {
    return items.length > 0 &&
      (this.#size(items) >= this.#setup.maxItems || weightOf(items) >= this.#setup.maxWeight);
  }

  #size(items: readonly Item[]): number {
    return this.#setup.own ? new Set(items.map(({ weight }) => weight)).size : items.length;
  }

  /** Whether it has no room, or none for the next item. */
  #isFull(items: Item[]): boolean {
    if (items.length === 0) return false;
    const next = this.written[items.at(-1)!.id + 1];
    return this.#complete(items) || (next !== undefined && !this.#within([...items, next]));
  }

  /** Whether its linger is over, or it was flushed, or the stream ends. */
  #isDue(items: Item[]): boolean {
    const [first, last] = [items[0], items.at(-1)];
    if (!first || !last) return false;
    return this.clock.now >= (first.acceptedAt ?? this.clock.now) + this.#setup.linger ||
      first.id < this.#flushed || (this.#atEnd && last.id === this.written.length - 1);
  }

  get #atEnd(): boolean {
    return this.source ? this.source.ended : this.closed;
  }
}

function weightOf(items: readonly Item[]): number {
  let sum = 0;
  for (const { weight } of items) sum += weight;
  return sum;
}

const RULES = "[4.1] [4.2] [4.4] [4.5] [4.6] [4.7] [4.11] [7.3] [7.5]";
const LINGERS = [0, 10, 10, Infinity];

function batching(name: string, promise: string, fixed: Partial<Setup>, fronts: Front[]): Race {
  return race({
    name,
    promise: `${promise} keeps its promises in every schedule ${RULES}`,
    setups: fc.record({
      front: fc.constantFrom(...fronts),
      maxItems: fc.constantFrom(1, 2, 3, 5),
      maxWeight: fixed.maxWeight ? fc.constant(fixed.maxWeight) : fc.constantFrom(1, 3, 10),
      linger: fc.constantFrom(...LINGERS),
      own: fc.constant(fixed.own ?? false),
      tells: fc.boolean(),
    }),
    steps: fc.oneof(
      ...transformSteps(fc.nat(4)),
      often(4, advance(1, 4, 9, 10)),
      often(1, simply("flush")),
    ),
    late: [4, 9, 10, 25],
    start: (setup, clock) => new BatchRun(setup, clock),
  });
}

/** The races of `BatchStream`, by its limits and by a collector. */
export const races: readonly Race[] = suite([
  batching("batch-stream", "BatchStream [3]", { maxWeight: Infinity }, ["writer"]),
  batching("batch-stream-weight", "BatchStream by weight [3] [4.3]", {}, ["writer"]),
  batching("batch-stream-from", "BatchStream.from() [4.3] [4.9] [4.12]", {}, [
    "stream",
    "iterator",
    "pages",
  ]),
  batching("batch-stream-collector", "BatchStream with a collector [3] [4.9] [4.12]", {
    maxWeight: 10,
    own: true,
  }, [
    ...["writer", "writer", "stream", "iterator", "pages"] as const,
  ]),
]);

const SETUP: Setup = {
  front: "writer",
  maxItems: 2,
  maxWeight: Infinity,
  linger: 10,
  own: false,
  tells: true,
};

function every(name: string, setup: Partial<Setup>): Exploration {
  const { front = "writer", maxWeight = Infinity, linger = 10 } = setup;
  return exploration({
    name,
    races,
    depth: front === "writer" && linger > 0 ? 6 : 7,
    setup: { ...SETUP, ...setup },
    events: {
      ...transformEvents<number>(
        maxWeight < Infinity ? { weightless: 0, light: 1, heavy: maxWeight } : { "": 0 },
      ),
      ...(front === "writer" && { flush: { do: "flush" } }),
      ...(linger > 0 && pass(5, 10)),
    },
    apart: /^close/,
  });
}

/** The explorations of `BatchStream`. */
export const explorations: readonly Exploration[] = explored([
  every("batch-stream", {}),
  every("batch-stream-adaptive", { linger: 0 }),
  every("batch-stream-weight", { maxWeight: 3, maxItems: 3 }),
  every("batch-stream-from", { front: "iterator" }),
  every("batch-stream-collector", { maxWeight: 10, own: true }),
]);
