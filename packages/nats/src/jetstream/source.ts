/** {@linkcode jetStreamSource}: the messages of a consumer, as a stream. */

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
   * The most messages that wait here to be read: an integer of at least 1. What was read and has not
   * settled is not counted: the `capacity` of the sink bounds it, and the consumer's `max_ack_pending`
   * bounds both together, for all processes. **Give a `Fanout` behind a `BatchStream` a small `capacity`**:
   * by default it lets 1024 batches wait, and other processes may have nothing.
   * **A batch that is larger than `max_ack_pending` never fills**: give its stream a `linger`.
   *
   * Choose it so that the reader is busy during a round trip to the server. More is kept from other
   * processes.
   *
   * @default {256}
   */
  maxMessages?: number | undefined;
  /**
   * How long a message is kept from other processes if it does not settle, in milliseconds: more than 0,
   * or `Infinity`. It counts from its arrival, to a quarter of the ack wait. After that the server hands it
   * out again when its ack wait is over. One that nobody has read by then is given back.
   *
   * @default {3_600_000}, an hour
   */
  maxHold?: number | undefined;
  /**
   * Whether the consumer may have a `max_deliver`. After so many deliveries **the server gives a message up
   * and tells nobody here**: set it where somebody hears of its advisories. Else leave `max_deliver` out,
   * and give `acked` a `maxDeliveries`, whose `onPoison` is told.
   *
   * @default {false}: such a consumer errors the stream
   */
  allowMaxDeliver?: boolean | undefined;
  /**
   * Is told of each delivery that was read and is not kept any more, because of `maxHold`. It may still
   * settle. A throw in it surfaces as an uncaught error.
   */
  onLate?: ((delivery: JetStreamDelivery) => unknown) | undefined;
  /**
   * Ends the stream when it aborts, as after its last message: what waits here is given back, and **what
   * was read is kept until it settles**. So a pipe drains, and the process can end.
   * A stream that has ended does not hear of a sink that fails later: what that leaves unsettled is kept for
   * `maxHold`, or until the connection is closed. Close it then, or give back what is discarded.
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
/** What the client's consumer has, though its type does not say so. */
type Client = Consumer & { readonly api?: { readonly nc?: unknown } };

const CONSUMER: Rule = has("be a pull consumer of JetStream", "fetch", "info");

/**
 * The messages of a JetStream consumer, as a stream of deliveries. Any number of processes may read from
 * one consumer: each message goes to one of them.
 *
 * - **Nothing is lost**: a message that does not settle is handed out again, here or elsewhere. **It may be
 *   handled more than once**: after a crash, or where the server has forgotten an acknowledgement, as one
 *   that is killed does. Handlers must bear that; {@linkcode JetStreamDelivery.id} is the same each time.
 * - **`max_deliver` of the consumer**: leave it at -1, and bound the deliveries by `maxDeliveries` of `acked`.
 *   With it the server drops what has not settled by then, also what was only given back unread, and says so
 *   in an advisory alone.
 * - **Demand**: nothing is asked for before the first read, and at most `maxMessages` wait here.
 * - **Kept**: as long as a message waits here, and from its read until it settles, the server is told that
 *   work goes on. So the ack wait of a consumer may be shorter than a handler takes. What blocks the thread
 *   for longer than the ack wait blocks this, too.
 * - **Settle each**: a stage that drops a delivery, as a filter does, acks it. Else it is kept for `maxHold`, and
 *   comes again.
 * - **Order** is that of the server.
 * - **Acknowledgements** that are lost with a connection are sent again by the next. Use those of the
 *   delivery: what the message's own `ack()` says is noticed, but not sent again.
 * - **`cancel()`**, and so a pipe whose sink fails or a `break`, gives back what waits here, and resolves
 *   when the server has it, or after a second or two. What was read and has not settled is not kept any
 *   longer: others have it when its ack wait is over.
 * - **Errors**: a consumer or stream that is deleted, a connection that is closed, a permission that is
 *   missing. A server that is away, stalled, or starts is waited for.
 *
 * @param consumer A pull consumer with the `ack_policy` explicit: `await js.consumers.get(stream, name)`.
 * @param options The connection, and the bounds.
 * @returns The stream. Its end is that of the `signal`.
 * @throws {TypeError} If the consumer is none or that of another connection, or an option of the wrong kind
 *   or unknown. A consumer with another `ack_policy`, as an ordered one, errors the stream with a `TypeError`.
 * @throws {RangeError} If an option is out of range.
 *
 * @example Orders to a database, in batches of a hundred, until the process is to end
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
  // Of the wrong one it would not hear that acknowledgements are lost.
  const { nc = options.connection } = (consumer as Client).api ?? {};
  if (nc !== options.connection) {
    throw new TypeError(`${OWNER}: option "connection" must be that of the consumer`);
  }
  return new ReadableStream(new Reading(consumer, { ...options }), { highWaterMark: 0 });
}
