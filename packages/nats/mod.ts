/**
 * NATS JetStream as web streams, for `@weir/streams`.
 *
 * - {@linkcode jetStreamSource}: the messages of a consumer, each with the way to acknowledge it.
 * - {@linkcode JetStreamSink}: publishes messages, many at once, each stored once.
 *
 * Acknowledgements are in `@weir/nats/delivery`, and a broker in memory in `@weir/nats/memory`.
 *
 * @module
 */

export type { Delivery } from "./src/delivery/delivery.ts";
export type { JetStreamDelivery } from "./src/jetstream/delivery.ts";
export {
  type JetStreamMessage,
  JetStreamSink,
  type JetStreamSinkOptions,
} from "./src/jetstream/sink.ts";
export { jetStreamSource, type JetStreamSourceOptions } from "./src/jetstream/source.ts";
