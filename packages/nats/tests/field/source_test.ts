/** `jetStreamSource` against a real server. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { jetstream } from "@nats-io/jetstream";
import { jetStreamSource, type JetStreamSourceOptions } from "@weir/nats";
import { test } from "../../../../tests/support/test.ts";
import { eventually, Setup, take } from "./setup.ts";

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, n) => from + n);

test("jetStreamSource() gives every message once, in order, and what is acked is gone", async () => {
  await using setup = await Setup.start();
  await setup.fill(1000);
  const consumer = await setup.consumer();
  const seen: number[] = [];
  for await (const delivery of jetStreamSource(consumer, { connection: setup.connection })) {
    seen.push(Number(delivery.value.string()));
    assertEquals([delivery.settled, delivery.deliveries], [false, 1]);
    delivery.ack();
    assertEquals(delivery.settled, true);
    if (seen.length === 1000) break;
  }
  assertEquals(seen, numbers(1000));
  await setup.done();
});

test("jetStreamSource() asks for nothing before the first read", async () => {
  await using setup = await Setup.start();
  await setup.fill(10);
  const consumer = await setup.consumer();
  const source = jetStreamSource(consumer, { connection: setup.connection });
  const { num_waiting, num_ack_pending } = await consumer.info();
  assertEquals([num_waiting, num_ack_pending], [0, 0]);
  await source.cancel();
});

test("jetStreamSource() holds at most maxMessages beside what was read", async () => {
  await using setup = await Setup.start();
  await setup.fill(100);
  const consumer = await setup.consumer();
  const { connection } = setup;
  const reader = jetStreamSource(consumer, { connection, maxMessages: 10 }).getReader();
  let most = 0;
  for (let read = 1; read <= 40; read++) {
    await take(reader, 1);
    const ahead = await setup.outstanding() - read;
    assert(ahead <= 10, `${ahead} are held after ${read}`);
    most = Math.max(most, ahead);
  }
  assert(most > 5, `at most ${most} were asked for ahead`);
  await reader.cancel();
});

test("jetStreamSource() goes on where messages come one by one", async () => {
  await using setup = await Setup.start();
  const consumer = await setup.consumer();
  const reader = jetStreamSource(consumer, {
    connection: setup.connection,
    maxMessages: 4,
  }).getReader();
  for (let id = 0; id < 20; id++) {
    const next = take(reader, 1);
    setup.connection.publish("s.a", `${id}`);
    const [delivery] = await next;
    assertEquals(delivery!.value.string(), `${id}`);
    delivery!.ack();
  }
  await reader.cancel();
});

test("jetStreamSource() keeps to the limits of a consumer", async () => {
  await using setup = await Setup.start();
  await setup.fill(50);
  const consumer = await setup.consumer("c", { max_batch: 7, max_expires: 2e9 });
  const reader = jetStreamSource(consumer, { connection: setup.connection }).getReader();
  const all = await take(reader, 50);
  assertEquals(all.map(({ value }) => Number(value.string())), numbers(50));
  await reader.cancel();
});

test("jetStreamSource() tells the server of all it holds, for longer than the ack wait", async () => {
  await using setup = await Setup.start();
  await setup.fill(20);
  const consumer = await setup.consumer("c", { ackWait: 200 });
  const told = await setup.told();
  const { connection } = setup;
  const reader = jetStreamSource(consumer, { connection, maxMessages: 20 }).getReader();
  // Ten are handed out, ten wait.
  const first = await take(reader, 10);
  await eventually("six ack waits have passed", () => told.count(20, "+WPI") >= 12);
  for (const delivery of first) delivery.ack();
  for (const delivery of await take(reader, 10)) delivery.ack();
  await setup.done();
  assertEquals((await consumer.info()).num_redelivered, 0);
  await reader.cancel();
});

test("jetStreamSource() keeps to the shortest wait of a consumer with a backoff", async () => {
  await using setup = await Setup.start();
  await setup.fill(1);
  const consumer = await setup.consumer("c", { backoff: [60_000e6, 200e6], max_deliver: 5 });
  const told = await setup.told();
  const reader = jetStreamSource(consumer, { connection: setup.connection }).getReader();
  const [first] = await take(reader, 1);
  first!.nak();
  const [second] = await take(reader, 1);
  await eventually("three waits have passed", () => told.count(1, "+WPI") >= 6);
  second!.ack();
  await setup.done();
  assertEquals(told.count(1, "+ACK"), 1);
  assertEquals(second!.deliveries, 2);
  await reader.cancel();
});

test("a delivery that comes again has the same id, and counts", async () => {
  await using setup = await Setup.start();
  await setup.fill(2);
  const consumer = await setup.consumer();
  const reader = jetStreamSource(consumer, { connection: setup.connection }).getReader();
  const [first, second] = await take(reader, 2);
  assertEquals([first!.id, second!.id], ["S:1", "S:2"]);
  first!.nak();
  const [again] = await take(reader, 1);
  assertEquals([again!.id, again!.deliveries, again!.value.string()], ["S:1", 2, "0"]);
  again!.nak(100);
  const [later] = await take(reader, 1);
  assertEquals([later!.id, later!.deliveries], ["S:1", 3]);
  await reader.cancel();
});

test("of ack, nak and term the first counts", async () => {
  await using setup = await Setup.start();
  await setup.fill(3);
  const consumer = await setup.consumer();
  const told = await setup.told();
  const reader = jetStreamSource(consumer, { connection: setup.connection }).getReader();
  const [one, two, three] = await take(reader, 3);
  assertThrows(() => one!.nak(-1), RangeError, "delay");
  assertThrows(() => one!.nak(NaN), RangeError, "NaN");
  assertEquals(one!.settled, false);
  one!.ack();
  one!.nak();
  two!.term("broken");
  two!.ack();
  three!.nak(60_000);
  three!.term();
  await setup.connection.flush();
  assertEquals(told.all, ["1 +ACK", "2 +TERM broken", '3 -NAK {"delay":60000000000}']);
  await reader.cancel();
});

test("a message that its user acks by itself is settled, and not kept any more", async () => {
  await using setup = await Setup.start();
  await setup.fill(2);
  const consumer = await setup.consumer("c", { ackWait: 200 });
  const told = await setup.told();
  const reader = jetStreamSource(consumer, { connection: setup.connection }).getReader();
  const [own, other] = await take(reader, 2);
  own!.value.ack();
  assertEquals(own!.settled, true);
  own!.nak(); // has no effect
  await eventually("three ack waits have passed", () => told.count(2, "+WPI") >= 6);
  other!.ack();
  await setup.connection.flush();
  assertEquals(told.all.filter((text) => text.startsWith("1 ")), ["1 +ACK"]);
  await setup.done();
  await reader.cancel();
});

test("jetStreamSource() tells of what has not settled within maxHold, and the server hands it out again", async () => {
  await using setup = await Setup.start();
  await setup.fill(1);
  const consumer = await setup.consumer("c", { ackWait: 200 });
  const late: string[] = [];
  const reader = jetStreamSource(consumer, {
    connection: setup.connection,
    maxHold: 500,
    onLate: ({ id }) => late.push(id),
  }).getReader();
  const [first] = await take(reader, 1);
  const [again] = await take(reader, 1);
  assertEquals([late, again!.id, again!.deliveries], [["S:1"], "S:1", 2]);
  first!.ack();
  again!.ack();
  await setup.done();
  await reader.cancel();
});

test("what nobody reads is given back after maxHold", async () => {
  await using setup = await Setup.start();
  await setup.fill(2);
  const consumer = await setup.consumer("c", { ackWait: 200 });
  const { connection } = setup;
  const told = await setup.told();
  const late: string[] = [];
  const reader = jetStreamSource(consumer, {
    connection,
    maxHold: 500,
    onLate: ({ id }) => late.push(id),
  }).getReader();
  const [first] = await take(reader, 1);
  first!.ack();
  await eventually("the second is given back", () => told.count(2, "-NAK") === 1);
  const [second] = await take(reader, 1);
  assertEquals([second!.id, second!.deliveries, late], ["S:2", 2, []]);
  second!.ack();
  await reader.cancel();
});

test("two sources read by one connection, and the end of one leaves the other alone", async () => {
  await using setup = await Setup.start();
  await setup.fill(100);
  const { connection } = setup;
  const one = jetStreamSource(await setup.consumer("one"), { connection }).getReader();
  const two = jetStreamSource(await setup.consumer("two"), { connection }).getReader();
  const told = await setup.told("one");
  const [first] = await take(one, 1);
  for (const delivery of await take(two, 50)) delivery.ack();
  await one.cancel();
  for (const delivery of await take(two, 50)) delivery.ack();
  await setup.done("two");
  // What was handed out may still be acked.
  first!.ack();
  await connection.flush();
  assertEquals(told.count(1, "+ACK"), 1);
  await two.cancel();
});

test("two sources of a consumer share its messages", async () => {
  await using setup = await Setup.start();
  await setup.fill(1000);
  const other = await setup.server.connect();
  await setup.consumer();
  const seen: number[] = [];
  const read = async (connection: typeof other) => {
    const consumer = await setup.existing("c", connection);
    const stop = new AbortController();
    stops.push(stop);
    for await (
      const delivery of jetStreamSource(consumer, {
        connection,
        maxMessages: 10,
        signal: stop.signal,
      })
    ) {
      seen.push(Number(delivery.value.string()));
      delivery.ack();
      if (seen.length === 1000) { for (const stop of stops) stop.abort(); }
    }
  };
  const stops: AbortController[] = [];
  await Promise.all([read(setup.connection), read(other)]);
  assertEquals(seen.sort((a, b) => a - b), numbers(1000));
});

test("jetStreamSource() reads over a WebSocket", async () => {
  await using setup = await Setup.start();
  await setup.fill(1000);
  await setup.consumer();
  const connection = await setup.server.connectWeb();
  const consumer = await setup.existing("c", connection);
  const reader = jetStreamSource(consumer, { connection }).getReader();
  const all = await take(reader, 1000);
  for (const delivery of all) delivery.ack();
  assertEquals(all.map(({ value }) => Number(value.string())), numbers(1000));
  await reader.cancel();
  await connection.flush();
  await setup.done();
});

test("jetStreamSource() takes a consumer of any kind that has its methods", async () => {
  await using setup = await Setup.start();
  await setup.fill(3);
  const consumer = await setup.consumer();
  const wrapped = {
    fetch: (options: object) => consumer.fetch(options),
    info: () => consumer.info(),
  } as typeof consumer;
  const reader = jetStreamSource(wrapped, { connection: setup.connection }).getReader();
  assertEquals((await take(reader, 3)).length, 3);
  await reader.cancel();
});

test("jetStreamSource() refuses a consumer that does not expect each ack", async () => {
  await using setup = await Setup.start();
  await setup.fill(3);
  const { connection, js } = setup;
  for (const policy of ["none", "all"] as const) {
    const consumer = await setup.consumer(policy, { ack_policy: policy });
    const reader = jetStreamSource(consumer, { connection }).getReader();
    await assertRejects(
      () => reader.read(),
      TypeError,
      `jetStreamSource: the ack_policy of consumer "${policy}" of stream "S" must be "explicit"; got "${policy}"`,
    );
  }
  const ordered = await js.consumers.get("S", {});
  const reader = jetStreamSource(ordered, { connection }).getReader();
  await assertRejects(() => reader.read(), TypeError, 'must be "explicit"; got "none"');
});

test("jetStreamSource() refuses what is no consumer, and options that are wrong", async () => {
  await using setup = await Setup.start();
  const { connection } = setup;
  const consumer = await setup.consumer();
  const wrong = (options: unknown) => () =>
    jetStreamSource(consumer, options as JetStreamSourceOptions);
  assertThrows(wrong(undefined), TypeError, "jetStreamSource: options must be a plain object");
  assertThrows(wrong({}), TypeError, '"connection" must be a NatsConnection');
  assertThrows(wrong({ connection: jetstream(connection) }), TypeError, '"connection"');
  assertThrows(wrong({ connection, maxMessages: 0 }), RangeError, '"maxMessages"');
  assertThrows(wrong({ connection, maxMessages: "1" }), TypeError, '"maxMessages"');
  assertThrows(wrong({ connection, maxHold: 0 }), RangeError, '"maxHold"');
  assertThrows(wrong({ connection, onLate: 1 }), TypeError, '"onLate"');
  assertThrows(wrong({ connection, signal: {} }), TypeError, '"signal"');
  assertThrows(wrong({ connection, batch: 1 }), TypeError, 'unknown option "batch"');
  const push = {} as typeof consumer;
  assertThrows(() => jetStreamSource(push, { connection }), TypeError, "a pull consumer");
});
