/** {@linkcode JetStreamMessage}: what a sink publishes. */

import type { MsgHdrs } from "@nats-io/nats-core";

/** A message for a stream. */
export interface JetStreamMessage {
  /** Its subject, which a stream stores. */
  readonly subject: string;
  /**
   * Its payload. By default it is empty.
   */
  readonly data?: Uint8Array | string | undefined;
  /** Its headers. They are copied. */
  readonly headers?: MsgHdrs | undefined;
  /**
   * Its id, by which the stream knows it: **messages with one id are stored once**, if they come within the
   * `duplicate_window` of the stream. Take what identifies the content, such as the id of an order, so that
   * a program that starts anew publishes nothing twice. Not empty, and without space at its ends.
   */
  readonly msgID: string;
}

/** Throws what is wrong with it. */
export function checkMessage(owner: string, message: JetStreamMessage): void {
  const { subject, data, headers, msgID } = Object(message) as JetStreamMessage;
  const wrong = typeof subject !== "string"
    ? `"subject" of a message must be a string`
    : typeof msgID !== "string" || msgID === "" || msgID !== msgID.trim()
    ? `"msgID" of a message must be a string, not empty and without space at its ends`
    : data !== undefined && typeof data !== "string" && !(data instanceof Uint8Array)
    ? `"data" of a message must be a Uint8Array or a string`
    : headers !== undefined && typeof headers?.[Symbol.iterator] !== "function"
    ? `"headers" of a message must be the MsgHdrs that headers() of the client makes`
    : undefined;
  if (wrong !== undefined) throw new TypeError(`${owner}: ${wrong}`);
}
