/** Tests `jetStreamSource` with a real server. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { jetstream } from "@nats-io/jetstream";
import { jetStreamSource, type JetStreamSourceOptions } from "@weir/nats";
import { test } from "../../../../tests/support/test.ts";
import { Setup, take } from "./setup.ts";

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, n) => from + n);

test("jetStreamSource() gives every message once, in order, and acked messages are gone", async () => {
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

test("jetStreamSource() holds at most maxMessages besides the read ones", async () => {
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
  assert(most > 5, `at most ${most} were requested ahead`);
  await reader.cancel();
});

test("jetStreamSource() goes on when messages arrive one by one", async () => {
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

test("jetStreamSource() respects the limits of a consumer", async () => {
  await using setup = await Setup.start();
  await setup.fill(50);
  const consumer = await setup.consumer("c", { max_batch: 7, max_expires: 2e9 });
  const reader = jetStreamSource(consumer, { connection: setup.connection }).getReader();
  const all = await take(reader, 50);
  assertEquals(all.map(({ value }) => Number(value.string())), numbers(50));
  await reader.cancel();
});

test("two sources share one connection, and the end of one leaves the other alone", async () => {
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
  // Messages that were read may still be acked.
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

test("jetStreamSource() refuses a consumer with max_deliver, unless that is allowed", async () => {
  await using setup = await Setup.start();
  await setup.fill(1);
  const { connection } = setup;
  const consumer = await setup.consumer("c", { max_deliver: 2 });
  const refused = jetStreamSource(consumer, { connection }).getReader();
  await assertRejects(
    () => refused.read(),
    TypeError,
    'jetStreamSource: the consumer "c" of stream "S" has max_deliver 2, after which the server gives a ' +
      'message up in silence; leave it out, and give acked a maxDeliveries, or set option "allowMaxDeliver"',
  );
  const reader = jetStreamSource(consumer, { connection, allowMaxDeliver: true }).getReader();
  const { value } = await reader.read();
  value!.ack();
  await reader.cancel();
});

test("jetStreamSource() refuses a wrong consumer and wrong options", async () => {
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
  assertThrows(wrong({ connection, allowMaxDeliver: 1 }), TypeError, '"allowMaxDeliver"');
  assertThrows(wrong({ connection, onLate: 1 }), TypeError, '"onLate"');
  assertThrows(wrong({ connection, signal: {} }), TypeError, '"signal"');
  assertThrows(wrong({ connection, batch: 1 }), TypeError, 'unknown option "batch"');
  const other = await setup.server.connect();
  assertThrows(wrong({ connection: other }), TypeError, "must be that of the consumer");
  const push = {} as typeof consumer;
  assertThrows(() => jetStreamSource(push, { connection }), TypeError, "a pull consumer");
});
