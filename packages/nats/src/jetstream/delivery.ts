/** {@linkcode JetStreamDelivery}: a message of a stream, and the way to acknowledge it. */

import type { JsMsg } from "@nats-io/jetstream";
import type { Delivery } from "../delivery/delivery.ts";

/** A message of JetStream. The first of `ack`, `nak` and `term` counts. */
export interface JetStreamDelivery extends Delivery<JsMsg> {
  /**
   * The stream and the sequence of the message, such as `ORDERS:42`. **It is the same in each delivery**:
   * the key by which a handler knows what it has done already.
   */
  readonly id: string;
  /** How often the server has handed it out, this time included: from 1. */
  readonly deliveries: number;
  /** Whether somebody has said what has become of it. */
  readonly settled: boolean;
  /**
   * It will never be done: the server does not hand it out again.
   *
   * @param reason For the server's advisory.
   */
  term(reason?: string): void;
}
