/** {@linkcode JetStreamDelivery}: a message of a stream, and the way to acknowledge it. */

import type { JsMsg } from "@nats-io/jetstream";
import type { Delivery } from "../delivery/delivery.ts";

/**
 * A message of JetStream; `value` is that of the client. The first of `ack`, `nak` and `term` counts. None
 * of them waits for the server, and none throws but for a `delay` that is none.
 */
export interface JetStreamDelivery extends Delivery<JsMsg> {
  /**
   * The stream and the sequence of the message, such as `ORDERS:42`. **It is the same in each delivery**:
   * the key by which a handler knows what it has done already. A stream that is deleted and made anew counts
   * from 1 again, so forget the keys with it: else its messages are taken for those of the old one.
   */
  readonly id: string;
  /** How often the server has handed it out, this time included: from 1. */
  readonly deliveries: number;
  /** Whether somebody has said what has become of it, by the message itself, too. */
  readonly settled: boolean;
  /**
   * It is not done: the server hands it out again, to any process.
   *
   * @param delay In how many milliseconds, at the earliest: at least 0.
   * @throws {RangeError} If the delay is out of range.
   */
  nak(delay?: number): void;
  /**
   * It will never be done: the server does not hand it out again.
   *
   * @param reason For the advisory that the server sends.
   */
  term(reason?: string): void;
}
