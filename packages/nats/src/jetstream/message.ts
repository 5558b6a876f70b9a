/** {@linkcode JetStreamMessage}: a message to publish. */

import type { MsgHdrs } from "@nats-io/nats-core";

/** A message for a stream. */
export interface JetStreamMessage {
  /** Its subject, which must belong to a stream. */
  readonly subject: string;
  /**
   * Its payload. The default is empty.
   */
  readonly data?: Uint8Array | string | undefined;
  /** Its headers. They are copied. */
  readonly headers?: MsgHdrs | undefined;
  /**
   * Its id: **the stream stores messages with the same id once**, if they arrive within its
   * `duplicate_window`. Use a value that identifies the content, such as the id of an order. Then a
   * program that starts again publishes nothing twice. It must not be empty, or have space at its
   * ends.
   */
  readonly msgID: string;
}

/** Throws if a message is wrong. */
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
