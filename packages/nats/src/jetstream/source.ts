/** {@linkcode jetStreamSource} reads the messages of a consumer as a stream. */

import type { Consumer } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { checkAll, FUNCTION, has, LIMIT, type Rule, type Rules } from "../options.ts";
import type { JetStreamDelivery } from "./delivery.ts";
import { Reading } from "./reading.ts";
import { OWNER } from "./rounds.ts";

/** Options of {@linkcode jetStreamSource}. */
export interface JetStreamSourceOptions {
  /**
   * The connection of the consumer. With `maxReconnectAttempts: -1` it waits for a server that is away;
   * otherwise the client gives up after a while, which errors the stream.
   */
  connection: NatsConnection;
  /**
   * The most messages that wait here to be read: an integer of at least 1. It doesn't count
   * messages that were read and are not settled. The `capacity` of the sink bounds those, and the
   * consumer's `max_ack_pending` bounds both together, for all processes. **Give a `Fanout` behind
   * a `BatchStream` a small `capacity`**: by default it lets 1024 batches wait, and other processes
   * may get nothing. **A batch that is larger than `max_ack_pending` never fills**: give its stream
   * a `linger`.
   *
   * Choose it so that the reader stays busy during a round trip to the server. A larger number only
   * keeps messages from other processes.
   *
   * @default {256}
   */
  maxMessages?: number | undefined;
  /**
   * How long a message is kept from other processes if it does not settle, in milliseconds: more
   * than 0, or `Infinity`. It counts from the arrival, with an accuracy of a quarter of the ack
   * wait. Afterwards the server delivers the message again when its ack wait is over. A message
   * that was not read by then is given back.
   *
   * @default {3_600_000}, an hour
   */
  maxHold?: number | undefined;
  /**
   * Whether the consumer may have a `max_deliver`. After that many deliveries **the server gives a
   * message up, and this source doesn't hear of it**: set the option if you listen to the server's
   * advisories. Otherwise leave `max_deliver` out, and give `acked` a `maxDeliveries` and an
   * `onPoison`.
   *
   * @default {false}: such a consumer errors the stream
   */
  allowMaxDeliver?: boolean | undefined;
  /**
   * Called with each delivery that was read and has reached `maxHold`. It may still settle. If this
   * function throws, the error is uncaught.
   */
  onLate?: ((delivery: JetStreamDelivery) => unknown) | undefined;
  /**
   * Ends the stream when it aborts, as after its last message. Messages that wait here are given
   * back, and **messages that were read are kept until they settle**. So a pipe drains, and the
   * process can end. A stream that has ended does not notice a sink that fails later: the unsettled
   * messages are then kept for `maxHold`, or until the connection is closed. Close it then, or give
   * back discarded deliveries.
   */
  signal?: AbortSignal | undefined;
}

const HOLD: Rule = ["number", "be more than 0 milliseconds", (value: number) => value > 0];

const RULES: Rules<keyof JetStreamSourceOptions> = {
  connection: has("be a NatsConnection", "status", "flush", "publish", "isClosed", "closed"),
  maxMessages: LIMIT,
  maxHold: HOLD,
  allowMaxDeliver: ["boolean", "be a boolean"],
  onLate: FUNCTION,
  signal: has("be an AbortSignal", "addEventListener", "throwIfAborted"),
};
/** The client's consumer has these methods, though its type does not show them. */
type Client = Consumer & { readonly api?: { readonly nc?: unknown } };

const CONSUMER: Rule = has("be a pull consumer of JetStream", "fetch", "info");

/**
 * Reads the messages of a JetStream consumer as a stream of deliveries. Any number of processes may
 * read from one consumer: each message goes to one of them.
 *
 * - **Nothing is lost**: a message that does not settle is delivered again, here or elsewhere. **It
 *   may be handled more than once**: after a crash, or if the server has lost an acknowledgement,
 *   as a killed server does. Your handler must allow for that; {@linkcode JetStreamDelivery.id} is
 *   the same each time.
 * - **`max_deliver` of the consumer**: leave it at -1, and bound the deliveries by `maxDeliveries`
 *   of `acked`. With a `max_deliver`, the server drops messages that have not settled by then, even
 *   if they were only given back unread, and reports that only in an advisory.
 * - **Demand**: the source asks for nothing before the first read, and at most `maxMessages` wait
 *   here.
 * - **Kept**: while a message waits here, and from its read until it settles, the source tells the
 *   server that work goes on. So a handler may take longer than the ack wait of the consumer. But
 *   code that blocks the thread for longer than the ack wait blocks this too.
 * - **Settle each**: if a stage drops a delivery, such as a filter, it must ack it. Otherwise the
 *   delivery is kept for `maxHold`, and comes again.
 * - **Order**: the order of the server.
 * - **Acknowledgements** that are lost with a connection are sent again over the next one. Use the
 *   methods of the delivery: an `ack()` of the message itself is noticed, but not sent again.
 * - **`cancel()`** gives back the messages that wait here. It resolves when the server has them, or
 *   after a second or two. Messages that were read and are not settled are no longer kept: other
 *   processes get them when the ack wait is over. A pipe whose sink fails, and a `break`, also
 *   cancel.
 * - **Errors**: a deleted consumer or stream, a closed connection, or a missing permission errors
 *   the stream. If the server is away, stalled or starting, the source waits for it.
 *
 * @param consumer A pull consumer with the `ack_policy` explicit: `await js.consumers.get(stream, name)`.
 * @param options The connection, and the bounds.
 * @returns The stream. It ends when the `signal` aborts.
 * @throws {TypeError} If `consumer` isn't one or belongs to another connection, or an option is of
 * the wrong kind or unknown. A consumer with another `ack_policy`, such as an ordered one, errors
 * the stream with a `TypeError`.
 * @throws {RangeError} If an option is out of range.
 *
 * @example Write orders to a database in batches of a hundred, until a signal aborts
 * ```ts
 * import { jetstream } from "@nats-io/jetstream";
 * import type { NatsConnection } from "@nats-io/nats-core";
 * import { type JetStreamDelivery, jetStreamSource } from "@weir/nats";
 * import { acked, nakAll } from "@weir/nats/delivery";
 * import { BatchStream, Fanout } from "@weir/streams";
 *
 * async function run(
 *   connection: NatsConnection, // connect({ servers, maxReconnectAttempts: -1 })
 *   insert: (rows: { id: string; order: unknown }[]) => Promise<void>,
 *   signal: AbortSignal,
 * ): Promise<void> {
 *   const consumer = await jetstream(connection).consumers.get("ORDERS", "database");
 *   const save = acked((batch: JetStreamDelivery[]) =>
 *     insert(batch.map(({ id, value }) => ({ id, order: value.json() })))
 *   );
 *   await jetStreamSource(consumer, { connection, signal })
 *     .pipeThrough(new BatchStream({ maxItems: 100, linger: 50, onDiscard: (batch) => nakAll(batch) }))
 *     .pipeTo(new Fanout(save, save.options({ concurrency: 4, capacity: 2 }))); // 2 batches wait
 * }
 * ```
 */
export function jetStreamSource(
  consumer: Consumer,
  options: JetStreamSourceOptions,
): ReadableStream<JetStreamDelivery> {
  checkAll<JetStreamSourceOptions>(OWNER, options, RULES, "connection");
  checkAll(OWNER, { consumer }, { consumer: CONSUMER }, "consumer");
  // With the wrong connection, it would not notice that acknowledgements are lost.
  const { nc = options.connection } = (consumer as Client).api ?? {};
  if (nc !== options.connection) {
    throw new TypeError(`${OWNER}: option "connection" must be that of the consumer`);
  }
  return new ReadableStream(new Reading(consumer, { ...options }), { highWaterMark: 0 });
}
