/**
 * A process of a schedule. It takes messages from a consumer and handles each as the message says.
 * It logs every event as a line of JSON before it goes on, so that a SIGKILL loses no line.
 */

import { jetstream } from "@nats-io/jetstream";
import type { Consumer } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { openSync, writeSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { flushed } from "../../../../examples/cluster/stream.ts";
import { BatchStream, Fanout } from "../../../../mod.ts";
import { acked } from "../../delivery.ts";
import type { BrokerEvent } from "../../memory.ts";
import { type JetStreamDelivery, jetStreamSource } from "../../mod.ts";
import { POISON, type Task } from "./schedule.ts";

/** The arguments of the process. */
export interface Settings {
  readonly url: string;
  readonly name: string;
  readonly log: string;
  readonly stream: string;
  readonly consumer: string;
  /** Whether the handler takes batches. */
  readonly batches: boolean;
  /** In milliseconds. */
  readonly ackWait: number;
  /** The delivery at which a failing message is poison. */
  readonly maxDeliveries: number;
}

const settings: Settings = JSON.parse(process.argv[2]!);
const { url, name, ackWait, maxDeliveries } = settings;
const file = openSync(settings.log, "a");

type Entry = Omit<BrokerEvent, "at" | "consumer"> & { readonly at?: number };

function log(entries: readonly Entry[]): void {
  const at = Date.now();
  const lines = entries.map((entry) => `${JSON.stringify({ at, consumer: name, ...entry })}\n`);
  writeSync(file, lines.join(""));
}

// A blocked thread or a busy machine counts as a pause, like SIGSTOP.
let beat = Date.now();
function feel(): void {
  const now = Date.now();
  if (now - beat > ackWait / 4) log([{ at: beat, kind: "paused" }, { at: now, kind: "resumed" }]);
  beat = now;
}
const pulse = setInterval(feel, ackWait / 40);

function entry(kind: BrokerEvent["kind"], { value, deliveries }: JetStreamDelivery): Entry {
  return { kind, id: value.json<Task>().id, deliveries };
}

/**
 * Logs messages before a read waits for them, and messages that are given back, even by the source
 * itself.
 */
function watched(consumer: Consumer): Consumer {
  const fetch = consumer.fetch.bind(consumer);
  consumer.fetch = async (options) => {
    const messages = await fetch(options);
    const iterate = messages[Symbol.asyncIterator].bind(messages);
    messages[Symbol.asyncIterator] = async function* () {
      for await (const message of { [Symbol.asyncIterator]: iterate }) {
        const of = { id: message.json<Task>().id, deliveries: message.info.deliveryCount };
        log([{ kind: "delivered", ...of }]);
        const nak = message.nak.bind(message);
        message.nak = (delay) => {
          log([{ kind: "nacked", ...of }]);
          nak(delay);
        };
        yield message;
      }
    };
    return messages;
  };
  return consumer;
}

/** Does the work of a message. Returns its error. */
async function perform(delivery: JetStreamDelivery): Promise<Error | undefined> {
  const { kind } = delivery.value.json<Task>();
  if (kind === "slow") await sleep(ackWait * 1.5);
  if (kind === "block" && delivery.deliveries === 1) {
    // Before the work, because the process may be killed meanwhile.
    log([{ kind: "paused" }]);
    const end = Date.now() + ackWait * 1.5;
    while (Date.now() < end);
    log([{ kind: "resumed" }]);
  }
  if (kind === "poison" || kind === "flaky" && delivery.deliveries === 1) return new Error(kind);
}

async function handle(deliveries: readonly JetStreamDelivery[]): Promise<unknown[]> {
  log(deliveries.map((delivery) => entry("taken", delivery)));
  await sleep(deliveries.length);
  const results = await Promise.all(deliveries.map(perform));
  log(deliveries.filter((_, place) => !results[place]).map((each) => entry("done", each)));
  return results;
}

const poison = {
  maxDeliveries,
  // Not "termed", because the process can't know whether the broker has received it.
  onPoison: (delivery: JetStreamDelivery) => log([{ ...entry("done", delivery), reason: POISON }]),
  delay: () => 100,
};
/** Asks until the server answers. */
async function found(): Promise<Consumer> {
  for (;;) {
    try {
      return await jetstream(connection).consumers.get(settings.stream, settings.consumer);
    } catch {
      await sleep(100);
    }
  }
}

const connection = await connect({
  servers: url,
  maxReconnectAttempts: -1,
  waitOnFirstConnect: true,
  // A client waits this long if the server is killed while it connects. The default is 20 s.
  timeout: 2000,
  reconnectTimeWait: 100,
  reconnectJitter: 0,
});
const stop = new AbortController();
let stage = "the pipeline";
process.on("SIGTERM", () => {
  stop.abort();
  const tell = () => console.error(`waits for ${stage}; ${process.getActiveResourcesInfo?.()}`);
  setTimeout(tell, 5000).unref();
});
const consumer = await found();
const source = jetStreamSource(watched(consumer), { connection, signal: stop.signal });
const sink = { concurrency: 8, capacity: 8, onError: () => {} };
if (settings.batches) {
  const work = acked((batch: JetStreamDelivery[]) => handle(batch), poison);
  await source
    .pipeThrough(new BatchStream({ maxItems: 20, linger: 10 }))
    .pipeTo(new Fanout(work, work.options(sink)));
} else {
  const work = acked(async (delivery: JetStreamDelivery) => {
    const [error] = await handle([delivery]);
    if (error) throw error;
  }, poison);
  await source.pipeTo(new Fanout(work, work.options(sink)));
}
// It doesn't log "left", which would explain repeats: all its messages are settled.
clearInterval(pulse);
feel();
stage = "the server";
await flushed(connection);
stage = "the connection";
await connection.close();
stage = "nothing";
