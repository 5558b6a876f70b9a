/**
 * Plays pipelines of the core with `acked` handlers, and consumers that crash, pause, close,
 * restart and lose acks by a seed. A failure prints its seed: `play(seed)` plays it again.
 */

import { assert, assertEquals } from "@std/assert";
import { Aggregator, BatchStream, Fanout } from "../../../mod.ts";
import { type Clock, withClock } from "../../../tests/support/clock.ts";
import { here } from "../../../tests/support/host.ts";
import { test } from "../../../tests/support/test.ts";
import { acked, type AckedSettings } from "../delivery.ts";
import {
  check,
  MemoryBroker,
  type MemoryConsumerOptions,
  type MemoryDelivery,
  type MemoryWork,
  type RepeatReason,
} from "../memory.ts";
import { random } from "../src/memory/random.ts";

/** The number of schedules. */
const SCHEDULES = here === "deno" ? 2000 : 500;

const WAIT = 1000;

type Source = ReadableStream<MemoryDelivery<number>>;

/** Random draws by a seed. */
class Dice {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = random(seed);
  }

  /** An integer from `least` to `most`. */
  from(least: number, most: number): number {
    return least + Math.floor(this.#next() * (most - least + 1));
  }

  is(probability: number): boolean {
    return this.#next() < probability;
  }

  one<T>(...choices: readonly T[]): T {
    return choices[this.from(0, choices.length - 1)]!;
  }
}

/** The outcome of a schedule. */
interface Played {
  readonly reasons: Partial<Record<RepeatReason, number>>;
  readonly poison: number;
}

/** The messages, the behaviour of their handlers, and their outcomes. */
class Orders {
  readonly count: number;
  readonly maxDeliveries: number;
  /** The handled messages, as a database would have them. */
  readonly handled = new Set<string>();
  /** The messages that were given up, and at which delivery. */
  readonly told = new Map<string, number[]>();
  /** Problems, noted because a sink would treat a throw as a failure. */
  readonly wrong: string[] = [];
  readonly #poison: number;
  readonly #failing: number;
  readonly #slow: number;
  readonly #dice: Dice;

  constructor(dice: Dice) {
    this.#dice = dice;
    this.count = dice.from(1, 24);
    this.maxDeliveries = dice.from(1, 5);
    this.#poison = dice.one(0, 0, 3, 7);
    this.#failing = dice.one(0, 0.1, 0.3);
    this.#slow = dice.one(0, 0.1, 0.3);
  }

  isPoison(id: string): boolean {
    return this.#poison > 0 && Number(id) % this.#poison === 0;
  }

  readonly settings: AckedSettings<MemoryDelivery<number>> = {
    maxDeliveries: 1,
    onPoison: ({ id, deliveries }, error) => {
      const beyond = deliveries - this.maxDeliveries;
      if (beyond < 0) this.wrong.push(`${id} was given up at delivery ${deliveries}`);
      if (beyond > 0 !== (error === undefined)) {
        this.wrong.push(`${id} was given up at delivery ${deliveries} with ${error}`);
      }
      this.told.set(id, [...this.told.get(id) ?? [], deliveries]);
    },
    delay: () => this.#dice.from(0, 500),
  };

  /** Handles one message. It may be slower than the ack wait, or fail. */
  async handle({ id, deliveries }: MemoryDelivery<number>): Promise<number> {
    if (deliveries > this.maxDeliveries) {
      this.wrong.push(`${id} is handled at delivery ${deliveries}`);
    }
    if (this.#dice.is(this.#slow)) await pass(this.#dice.from(WAIT, 3 * WAIT));
    else if (this.#dice.is(0.5)) await pass(this.#dice.from(0, 50));
    if (this.isPoison(id)) throw new Error(`poison ${id}`);
    if (this.#dice.is(this.#failing)) throw new Error(`busy ${id}`);
    this.handled.add(id);
    return Number(id);
  }

  /** Handles a batch. Single entries fail, or the whole batch. */
  readonly handleAll = async (batch: MemoryDelivery<number>[]): Promise<unknown> => {
    if (this.#dice.is(0.1)) throw new Error("no connection");
    const entries = batch.map((delivery) => this.handle(delivery));
    if (this.#dice.is(0.5)) return entries;
    const settled = await Promise.allSettled(entries);
    return settled.map((entry) => entry.status === "fulfilled" ? entry.value : entry.reason);
  };
}

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}

/** A random program with a sink of the core. */
function program(orders: Orders, dice: Dice): MemoryWork<number> {
  const settings = { ...orders.settings, maxDeliveries: orders.maxDeliveries };
  const concurrency = dice.from(1, 4);
  const [maxItems, linger] = [dice.from(1, 6), dice.one(0, 5, 100)];
  const some = {
    concurrency,
    onError: () => {},
    ...(dice.is(0.5) &&
      { retry: (_error: unknown, attempt: number) => attempt < 3 ? 10 * attempt : undefined }),
    ...(dice.is(0.3) && { timeout: 2 * WAIT }),
  };
  switch (dice.one("fanout", "batches", "aggregator")) {
    case "fanout":
      return (source: Source) => {
        const work = acked((delivery: MemoryDelivery<number>) => orders.handle(delivery), settings);
        return source.pipeTo(new Fanout(work, work.options(some)));
      };
    case "batches":
      return (source: Source) => {
        const work = acked(orders.handleAll, settings);
        return source.pipeThrough(new BatchStream({ maxItems, linger }))
          .pipeTo(new Fanout(work, work.options(some)));
      };
    case "aggregator":
      return (source: Source) => {
        const work = acked(orders.handleAll, settings);
        const key = ({ value }: MemoryDelivery<number>) => value % 3;
        return source.pipeTo(
          new Aggregator(work, work.options({ ...some, maxItems, linger, key })),
        );
      };
  }
}

/** A random event of a broker. */
function strike(broker: MemoryBroker<number>, dice: Dice): void {
  const { consumers } = broker;
  const consumer = consumers[dice.from(0, Math.max(0, consumers.length - 1))];
  switch (consumer && dice.one("crash", "crash", "pause", "leave", "restart")) {
    case "crash":
      return consumer!.crash();
    case "pause":
      consumer!.pause();
      setTimeout(() => consumer!.resume(), dice.from(1, 3 * WAIT));
      return;
    case "leave": // one that looks in
      return void broker.run((source) => source.cancel());
    default:
      return broker.restart();
  }
}

/** Plays a schedule to its end, and checks the promises. */
async function play(seed: number, clock: Clock): Promise<Played> {
  const dice = new Dice(seed);
  const orders = new Orders(dice);
  const rare = () => dice.one(0, 0, 0.02, 0.1);
  const broker = new MemoryBroker<number>({
    seed,
    ackWait: WAIT,
    faults: {
      lostAck: rare(),
      duplicate: rare(),
      crash: rare(),
      pause: rare(),
      restart: rare() / 4,
    },
  });
  const consumers = dice.from(1, 4);
  const options: MemoryConsumerOptions = { maxMessages: dice.from(1, 8), extend: dice.is(0.7) };
  const work = program(orders, dice);
  let over = false;
  const ran = broker.run(work, { consumers, ...options }).finally(() => over = true);
  for (let n = 0; n < orders.count; n++) {
    if (dice.is(0.2)) await clock.tick(dice.from(0, 20));
    broker.publish(n);
  }
  broker.close();
  for (let left = dice.from(0, 8); left > 0; left--) {
    await clock.tick(dice.from(1, WAIT));
    strike(broker, dice);
  }
  for (let waited = 0; !over; waited++) {
    assert(waited < 5000, `it does not end; ${broker.pending} are pending`);
    await clock.tick(WAIT);
  }
  await ran;
  // Lets handlers of crashed consumers end, and consumers wake up.
  while (clock.pending > 0) await clock.tick(WAIT);

  assertEquals(orders.wrong, []);
  const report = check(broker.history, { ackWait: WAIT });
  const { published, done, lost, termed, unpublished, unexplained, reasons } = report;
  assertEquals([published, lost, unpublished], [orders.count, [], []]);
  assertEquals(unexplained, []);
  assertEquals(done + termed.length, orders.count);
  const crashed = new Set<string>();
  for (const { kind, id, consumer } of broker.history) {
    if (kind === "crashed") crashed.add(consumer!);
    else if (kind !== "expired" && consumer) {
      assert(!crashed.has(consumer), `the dead have ${kind}`);
    }
    if (id === undefined) continue;
    // Done messages were handled, and given-up messages went to `onPoison`.
    const known = orders.handled.has(id) && !orders.isPoison(id) || orders.told.has(id);
    assert(known, `${id} was neither handled nor given up`);
  }
  for (const id of termed) assert(orders.told.has(id), `${id} was given up without onPoison`);
  return { reasons, poison: orders.told.size };
}

test(`Over ${SCHEDULES} schedules of crashes, restarts, lost acks and slow handlers no message is lost, and each repeat has its reason`, async () => {
  const reasons: Partial<Record<RepeatReason, number>> = {};
  let poison = 0;
  await withClock(async (clock) => {
    for (let seed = 0; seed < SCHEDULES; seed++) {
      try {
        const played = await play(seed, clock);
        poison += played.poison;
        for (const [reason, count] of Object.entries(played.reasons)) {
          reasons[reason as RepeatReason] = (reasons[reason as RepeatReason] ?? 0) + count;
        }
      } catch (error) {
        throw new Error(`seed ${seed} failed: ${(error as Error).message}`, { cause: error });
      }
    }
  });
  // Each event has happened many times.
  for (
    const reason of [
      ...["nak", "lost ack", "restart", "duplicate", "crash", "pause"],
      "ack wait over",
    ] as const
  ) {
    assert(
      (reasons[reason as RepeatReason] ?? 0) > SCHEDULES / 20,
      `${reason}: ${JSON.stringify(reasons)}`,
    );
  }
  assert(poison > SCHEDULES / 4, String(poison));
});
