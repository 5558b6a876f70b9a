/** Tests `jetStreamSource` with servers that go away and come back. */

import { assert, assertEquals } from "@std/assert";
import { type JetStreamDelivery, jetStreamSource } from "@weir/nats";
import { acked } from "@weir/nats/delivery";
import { BatchStream, Fanout } from "@weir/streams";
import { collectGarbage } from "../../../../tests/support/garbage.ts";
import { test } from "../../../../tests/support/test.ts";
import { eventually, Setup, take } from "./setup.ts";

/** Resolves when the connection is lost, or is back. */
async function hears({ connection }: Setup, type: "disconnect" | "reconnect"): Promise<void> {
  for await (const status of connection.status()) if (status.type === type) return;
}

test("acknowledgements while the server is away reach it when it is back", async () => {
  await using setup = await Setup.start();
  await setup.fill(5);
  const consumer = await setup.consumer();
  const { connection, server } = setup;
  const told = await setup.told();
  const reader = jetStreamSource(consumer, { connection, maxMessages: 5 }).getReader();
  const [one, two, three, four, five] = await take(reader, 5);
  one!.ack();
  five!.value.ack();
  five!.nak(); // too late
  // An acknowledgement by the message itself is not sent again if it is lost.
  await eventually("the server has two extensions", async () => await setup.outstanding() === 3);
  const lost = hears(setup, "disconnect");
  await server.stop();
  await lost;
  two!.ack();
  three!.term();
  four!.nak();
  const found = hears(setup, "reconnect");
  await server.start();
  await found;
  // The fourth message comes at once, and not after its ack wait of 30 seconds.
  const [again] = await take(reader, 1);
  assertEquals([again!.id, again!.deliveries], ["S:4", 2]);
  again!.ack();
  await setup.done();
  assertEquals(told.count(5, "-NAK"), 0);
  await reader.cancel();
});

test("a source extends all its messages as soon as the server is back", async () => {
  await using setup = await Setup.start();
  await setup.fill(4);
  // By its timer alone, the source would extend them only after minutes.
  const consumer = await setup.consumer("c", { ackWait: 600_000 });
  const { connection, server } = setup;
  const told = await setup.told();
  const reader = jetStreamSource(consumer, { connection }).getReader();
  await take(reader, 2);
  await eventually("all four are held", async () => await setup.outstanding() === 4);
  await server.stop();
  await server.start();
  await eventually("it gets all extensions", () => {
    return [1, 2, 3, 4].every((sequence) => told.count(sequence, "+WPI") > 0);
  });
  await reader.cancel();
});

test("a source asks for no more than it has room for over its next connection, too", async () => {
  await using setup = await Setup.start();
  await setup.fill(4);
  const consumer = await setup.consumer();
  const { connection } = setup;
  const reader = jetStreamSource(consumer, { connection, maxMessages: 10 }).getReader();
  await take(reader, 1);
  await eventually("the others wait", async () => await setup.outstanding() === 4);
  const found = hears(setup, "reconnect");
  await connection.reconnect();
  await found;
  await eventually("it asks again", async () => (await consumer.info()).num_waiting === 1);
  for (let id = 0; id < 20; id++) connection.publish("s.a", `${id}`);
  await eventually("it holds as many as it may", async () => await setup.outstanding() >= 11);
  await eventually("no request waits", async () => (await consumer.info()).num_waiting === 0);
  assertEquals(await setup.outstanding(), 11);
  await reader.cancel();
});

test("messages that are held while the server is away are kept when it is back", async () => {
  await using setup = await Setup.start();
  await setup.fill(10);
  const consumer = await setup.consumer("c", { ackWait: 1000 });
  const { connection, server } = setup;
  const reader = jetStreamSource(consumer, { connection, maxMessages: 10 }).getReader();
  const held = await take(reader, 10);
  const found = hears(setup, "reconnect");
  await server.stop();
  await server.start();
  await found;
  const told = await setup.told();
  await eventually("two ack waits have passed", () => told.count(10, "+WPI") >= 5);
  for (const delivery of held) delivery.ack();
  await setup.done();
  assertEquals((await consumer.info()).num_redelivered, 0);
  await reader.cancel();
});

test("a source made while the server is away reads when it is back", async () => {
  await using setup = await Setup.start();
  await setup.fill(10);
  const consumer = await setup.consumer();
  const lost = hears(setup, "disconnect");
  await setup.server.stop();
  await lost;
  const reader = jetStreamSource(consumer, { connection: setup.connection }).getReader();
  const read = take(reader, 10);
  await setup.server.start();
  assertEquals((await read).length, 10);
  await reader.cancel();
});

test("a source goes on after the server was stalled", async () => {
  await using setup = await Setup.start();
  await setup.fill(100);
  const consumer = await setup.consumer();
  const { connection, server } = setup;
  const reader = jetStreamSource(consumer, { connection, maxMessages: 10 }).getReader();
  for (const delivery of await take(reader, 20)) delivery.ack();
  await server.stall();
  const rest = take(reader, 80);
  server.resume();
  for (const delivery of await rest) delivery.ack();
  await setup.done();
  await reader.cancel();
});

for (const how of ["stop", "kill"] as const) {
  test(`20,000 messages in batches: none is lost through a server that ends by ${how}`, async () => {
    await using setup = await Setup.start();
    await setup.fill(20_000);
    const consumer = await setup.consumer("c", { ackWait: 2000 });
    const { connection, server } = setup;
    const counts = new Map<string, number>();
    const handled = new Set<JetStreamDelivery>();
    const stop = new AbortController();
    let away: Promise<void> | undefined;
    const restart = async () => {
      await server[how]();
      await server.start();
    };
    const work = acked((batch: JetStreamDelivery[]) => {
      for (const delivery of batch) {
        counts.set(delivery.id, (counts.get(delivery.id) ?? 0) + 1);
        handled.add(delivery);
      }
      if (counts.size > 5000) away ??= restart();
    });
    const ended = jetStreamSource(consumer, { connection, signal: stop.signal })
      .pipeThrough(new BatchStream({ maxItems: 100, linger: 5 }))
      .pipeTo(new Fanout(work, { concurrency: 4 }));
    await eventually("the server goes away", () => away !== undefined);
    await away;
    await eventually("all is handled", () => counts.size === 20_000);
    // A killed server delivers messages again whose acks it has lost.
    await setup.done();
    stop.abort();
    await ended;
    assert([...handled].every(({ settled }) => settled));
    const twice = handled.size - 20_000;
    if (how === "stop") assert(twice < 2000, `${twice} were handled twice`);
  });
}

test("a message that fails for good is termed, and not delivered again", async () => {
  await using setup = await Setup.start();
  await setup.fill(3);
  const consumer = await setup.consumer();
  const poison: string[] = [];
  const done: string[] = [];
  const stop = new AbortController();
  const work = acked((delivery: JetStreamDelivery) => {
    if (delivery.value.string() === "1") throw new Error("cannot be done");
    done.push(delivery.id);
  }, {
    maxDeliveries: 3,
    onPoison: ({ value }, error) => {
      poison.push(`${value.string()}: ${(error as Error).message}`);
    },
    delay: () => 0,
  });
  const told = await setup.told();
  const ended = jetStreamSource(consumer, { connection: setup.connection, signal: stop.signal })
    .pipeTo(new Fanout(work, work.options({ onError: () => {} })));
  await eventually("it is terminated", () => told.count(2, "+TERM") === 1);
  await setup.done();
  stop.abort();
  await ended;
  assertEquals([done, poison], [["S:1", "S:3"], ["1: cannot be done"]]);
  assertEquals(told.count(2, "-NAK"), 2);
});

test("100,000 messages pass, and no memory of them stays", async () => {
  await using setup = await Setup.start();
  await setup.fill(100_000);
  const consumer = await setup.consumer("c", { max_ack_pending: 10_000 });
  const { connection } = setup;
  const sample: WeakRef<JetStreamDelivery>[] = [];
  const reader = jetStreamSource(consumer, { connection, maxMessages: 1000 }).getReader();
  for (let count = 0; count < 100_000; count++) {
    const { value } = await reader.read();
    if (count % 100 === 0) sample.push(new WeakRef(value!));
    value!.ack();
  }
  await setup.done();
  const left = () => sample.filter((ref) => ref.deref() !== undefined).length;
  for (let round = 0; left() > 50 && round < 20; round++) await collectGarbage();
  assert(left() <= 50, `${left()} of ${sample.length} are left`);
  await reader.cancel();
});
