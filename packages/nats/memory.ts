/**
 * A broker in memory, for tests.
 *
 * @module
 */

export type { Delivery } from "./src/delivery/delivery.ts";
export {
  MemoryBroker,
  type MemoryBrokerOptions,
  type MemoryRunOptions,
  type MemoryWork,
} from "./src/memory/broker.ts";
export { check, type CheckOptions, type HistoryReport, type Repeat } from "./src/memory/check.ts";
export type {
  MemoryConsumer,
  MemoryConsumerOptions,
  MemoryConsumerState,
} from "./src/memory/consumer.ts";
export type { BrokerEvent, BrokerEventKind } from "./src/memory/event.ts";
export type { MemoryFaults } from "./src/memory/faults.ts";
export type { MemoryDelivery } from "./src/memory/handed.ts";
export type { RepeatReason } from "./src/memory/reasons.ts";
