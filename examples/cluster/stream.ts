/** The stream between the processes: its name, its consumer, and how to connect. */

import { AckPolicy, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { setTimeout as sleep } from "node:timers/promises";

export const STREAM = "PLACES";
export const CONSUMER = "ingest";

/** How long the server waits for a worker, in milliseconds. Then it hands out the rows of a killed one again. */
export const ACK_WAIT = 3000;

/** Connects. Tries again without end while the server is away. */
export function open(url: string): Promise<NatsConnection> {
  return connect({
    servers: url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    timeout: 2000, // for each attempt, because a server that was killed doesn't answer
  });
}

/** Waits until the server has got all messages, even if it is away for a while. */
export async function flushed(connection: NatsConnection): Promise<void> {
  for (;;) {
    try {
      return await connection.flush();
    } catch (error) {
      if (connection.isClosed()) throw error;
      await sleep(250);
    }
  }
}

/** Makes the stream, and the consumer that all workers share. Rejects if the stream exists. */
export async function createStream(connection: NatsConnection): Promise<void> {
  const { streams, consumers } = await jetstreamManager(connection);
  const known = await streams.info(STREAM).catch(() => undefined);
  if (known) throw new Error(`The server has a stream ${STREAM} already`);
  await streams.add({ name: STREAM, subjects: ["places"] });
  await consumers.add(STREAM, {
    durable_name: CONSUMER,
    ack_policy: AckPolicy.Explicit,
    ack_wait: ACK_WAIT * 1e6, // in nanoseconds
    max_ack_pending: 20_000, // for all workers together
  });
}

/** Deletes the stream, and its consumer with it. */
export async function deleteStream(connection: NatsConnection): Promise<void> {
  const { streams } = await jetstreamManager(connection);
  await streams.delete(STREAM);
}

/** Returns how many messages of the stream are not acknowledged yet. */
export async function unfinished(connection: NatsConnection): Promise<number> {
  const { consumers } = await jetstreamManager(connection);
  const { num_pending, num_ack_pending } = await consumers.info(STREAM, CONSUMER);
  return num_pending + num_ack_pending;
}
