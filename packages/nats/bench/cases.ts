/**
 * Compares this package with the bare client, with a server at the given URL: messages per second,
 * the median of some rounds, in turns. Prints JSON.
 */

import { AckPolicy, jetstream, jetstreamManager, type JsMsg } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import process from "node:process";
import { BatchStream, Fanout } from "../../../mod.ts";
import { acked, type Delivery } from "../delivery.ts";
import { JetStreamSink, jetStreamSource } from "../mod.ts";

const BATCH = 100;
const HELD = 512;
const UNACKED = 256;

const [url = "", count = "20000", rounds = "5"] = process.argv.slice(2);
const messages = Number(count);
const connection = await connect({ servers: url, maxReconnectAttempts: -1 });
const manager = await jetstreamManager(connection);
const js = jetstream(connection);
const data = new Uint8Array(100);

const READ = "bench-read";
const WRITTEN = "bench-written";
await manager.streams.add({ name: READ, subjects: [READ] });
await manager.streams.add({ name: WRITTEN, subjects: [WRITTEN] });
await publish(READ, messages);

/** A handler of batches. */
type Handle = (batch: readonly unknown[]) => Promise<void>;

const handlers: Record<string, Handle> = {
  "handlers that do nothing": () => Promise.resolve(),
  // A database takes at least as long.
  "handlers of a millisecond": () => new Promise((resolve) => setTimeout(resolve, 1)),
};

/** Reads, batches, handles and acknowledges all messages of the stream. */
const reading: Record<string, (consumer: string, handle: Handle) => Promise<void>> = {
  async "the client's iterator"(name, handle) {
    const consumer = await js.consumers.get(READ, name);
    const iterator = await consumer.consume({ max_messages: HELD });
    let left = messages;
    let batch: JsMsg[] = [];
    for await (const message of iterator) {
      if (batch.push(message) === BATCH || batch.length === left) {
        await handle(batch);
        for (const each of batch) each.ack();
        left -= batch.length;
        batch = [];
      }
      if (left === 0) break;
    }
    await connection.flush();
  },
  async "a loop of fetches by hand"(name, handle) {
    const consumer = await js.consumers.get(READ, name);
    let left = messages;
    while (left > 0) {
      const wanted = Math.min(HELD, left);
      let batch: JsMsg[] = [];
      for await (const message of await consumer.fetch({ max_messages: wanted, expires: 5000 })) {
        if (batch.push(message) === BATCH || batch.length === left) {
          await handle(batch);
          for (const each of batch) each.ack();
          left -= batch.length;
          batch = [];
        }
      }
      for (const each of batch) each.ack();
      left -= batch.length;
    }
    await connection.flush();
  },
  async "jetStreamSource"(name, handle) {
    const consumer = await js.consumers.get(READ, name);
    const end = new AbortController();
    let left = messages;
    const work = acked(async (batch: Delivery<JsMsg>[]) => {
      await handle(batch);
      left -= batch.length;
      if (left === 0) end.abort();
    });
    const { signal } = end;
    const source = jetStreamSource(consumer, { connection, maxMessages: HELD, signal });
    await BatchStream.from(source, { maxItems: BATCH, linger: 100 }).pipeTo(new Fanout(work));
    await connection.flush();
  },
};

/** Publishes messages, and waits for the acknowledgement of each. */
const writing: Record<string, () => Promise<void>> = {
  async "one after the other"() {
    for (let n = 0; n < messages / 10; n++) await js.publish(WRITTEN, data);
  },
  async [`by hand, ${UNACKED} at once`]() {
    await publish(WRITTEN, messages);
  },
  async "JetStreamSink"() {
    const sink = new JetStreamSink(js, { concurrency: UNACKED });
    for (let n = 0; n < messages; n++) {
      await sink.push({ subject: WRITTEN, data, msgID: crypto.randomUUID() });
    }
    await sink.close();
  },
};

const results: Record<string, number[]> = {};
let consumers = 0;
for (let round = 0; round < Number(rounds); round++) {
  for (const [kind, handle] of Object.entries(handlers)) {
    for (const [name, run] of Object.entries(reading)) {
      const durable = `reader-${consumers++}`;
      await manager.consumers.add(READ, {
        durable_name: durable,
        ack_policy: AckPolicy.Explicit,
        max_ack_pending: 4 * HELD,
      });
      await timed(`${name}, ${kind}`, messages, () => run(durable, handle));
      // The server has the acknowledgements, but may not have processed all.
      for (let looks = 0; await left(durable) > 0; looks++) {
        if (looks === 1000) throw new Error(`${name} has left messages`);
      }
      await manager.consumers.delete(READ, durable);
    }
  }
  for (const [name, run] of Object.entries(writing)) {
    const expected = name === "one after the other" ? messages / 10 : messages;
    await manager.streams.purge(WRITTEN);
    await timed(name, expected, run);
    const { state } = await manager.streams.info(WRITTEN);
    if (state.messages !== expected) throw new Error(`${name} has written ${state.messages}`);
  }
}
console.log(JSON.stringify(results));
await connection.close();

async function left(durable: string): Promise<number> {
  const { num_ack_pending, num_pending } = await manager.consumers.info(READ, durable);
  return num_ack_pending + num_pending;
}

async function timed(name: string, n: number, run: () => Promise<void>): Promise<void> {
  const start = performance.now();
  await run();
  (results[name] ??= []).push(n / (performance.now() - start) * 1000);
}

async function publish(subject: string, n: number): Promise<void> {
  const worker = async (first: number) => {
    for (let i = first; i < n; i += UNACKED) await js.publish(subject, data);
  };
  await Promise.all(Array.from({ length: UNACKED }, (_, first) => worker(first)));
}
