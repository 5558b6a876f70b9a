/**
 * Random schedules against what must hold after every step. A failure prints its seed and path: give
 * them to `fc.assert` as `{ seed, path }` to see it again.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { MapStream } from "../mod.ts";
import { microtasks } from "./support/gate.ts";
import { type Call, Hand } from "./support/hand.ts";
import { countListeners } from "./support/listeners.ts";
import { test } from "./support/test.ts";

interface Settings {
  readonly concurrency: number;
  readonly ordered: boolean;
  readonly keyed: boolean;
}

interface Item {
  readonly id: number;
  readonly key: number;
}

type Step =
  | { readonly do: "write"; readonly key: number }
  | { readonly do: "settle"; readonly which: number }
  | { readonly do: "read" | "fail" | "close" | "cancel" | "abort" | "signal" };

const MAX_READS = 3;

/** A stream that a schedule is played on, and all that is known of it from outside. */
class Run {
  readonly #settings: Settings;
  readonly #channel: MessageChannel;
  readonly #own = new AbortController();
  readonly #listeners = countListeners(this.#own.signal);
  readonly #hand = new Hand<Item, Item>();
  readonly #writer: WritableStreamDefaultWriter<Item>;
  readonly #reader: ReadableStreamDefaultReader<Item>;

  readonly #written: Item[] = [];
  /** In the order of their settlement. */
  readonly #settled: Call<Item, Item>[] = [];
  readonly #received: Item[] = [];
  #taken = 0;
  /** Promises that have not settled. */
  #writes = 0;
  #reads = 0;
  #closed = false;
  #closing: "no" | "pending" | "fulfilled" | "rejected" = "no";
  /** Ended early, or failed. */
  #over = false;
  #readableEnded = false;
  readonly #wrong: string[] = [];

  constructor(settings: Settings, channel: MessageChannel) {
    this.#settings = settings;
    this.#channel = channel;
    const { concurrency, ordered, keyed } = settings;
    const key = keyed ? (item: Item) => item.key : undefined;
    const options = { concurrency, ordered, key, signal: this.#own.signal };
    const stream = new MapStream<Item, Item>(this.#hand.handler, options);
    this.#writer = stream.writable.getWriter();
    this.#reader = stream.readable.getReader();
    for (const promise of [this.#writer.closed, this.#writer.ready, this.#reader.closed]) {
      promise.catch(() => {});
    }
  }

  async play(step: Step): Promise<void> {
    switch (step.do) {
      case "write":
        if (!this.#closed && !this.#over) this.#write(step.key);
        break;
      case "read":
        if (this.#reads < MAX_READS) this.#read();
        break;
      case "settle": {
        const running = this.#running;
        const call = running[step.which % running.length];
        if (!call) break;
        this.#settled.push(call);
        call.resolve(call.item);
        break;
      }
      case "fail": {
        const call = this.#running[0];
        if (!call) break;
        this.#settled.push(call);
        this.#over = true;
        call.reject("fail");
        break;
      }
      case "close":
        if (!this.#over && !this.#closed) {
          this.#closing = "pending";
          this.#writer.close().then(() => this.#closing = "fulfilled", () => {
            this.#closing = "rejected";
          });
        }
        this.#closed = true;
        break;
      case "cancel":
        this.#over = true;
        this.#reader.cancel("cancel").catch(() => {});
        break;
      case "abort":
        // Once the calls have settled there is nothing to abort.
        if (this.#closing !== "fulfilled") this.#over = true;
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

  /** Close, settle what runs, read to the end, and see that nothing is left. */
  async finish(): Promise<void> {
    await this.play({ do: "close" });
    while (!this.#readableEnded) {
      await this.play({ do: "settle", which: 0 });
      await this.play({ do: "read" });
    }
    assertEquals([this.#reads, this.#writes], [0, 0], "a promise has not settled");
    if (!this.#over) assertEquals(this.#received.length, this.#written.length);
    assertEquals(this.#listeners.live, 0);
  }

  get #running(): Call<Item, Item>[] {
    return this.#hand.calls.filter((call) => !this.#settled.includes(call));
  }

  #write(key: number): void {
    const item = { id: this.#written.length, key };
    this.#written.push(item);
    this.#writes++;
    this.#writer.write(item).then(() => {
      this.#writes--;
      this.#taken++;
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
      else this.#received.push(value);
    }, () => {
      this.#reads--;
      this.#readableEnded = true;
      this.#expect(this.#over, "a read was rejected");
    });
  }

  /** For callbacks of promises, where a throw would be lost. */
  #expect(right: boolean, complaint: string): void {
    if (!right) this.#wrong.push(complaint);
  }

  #check(): void {
    assertEquals(this.#wrong, []);
    const { concurrency, ordered, keyed } = this.#settings;
    const { calls } = this.#hand;
    const order = ordered
      ? this.#written.slice(0, this.#received.length)
      : this.#settled.slice(0, this.#received.length).map(({ item }) => item);
    assertEquals(this.#received, order, "out of order");
    if (this.#over) {
      assertEquals(this.#writes, 0, "a write still waits");
      assert(this.#closing !== "pending", "close still waits");
      for (const { signal } of this.#running) assert(signal.aborted, "a call is not aborted");
      return;
    }
    const held = this.#taken - this.#received.length;
    assert(held <= concurrency, "too much is held");
    assert(this.#writes === 0 || held === concurrency, "a write waits for no reason");
    // What should have started: all that is taken, but for keys only the oldest unsettled.
    const done = new Set(this.#settled.map(({ item }) => item));
    const blocked = new Set<number>();
    const expected = this.#written.slice(0, this.#taken).filter((item) => {
      const starts = !keyed || done.has(item) || !blocked.has(item.key);
      if (!done.has(item)) blocked.add(item.key);
      return starts;
    });
    const started = calls.map(({ item }) => item.id).toSorted((a, b) => a - b);
    assertEquals(started, expected.map(({ id }) => id), "calls");
    const next = ordered
      ? done.has(this.#written[this.#received.length]!)
      : this.#settled.length > this.#received.length;
    assert(!(next && this.#reads > 0), "a result is late");
    if (this.#closed && this.#writes === 0) {
      const all = this.#settled.length === this.#written.length;
      assertEquals(this.#closing, all ? "fulfilled" : "pending", "close");
    }
  }
}

const settings = fc.record({
  concurrency: fc.constantFrom(1, 2, 3, 5),
  ordered: fc.boolean(),
  keyed: fc.boolean(),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("write" as const), key: fc.nat({ max: 2 }) }),
  },
  { weight: 6, arbitrary: fc.constant({ do: "read" as const }) },
  {
    weight: 7,
    arbitrary: fc.record({ do: fc.constant("settle" as const), which: fc.nat({ max: 9 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("fail", "close", "cancel", "abort", "signal") }),
  },
);

test("MapStream keeps its promises in every schedule [4.M1] [4.M2] [4.M3] [4.M4] [4.M5] [4.M7] [4.M8]", async () => {
  const channel = new MessageChannel();
  try {
    await fc.assert(
      fc.asyncProperty(
        settings,
        fc.array(step, { size: "max", maxLength: 25 }),
        async (given, steps) => {
          const run = new Run(given, channel);
          for (const step of steps) await run.play(step);
          await run.finish();
        },
      ),
      { numRuns: 300 },
    );
  } finally {
    channel.port1.close();
    channel.port2.close();
  }
});
