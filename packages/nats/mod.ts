/**
 * NATS JetStream as web streams, for `@weir/streams`.
 *
 * @module
 */

export type { Delivery } from "./src/delivery/delivery.ts";
