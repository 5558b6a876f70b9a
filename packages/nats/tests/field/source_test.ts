/** `jetStreamSource` against a real server. */

import { assertEquals } from "@std/assert";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { JetStreamSink, jetStreamSource } from "@weir/nats";
import { test } from "../../../../tests/support/test.ts";
import { NatsServer } from "./nats_server.ts";

test("a sink publishes what a source then reads, and what is acked is gone", async () => {
  await using server = await NatsServer.start();
  const connection = await server.connect();
  const jsm = await jetstreamManager(connection);
  await jsm.streams.add({ name: "S", subjects: ["s.>"] });
  await jsm.consumers.add("S", { durable_name: "c", ack_policy: "explicit" });
  const js = jetstream(connection);
  const sink = new JetStreamSink(js);
  await sink.consume(
    Array.from({ length: 1000 }, (_, id) => ({ subject: "s.a", msgID: `${id}`, data: `${id}` })),
  );
  await sink.close();
  const consumer = await js.consumers.get("S", "c");
  const seen: string[] = [];
  for await (const delivery of jetStreamSource(consumer, { connection })) {
    seen.push(delivery.value.string());
    delivery.ack();
    if (seen.length === 1000) break;
  }
  assertEquals(seen, Array.from({ length: 1000 }, (_, id) => `${id}`));
  await connection.flush();
  assertEquals((await consumer.info()).num_ack_pending, 0);
});
