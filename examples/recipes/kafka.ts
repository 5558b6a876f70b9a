/**
 * The need: records of Kafka are handled many at a time, and no offset is committed before every record
 * in front of it is done. The source gives each record as a `Delivery`, for `acked`.
 *
 * Close the source when the sink has drained, and disconnect the consumer after that.
 */

import type { Consumer, EachBatchPayload, KafkaMessage } from "kafkajs";
// In a project of yours: from "@weir/nats/delivery".
// In a project of yours: from "@weir/nats/delivery".
import { commitOrder, type Delivery, delivery } from "../../packages/nats/delivery.ts";

/** A record, and where it came from. */
export interface KafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly message: KafkaMessage;
}

/** Options of {@linkcode kafkaSource}. */
export interface KafkaSourceOptions {
  /** The most records that are read and not committed. By default 256. */
  readonly maxPending?: number;
  /** Ends the stream, and nothing else: what was handed out is still committed when it is done. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@linkcode kafkaSource} returns. */
export interface KafkaSource {
  readonly readable: ReadableStream<Delivery<KafkaRecord>>;
  /** Ends the stream, and waits for the commits. */
  close(): Promise<void>;
}

/** A partition, from when it is assigned until it is revoked. */
interface Partition {
  readonly topic: string;
  readonly partition: number;
  /** The offset after the last record that was read. */
  next: string;
  /** Records that are read and not done. */
  open: number;
  revoked: boolean;
}

/** Runs a consumer that is connected and has subscribed. */
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
        // kafkajs does not try this again. The offset is good in the next generation of the group.
        if (!isRebalancing(error)) return fail(error);
        while (join === joins && !failure) await changed.promise;
      }
    }
    setTimeout(wake); // once `order.pending` is lower
  });

  function hand(value: KafkaRecord, of: Partition, done: () => void, deliveries = 1): void {
    if (over) return; // it is not committed, so its next owner reads it
    const ack = () => {
      of.open--;
      done();
    };
    // Kafka has no nak: the source hands it out again, and the offset waits.
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
        await payload.heartbeat(); // its error tells kafkajs to join again: let it through
      }
      if (over) return void payload.pause();
      if (isOver()) return;
      const name = `${topic} ${partition}`;
      const of = partitions.get(name) ?? { topic, partition, next: "", open: 0, revoked: false };
      partitions.set(name, of);
      of.next = `${BigInt(message.offset) + 1n}`;
      of.open++;
      hand({ topic, partition, message }, of, order.begin(of, of.next));
      payload.resolveOffset(message.offset); // so far it is read; this commits nothing
    }
  }

  // After a rebalance kafkajs reads on at the committed offset, also where a partition stays, and it may
  // still bring batches that it fetched before.
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
        if (!payload.restart) fail(payload.error); // or the stream would be silent for ever
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

/** Whether a commit came while the group, or this member of it, was changing. */
function isRebalancing(error: unknown): boolean {
  const { cause = error } = error as Error;
  const { type } = cause as { readonly type?: string };
  return ["REBALANCE_IN_PROGRESS", "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID"].includes(`${type}`);
}

/** Waits for `ms` at most. */
function within(ms: number, work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}
