/** A user's program with `@weir/nats`, which is compiled. */

import type { Consumer, JetStreamClient, JsMsg, PubAck } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { acked, type Delivery, JetStreamSink, jetStreamSource } from "@weir/nats";
import { commitOrder, delivery } from "@weir/nats/delivery";
import { check, MemoryBroker } from "@weir/nats/memory";
import { Aggregator, backoff, BatchStream, Fanout } from "@weir/streams";

export async function consume(connection: NatsConnection, consumer: Consumer): Promise<void> {
  const store = acked(async (batch: Delivery<JsMsg>[], { signal }) => {
    signal.throwIfAborted();
    await Promise.resolve(batch.map(({ value }) => value.json<{ order: number }>().order));
  }, {
    maxDeliveries: 10,
    onPoison: (delivery, error) => console.error(delivery.value.subject, error),
  });
  await jetStreamSource(consumer, { connection, maxMessages: 1000 })
    .pipeThrough(new BatchStream(100))
    .pipeTo(
      new Fanout(
        store,
        store.options({
          concurrency: 4,
          retry: backoff({ attempts: 3 }),
          onError: (error: unknown, batch) => console.error(error, batch.length),
        }),
      ),
    );
}

export function publish(js: JetStreamClient, order: number): Promise<PubAck> {
  const sink = new JetStreamSink(js, { concurrency: 64, onError: console.error });
  return sink.submit({ subject: "orders", data: `${order}`, msgID: `order-${order}` });
}

export async function commit(offsets: readonly number[]): Promise<number> {
  const order = commitOrder((offset: number, partition: string) => console.log(partition, offset));
  const rows = new Aggregator(acked((batch: Delivery<number>[]) => void batch.length));
  await rows.consume(offsets.map((offset) => {
    const ack = order.begin("p", offset);
    return delivery(offset, { ack, nak: (delay) => console.log(delay?.toFixed()) });
  }));
  await order.idle();
  return order.pending;
}

export async function rehearse(seed: number): Promise<boolean> {
  const broker = new MemoryBroker<number>({ seed, ackWait: 20, faults: { crash: 0.1 } });
  for (let n = 0; n < 100; n++) broker.publish(n);
  broker.close();
  await broker.run((source) => source.pipeTo(new Fanout(acked((_: Delivery<number>) => {}))));
  return check(broker.history).lost.length === 0;
}
