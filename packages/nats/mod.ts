/**
 * NATS JetStream as web streams, for `@weir/streams`.
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
