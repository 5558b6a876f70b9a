/** {@linkcode MemoryBroker}: a broker in memory that crashes, restarts and loses acks on demand. */

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
   * How long a consumer may have a message without settling or extending it, in milliseconds: above
   * 0 and at most 2147483647, or `Infinity`. Then the broker delivers it again.
   *
   * @default {30000}
   */
  readonly ackWait?: number | undefined;
  /**
   * The seed of the faults: an integer from 0 to 4294967295. The same seed and the same events in
   * the same order make the same faults. With real timers the order may vary, with fake ones it
   * does not.
   *
   * @default {0}
   */
  readonly seed?: number | undefined;
  /**
   * How likely each fault is.
   *
   * @default no fault comes by itself
   */
  readonly faults?: MemoryFaults | undefined;
}

/** Options of `run`. */
export interface MemoryRunOptions extends MemoryConsumerOptions {
  /**
   * How many consumers run at once: an integer of at least 1.
   *
   * @default {1}
   */
  readonly consumers?: number | undefined;
}

/**
 * The program of a consumer. It gets its own source, and ends when its promise settles.
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
 * A broker in memory with faults, to test a pipeline that must not lose a message. It delivers
 * messages as a pull consumer of NATS JetStream with explicit acks does.
 *
 * - **At least once**: the broker delivers a message until it is acked or termed, to one consumer
 *   at a time. It goes to another one after a `nak`, or when the ack wait is over.
 * - **Order**: first come, first served, but a message that comes back goes before new ones.
 * - **Ack wait**: a live consumer extends all its messages, in its buffer and read, so that a slow
 *   handler keeps its message. When the consumer crashes, pauses or is cancelled, the ack wait
 *   begins.
 * - **Late acks count**: an `ack` or `term` of any delivery settles the message, even if another
 *   consumer has it by then. After a late `nak` the broker delivers it once more.
 * - **Bound**: a source asks for nothing before the first read, and has at most `maxMessages` in
 *   its buffer.
 * - **Faults** come by a call (`consumer.crash()`, `broker.restart()`), or by a probability and the
 *   seed.
 * - **Close**: sources end when the broker is closed and all messages are settled, so that a pipe
 *   ends. A `BatchStream` needs a `linger`: without one, the last partial batch waits for the end,
 *   and the end waits for the batch.
 * - **Timers**: at most one, and none while all messages are settled. The broker looks up
 *   `setTimeout` and `performance.now` at each use, so fake timers work.
 *
 * A real crash ends the running handlers. This one can't: they go on, but the broker ignores their
 * acks. If they write to a shared set or database, that looks like a consumer that crashed after
 * its work and before the ack.
 *
 * How to choose the numbers: an `ackWait` of 20 to 100 ms keeps a test short, and with fake timers
 * any value works. A fault is drawn for each delivery, so 0.01 is a lot for `crash` and `restart`,
 * which affect all messages in work at that time.
 *
 * @typeParam T The type of the items.
 *
 * @example Crash a consumer
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
  /** The seed: print it when a test fails. */
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
   * All events in order, for {@linkcode check}: about four per message. It is the live list, and
   * grows until the broker is gone.
   */
  get history(): readonly BrokerEvent[] {
    return this.#exchange.history;
  }

  /** The number of messages that are neither acked nor termed. */
  get pending(): number {
    return this.#exchange.pending;
  }

  /** The consumers that are open or paused. */
  get consumers(): readonly MemoryConsumer<T>[] {
    return [...this.#exchange.consumers] as Consumer<T>[];
  }

  /**
   * Publishes a message. The broker keeps it until it is acked or termed.
   *
   * @param value The item.
   * @returns Its id, which its deliveries and its events in the history have.
   * @throws {TypeError} After `close()`.
   */
  publish(value: T): string {
    if (this.#exchange.closed) throw new TypeError(`${OWNER}.publish: the broker is closed`);
    return this.#exchange.publish(value);
  }

  /**
   * Makes a consumer.
   *
   * @param options The size of its buffer, and whether it extends its messages.
   * @returns The consumer, with its stream of deliveries and its faults.
   */
  consumer(options: MemoryConsumerOptions = {}): MemoryConsumer<T> {
    return this.#consumer("consumer", options, CONSUMER);
  }

  /**
   * Makes a consumer and returns only its stream: `consumer(options).deliveries`.
   *
   * @param options The size of its buffer, and whether it extends its messages.
   * @returns Its deliveries.
   */
  source(options: MemoryConsumerOptions = {}): ReadableStream<MemoryDelivery<T>> {
    return this.#consumer("source", options, CONSUMER).deliveries;
  }

  /**
   * Runs a program several times, as separate processes would, each with its own consumer. **If a
   * consumer crashes, its program starts again at once**, with another consumer, and the rest of
   * the old run is ignored. If a program ends, its consumer gives back its buffer, and extends
   * nothing any more.
   *
   * Call `close()` before or meanwhile: it ends the sources when all messages are settled, and so
   * the programs.
   *
   * @param work The program, which reads its source to the end.
   * @param options The number of consumers, and the options of each.
   * @returns A promise that resolves when all programs have ended. If one fails without a crash,
   * the promise rejects with its error, and the other consumers are closed.
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
   * Restarts the broker, as after a kill. It may lose any of the latest 16 acks, and may forget
   * that a consumer has a message: the seed decides, with even odds for each. It delivers such a
   * message again at once. The consumers stay connected. A closed broker without open messages
   * loses nothing any more.
   */
  restart(): void {
    this.#exchange.restart();
  }

  /**
   * Closes the broker for new messages. Its sources close as soon as all messages are acked or
   * termed. Further calls have no effect.
   *
   * @returns A promise that resolves then.
   */
  close(): Promise<void> {
    this.#exchange.close();
    return this.settled();
  }

  /**
   * Waits until all messages are acked or termed.
   *
   * @returns A promise that resolves at the first such moment.
   */
  settled(): Promise<void> {
    return this.#exchange.settled();
  }

  /**
   * Ends all sources at once, and forgets all messages, so that no timer outlives the test: `using
   * broker = new MemoryBroker()`. Promises of `settled` and `close` resolve.
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
        // A crashed process may fail in any way.
        if (consumer.state !== "crashed") throw error;
      } finally {
        crew.open.delete(consumer);
        consumer.leave();
      }
    } while (consumer.state === "crashed" && !crew.over);
  }
}
