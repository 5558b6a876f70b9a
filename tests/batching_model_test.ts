/**
 * Random schedules against what must hold after every step. A failure prints its seed and path: give
 * them to `fc.assert` as `{ seed, path }` to see it again.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BatchStream } from "../mod.ts";
import { type Clock, withClock } from "./support/clock.ts";
import { microtasks } from "./support/gate.ts";
import { countListeners } from "./support/listeners.ts";
import { test } from "./support/test.ts";

interface Limits {
  readonly maxItems: number;
  readonly maxWeight: number;
  readonly linger: number;
}

interface Item {
  readonly id: number;
  readonly weight: number;
  /** When its write resolved. */
  acceptedAt?: number;
}

type Step =
  | { readonly do: "write"; readonly weight: number }
  | { readonly do: "tick"; readonly ms: number }
  | { readonly do: "read" | "flush" | "close" | "cancel" | "abort" | "signal" };

const MAX_READS = 3;

/** A stream that a schedule is played on, and all that is known of it from outside. */
class Run {
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #channel: MessageChannel;
  readonly #own = new AbortController();
  readonly #listeners = countListeners(this.#own.signal);
  readonly #stream: BatchStream<Item>;
  readonly #writer: WritableStreamDefaultWriter<Item>;
  readonly #reader: ReadableStreamDefaultReader<Item[]>;

  readonly #written: Item[] = [];
  #accepted = 0;
  #done = 0;
  #batches = 0;
  /** Promises that have not settled. */
  #writes = 0;
  #reads = 0;
  /** The items before this one were flushed. */
  #flushed = 0;
  #closed = false;
  /** Ended early. */
  #over = false;
  #readableEnded = false;
  readonly #wrong: string[] = [];

  constructor(limits: Limits, clock: Clock, channel: MessageChannel) {
    this.#limits = limits;
    this.#channel = channel;
    this.#clock = clock;
    const { signal } = this.#own;
    this.#stream = new BatchStream({ ...limits, weigh: (item: Item) => item.weight, signal });
    this.#writer = this.#stream.writable.getWriter();
    this.#reader = this.#stream.readable.getReader();
    for (const promise of [this.#writer.closed, this.#writer.ready, this.#reader.closed]) {
      promise.catch(() => {});
    }
  }

  async play(step: Step): Promise<void> {
    switch (step.do) {
      case "write":
        if (!this.#closed && !this.#over) this.#write(step.weight);
        break;
      case "read":
        if (this.#reads < MAX_READS) this.#read();
        break;
      case "tick":
        await this.#clock.tick(step.ms);
        break;
      case "flush":
        this.#flushed = this.#accepted;
        this.#stream.flush();
        break;
      case "close":
        if (!this.#over) this.#writer.close().catch(() => {});
        this.#closed = true;
        break;
      case "cancel":
        this.#over = true;
        this.#reader.cancel("cancel").catch(() => {});
        break;
      case "abort":
        // Once the close has come to its turn there is nothing to abort.
        if (!this.#closed || this.#writes > 0) this.#over = true;
        this.#writer.abort("abort").catch(() => {});
        break;
      case "signal":
        this.#over = true;
        this.#own.abort("signal");
    }
    await microtasks();
    // A macrotask, but not `turn`, which takes a millisecond.
    await new Promise((resolve) => {
      this.#channel.port1.onmessage = resolve;
      this.#channel.port2.postMessage(undefined);
    });
    this.#check();
  }

  /** Close, read to the end, and see that nothing is left. */
  async finish(): Promise<void> {
    await this.play({ do: "close" });
    while (!this.#readableEnded) await this.play({ do: "read" });
    assertEquals([this.#reads, this.#writes], [0, 0], "a promise has not settled");
    const { accepted, waiting, done, discarded } = this.#stream.stats;
    assertEquals([waiting, done + discarded], [0, accepted]);
    if (!this.#over) assertEquals(done, this.#written.length);
    assertEquals([this.#clock.pending, this.#listeners.live], [0, 0]);
  }

  #write(weight: number): void {
    const item: Item = { id: this.#written.length, weight };
    this.#written.push(item);
    this.#writes++;
    this.#writer.write(item).then(() => {
      item.acceptedAt = this.#clock.now;
      this.#accepted++;
      this.#writes--;
    }, () => {
      this.#writes--;
      this.#expect(this.#over, "a write was rejected");
    });
  }

  #read(): void {
    this.#reads++;
    this.#reader.read().then(({ done, value }) => {
      this.#reads--;
      if (done) this.#readableEnded = true;
      else this.#receive(value);
    }, () => {
      this.#reads--;
      this.#readableEnded = true;
      this.#expect(this.#over, "a read was rejected");
    });
  }

  #receive(batch: Item[]): void {
    this.#expect(batch.length > 0, "an empty batch");
    const ordered = batch.every(({ id }, index) => id === this.#done + index);
    this.#expect(ordered, "out of order");
    this.#expect(batch.length === 1 || this.#within(batch), "over the limits");
    this.#batches++;
    this.#done += batch.length;
    this.#expect(this.#isFull(batch) || this.#isDue(batch), "too early");
  }

  /** For callbacks of promises, where a throw would be lost. */
  #expect(right: boolean, complaint: string): void {
    if (!right) this.#wrong.push(complaint);
  }

  #check(): void {
    assertEquals(this.#wrong, []);
    const { stats } = this.#stream;
    const { accepted, waiting, done, discarded, batches } = stats;
    assertEquals(accepted, waiting + done + discarded, "not conserved");
    assertEquals([accepted, done, batches], [this.#accepted, this.#done, this.#batches]);
    if (this.#over || this.#readableEnded) {
      assertEquals([waiting, this.#writes, this.#clock.pending], [0, 0, 0], "something is left");
      return;
    }
    assertEquals(discarded, 0);
    const held = this.#written.slice(this.#done, this.#done + waiting);
    assert(held.length <= 1 || this.#within(held), "more than one batch is held");
    const ready = this.#isFull(held) || this.#isDue(held);
    assert(!(ready && this.#reads > 0), "too late");
    assert(this.#writes === 0 || this.#isFull(held), "a write waits for no reason");
    const ticking = held.length > 0 && !ready && this.#limits.linger !== Infinity;
    assertEquals(this.#clock.pending, ticking ? 1 : 0, "timers");
  }

  #within(items: Item[]): boolean {
    return items.length <= this.#limits.maxItems && weightOf(items) <= this.#limits.maxWeight;
  }

  /** No room, or none for the next item. */
  #isFull(items: Item[]): boolean {
    if (items.length === 0) return false;
    const { maxItems, maxWeight } = this.#limits;
    const next = this.#written[items.at(-1)!.id + 1];
    return items.length >= maxItems || weightOf(items) >= maxWeight ||
      (next !== undefined && !this.#within([...items, next]));
  }

  /** Waited long enough, flushed, or at the end. */
  #isDue(items: Item[]): boolean {
    const [first, last] = [items[0], items.at(-1)];
    if (!first || !last) return false;
    return this.#clock.now >= (first.acceptedAt ?? this.#clock.now) + this.#limits.linger ||
      first.id < this.#flushed || (this.#closed && last.id === this.#written.length - 1);
  }
}

function weightOf(items: Item[]): number {
  return items.reduce((sum, { weight }) => sum + weight, 0);
}

const limits = fc.record({
  maxItems: fc.constantFrom(1, 2, 3, 5),
  maxWeight: fc.constantFrom(1, 3, 10, Infinity),
  linger: fc.constantFrom(0, 10, Infinity),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("write" as const), weight: fc.nat({ max: 4 }) }),
  },
  { weight: 6, arbitrary: fc.constant({ do: "read" as const }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("tick" as const), ms: fc.constantFrom(1, 4, 9, 10) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "flush" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("close", "cancel", "abort", "signal") }),
  },
);

test("BatchStream keeps its promises in every schedule [3] [4.1] [4.2] [4.3] [4.4] [4.5] [4.7]", async () => {
  const channel = new MessageChannel();
  try {
    await fc.assert(
      fc.asyncProperty(
        limits,
        fc.array(step, { size: "max", maxLength: 25 }),
        (given, steps) =>
          withClock(async (clock) => {
            const run = new Run(given, clock, channel);
            for (const step of steps) await run.play(step);
            await run.finish();
          }),
      ),
      { numRuns: 400 },
    );
  } finally {
    channel.port1.close();
    channel.port2.close();
  }
});
