/** Tests `MemoryBroker`: which consumer has which message, and for how long. */

import { assert, assertEquals } from "@std/assert";
import { withClock } from "../../../tests/support/clock.ts";
import { collect, microtasks, settled, turn } from "../../../tests/support/gate.ts";
import { test } from "../../../tests/support/test.ts";
import { timed } from "../../../tests/support/timed.ts";
import { check, MemoryBroker, type MemoryConsumer, type MemoryDelivery } from "../memory.ts";

const WAIT = 1000;

type Reader<T> = ReadableStreamDefaultReader<MemoryDelivery<T>>;

/** Reads one message, which must be there. */
async function take<T>(reader: Reader<T>): Promise<MemoryDelivery<T>> {
  const { done, value } = await reader.read();
  assert(!done);
  return value;
}

/** The value of a message, and its number of deliveries. */
async function next<T>(reader: Reader<T>): Promise<[T, number]> {
  const { value, deliveries } = await take(reader);
  return [value, deliveries];
}

/** A broker with some messages. */
function brokerOf<T>(...values: T[]): MemoryBroker<T> {
  const broker = new MemoryBroker<T>({ ackWait: WAIT });
  for (const value of values) broker.publish(value);
  return broker;
}

function readerOf<T>(consumer: MemoryConsumer<T>): Reader<T> {
  return consumer.deliveries.getReader();
}

/** The kinds of events in the history of a message. */
function kindsOf(broker: MemoryBroker<unknown>, id: string): string[] {
  return broker.history.filter((event) => event.id === id).map(({ kind }) => kind);
}

timed("MemoryBroker hands out each message once, in order, until it is acked", async (clock) => {
  const broker = brokerOf("a", "b", "c");
  const reader = broker.source().getReader();
  for (const value of ["a", "b", "c"]) {
    const delivery = await take(reader);
    assertEquals([delivery.value, delivery.deliveries, delivery.settled], [value, 1, false]);
    delivery.ack();
    assertEquals(delivery.settled, true);
  }
  assertEquals([broker.pending, clock.pending], [0, 0]);
  await broker.settled();
  await clock.tick(10 * WAIT);
  assertEquals(await settled(reader.read()), "pending");
  assertEquals(kindsOf(broker, "2"), ["published", "delivered", "taken", "acked"]);
});

test("MemoryBroker gives a message to the reader that has waited longest", async () => {
  const broker = brokerOf<number>();
  const readers = [1, 2, 3].map(() => broker.source().getReader());
  const reads = readers.map((reader) => take(reader));
  await turn();
  for (const n of [1, 2, 3]) broker.publish(n);
  const deliveries = await Promise.all(reads);
  assertEquals(deliveries.map(({ value }) => value), [1, 2, 3]);
  const again = take(readers[2]!);
  await turn();
  broker.publish(4);
  assertEquals((await again).value, 4);
});

test("A source asks for nothing before it is read, and then for `maxMessages` at once", async () => {
  const broker = brokerOf(...Array(10).keys());
  const [idle, some, rest] = [{}, { maxMessages: 3 }, {}].map((options) =>
    broker.consumer(options)
  );
  await turn();
  const reader = readerOf(some!);
  assertEquals((await take(reader)).value, 0);
  assertEquals([idle!.held, some!.held], [0, 3]);
  assertEquals((await take(readerOf(rest!))).value, 3);
  assertEquals(rest!.held, 7);
  for (const n of [1, 2]) assertEquals((await take(reader)).value, n);
  // Messages that were read don't count.
  assertEquals([some!.held, await settled(reader.read())], [3, "pending"]);
  const counted = broker.history.filter(({ kind }) => kind === "delivered").length;
  assertEquals(counted, 10);
});

timed(
  "MemoryBroker redelivers the messages of a crashed consumer after `ackWait`",
  async (clock) => {
    const broker = brokerOf("a", "b");
    const [one, two] = [broker.consumer(), broker.consumer()];
    const first = await take(readerOf(one));
    assertEquals([one.id, two.id, one.held], ["consumer-1", "consumer-2", 2]);
    one.crash();
    assertEquals([one.state, one.held], ["crashed", 0]);
    const reader = readerOf(two);
    const read = next(reader);
    await clock.tick(WAIT - 1);
    assertEquals(await settled(read), "pending");
    // A crashed consumer settles nothing.
    first.ack();
    first.nak();
    await clock.tick(1);
    assertEquals(await read, ["a", 2]);
    // Also messages that were only in its buffer.
    const second = await take(reader);
    assertEquals([second.value, second.deliveries, second.id], ["b", 2, "2"]);
    assertEquals(broker.pending, 2);
    assertEquals(kindsOf(broker, "2"), ["published", "delivered", "expired", "delivered", "taken"]);
    broker[Symbol.dispose]();
  },
);

test("A source errors when its consumer crashes, once", async () => {
  const broker = brokerOf("a");
  const consumer = broker.consumer();
  const reader = readerOf(consumer);
  await take(reader);
  const reads = [reader.read(), reader.read(), reader.closed].map((read) =>
    read.then(() => "nothing", (error) => (error as Error).message)
  );
  consumer.crash();
  consumer.crash();
  assertEquals(await Promise.all(reads), Array(3).fill("consumer-1 has crashed"));
  consumer.pause();
  consumer.resume();
  consumer.close();
  assertEquals(consumer.state, "crashed");
  assertEquals(broker.history.filter(({ consumer, id }) => consumer && !id).length, 1);
  assertEquals(broker.consumers, []);
  broker[Symbol.dispose]();
});

timed("A consumer extends its messages while it lives", async (clock) => {
  const broker = brokerOf("a", "b");
  const reader = broker.source().getReader();
  const slow = await take(reader);
  await clock.tick(50 * WAIT);
  assertEquals(clock.pending, 0);
  slow.ack();
  (await take(reader)).ack();
  assertEquals(broker.pending, 0);
});

timed("A consumer that does not extend loses a message after `ackWait`", async (clock) => {
  const broker = brokerOf("a");
  const reader = broker.source({ extend: false }).getReader();
  const slow = await take(reader);
  await clock.tick(WAIT - 1);
  const read = next(reader);
  assertEquals(await settled(read), "pending");
  await clock.tick(1);
  assertEquals(await read, ["a", 2]);
  // The ack of any delivery settles it.
  slow.ack();
  assertEquals(broker.pending, 0);
  await clock.tick(10 * WAIT);
  const { reasons, unexplained } = check(broker.history);
  assertEquals([reasons, unexplained], [{ "ack wait over": 1 }, []]);
});

timed("A nak hands a message out again, at once or after its delay", async (clock) => {
  const broker = brokerOf("a", "b");
  const reader = broker.source({ maxMessages: 1 }).getReader();
  (await take(reader)).nak();
  const again = await take(reader);
  assertEquals([again.value, again.deliveries], ["a", 2]);
  again.nak(500);
  assertEquals(await next(reader), ["b", 1]);
  const read = next(reader);
  await clock.tick(499);
  assertEquals(await settled(read), "pending");
  await clock.tick(1);
  assertEquals(await read, ["a", 3]);
  broker[Symbol.dispose]();
});

timed(
  "A message whose nak has a longer delay than `ackWait` waits for the delay",
  async (clock) => {
    const broker = brokerOf("a");
    const reader = broker.source({ extend: false }).getReader();
    (await take(reader)).nak(3 * WAIT);
    const read = next(reader);
    await clock.tick(3 * WAIT - 1);
    assertEquals(await settled(read), "pending");
    await clock.tick(1);
    assertEquals(await read, ["a", 2]);
    broker[Symbol.dispose]();
  },
);

test("A termed message is not delivered again, and the history has the reason", async () => {
  const broker = brokerOf("a", "b");
  const reader = broker.source().getReader();
  (await take(reader)).term("broken");
  (await take(reader)).term();
  assertEquals(broker.pending, 0);
  const termed = broker.history.filter(({ kind }) => kind === "termed");
  assertEquals(termed.map(({ id, reason }) => [id, reason]), [["1", "broken"], ["2", undefined]]);
  assertEquals(check(broker.history).termed, ["1", "2"]);
});

test("The first settlement of a delivery counts", async () => {
  const broker = brokerOf("a", "b", "c");
  const reader = broker.source().getReader();
  const [a, b, c] = [await take(reader), await take(reader), await take(reader)];
  a.ack();
  b.term();
  c.nak(WAIT);
  for (const delivery of [a, b, c]) {
    delivery.nak();
    delivery.term();
    delivery.ack();
  }
  const kinds = broker.history.slice(-3).map(({ kind }) => kind);
  assertEquals([kinds, broker.pending], [["acked", "termed", "nacked"], 1]);
  broker[Symbol.dispose]();
});

/** A message that another consumer has by now. */
async function stale(
  clock: { tick(ms: number): Promise<void> },
): Promise<[MemoryBroker<string>, old: MemoryDelivery<string>, MemoryDelivery<string>]> {
  const broker = brokerOf("a");
  const old = await take(broker.source({ extend: false }).getReader());
  await clock.tick(WAIT);
  return [broker, old, await take(broker.source().getReader())];
}

timed("An ack of an old delivery counts, and then nothing of the new one does", async (clock) => {
  const [broker, old, young] = await stale(clock);
  old.ack();
  assertEquals(broker.pending, 0);
  young.nak();
  assertEquals(await settled(broker.source().getReader().read()), "pending");
});

timed(
  "A nak of an old delivery delivers the message again besides the new delivery",
  async (clock) => {
    const [broker, old, young] = await stale(clock);
    old.nak();
    const third = await take(broker.source().getReader());
    assertEquals([young.deliveries, third.deliveries], [2, 3]);
    third.ack();
    young.ack();
    assertEquals(check(broker.history).reasons, { nak: 1, "ack wait over": 1 });
  },
);

timed("A late ack, or a late nak with a delay, takes a message out of the line", async (clock) => {
  for (const late of ["ack", "nak"] as const) {
    const broker = brokerOf("a");
    const old = await take(broker.source({ extend: false }).getReader());
    await clock.tick(WAIT);
    if (late === "nak") old.nak(500);
    else old.ack();
    const reader = broker.source().getReader();
    const read = reader.read();
    await clock.tick(499);
    assertEquals(await settled(read), "pending");
    await clock.tick(1);
    assertEquals(await settled(read), late === "nak" ? "fulfilled" : "pending");
    broker[Symbol.dispose]();
  }
});

timed("A message in line keeps its place when it is given back once more", async (clock) => {
  const broker = brokerOf("a", "b");
  const old = broker.source({ extend: false }).getReader();
  const [a, b] = [await take(old), await take(old)];
  await clock.tick(WAIT);
  a.nak();
  const reader = broker.source().getReader();
  const again = [await take(reader), await take(reader)];
  assertEquals(again.map(({ value, deliveries }) => [value, deliveries]), [["a", 2], ["b", 2]]);
  b.ack();
  again[0]!.ack();
  assertEquals(broker.pending, 0);
});

timed(
  "cancel() gives back the buffer at once, and the rest after `ackWait`",
  async (clock) => {
    const broker = brokerOf("a", "b", "c", "d");
    const one = broker.consumer();
    const reader = readerOf(one);
    const [a, b] = [await take(reader), await take(reader)];
    const pending = [reader.read(), reader.read(), reader.read()];
    for (const n of [0, 1]) (await pending[n]!).value!.nak(WAIT);
    await reader.cancel();
    assertEquals((await pending[2]!).done, true);
    assertEquals([one.state, one.held], ["cancelled", 2]);
    a.ack();
    assertEquals(broker.pending, 3);
    const other = broker.source({ maxMessages: 1 }).getReader();
    const read = next(other);
    await clock.tick(WAIT - 1);
    assertEquals(await settled(read), "pending");
    await clock.tick(1);
    const seen = [await read, await next(other), await next(other)].map(([value]) => value);
    assertEquals(seen.sort(), ["b", "c", "d"]);
    b.ack();
    assertEquals(broker.pending, 2);
    broker[Symbol.dispose]();

    const buffered = brokerOf("a", "b", "c");
    const first = buffered.source().getReader();
    await take(first);
    await first.cancel();
    const second = buffered.source().getReader();
    assertEquals([await next(second), await next(second)], [["b", 2], ["c", 2]]);
    buffered[Symbol.dispose]();
  },
);

timed(
  "close() of a consumer gives back its buffer, and goes on extending the rest",
  async (clock) => {
    const broker = brokerOf("a", "b");
    const one = broker.consumer();
    const reader = readerOf(one);
    const a = await take(reader);
    one.close();
    one.close();
    assertEquals((await reader.read()).done, true);
    const b = await take(broker.source().getReader());
    assertEquals([b.value, b.deliveries, one.state, one.held], ["b", 2, "closed", 1]);
    await clock.tick(10 * WAIT);
    a.ack();
    b.ack();
    assertEquals([broker.pending, one.held], [0, 0]);
  },
);

timed("A consumer that has closed may still crash", async (clock) => {
  const broker = brokerOf("a");
  const one = broker.consumer();
  const a = await take(readerOf(one));
  one.close();
  one.crash();
  a.ack();
  const read = next(broker.source().getReader());
  await clock.tick(WAIT);
  assertEquals([await read, one.state], [["a", 2], "crashed"]);
  broker[Symbol.dispose]();
});

timed("A paused consumer is given nothing, extends nothing, and says it later", async (clock) => {
  const broker = brokerOf("a", "b", "c");
  const one = broker.consumer();
  const reader = readerOf(one);
  const a = await take(reader);
  one.pause();
  one.pause();
  a.ack();
  const read = next(reader);
  await clock.tick(WAIT - 1);
  assertEquals([one.state, broker.pending, await settled(read)], ["paused", 3, "pending"]);
  one.resume();
  one.resume();
  // In time, because it was extended again.
  assertEquals([one.state, broker.pending, await read], ["open", 2, ["b", 1]]);
  await clock.tick(5 * WAIT);
  assertEquals(broker.history.some(({ kind }) => kind === "expired"), false);
  one.pause();
  await clock.tick(WAIT);
  const other = broker.source().getReader();
  assertEquals([await next(other), await next(other)], [["b", 2], ["c", 2]]);
  one.resume();
  // The messages in its buffer are stale, but it does not know that.
  const stale = await take(reader);
  assertEquals([stale.value, stale.deliveries], ["c", 1]);
  stale.ack();
  assertEquals(broker.pending, 1);
  const { reasons, unexplained } = check(broker.history, { ackWait: WAIT });
  assertEquals([reasons, unexplained], [{ pause: 2 }, []]);
  broker[Symbol.dispose]();
});

test("A consumer that resumes gives its reader nothing without demand", async () => {
  const broker = brokerOf("a", "b");
  const consumer = broker.consumer();
  const reader = readerOf(consumer);
  await take(reader);
  consumer.pause();
  consumer.resume();
  assertEquals(broker.history.filter(({ kind }) => kind === "taken").length, 1);
  assertEquals(await next(reader), ["b", 1]);
  broker[Symbol.dispose]();
});

timed("The acks of a paused consumer are lost if it crashes", async (clock) => {
  const broker = brokerOf("a");
  const one = broker.consumer();
  const a = await take(readerOf(one));
  one.pause();
  a.ack();
  one.crash();
  const read = next(broker.source().getReader());
  await clock.tick(WAIT);
  assertEquals(await read, ["a", 2]);
  broker[Symbol.dispose]();
});

timed(
  "A paused consumer that is cancelled gives back its buffer when it resumes",
  async (clock) => {
    const broker = brokerOf("a", "b");
    const one = broker.consumer();
    const reader = readerOf(one);
    await take(reader);
    one.pause();
    await reader.cancel();
    const other = broker.source().getReader();
    const read = next(other);
    await clock.tick(WAIT / 2);
    assertEquals(await settled(read), "pending");
    one.resume();
    assertEquals(await read, ["b", 2]);
    const last = next(other);
    await clock.tick(WAIT / 2);
    assertEquals(await last, ["a", 2]);
    broker[Symbol.dispose]();
  },
);

test("A paused consumer that waits gets a published message only when it resumes", async () => {
  const broker = brokerOf<string>();
  const [one, two] = [broker.consumer(), broker.consumer()];
  const reads = [one, two].map((consumer) => take(readerOf(consumer)));
  await turn();
  one.pause();
  broker.publish("a");
  assertEquals((await reads[1]!).value, "a");
  broker.publish("b");
  assertEquals(await settled(reads[0]!), "pending");
  one.resume();
  assertEquals((await reads[0]!).value, "b");
});

test("close() of the broker ends its sources when all messages are settled, and no sooner", async () => {
  const broker = brokerOf("a", "b");
  const [idle, one] = [broker.source(), broker.source()];
  const reader = one.getReader();
  const [a, b] = [await take(reader), await take(reader)];
  const closed = broker.close();
  const end = reader.read();
  a.ack();
  assertEquals([await settled(closed), await settled(end)], ["pending", "pending"]);
  b.nak();
  assertEquals((await end).value?.deliveries, 2);
  b.ack(); // has no effect
  (await end).value!.ack();
  await closed;
  assertEquals((await reader.read()).done, true);
  assertEquals(await collect(idle), []);
  // A later source also ends.
  assertEquals(await collect(broker.source()), []);
  assertEquals([broker.consumers, broker.consumer().state], [[], "closed"]);
  await broker.close();
});

test("settled() resolves when all messages are acked or termed, and at once when none is pending", async () => {
  const broker = brokerOf<string>();
  await broker.settled();
  const reader = broker.source().getReader();
  for (const value of ["a", "b"]) {
    broker.publish(value);
    const done = [broker.settled(), broker.settled()];
    assertEquals(await settled(done[0]!), "pending");
    (await take(reader)).ack();
    await Promise.all(done);
  }
});

timed("A broker that is disposed ends its sources, and has no timer", async (clock) => {
  const broker = brokerOf("a", "b");
  const [one, two] = [broker.consumer(), broker.consumer({ extend: false })];
  const a = await take(readerOf(one));
  one.pause();
  assert(clock.pending > 0);
  const done = broker.settled();
  broker[Symbol.dispose]();
  broker[Symbol.dispose]();
  await done;
  assertEquals(clock.pending, 0);
  assertEquals(await collect(two.deliveries), []);
  a.nak(WAIT);
  one.resume();
  one.crash();
  broker.restart();
  assertEquals(clock.pending, 0);
});

timed("MemoryBroker redelivers under fake timers while the clock is real", async (clock) => {
  const broker = new MemoryBroker<string>({ ackWait: 3_600_000 });
  for (const value of ["a", "b"]) broker.publish(value);
  const one = broker.consumer({ maxMessages: 1 });
  const reader = readerOf(one);
  await take(reader);
  (await take(reader)).nak(7_200_000);
  one.crash();
  const other = broker.source().getReader();
  const reads = [next(other), next(other)];
  await clock.tick(3_600_000);
  assertEquals(await reads[0], ["a", 2]);
  assertEquals(await settled(reads[1]!), "pending");
  await clock.tick(3_600_000);
  assertEquals(await reads[1], ["b", 2]);
  broker[Symbol.dispose]();
}, true);

test("The time of a history never goes back, even if the clock does", async () => {
  const broker = await withClock(async (clock) => {
    const broker = brokerOf("a");
    await clock.tick(10 * 3_600_000);
    broker.publish("b");
    return broker;
  });
  broker.publish("c");
  const times = broker.history.map(({ at }) => at);
  assertEquals(times, [0, 36_000_000, 36_000_000]);
});

timed("MemoryBroker has one timer at most", async (clock) => {
  const broker = brokerOf(...Array(100).keys());
  const reader = broker.source({ extend: false, maxMessages: 100 }).getReader();
  for (let n = 0; n < 100; n++) {
    (await take(reader)).nak(1000 - 100 * Math.floor(n / 10));
    assertEquals(clock.pending, 1);
  }
  const again: number[] = [];
  void (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      again.push(value.value);
      value.ack();
    }
  })();
  await clock.tick(1000);
  // By their delays, and for equal delays by the order of their naks.
  const order = (n: number) => 10 * (9 - Math.floor(n / 10)) + n % 10;
  assertEquals(again, [...Array(100).keys()].map(order));
  await microtasks();
  assertEquals(clock.pending, 0);
});
