/** Tests the ends of `jetStreamSource`: by its reader, a signal, or an error. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { jetStreamSource } from "@weir/nats";
import { settled } from "../../../../tests/support/gate.ts";
import { test } from "../../../../tests/support/test.ts";
import { NatsServer } from "./nats_server.ts";
import { eventually, Setup, take } from "./setup.ts";

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, n) => from + n);

test("cancel() gives back waiting messages, and another process gets them at once", async () => {
  await using setup = await Setup.start();
  await setup.fill(100);
  const consumer = await setup.consumer();
  const reader = jetStreamSource(consumer, {
    connection: setup.connection,
    maxMessages: 90,
  }).getReader();
  for (const delivery of await take(reader, 5)) delivery.ack();
  await eventually("95 are held", async () => await setup.outstanding() === 90 - 5);
  await reader.cancel();

  const other = await setup.server.connect();
  const next = jetStreamSource(await setup.existing("c", other), { connection: other }).getReader();
  const rest = await take(next, 95);
  const ids = rest.map(({ value }) => Number(value.string())).sort((a, b) => a - b);
  assertEquals(ids, numbers(95, 5));
  assertEquals(rest.filter(({ deliveries }) => deliveries === 2).length, 85);
  await next.cancel();
});

test("cancel() gives back messages that arrive while it ends", async () => {
  await using setup = await Setup.start();
  const consumer = await setup.consumer();
  const { connection } = setup;
  const publisher = await setup.server.connect();
  for (let round = 0; round < 20; round++) {
    const reader = jetStreamSource(consumer, { connection, maxMessages: 500 }).getReader();
    const first = reader.read();
    for (let id = 0; id < 200; id++) publisher.publish("s.a", `${id}`);
    await first;
    // Some messages have arrived, some are on their way, and some come later.
    const canceled = reader.cancel();
    await publisher.flush();
    await canceled;
  }
  // Messages that were read come again after the ack wait of 30 seconds. All others come at once.
  const reader = jetStreamSource(consumer, { connection }).getReader();
  const rest = new Set<string>();
  const start = performance.now();
  while (rest.size < 20 * 200 - 20) {
    const [delivery] = await take(reader, 1);
    delivery!.ack();
    rest.add(delivery!.id);
  }
  assert(performance.now() - start < 25_000, "some came after their ack wait");
  await reader.cancel();
});

test("after cancel() the server delivers messages again that were read and do not settle", async () => {
  await using setup = await Setup.start();
  await setup.fill(1);
  const consumer = await setup.consumer("c", { ackWait: 200 });
  const { connection } = setup;
  const reader = jetStreamSource(consumer, { connection }).getReader();
  await take(reader, 1);
  await reader.cancel();
  const next = jetStreamSource(consumer, { connection }).getReader();
  const [again] = await take(next, 1);
  assertEquals([again!.id, again!.deliveries], ["S:1", 2]);
  await next.cancel();
});

test("cancel() before the first read asks for nothing", async () => {
  await using setup = await Setup.start();
  await setup.fill(1);
  const consumer = await setup.consumer();
  await jetStreamSource(consumer, { connection: setup.connection }).cancel();
  assertEquals(await setup.outstanding(), 0);
});

test("cancel() resolves although the server is stalled", async () => {
  await using setup = await Setup.start();
  await setup.fill(10);
  const consumer = await setup.consumer();
  const reader = jetStreamSource(consumer, { connection: setup.connection }).getReader();
  await take(reader, 1);
  await setup.server.stall();
  await reader.cancel();
});

test("a signal ends the stream, gives back waiting messages, and keeps read messages until they settle", async () => {
  await using setup = await Setup.start();
  await setup.fill(20);
  const consumer = await setup.consumer("c", { ackWait: 800 });
  const { connection } = setup;
  const told = await setup.told();
  const stop = new AbortController();
  const source = jetStreamSource(consumer, { connection, signal: stop.signal });
  const reader = source.getReader();
  const read = await take(reader, 5);
  await eventually("20 are held", async () => await setup.outstanding() === 20);
  stop.abort(new Error("the reason is for others"));
  assertEquals((await reader.read()).done, true);
  await eventually("15 are given back", () => {
    return numbers(15, 6).every((id) => told.count(id, "-NAK") === 1);
  });

  const next = jetStreamSource(consumer, { connection }).getReader();
  const rest = await take(next, 15);
  assertEquals(
    rest.map(({ value }) => Number(value.string())).sort((a, b) => a - b),
    numbers(15, 5),
  );
  await eventually("three ack waits have passed", () => told.count(1, "+WPI") >= 6);
  for (const delivery of [...read, ...rest]) delivery.ack();
  await setup.done();
  assert(read.every(({ id }) => !rest.some((other) => other.id === id)));
  assertEquals(told.all.filter((text) => text.endsWith("+ACK")).length, 20);
  await next.cancel();
});

test("a signal ends a pending read, and a source without a read", async () => {
  await using setup = await Setup.start();
  const consumer = await setup.consumer();
  const { connection } = setup;
  const stop = new AbortController();
  const { signal } = stop;
  const waiting = jetStreamSource(consumer, { connection, signal }).getReader().read();
  const unread = jetStreamSource(consumer, { connection, signal });
  assertEquals(await settled(waiting), "pending");
  stop.abort();
  assertEquals((await waiting).done, true);
  assertEquals((await unread.getReader().read()).done, true);
  const late = jetStreamSource(consumer, { connection, signal });
  assertEquals((await late.getReader().read()).done, true);
  await eventually("no request waits", async () => (await consumer.info()).num_waiting === 0);
});

test("a closed connection errors the stream", async () => {
  await using setup = await Setup.start();
  await setup.fill(1);
  await setup.consumer();
  const connection = await setup.server.connect();
  const consumer = await setup.existing("c", connection);
  const reader = jetStreamSource(consumer, { connection }).getReader();
  const [delivery] = await take(reader, 1);
  const waiting = reader.read();
  waiting.catch(() => {});
  assertEquals(await settled(waiting), "pending");
  await connection.close();
  await assertRejects(() => waiting, Error, "jetStreamSource: the connection is closed");
  delivery!.ack(); // has no effect
  const late = jetStreamSource(consumer, { connection }).getReader();
  await assertRejects(() => late.read(), Error, "jetStreamSource: the connection is closed");
});

test("a drained connection errors the stream", async () => {
  await using setup = await Setup.start();
  await setup.consumer();
  const connection = await setup.server.connect();
  const consumer = await setup.existing("c", connection);
  const waiting = jetStreamSource(consumer, { connection }).getReader().read();
  waiting.catch(() => {});
  await eventually("it waits", async () => (await consumer.info()).num_waiting === 1);
  await connection.drain();
  await assertRejects(() => waiting, Error, "jetStreamSource: ");
});

test("a connection that gives up errors the stream", async () => {
  await using setup = await Setup.start();
  await setup.consumer();
  const connection = await setup.server.connect({ maxReconnectAttempts: 2 });
  const consumer = await setup.existing("c", connection);
  const waiting = jetStreamSource(consumer, { connection }).getReader().read();
  waiting.catch(() => {});
  assertEquals(await settled(waiting), "pending");
  await setup.server.kill();
  const error = await assertRejects(() => waiting, Error, "the connection is closed");
  assert(error.cause instanceof Error);
});

test("a deleted consumer errors the stream that waits for it", async () => {
  await using setup = await Setup.start();
  const consumer = await setup.consumer();
  const waiting = jetStreamSource(consumer, { connection: setup.connection }).getReader().read();
  waiting.catch(() => {});
  await eventually("it waits", async () => (await consumer.info()).num_waiting === 1);
  await setup.jsm.consumers.delete("S", "c");
  await assertRejects(
    () => waiting,
    Error,
    'jetStreamSource: consumer "c" of stream "S" cannot be read: consumer deleted',
  );
});

test("a deleted consumer errors the stream at its next request", async () => {
  await using setup = await Setup.start();
  await setup.fill(4);
  const consumer = await setup.consumer();
  const { connection } = setup;
  const reader = jetStreamSource(consumer, { connection, maxMessages: 4 }).getReader();
  const first = await take(reader, 1);
  await eventually("all is here", async () => await setup.outstanding() === 4);
  await setup.jsm.consumers.delete("S", "c");
  const rest = await take(reader, 1);
  assertEquals([...first, ...rest].map(({ id }) => id), ["S:1", "S:2"]);
  const error = await assertRejects(async () => {
    for (;;) await take(reader, 1);
  }, Error);
  assert(error.message.startsWith('jetStreamSource: consumer "c" of stream "S" cannot be read:'));
  const late = jetStreamSource(consumer, { connection }).getReader();
  await assertRejects(() => late.read(), Error, "cannot be read: consumer not found");
});

test("a deleted stream errors its source", async () => {
  await using setup = await Setup.start();
  const consumer = await setup.consumer();
  const waiting = jetStreamSource(consumer, { connection: setup.connection }).getReader().read();
  waiting.catch(() => {});
  await eventually("it waits", async () => (await consumer.info()).num_waiting === 1);
  await setup.jsm.streams.delete("S");
  await assertRejects(() => waiting, Error, 'consumer "c" of stream "S" cannot be read');
});

test("an error of onLate surfaces, and the other messages are kept", async () => {
  await using setup = await Setup.start();
  await setup.fill(2);
  const consumer = await setup.consumer("c", { ackWait: 200 });
  const late: string[] = [];
  const reader = jetStreamSource(consumer, {
    connection: setup.connection,
    maxHold: 300,
    onLate: (delivery) => void late.push(delivery.id),
  }).getReader();
  await take(reader, 2);
  await eventually("both are late", () => late.length === 2);
  assertEquals(late, ["S:1", "S:2"]);
  await reader.cancel();
});

/**
 * A connection without the permission to publish to some subjects, and consumers `c` and `other` of
 * a stream.
 */
async function forbidden(server: NatsServer): Promise<NatsConnection> {
  const jsm = await jetstreamManager(await server.connect({ user: "all", pass: "all" }));
  await jsm.streams.add({ name: "S", subjects: ["s.>"] });
  for (const name of ["c", "other"]) {
    await jsm.consumers.add("S", { durable_name: name, ack_policy: "explicit" });
  }
  return await server.connect({ user: "some", pass: "some" });
}

const users = (subject: string) => `
  authorization { users [
    { user: "all", password: "all" }
    { user: "some", password: "some", permissions { publish { deny: ["${subject}"] } } }
  ] }`;

for (const subject of ["$JS.API.CONSUMER.MSG.NEXT.>", "$JS.ACK.>"]) {
  test(`a user without permission to publish to ${subject} gets a stream that errors`, async () => {
    await using server = await NatsServer.start(users(subject));
    const connection = await forbidden(server);
    const js = jetstream(connection);
    await js.publish("s.a");
    const consumer = await js.consumers.get("S", "c");
    const read = async (): Promise<void> => {
      for await (const delivery of jetStreamSource(consumer, { connection })) delivery.ack();
    };
    const title =
      'jetStreamSource: consumer "c" of stream "S" cannot be read: Permissions Violation';
    await assertRejects(read, Error, title);
  });
}

test("a stream goes on after a permission error that does not concern it", async () => {
  await using server = await NatsServer.start(users('$JS.ACK.S.other.1", "my.S.c.order'));
  const connection = await forbidden(server);
  const js = jetstream(connection);
  await js.publish("s.a");
  const reader = jetStreamSource(await js.consumers.get("S", "c"), { connection }).getReader();
  const [first] = await take(reader, 1);
  const refusals = connection.status()[Symbol.asyncIterator]();
  for (const subject of ["$JS.ACK.S.other.1", "my.S.c.order"]) {
    connection.publish(subject);
    assertEquals((await refusals.next()).value?.type, "error");
  }
  await js.publish("s.a");
  const [second] = await take(reader, 1);
  assertEquals([first?.id, second?.id], ["S:1", "S:2"]);
  await reader.cancel();
});
