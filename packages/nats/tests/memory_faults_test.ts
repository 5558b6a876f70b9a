/** Tests the faults of `MemoryBroker`, their seed, and `run`. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { collect, gate, settled, turn } from "../../../tests/support/gate.ts";
import { test } from "../../../tests/support/test.ts";
import { timed } from "../../../tests/support/timed.ts";
import {
  type BrokerEventKind,
  check,
  MemoryBroker,
  type MemoryBrokerOptions,
  type MemoryConsumer,
  type MemoryDelivery,
  type MemoryFaults,
} from "../memory.ts";

const WAIT = 1000;
const ALL = { lostAck: 0, duplicate: 0, crash: 0, pause: 0, restart: 0 };

/** A broker with messages and faults. */
function brokerOf(count: number, options: MemoryBrokerOptions = {}): MemoryBroker<number> {
  const broker = new MemoryBroker<number>({ ackWait: WAIT, ...options });
  for (let n = 0; n < count; n++) broker.publish(n);
  return broker;
}

/** The number of events of a kind. */
function count(broker: MemoryBroker<unknown>, kind: BrokerEventKind): number {
  return broker.history.filter((event) => event.kind === kind).length;
}

/** A program that acks its messages. */
async function ackAll(source: ReadableStream<MemoryDelivery<unknown>>): Promise<void> {
  for await (const delivery of source) delivery.ack();
}

timed("An ack that is lost has its message handed out again after `ackWait`", async (clock) => {
  const broker = brokerOf(1, { faults: { lostAck: 1 } });
  const reader = broker.source().getReader();
  (await reader.read()).value!.ack();
  assertEquals([broker.pending, count(broker, "lost"), count(broker, "acked")], [1, 1, 0]);
  assertEquals(broker.faults, { ...ALL, lostAck: 1 });
  broker.faults = {};
  assertEquals(broker.faults, ALL);
  const again = reader.read();
  await clock.tick(WAIT - 1);
  assertEquals(await settled(again), "pending");
  await clock.tick(1);
  (await again).value!.ack();
  await broker.settled();
  const { reasons, unexplained } = check(broker.history, { ackWait: WAIT });
  assertEquals([reasons, unexplained], [{ "lost ack": 1 }, []]);
});

timed("A lost nak or term does not reach the broker", async (clock) => {
  const broker = brokerOf(2, { faults: { lostAck: 1 } });
  const reader = broker.source().getReader();
  (await reader.read()).value!.nak();
  (await reader.read()).value!.term();
  await clock.tick(WAIT - 1);
  assertEquals([count(broker, "delivered"), count(broker, "lost")], [2, 2]);
  await clock.tick(1);
  assertEquals(count(broker, "expired"), 2);
  broker[Symbol.dispose]();
});

test("A duplicate is delivered besides its message, and not duplicated again", async () => {
  const broker = brokerOf(3, { faults: { duplicate: 1 } });
  broker.close();
  const deliveries = (await collect(
    broker.source().pipeThrough(
      new TransformStream<MemoryDelivery<number>, MemoryDelivery<number>>({
        transform(delivery, controller) {
          controller.enqueue(delivery);
          if (delivery.deliveries === 2) delivery.ack();
        },
      }),
    ),
  )).map(({ value, deliveries }) => [value, deliveries]);
  assertEquals(deliveries.sort(), [[0, 1], [0, 2], [1, 1], [1, 2], [2, 1], [2, 2]]);
  const { reasons, unexplained } = check(broker.history);
  assertEquals([reasons, unexplained], [{ duplicate: 3 }, []]);
});

timed("A consumer crashes when it takes a message, or when it settles one", async (clock) => {
  const broker = brokerOf(1, { faults: { crash: 1 } });
  const first = broker.source().getReader();
  const { value } = await first.read();
  await assertRejects(() => first.read(), Error, "consumer-1 has crashed");
  value!.ack();
  assertEquals([broker.pending, count(broker, "crashed")], [1, 1]);
  await clock.tick(WAIT);

  broker.faults = {};
  const second = broker.source().getReader();
  const again = (await second.read()).value!;
  broker.faults = { crash: 1 };
  again.ack();
  await assertRejects(() => second.read(), Error, "consumer-2 has crashed");
  assertEquals([broker.pending, again.deliveries], [1, 2]);
  await clock.tick(WAIT);

  broker.faults = {};
  (await broker.source().getReader().read()).value!.ack();
  assertEquals(check(broker.history).reasons, { crash: 2 });
});

timed("A consumer pauses for up to twice `ackWait`, and wakes up by itself", async (clock) => {
  const broker = brokerOf(2, { faults: { pause: 1 } });
  const consumer = broker.consumer();
  const reader = consumer.deliveries.getReader();
  await reader.read();
  const read = reader.read();
  assertEquals([consumer.state, await settled(read)], ["paused", "pending"]);
  broker.faults = {};
  await clock.tick(2 * WAIT);
  assertEquals([consumer.state, (await read).value!.value], ["open", 1]);
  broker[Symbol.dispose]();
});

timed("A consumer that has paused wakes up when all is settled", async (clock) => {
  const broker = brokerOf(1, { faults: { pause: 1 } });
  const consumer = broker.consumer();
  await consumer.deliveries.getReader().read();
  broker.faults = {};
  const read = broker.source().getReader().read();
  while (await settled(read) === "pending") broker.restart();
  assertEquals([consumer.state, clock.pending], ["paused", 1]);
  (await read).value!.ack();
  assertEquals([consumer.state, broker.pending, clock.pending], ["open", 0, 0]);
});

timed("No consumer pauses with an ack wait of Infinity", async (clock) => {
  const broker = brokerOf(1, { ackWait: Infinity, faults: { pause: 1 } });
  const consumer = broker.consumer();
  const reader = consumer.deliveries.getReader();
  const { value } = await reader.read();
  assertEquals([consumer.state, clock.pending], ["open", 0]);
  // The messages of a crashed consumer are gone for good, except for a restart.
  consumer.crash();
  await clock.tick(2 ** 31);
  assertEquals([broker.pending, check(broker.history).lost], [1, ["1"]]);
  value!.ack();
  assertEquals(broker.pending, 1);
});

test("A restart may lose any of the latest 16 acks, and no other", async () => {
  const broker = brokerOf(100);
  const reader = broker.source().getReader();
  for (let n = 0; n < 100; n++) (await reader.read()).value!.ack();
  await broker.settled();
  broker.restart();
  const forgotten = broker.history.filter(({ kind }) => kind === "forgotten").map(({ id }) => +id!);
  assert(forgotten.length > 0 && forgotten.length < 16, String(forgotten));
  assert(forgotten.every((id) => id > 84), String(forgotten));
  assertEquals(broker.pending, forgotten.length);
  const again: number[] = [];
  while (broker.pending > 0) {
    const { value } = await reader.read();
    again.push(Number(value!.id));
    assertEquals(value!.deliveries, 2);
    value!.ack();
  }
  assertEquals(again, forgotten);
  const { lost, unexplained, reasons } = check(broker.history);
  assertEquals([lost, unexplained, reasons], [[], [], { restart: again.length }]);
});

test("A restart may deliver the messages of consumers again, and they stay connected", async () => {
  const broker = brokerOf(100);
  const [one, two] = [broker.consumer({ maxMessages: 100 }), broker.consumer()];
  const reader = one.deliveries.getReader();
  await reader.read();
  const read = two.deliveries.getReader().read();
  assertEquals(await settled(read), "pending");
  broker.restart();
  assertEquals((await read).value!.deliveries, 2);
  assertEquals([one.state, two.state, one.held], ["open", "open", 100]);
  assertEquals([two.held, count(broker, "delivered")], [1, 101]);
  broker[Symbol.dispose]();
});

test("A restart without consumers, or at the end, changes nothing", async () => {
  const broker = brokerOf(2);
  broker.restart();
  broker.close();
  await ackAll(broker.source());
  broker.restart();
  await broker.close();
  assertEquals([broker.pending, count(broker, "restarted"), count(broker, "forgotten")], [0, 2, 0]);
});

test("The broker restarts when a consumer takes a message", async () => {
  const broker = brokerOf(3, { faults: { restart: 1 } });
  const reader = broker.source({ maxMessages: 1 }).getReader();
  await reader.read();
  await reader.read();
  assertEquals(count(broker, "restarted"), 2);
  broker[Symbol.dispose]();
});

/** The history with all faults and a fake clock. */
function play(seed: number, clock: { tick(ms: number): Promise<void> }): Promise<string> {
  return drive(new MemoryBroker<number>({ seed, ackWait: WAIT, faults: SOME }), clock);
}

const SOME: MemoryFaults = {
  lostAck: 0.1,
  duplicate: 0.1,
  crash: 0.05,
  pause: 0.05,
  restart: 0.02,
};

async function drive(
  broker: MemoryBroker<number>,
  clock: { tick(ms: number): Promise<void> },
): Promise<string> {
  for (let n = 0; n < 50; n++) broker.publish(n);
  broker.close();
  const ran = broker.run(ackAll, { consumers: 3, maxMessages: 4 });
  while (broker.pending > 0) await clock.tick(100);
  await ran;
  const { lost, unexplained } = check(broker.history, { ackWait: WAIT });
  assertEquals([lost, unexplained], [[], []]);
  return JSON.stringify(broker.history);
}

timed("The same seed makes the same faults, and another one makes others", async (clock) => {
  assertEquals(
    await play(0, clock),
    await drive(
      new MemoryBroker<number>({ ackWait: WAIT, faults: SOME }),
      clock,
    ),
  );
  const played = [await play(1, clock), await play(2, clock), await play(2 ** 32 - 1, clock)];
  assertEquals(await play(1, clock), played[0]);
  assertEquals(new Set(played).size, 3);
  assertEquals(new MemoryBroker({ seed: 7 }).seed, 7);
});

test("Two brokers are independent", async () => {
  const [one, two] = [brokerOf(3), brokerOf(3)];
  const other = two.source().getReader();
  await other.read();
  one.restart();
  one.close();
  await one.run(ackAll);
  assertEquals([one.pending, two.pending, two.consumers.length], [0, 3, 1]);
  assertEquals([one.publish.length, two.history.length], [1, 3 + 3 + 1]);
  two[Symbol.dispose]();
});

test("run() ends when the broker is closed and all messages are settled", async () => {
  const broker = brokerOf(10);
  const sources = new Set<unknown>();
  const ran = broker.run(async (source, consumer) => {
    assertEquals(source, consumer.deliveries);
    sources.add(source);
    await ackAll(source);
  }, { consumers: 3 });
  await broker.settled();
  assertEquals([await settled(ran), broker.consumers.length, sources.size], ["pending", 3, 3]);
  broker.publish(10);
  await broker.close();
  await ran;
  assertEquals([count(broker, "acked"), count(broker, "left")], [11, 0]);
});

test("run() starts a program again when its consumer crashes, even one that hangs", async () => {
  const broker = brokerOf(3);
  broker.close();
  const never = gate();
  const names: string[] = [];
  const ran = broker.run(async (source, { id }) => {
    names.push(id);
    if (names.length === 1) await never.promise;
    else if (names.length === 2) await source.getReader().closed;
    // This program reports nothing, though its source has failed.
    else if (names.length === 3) await source.getReader().closed.catch(() => {});
    else await ackAll(source);
  });
  for (let n = 1; n <= 3; n++) {
    await turn();
    assertEquals([names.length, broker.consumers.length], [n, 1]);
    broker.consumers[0]!.crash();
  }
  await ran;
  assertEquals(names, ["consumer-1", "consumer-2", "consumer-3", "consumer-4"]);
});

test("run() fails with the error of a program, and ends the others", async () => {
  for (
    const fail of [() => Promise.reject("broken"), () => {
      throw "broken";
    }]
  ) {
    const broker = brokerOf(3);
    const states: string[] = [];
    const consumers: MemoryConsumer<number>[] = [];
    const ran = broker.run(async (source, consumer) => {
      consumers.push(consumer);
      if (consumer.id === "consumer-2") return await fail();
      await ackAll(source);
      states.push(consumer.state);
    }, { consumers: 3 });
    assertEquals(await ran.catch((error) => error), "broken");
    for (const consumer of consumers) consumer.crash();
    await turn();
    // No program starts again.
    assertEquals([consumers.length, broker.consumers, states.length], [3, [], 2]);
    broker[Symbol.dispose]();
  }
});

timed("A program that ends early leaves its messages to others", async (clock) => {
  const broker = brokerOf(2);
  await broker.run(async (source) => void await source.getReader().read());
  const reader = broker.source().getReader();
  const first = (await reader.read()).value!;
  assertEquals([first.value, first.deliveries], [1, 2]);
  const read = reader.read();
  await clock.tick(WAIT);
  const second = (await read).value!;
  assertEquals([second.value, second.deliveries], [0, 2]);
  for (const delivery of [first, second]) delivery.ack();
  assertEquals(check(broker.history).reasons, { left: 1 });
});

test("MemoryBroker refuses wrong options", async () => {
  const make = (options: unknown) => () => new MemoryBroker(options as MemoryBrokerOptions);
  for (const ackWait of [0, -1, NaN, 2 ** 31]) {
    assertThrows(make({ ackWait }), RangeError, 'MemoryBroker: option "ackWait" must be a number');
  }
  for (const seed of [-1, 0.5, 2 ** 32, NaN]) {
    assertThrows(make({ seed }), RangeError, 'MemoryBroker: option "seed" must be an integer');
  }
  assertThrows(make({ ackWait: "1" }), TypeError, '"ackWait"');
  assertThrows(make({ lostAck: 1 }), TypeError, 'unknown option "lostAck"');
  assertThrows(make(null), TypeError, "options must be a plain object");
  assertThrows(make({ faults: 1 }), TypeError, '"faults" must be an object');
  assertThrows(
    make({ faults: { crash: 2 } }),
    RangeError,
    'MemoryBroker.faults: option "crash" must be a number from 0 to 1; got 2',
  );
  assertThrows(make({ faults: { crashes: 1 } }), TypeError, 'unknown option "crashes"');

  const broker = new MemoryBroker<number>();
  assertEquals([broker.ackWait, broker.seed], [30_000, 0]);
  assertThrows(() => broker.faults = { pause: NaN }, RangeError, '"pause"');
  const wrong = { maxMessages: 0 };
  assertThrows(() => broker.source(wrong), RangeError, 'MemoryBroker.source: option "maxMessages"');
  assertThrows(() => broker.consumer(wrong), RangeError, "MemoryBroker.consumer: option");
  await assertRejects(() => broker.run(ackAll, wrong), RangeError, "MemoryBroker.run: option");
  await assertRejects(() => broker.run(1 as never), TypeError, '"work" must be a function; got 1');
  await assertRejects(() => broker.run(ackAll, { consumers: 0 }), RangeError, '"consumers"');

  broker.publish(1);
  const { value } = await broker.source().getReader().read();
  for (const delay of [-1, NaN, Infinity]) {
    assertThrows(() => value!.nak(delay), RangeError, 'MemoryDelivery.nak: option "delay"');
  }
  assertEquals(value!.settled, false);
  value!.ack();
  await broker.close();
  assertThrows(() => broker.publish(2), TypeError, "MemoryBroker.publish: the broker is closed");
});

test("100,000 messages and 1,000 consumers work", async () => {
  const broker = brokerOf(100_000);
  broker.close();
  await broker.run(ackAll, { consumers: 1000, maxMessages: 16 });
  const { published, done, lost, repeats } = check(broker.history);
  assertEquals([published, done, lost, repeats], [100_000, 100_000, [], []]);
});
