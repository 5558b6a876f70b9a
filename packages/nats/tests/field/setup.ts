/** Helpers for the tests of JetStream: a server with a stream, and ways to observe it. */

import {
  type Consumer,
  type ConsumerConfig,
  jetstream,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  type StreamConfig,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { turn } from "../../../../tests/support/gate.ts";
import { NatsServer } from "./nats_server.ts";

/** Longer than any condition takes, in milliseconds; a test has a minute. */
const LIMIT = 30_000;

/** A server, a connection, and the stream `S` of all subjects that begin with `s.`. */
export class Setup implements AsyncDisposable {
  readonly server: NatsServer;
  readonly connection: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;

  private constructor(server: NatsServer, connection: NatsConnection, jsm: JetStreamManager) {
    this.server = server;
    this.connection = connection;
    this.jsm = jsm;
    this.js = jetstream(connection);
  }

  static async start(stream: Partial<StreamConfig> = {}): Promise<Setup> {
    const server = await NatsServer.start();
    const connection = await server.connect();
    const jsm = await jetstreamManager(connection);
    await jsm.streams.add({ name: "S", subjects: ["s.>"], ...stream });
    return new Setup(server, connection, jsm);
  }

  /** A consumer of the stream that expects acknowledgements; `ackWait` in milliseconds. */
  async consumer(
    name = "c",
    { ackWait = 30_000, ...config }: Partial<ConsumerConfig> & { ackWait?: number } = {},
    connection: NatsConnection = this.connection,
  ): Promise<Consumer> {
    await this.jsm.consumers.add("S", {
      durable_name: name,
      ack_policy: "explicit",
      ack_wait: ackWait * 1e6,
      ...config,
    });
    return await this.existing(name, connection);
  }

  /** Gets an existing consumer, as another process does. */
  async existing(name = "c", connection: NatsConnection = this.connection): Promise<Consumer> {
    return await jetstream(connection).consumers.get("S", name);
  }

  /** Stores messages, each with its number from 0 as text. */
  async fill(count: number, text: (id: number) => string = String): Promise<void> {
    for (let id = 0; id < count; id++) {
      this.connection.publish("s.a", text(id));
      if (id % 1000 === 999) await this.connection.flush();
    }
    await eventually("all is stored", async () => await this.stored() === count);
  }

  async stored(): Promise<number> {
    return (await this.jsm.streams.info("S")).state.messages;
  }

  /** Returns the number of delivered messages without an acknowledgement. */
  async outstanding(name = "c"): Promise<number> {
    return (await this.jsm.consumers.info("S", name)).num_ack_pending;
  }

  /** Resolves when all delivered messages are settled. */
  async done(name = "c"): Promise<void> {
    await eventually("all is acked", async () => await this.outstanding(name) === 0);
  }

  /** Records the acknowledgements of a consumer's messages from here on. */
  async told(name = "c"): Promise<Told> {
    const told = new Told(this.connection, name);
    await this.connection.flush();
    return told;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

/** The acknowledgements that the server gets, by the sequence of the message. */
export class Told {
  readonly all: string[] = [];

  constructor(connection: NatsConnection, name: string) {
    connection.subscribe(`$JS.ACK.S.${name}.>`, {
      callback: (_error, msg) => {
        const sequence = msg.subject.split(".")[5];
        this.all.push(`${sequence} ${msg.string()}`);
      },
    });
  }

  /** How often the server got this acknowledgement of a message. */
  count(sequence: number, what: string): number {
    return this.all.filter((text) => text.startsWith(`${sequence} ${what}`)).length;
  }
}

/** Resolves as soon as the condition holds. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = performance.now() + LIMIT;
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`not within ${LIMIT} ms: ${what}`);
    await turn();
  }
}

/** Reads the next `count` chunks of a stream. */
export async function take<T>(reader: ReadableStreamDefaultReader<T>, count: number): Promise<T[]> {
  const items: T[] = [];
  while (items.length < count) {
    const next = await reader.read();
    if (next.done) throw new Error(`the stream has ended after ${items.length} of ${count}`);
    items.push(next.value);
  }
  return items;
}
