/** The events of a broker, its messages and its consumers, as plain objects. */

/**
 * The kind of an event. These concern a message, which `id` names:
 *
 * - `published`: the broker has the message.
 * - `delivered`: the broker has sent it to a consumer, where it may wait in a buffer. Only the
 *   broker can log this.
 * - `taken`: the pipeline of a consumer has read it, or a handler has started on it.
 * - `done`: a consumer says that it is done. The broker may not know it.
 * - `acked`, `nacked`, `termed`: the broker has received this from a consumer.
 * - `lost`: the broker never receives the consumer's ack, nak or term.
 * - `expired`: its ack wait is over.
 * - `duplicated`: the broker delivers it again without a reason.
 * - `forgotten`: the broker has lost its ack, or the consumer that has it, in a restart.
 *
 * These concern a consumer, which `consumer` names:
 *
 * - `crashed`: it has died, and lost all its messages.
 * - `paused`, `resumed`: between these it does nothing, or can't reach the broker.
 * - `left`: it has ended by itself, and no longer extends its messages.
 *
 * These concern the broker: `stopped`, `restarted`. A `restarted` without a `stopped` takes no
 * time.
 */
export type BrokerEventKind =
  | "published"
  | "delivered"
  | "taken"
  | "done"
  | "acked"
  | "nacked"
  | "termed"
  | "lost"
  | "expired"
  | "duplicated"
  | "forgotten"
  | "crashed"
  | "paused"
  | "resumed"
  | "left"
  | "stopped"
  | "restarted";

/** An event. It survives `JSON.stringify`. */
export interface BrokerEvent {
  /** The time in milliseconds, by a clock that all events of a history share. */
  readonly at: number;
  /** The kind of the event. */
  readonly kind: BrokerEventKind;
  /** The message. */
  readonly id?: string;
  /** The consumer. A process that starts again is another consumer, with another name. */
  readonly consumer?: string;
  /** The number of the delivery: from 1. */
  readonly deliveries?: number;
  /** The reason of a `term`. */
  readonly reason?: string;
}
