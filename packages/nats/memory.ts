/**
 * A broker in memory, for tests. {@linkcode MemoryBroker} has explicit acks and redelivery. By a
 * seed, it crashes consumers, restarts, and loses acks. {@linkcode check} tells which messages were
 * lost, and why messages came twice. It reads the history of the broker, or one that your own
 * processes have written. It doesn't depend on NATS.
 *
 * @example Does my pipeline lose an order?
 * ```ts
 * import { Fanout } from "@weir/streams";
 * import { acked, type Delivery } from "@weir/nats/delivery";
 * import { check, MemoryBroker } from "@weir/nats/memory";
 * import { assertEquals } from "@std/assert";
 *
 * const shipped = new Set<number>();
 * const ship = ({ value }: Delivery<number>) => void shipped.add(value);
 *
 * const faults = { crash: 0.01, lostAck: 0.05, restart: 0.005 };
 * const broker = new MemoryBroker<number>({ seed: 7, ackWait: 20, faults });
 * for (let order = 0; order < 1000; order++) broker.publish(order);
 * broker.close();
 * await broker.run((source) => source.pipeTo(new Fanout(acked(ship))), { consumers: 3 });
 *
 * const { lost, unexplained, reasons } = check(broker.history);
 * assertEquals([shipped.size, lost, unexplained], [1000, [], []]);
 * console.log("came twice:", reasons); // such as { "lost ack": 60, crash: 10, restart: 81 }
 * ```
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
