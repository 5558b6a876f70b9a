/**
 * A Kafka in memory, below the consumer of kafkajs. A test runs the client's own code for fetching,
 * heartbeats, rebalances, seeks and commits, and this answers its requests. It replaces the
 * client's `Cluster` and `Broker`, without the wire protocol.
 */

import type { Consumer } from "kafkajs";
import createConsumer from "kafkajs/src/consumer/index.js";
import { createErrorFromCode, errorCodes } from "kafkajs/src/protocol/error.js";
import { type Gate, gate } from "../support/gate.ts";

/** A record in the log. */
export interface LogRecord {
  readonly key: string;
  readonly value: string;
}

const TOPIC = "orders";
const quiet = { namespace: () => quiet, debug() {}, info() {}, warn() {}, error() {} };

/** An error of the protocol, in the form that the client makes. */
export function error(type: string): Error {
  const { code } = errorCodes.find((known: { type: string }) => known.type === type);
  return createErrorFromCode(code);
}

/** The parts of a client's request that are read here. */
interface Request {
  readonly memberId: string;
  readonly groupGenerationId: number;
  readonly generationId: number;
  readonly groupProtocols: { readonly name: string; readonly metadata: Uint8Array }[];
  readonly groupAssignment: { readonly memberId: string; readonly memberAssignment: Uint8Array }[];
  readonly topics: {
    readonly topic: string;
    readonly partitions: {
      readonly partition: number;
      readonly offset: string;
      readonly fetchOffset: string;
    }[];
  }[];
}

interface Member {
  readonly id: string;
  metadata: Uint8Array;
  joined?: Gate<object> | undefined;
  synced?: Gate<object> | undefined;
}

/** One topic, and one group that reads it. */
export class KafkaCluster {
  readonly partitions: readonly LogRecord[][];
  readonly committed: number[];
  /** Each commit that was accepted. */
  readonly commits: {
    readonly member: string;
    readonly partition: number;
    readonly offset: number;
  }[] = [];
  heartbeats = 0;
  /** Called at each new generation of the group, with its members. */
  onGeneration: (generation: number) => void = () => {};
  /** Called with each accepted commit. */
  onCommit: (partition: number, offset: number) => void = () => {};
  /** Called with the records that a consumer gets. */
  onSent: (consumer: Consumer, partition: number, messages: readonly { offset: string }[]) => void =
    () => {};
  /** Awaited at each fetch, which fails if this throws. */
  onFetch: () => unknown = () => {};
  /** The most records that a fetch gives of a partition. */
  fetchSize = 10;
  /** The errors of the next commits. */
  readonly failures: unknown[] = [];
  readonly #members = new Map<string, Member>();
  #generation = 0;
  #state: "stable" | "joining" | "syncing" = "stable";
  #assignments = new Map<string, Uint8Array>();
  #names = 0;
  #appended: Gate = gate();

  constructor(partitions: number) {
    this.partitions = Array.from({ length: partitions }, () => []);
    this.committed = this.partitions.map(() => 0);
  }

  append(partition: number, ...records: LogRecord[]): void {
    this.partitions[partition]!.push(...records);
    this.#appended.resolve();
    this.#appended = gate();
  }

  /** Another consumer of the group, of kafkajs. */
  consumer(options: Record<string, unknown> = {}): Consumer & { crash(): void } {
    let alive = true;
    const requests: Record<string, (request: Request) => unknown> = {
      joinGroup: (request) => this.#join(request, (id) => name = id),
      syncGroup: (request) => this.#sync(request),
      heartbeat: (request) => {
        this.heartbeats++;
        this.#check(request);
      },
      leaveGroup: ({ memberId }) => this.#leave(memberId),
      offsetCommit: (request) => this.#commit(request),
      offsetFetch: ({ topics }) => ({ responses: this.#offsets(topics) }),
      fetch: ({ topics }) => this.#fetch(topics, consumer),
    };
    let name = "";
    const answer = (work: (request: Request) => unknown) => async (request: Request) => {
      await undefined;
      // A dead process sends nothing more.
      if (!alive) return await new Promise(() => {});
      const answered = await work(request);
      if (!alive) return await new Promise(() => {});
      return answered;
    };
    const broker = {
      isConnected: () => true,
      ...Object.fromEntries(Object.entries(requests).map(([key, work]) => [key, answer(work)])),
    };
    const committed = {};
    const cluster = {
      connect: async () => {},
      disconnect: async () => {},
      addMultipleTargetTopics: async () => {},
      refreshMetadata: async () => {},
      refreshMetadataIfNecessary: async () => {},
      getNodeIds: () => [1],
      findGroupCoordinator: () => Promise.resolve(broker),
      findBroker: () => Promise.resolve(broker),
      findTopicPartitionMetadata: () =>
        this.partitions.map((_, partitionId) => ({ partitionId, leader: 1 })),
      committedOffsets: () => committed,
    };
    const consumer: Consumer = createConsumer({
      cluster,
      groupId: "shop",
      logger: quiet,
      heartbeatInterval: 1,
      maxWaitTimeInMs: 5,
      retry: { initialRetryTime: 5 },
      ...options,
    });
    return Object.assign(consumer, {
      crash: () => {
        alive = false;
        // Its session times out.
        this.#leave(name);
      },
    });
  }

  async #join(
    { memberId, groupProtocols: [protocol] }: Request,
    name: (id: string) => void,
  ): Promise<object> {
    const id = memberId || `member ${++this.#names}`;
    name(id); // even of a member that crashes before
    if (memberId && !this.#members.has(id)) throw error("UNKNOWN_MEMBER_ID");
    const joined = gate<object>();
    this.#members.set(id, { id, metadata: protocol!.metadata, joined });
    this.#state = "joining";
    this.#complete();
    return await joined.promise;
  }

  /** All members have joined again, so a new generation begins. */
  #complete(): void {
    const members = [...this.#members.values()];
    if (this.#state !== "joining" || !members.every(({ joined }) => joined)) return;
    this.#generation++;
    this.#state = members.length > 0 ? "syncing" : "stable";
    this.#assignments = new Map();
    this.onGeneration(this.#generation);
    for (const member of members) {
      member.joined!.resolve({
        generationId: this.#generation,
        leaderId: members[0]!.id,
        memberId: member.id,
        members: members.map(({ id, metadata }) => ({ memberId: id, memberMetadata: metadata })),
        groupProtocol: "RoundRobinAssigner",
      });
      member.joined = undefined;
    }
  }

  async #sync(request: Request): Promise<object> {
    const { memberId, groupAssignment } = request;
    this.#check({ ...request, groupGenerationId: request.generationId }, "syncing");
    const synced = this.#members.get(memberId)!.synced = gate<object>();
    for (const { memberId, memberAssignment } of groupAssignment) {
      this.#assignments.set(memberId, memberAssignment);
    }
    if (groupAssignment.length > 0) this.#state = "stable";
    if (this.#state === "stable") {
      for (const { id, synced } of this.#members.values()) {
        synced?.resolve({ memberAssignment: this.#assignments.get(id) ?? null });
      }
    }
    return await synced.promise;
  }

  /** Whether the member belongs to the generation. */
  #check({ memberId, groupGenerationId }: Request, also?: string): void {
    if (!this.#members.has(memberId)) throw error("UNKNOWN_MEMBER_ID");
    if (groupGenerationId !== this.#generation) throw error("ILLEGAL_GENERATION");
    if (this.#state === "stable" || this.#state === also) return;
    throw error("REBALANCE_IN_PROGRESS");
  }

  #leave(memberId: string): void {
    if (!this.#members.delete(memberId)) return;
    this.#state = "joining";
    this.#complete();
  }

  #commit(request: Request): void {
    // While others join, the broker still takes the commits of the last generation.
    this.#check(request, "joining");
    if (this.failures.length > 0) throw this.failures.shift();
    for (const { partition, offset } of request.topics[0]!.partitions) {
      this.committed[partition] = Number(offset);
      this.onCommit(partition, Number(offset));
      this.commits.push({ member: request.memberId, partition, offset: Number(offset) });
    }
  }

  #offsets(topics: Request["topics"]): object[] {
    return topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => ({
        partition,
        offset: `${this.committed[partition]}`,
      })),
    }));
  }

  async #fetch([asked]: Request["topics"], consumer: Consumer): Promise<object> {
    await this.onFetch();
    const read = () =>
      asked!.partitions.map(({ partition, fetchOffset }) => {
        const log = this.partitions[partition]!;
        const start = Number(fetchOffset);
        const messages = log.slice(start, start + this.fetchSize).map(({ key, value }, index) => ({
          offset: `${start + index}`,
          key: new TextEncoder().encode(key),
          value: new TextEncoder().encode(value),
          headers: {},
        }));
        return { partition, highWatermark: `${log.length}`, abortedTransactions: [], messages };
      });
    let partitions = read();
    if (partitions.every(({ messages }) => messages.length === 0)) {
      const waited = gate();
      const timer = setTimeout(waited.resolve, 5);
      await Promise.race([waited.promise, this.#appended.promise]);
      clearTimeout(timer);
      partitions = read();
    }
    for (const { partition, messages } of partitions) this.onSent(consumer, partition, messages);
    return { responses: [{ topicName: TOPIC, partitions }] };
  }
}
