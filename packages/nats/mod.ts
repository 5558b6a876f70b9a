/**
 * NATS JetStream as web streams, for `@weir/streams`. {@linkcode jetStreamSource} reads a consumer,
 * {@linkcode JetStreamSink} publishes, and {@linkcode acked} acknowledges a message when its
 * handler is done. On any number of machines, every message is handled at least once.
 *
 * `@weir/nats/delivery` has the part that is independent of NATS.
 *
 * @example Write messages in batches to a database
 * ```ts
 * import type { Consumer, JsMsg } from "@nats-io/jetstream";
 * import type { NatsConnection } from "@nats-io/nats-core";
 * import { BatchStream, Fanout } from "@weir/streams";
 * import { acked, type Delivery, jetStreamSource } from "@weir/nats";
 *
 * export async function store(connection: NatsConnection, consumer: Consumer): Promise<void> {
 *   const insert = acked(async (batch: Delivery<JsMsg>[]) => {
 *     await Promise.resolve(batch.map(({ value }) => value.json())); // your own call
 *   });
 *   await jetStreamSource(consumer, { connection })
 *     .pipeThrough(new BatchStream({ maxItems: 100, linger: 500 }))
 *     .pipeTo(new Fanout(insert, insert.options({ concurrency: 4, onError: console.error })));
 * }
 * ```
 *
 * - {@linkcode jetStreamSource}: the messages of a consumer, each with `ack` and `nak`.
 * - {@linkcode JetStreamSink}: publishes messages, many at once, each stored once.
 *
 * Acknowledgements are in `@weir/nats/delivery`, and a broker in memory in `@weir/nats/memory`.
 *
 * @module
 */

export * from "./delivery.ts";
export type { JetStreamDelivery } from "./src/jetstream/delivery.ts";
export {
  type JetStreamMessage,
  JetStreamSink,
  type JetStreamSinkOptions,
} from "./src/jetstream/sink.ts";
export { jetStreamSource, type JetStreamSourceOptions } from "./src/jetstream/source.ts";
