/**
 * The need: you handle records of Kafka, many at a time. An offset may be committed only when every record
 * before it is done.
 *
 * The idea: `kafkaSource` gives each record as a `Delivery`, and `acked` of `@weir/nats/delivery` makes a handler
 * that acknowledges it. `commitOrder` commits the offset of a partition when all records before it are done, in
 * any order.
 *
 * The limits:
 *
 * - A record may come twice: after a crash or a rebalance. The topic, the partition and the offset tell which.
 * - One record that hangs stops the commits of its partition. Set `timeout` and `maxDeliveries`.
 * - Close the source when the sink has drained, and disconnect the consumer after that.
 * - It has not run against a Kafka server, only kafkajs on a cluster in memory.
 *
 * Next: [Kafka](../../docs/recipes/kafka.md) shows a whole program, and the traps.
 */

import type { Consumer, EachBatchPayload, KafkaMessage } from "kafkajs";
// In your project: from "@weir/nats/delivery".
import { commitOrder, type Delivery, delivery } from "../../packages/nats/delivery.ts";

/** A record, with its topic and partition. */
export interface KafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly message: KafkaMessage;
}

/** Options of {@linkcode kafkaSource}. */
export interface KafkaSourceOptions {
  /** The most records that are read and not committed yet. By default 256. */
  readonly maxPending?: number;
  /** Ends the stream. The source still commits the records that you have, when they are done. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@linkcode kafkaSource} returns. */
export interface KafkaSource {
  readonly readable: ReadableStream<Delivery<KafkaRecord>>;
  /** Ends the stream, and waits for the commits. */
  close(): Promise<void>;
}

/** A partition that is assigned to this consumer. */
interface Partition {
  readonly topic: string;
  readonly partition: number;
  /** The offset after the last record that was read. */
  next: string;
  /** The number of records that are read and not done. */
  open: number;
  revoked: boolean;
}

/** Reads with a consumer that is connected and has subscribed. */
export function kafkaSource(consumer: Consumer, options: KafkaSourceOptions = {}): KafkaSource {
  const { maxPending = 256, signal } = options;
  const partitions = new Map<string, Partition>();
  const ready: { readonly of: Partition; readonly record: Delivery<KafkaRecord> }[] = [];
  const timers = new Set<ReturnType<typeof setTimeout>>();
  let changed = Promise.withResolvers<void>();
  let [started, over, joins] = [false, false, 0];
  let failure: { readonly error: unknown } | undefined;

  function wake(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }
  function end(): void {
    over = true;
    for (const timer of timers) clearTimeout(timer);
    wake();
  }
  function fail(error: unknown): void {
    failure ??= { error };
    end();
  }

  const order = commitOrder(async (offset: string, of: Partition) => {
    const { topic, partition } = of;
    while (!of.revoked) {
      const join = joins;
      try {
        await consumer.commitOffsets([{ topic, partition, offset }]);
        break;
      } catch (error) {
        // kafkajs doesn't try this again. The offset is valid in the next generation of the group.
        if (!isRebalancing(error)) return fail(error);
        while (join === joins && !failure) await changed.promise;
      }
    }
    setTimeout(wake); // when `order.pending` is lower
  });

  function hand(value: KafkaRecord, of: Partition, done: () => void, deliveries = 1): void {
    if (over) return; // it is not committed, so the next owner reads it
    const ack = () => {
      of.open--;
      done();
    };
    // Kafka has no nak. The source hands the record out again, and the offset waits.
    const nak = (delay = 0) => {
      const timer = setTimeout(() => {
        timers.delete(timer);
        hand(value, of, done, deliveries + 1);
      }, delay);
      timers.add(timer);
    };
    ready.push({ of, record: delivery(value, { ack, nak, deliveries }) });
    wake();
  }

  async function eachBatch(payload: EachBatchPayload): Promise<void> {
    const { batch: { topic, partition, messages }, isRunning, isStale } = payload;
    const join = joins;
    const isOver = () => over || join !== joins || isStale() || !isRunning();
    for (const message of messages) {
      while (order.pending >= maxPending && !isOver()) {
        await within(1000, changed.promise);
        await payload.heartbeat(); // don't catch its error: it tells kafkajs to join again
      }
      if (over) return void payload.pause();
      if (isOver()) return;
      const name = `${topic} ${partition}`;
      const of = partitions.get(name) ?? { topic, partition, next: "", open: 0, revoked: false };
      partitions.set(name, of);
      of.next = `${BigInt(message.offset) + 1n}`;
      of.open++;
      hand({ topic, partition, message }, of, order.begin(of, of.next));
      payload.resolveOffset(message.offset); // read up to here; this commits nothing
    }
  }

  // After a rebalance kafkajs reads on at the committed offset, even of a partition that stays. It may also
  // bring batches that it fetched before.
  function onJoin(assigned: Record<string, number[]>): void {
    joins++;
    for (const [name, of] of partitions) {
      const { topic, partition, next: offset } = of;
      if (!assigned[topic]?.includes(partition)) {
        of.revoked = true;
        order.drop(of);
        partitions.delete(name);
      } else if (of.open > 0) consumer.seek({ topic, partition, offset });
    }
    wake();
  }

  async function pull(controller: ReadableStreamDefaultController): Promise<void> {
    if (!started) {
      started = true;
      const { GROUP_JOIN, CRASH } = consumer.events;
      consumer.on(GROUP_JOIN, ({ payload }) => onJoin(payload.memberAssignment));
      consumer.on(CRASH, ({ payload }) => {
        if (!payload.restart) fail(payload.error); // or the stream would be silent forever
      });
      consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch }).catch(fail);
    }
    while (true) {
      if (failure) throw failure.error;
      if (over) return controller.close();
      const next = ready.shift();
      if (next && !next.of.revoked) return controller.enqueue(next.record);
      if (!next) await changed.promise;
    }
  }

  signal?.addEventListener("abort", end);
  if (signal?.aborted) end();
  return {
    readable: new ReadableStream({ pull, cancel: end }, { highWaterMark: 0 }),
    async close() {
      signal?.removeEventListener("abort", end);
      end();
      await order.idle();
    },
  };
}

/** Whether a commit failed because the group, or this member of it, was changing. */
function isRebalancing(error: unknown): boolean {
  const { cause = error } = error as Error;
  const { type } = cause as { readonly type?: string };
  return ["REBALANCE_IN_PROGRESS", "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID"].includes(`${type}`);
}

/** Waits for at most `ms` milliseconds. */
function within(ms: number, work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}
