/**
 * Acknowledgements, for whatever has them: NATS, SQS, Kafka, Cloudflare Queues, or a broker of your own.
 * Free of NATS.
 *
 * @module
 */

export type { Delivery } from "./src/delivery/delivery.ts";
