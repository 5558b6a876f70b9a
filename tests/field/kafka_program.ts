/** Programs that read a {@linkcode KafkaCluster} with the recipe, and a fake consumer. */

import type { Consumer, EachBatchPayload, IMemberAssignment } from "kafkajs";
import {
  type KafkaRecord,
  type KafkaSource,
  kafkaSource,
  type KafkaSourceOptions,
} from "../../examples/recipes/kafka.ts";
import type { Delivery } from "../../packages/nats/delivery.ts";
import { turn } from "../support/gate.ts";
import { KafkaCluster } from "./kafka_cluster.ts";

/** A record, as a program gets it. */
export type Record = Delivery<KafkaRecord>;

const decoder = new TextDecoder();
export const textOf = ({ value: { message } }: Record): string => decoder.decode(message.value!);
export const keyOf = ({ value: { message } }: Record): string => decoder.decode(message.key!);

/** A program that reads the topic. */
export class Program implements AsyncDisposable {
  readonly consumer: Consumer & { crash(): void };
  readonly source: KafkaSource;

  constructor(cluster: KafkaCluster, options?: KafkaSourceOptions) {
    this.consumer = cluster.consumer();
    this.source = kafkaSource(this.consumer, options);
  }

  static async start(cluster: KafkaCluster, options?: KafkaSourceOptions): Promise<Program> {
    const program = new Program(cluster, options);
    await program.consumer.connect();
    await program.consumer.subscribe({ topics: ["orders"], fromBeginning: true });
    return program;
  }

  /** Reads a number of records. */
  async take(count: number): Promise<Record[]> {
    const reader = this.source.readable.getReader();
    const taken: Record[] = [];
    while (taken.length < count) taken.push((await reader.read()).value!);
    reader.releaseLock();
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.close();
    await this.consumer.disconnect();
    await turn();
  }
}

/** A topic with some records in each partition: `1:0` is the first of partition 1. */
export function clusterOf(...counts: number[]): KafkaCluster {
  const cluster = new KafkaCluster(counts.length);
  counts.forEach((count, partition) => {
    for (let n = 0; n < count; n++) {
      cluster.append(partition, { key: `${partition}:${n % 3}`, value: `${partition}:${n}` });
    }
  });
  return cluster;
}

/** Waits until a condition holds. The test's own limit ends it. */
export async function until(so: () => boolean): Promise<void> {
  while (!so()) await turn();
}

export async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await turn();
}

/** A fake consumer, for rare sequences of kafkajs events. */
export class Surface {
  readonly events = { GROUP_JOIN: "join", CRASH: "crash" };
  readonly seeks: unknown[] = [];
  readonly resolved: string[] = [];
  eachBatch!: (payload: EachBatchPayload) => Promise<void>;
  #onJoin!: (event: { payload: { memberAssignment: IMemberAssignment } }) => void;

  on(name: string, listener: (event: never) => void): void {
    if (name === "join") this.#onJoin = listener as never;
  }

  run({ eachBatch }: { eachBatch: Surface["eachBatch"] }): Promise<void> {
    this.eachBatch = eachBatch;
    return Promise.resolve();
  }

  seek(to: unknown): void {
    this.seeks.push(to);
  }

  async commitOffsets(): Promise<void> {}

  /** Ends a rebalance. */
  join(memberAssignment: IMemberAssignment): void {
    this.#onJoin({ payload: { memberAssignment } });
  }

  /** Makes a batch of partition 0. */
  batch(offsets: number[], isStale = false): Promise<void> {
    const messages = offsets.map((n) => ({
      offset: `${n}`,
      value: new TextEncoder().encode(`0:${n}`),
    }));
    return this.eachBatch({
      batch: { topic: "orders", partition: 0, messages },
      heartbeat: async () => {},
      isRunning: () => true,
      isStale: () => isStale,
      pause: () => () => {},
      resolveOffset: (offset: string) => void this.resolved.push(offset),
    } as never);
  }
}
