/** {@linkcode MemoryBroker}: a broker in memory that crashes, restarts and loses acks when it is told to. */

import { check, checkAll, has, LIMIT, type Rule, type Rules } from "../options.ts";
import { Consumer, type MemoryConsumer, type MemoryConsumerOptions } from "./consumer.ts";
import type { BrokerEvent } from "./event.ts";
import { Exchange } from "./exchange.ts";
import { type MemoryFaults, readFaults } from "./faults.ts";
import type { MemoryDelivery } from "./handed.ts";
import { LONGEST } from "./timeline.ts";

/** Options of {@linkcode MemoryBroker}. */
export interface MemoryBrokerOptions {
  /**
   * How long a consumer may have a message without a word, in milliseconds: above 0 and at most
   * 2147483647, or `Infinity`. Then the broker hands it out again.
   *
   * @default {30000}
   */
  readonly ackWait?: number | undefined;
  /**
   * What decides which faults come when: an integer from 0 to 4294967295. The same seed and the same events in
   * the same order make the same faults. With real timers the order may vary, with fake ones it does not.
   *
   * @default {0}
   */
  readonly seed?: number | undefined;
  /**
   * How likely each fault is.
   *
   * @default none comes by itself
   */
  readonly faults?: MemoryFaults | undefined;
}

/** Options of `run`. */
export interface MemoryRunOptions extends MemoryConsumerOptions {
  /**
   * How many run beside each other: an integer of at least 1.
   *
   * @default {1}
   */
  readonly consumers?: number | undefined;
}

/**
 * What a consumer does, as a program would: it is given a source of its own, and is done when it
 * has settled.
 */
export type MemoryWork<T> = (
  source: ReadableStream<MemoryDelivery<T>>,
  consumer: MemoryConsumer<T>,
) => unknown;

/** The consumers of one `run`. */
interface Crew<T> {
  readonly open: Set<Consumer<T>>;
  over: boolean;
}

const OWNER = "MemoryBroker";

const RULES: Rules<keyof MemoryBrokerOptions> = {
  ackWait: [
    "number",
    `be a number of milliseconds above 0 and at most ${LONGEST}, or Infinity`,
    (value: number) => value > 0 && (value <= LONGEST || value === Infinity),
  ],
  seed: [
    "number",
    "be an integer from 0 to 4294967295",
    (value: number) => Number.isInteger(value) && value >= 0 && value < 2 ** 32,
  ],
  faults: has("be an object"),
};

const CONSUMER: Rules<keyof MemoryConsumerOptions> = {
  maxMessages: LIMIT,
  extend: ["boolean", "be a boolean"],
};

const RUN: Rules<keyof MemoryRunOptions> = { ...CONSUMER, consumers: LIMIT };

const WORK: Rule = ["function", "be a function"];

/**
 * A broker in memory with faults, for tests of a pipeline that must not lose a message. It hands out messages
 * as a pull consumer of NATS JetStream with explicit acks does.
 *
 * - **At least once**: a message is handed out until it is acked or termed, to one consumer at a time. It goes
 *   to another one after a `nak`, or when the ack wait is over.
 * - **Order**: first come, first served, but what is handed out again goes before what is new.
 * - **Ack wait**: a consumer that lives extends all that it has, in its buffer and handed out, so that a slow
 *   handler keeps its message. Once it has crashed, pauses or is cancelled, the ack wait begins.
 * - **Late acks count**: an `ack` or `term` of any delivery settles the message, also when another consumer has
 *   it by then. A late `nak` hands it out once more.
 * - **Bound**: a source asks for nothing before it is read, and has at most `maxMessages` in its buffer.
 * - **Faults** come by your call (`consumer.crash()`, `broker.restart()`), or by a probability and the seed.
 * - **Close**: sources end when the broker is closed and all is settled, so that a pipe ends. A `BatchStream`
 *   needs a `linger`: without it a last batch that is not full waits for an end that waits for the batch.
 * - **Timers**: one at most, and none while all is settled. `setTimeout` and `performance.now` are looked up at
 *   each use, so fake timers drive it.
 *
 * A real crash ends the handlers that run. This one cannot: they go on, and what they say reaches nobody. With
 * a shared set or database in the test they look like a consumer that has done its work and crashed before the
 * ack.
 *
 * Choosing the numbers: an `ackWait` of 20 to 100 ms keeps a test short, and with fake timers any will do. A
 * fault is drawn for each delivery, so 0.01 is a lot for `crash` and `restart`, which concern all that is handed
 * out at that time.
 *
 * @typeParam T The type of the items.
 *
 * @example Faults by hand
 * ```ts
 * import { check, MemoryBroker } from "@weir/nats/memory";
 * import { assertEquals } from "@std/assert";
 *
 * using broker = new MemoryBroker<string>({ ackWait: 20 });
 * broker.publish("a letter");
 * const first = broker.consumer();
 * await first.deliveries.getReader().read();
 * first.crash();
 *
 * const { value: again } = await broker.source().getReader().read(); // when the ack wait is over
 * assertEquals([again?.value, again?.deliveries], ["a letter", 2]);
 * again?.ack();
 * await broker.settled();
 * assertEquals(check(broker.history).reasons, { crash: 1 });
 * ```
 */
export class MemoryBroker<T> {
  /** What it was made with: print it where a test fails. */
  readonly seed: number;
  /** The ack wait, in milliseconds. */
  readonly ackWait: number;
  readonly #exchange: Exchange<T>;
  #consumers = 0;

  /**
   * Makes one.
   *
   * @param options The ack wait, the seed and the faults.
   */
  constructor(options: MemoryBrokerOptions = {}) {
    checkAll(OWNER, options, RULES);
    const { ackWait = 30_000, seed = 0, faults = {} } = options;
    this.seed = seed;
    this.ackWait = ackWait;
    this.#exchange = new Exchange(ackWait, seed, readFaults(`${OWNER}.faults`, faults));
  }

  /** How likely each fault is from now on. `broker.faults = {}` ends them. */
  get faults(): MemoryFaults {
    return this.#exchange.faults;
  }

  set faults(faults: MemoryFaults) {
    this.#exchange.faults = readFaults(`${OWNER}.faults`, faults);
  }

  /**
   * What has happened, in order, for {@linkcode check}: about four events a message. It is the live list, and
   * grows until the broker is gone.
   */
  get history(): readonly BrokerEvent[] {
    return this.#exchange.history;
  }

  /** How many messages are neither acked nor termed. */
  get pending(): number {
    return this.#exchange.pending;
  }

  /** The consumers that are open or paused. */
  get consumers(): readonly MemoryConsumer<T>[] {
    return [...this.#exchange.consumers] as Consumer<T>[];
  }

  /**
   * Takes a message, and keeps it until it is acked or termed.
   *
   * @param value The item.
   * @returns The id that each of its deliveries has, and its events in the history.
   * @throws {TypeError} After `close()`.
   */
  publish(value: T): string {
    if (this.#exchange.closed) throw new TypeError(`${OWNER}.publish: the broker is closed`);
    return this.#exchange.publish(value);
  }

  /**
   * Makes a consumer.
   *
   * @param options The size of its buffer, and whether it extends what it has.
   * @returns It, with its stream of deliveries and its faults.
   */
  consumer(options: MemoryConsumerOptions = {}): MemoryConsumer<T> {
    return this.#consumer("consumer", options, CONSUMER);
  }

  /**
   * Makes a consumer of which only the stream matters: `consumer(options).deliveries`.
   *
   * @param options The size of its buffer, and whether it extends what it has.
   * @returns Its deliveries.
   */
  source(options: MemoryConsumerOptions = {}): ReadableStream<MemoryDelivery<T>> {
    return this.#consumer("source", options, CONSUMER).deliveries;
  }

  /**
   * Runs a program as so many processes would, each with a consumer of its own. **One whose consumer crashes is
   * started again at once**, with another consumer; what the old one still does, and fails with, is ignored.
   * One that comes back leaves: its consumer gives back its buffer, and extends nothing any more.
   *
   * Call `close()` before or meanwhile: it ends the sources once all is settled, and so the programs.
   *
   * @param work The program: it reads its source to the end.
   * @param options How many, and the options of each consumer.
   * @returns When all have come back. It rejects with what one fails with whose consumer has not crashed, and
   * closes the consumers of the others.
   */
  async run(work: MemoryWork<T>, options: MemoryRunOptions = {}): Promise<void> {
    check(`${OWNER}.run`, "work", work, WORK);
    checkAll(`${OWNER}.run`, options, RUN);
    const { consumers = 1, ...each } = options;
    const crew: Crew<T> = { open: new Set(), over: false };
    const start = async () => await this.#supervise(work, each, crew);
    try {
      await Promise.all(Array.from({ length: consumers }, start));
    } finally {
      crew.over = true;
      for (const consumer of crew.open) consumer.close();
    }
  }

  /**
   * Restarts the broker, as after a kill. It may lose any of the latest 16 acks, and may forget that a consumer
   * has a message: the seed decides, with even odds for each. Such a message is handed out again at once. The
   * consumers stay connected. Once all is over, at a closed broker, nothing is lost any more.
   */
  restart(): void {
    this.#exchange.restart();
  }

  /**
   * No more messages come: sources close as soon as all are acked or termed. Further calls have no effect.
   *
   * @returns When they are.
   */
  close(): Promise<void> {
    this.#exchange.close();
    return this.settled();
  }

  /**
   * Waits until all messages are acked or termed.
   *
   * @returns At the first moment when they are.
   */
  settled(): Promise<void> {
    return this.#exchange.settled();
  }

  /**
   * Ends all sources at once, and forgets what is pending, so that no timer outlives a test that is over:
   * `using broker = new MemoryBroker()`. Whoever waits for `settled` or `close` goes on.
   */
  [Symbol.dispose](): void {
    this.#exchange.end();
  }

  #consumer(
    method: string,
    options: MemoryConsumerOptions,
    rules: Rules<keyof MemoryConsumerOptions>,
  ): Consumer<T> {
    checkAll(`${OWNER}.${method}`, options, rules);
    const { maxMessages = 16, extend = true } = options;
    const id = `consumer-${++this.#consumers}`;
    return new Consumer(this.#exchange, id, maxMessages, extend);
  }

  async #supervise(
    work: MemoryWork<T>,
    options: MemoryConsumerOptions,
    crew: Crew<T>,
  ): Promise<void> {
    let consumer: Consumer<T>;
    do {
      consumer = this.#consumer("run", options, CONSUMER);
      crew.open.add(consumer);
      try {
        const done = (async () => await work(consumer.deliveries, consumer))();
        await Promise.race([done, consumer.crashed]);
      } catch (error) {
        // A process that has crashed fails in any way.
        if (consumer.state !== "crashed") throw error;
      } finally {
        crew.open.delete(consumer);
        consumer.leave();
      }
    } while (consumer.state === "crashed" && !crew.over);
  }
}
