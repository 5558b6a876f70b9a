/**
 * Acknowledgements for any broker: NATS, SQS, Kafka, Cloudflare Queues, or your own. It doesn't
 * depend on NATS.
 *
 * @module
 */

export {
  type Acked,
  acked,
  type AckedContext,
  type AckedSettings,
  type AckedSinkOptions,
  type Deliveries,
  type DeliveryOf,
  type ItemOf,
} from "./src/delivery/acked.ts";
export { type CommitOrder, commitOrder } from "./src/delivery/commit_order.ts";
export { type Delivery, delivery, type DeliveryWays } from "./src/delivery/delivery.ts";
export { ackAll, nakAll } from "./src/delivery/settling.ts";
