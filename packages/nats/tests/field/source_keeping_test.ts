/** Tests which messages `jetStreamSource` keeps, for how long, and how they settle. */

import { assertEquals, assertThrows } from "@std/assert";
import { jetStreamSource } from "@weir/nats";
import { test } from "../../../../tests/support/test.ts";
import { eventually, Setup, take } from "./setup.ts";

test("jetStreamSource() extends all its messages for longer than the ack wait", async () => {
  await using setup = await Setup.start();
  await setup.fill(20);
  const consumer = await setup.consumer("c", { ackWait: 600 });
  const told = await setup.told();
  const { connection } = setup;
  const reader = jetStreamSource(consumer, { connection, maxMessages: 20 }).getReader();
  // Ten are read, ten wait.
  const first = await take(reader, 10);
  await eventually("three ack waits have passed", () => told.count(20, "+WPI") >= 6);
  for (const delivery of first) delivery.ack();
  for (const delivery of await take(reader, 10)) delivery.ack();
  await setup.done();
  assertEquals((await consumer.info()).num_redelivered, 0);
  await reader.cancel();
});

test("jetStreamSource() respects the shortest wait of a consumer with a backoff", async () => {
  await using setup = await Setup.start();
  await setup.fill(1);
  const consumer = await setup.consumer("c", { backoff: [60_000e6, 200e6], max_deliver: 5 });
  const told = await setup.told();
  const { connection } = setup;
  // The server has no `backoff` without a `max_deliver`.
  const reader = jetStreamSource(consumer, { connection, allowMaxDeliver: true }).getReader();
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

test("a delivery that comes again has the same id, and a higher count", async () => {
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

test("the first of ack, nak and term counts", async () => {
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

test("a message that the user acks directly is settled, and no longer kept", async () => {
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

test("jetStreamSource() calls onLate for messages beyond maxHold, and the server delivers them again", async () => {
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
  assertEquals(again!.id, "S:1");
  await eventually("onLate is called", () => late[0] === "S:1");
  first!.ack();
  again!.ack();
  await setup.done();
  await reader.cancel();
});

test("messages that are not read are given back after maxHold", async () => {
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
