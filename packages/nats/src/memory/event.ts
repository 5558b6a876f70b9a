/** What happens to the messages of a broker, and to those who consume them, as a list of plain objects. */

/**
 * What has happened. Of a message, which `id` names:
 *
 * - `published`: the broker has it.
 * - `delivered`: the broker has sent it to a consumer, where it may wait in a buffer. Only the broker knows
 *   when.
 * - `taken`: the pipeline of a consumer has read it, or a handler has started on it.
 * - `done`: a consumer says that it is done; whether the broker hears of it is not known.
 * - `acked`, `nacked`, `termed`: the broker has heard so from a consumer.
 * - `lost`: the broker never hears what a consumer has said of it.
 * - `expired`: its ack wait is over.
 * - `duplicated`: the broker hands it out again though nobody has asked for it.
 * - `forgotten`: a restart has lost what the broker knew of it: its ack, or who has it.
 *
 * Of a consumer, which `consumer` names:
 *
 * - `crashed`: it has ended, and all that it held with it.
 * - `paused`, `resumed`: it does nothing in between, or cannot reach the broker.
 * - `left`: it has ended by itself, and no longer extends what it had taken.
 *
 * Of the broker: `stopped`, `restarted`. A restart that nothing has announced takes no time.
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

/** Something that has happened. It survives `JSON.stringify`. */
export interface BrokerEvent {
  /** When, in milliseconds, by a clock that all events of a history share. */
  readonly at: number;
  /** What. */
  readonly kind: BrokerEventKind;
  /** Which message. */
  readonly id?: string;
  /** Which consumer. A process that starts again is another consumer, and has another name. */
  readonly consumer?: string;
  /** Which delivery of the message: from 1. */
  readonly deliveries?: number;
  /** Why a message was termed. */
  readonly reason?: string;
}
