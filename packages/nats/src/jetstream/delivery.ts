/** {@linkcode JetStreamDelivery}: a message of a stream, with methods to acknowledge it. */

import type { JsMsg } from "@nats-io/jetstream";
import type { Delivery } from "../delivery/delivery.ts";

/**
 * A message of JetStream; `value` is the client's message. The first of `ack`, `nak` and `term`
 * counts. None of them waits for the server. They don't throw, except for a wrong `delay`.
 */
export interface JetStreamDelivery extends Delivery<JsMsg> {
  /**
   * The stream and the sequence of the message, such as `ORDERS:42`. **It is the same in each
   * delivery**: the key by which a handler knows that it has done a message. If you delete a stream
   * and create it again, it counts from 1 again. Delete the keys with it, or your handler takes new
   * messages for old ones.
   */
  readonly id: string;
  /** How often the server has delivered it, including this time: from 1. */
  readonly deliveries: number;
  /** Whether it is settled, by this delivery or by the message itself. */
  readonly settled: boolean;
  /**
   * Reports that it is not done: the server delivers it again, to any process.
   *
   * @param delay The least time until then, in milliseconds: at least 0.
   * @throws {RangeError} If the delay is out of range.
   */
  nak(delay?: number): void;
  /**
   * Reports that it will never be done: the server does not deliver it again.
   *
   * @param reason A reason for the advisory that the server sends.
   */
  term(reason?: string): void;
}
