/** {@linkcode JetStreamSink}: publishes messages, many at once, none twice. */

import type { JetStreamClient, PubAck } from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/nats-core";
import { backoff } from "@weir/streams/backoff";
import { Fanout, type FanoutHandler, type FanoutOptions } from "@weir/streams/fanout";
import { check, has, type Rule } from "../options.ts";
import { isFinal } from "./failures.ts";

/** What a {@linkcode JetStreamSink} publishes. */
export interface JetStreamMessage {
  /** The subject. A stream must store it. */
  readonly subject: string;
  /** The payload. */
  readonly data?: Uint8Array | string | undefined;
  /** Its headers. */
  readonly headers?: MsgHdrs | undefined;
  /**
   * What the stream knows it by: **two messages with the same id are stored once**, if the second comes
   * within the stream's `duplicate_window`. So it must be the same when you publish it again, such as the
   * id of an order.
   */
  readonly msgID: string;
}

/** Options of {@linkcode JetStreamSink}: those of a `Fanout`, with other defaults. */
export interface JetStreamSinkOptions extends FanoutOptions<JetStreamMessage> {
  /**
   * How many messages may be on their way to the server.
   *
   * @default {256}
   */
  concurrency?: number | undefined;
  /**
   * How long an attempt waits for the server's answer, in milliseconds: more than 0 and at most
   * 2147483647.
   *
   * @default {5000}
   */
  timeout?: number | undefined;
  /**
   * The `duplicate_window` of the stream, in milliseconds: no attempt begins that may end after it, since
   * it could store the message a second time.
   *
   * @default {120_000}, which is the server's
   */
  duplicateWindow?: number | undefined;
}

const OWNER = "JetStreamSink";
const MAX_DELAY = 2147483647;
const TIME: Rule = [
  "number",
  `be more than 0 and at most ${MAX_DELAY} milliseconds`,
  (value: number) => value > 0 && value <= MAX_DELAY,
];
const CLIENT: Rule = has("be a JetStreamClient", "publish");

/**
 * A `Fanout` that publishes to JetStream.
 */
export class JetStreamSink extends Fanout<JetStreamMessage, PubAck> {
  /**
   * Makes a sink.
   *
   * @param js The client: `jetstream(connection)`.
   * @param options The bounds, and who is told what.
   */
  constructor(js: JetStreamClient, options?: JetStreamSinkOptions) {
    const { handler, own } = open(js, options);
    super(handler, own);
  }
}

function open(
  js: JetStreamClient,
  options: JetStreamSinkOptions = {},
): { handler: FanoutHandler<JetStreamMessage, PubAck>; own: FanoutOptions<JetStreamMessage> } {
  check(OWNER, "js", js, CLIENT);
  if (typeof options !== "object" || options === null) {
    return { handler: () => Promise.reject(), own: options }; // the Fanout says so
  }
  const { timeout = 5000, duplicateWindow = 120_000, concurrency = 256, ...rest } = options;
  check(OWNER, "timeout", timeout, TIME);
  check(OWNER, "duplicateWindow", duplicateWindow, TIME);
  /** When the first attempt began of those that have failed. */
  const first = new WeakMap<JetStreamMessage, number>();
  const delays = backoff({ attempts: Number.MAX_SAFE_INTEGER, min: 50, max: 2000 });
  const retry = (error: unknown, attempt: number, item: JetStreamMessage): number | undefined => {
    if (isFinal(error)) return;
    const delay = delays(error, attempt)!;
    const start = first.get(item);
    if (start === undefined) return;
    return performance.now() + delay + timeout <= start + duplicateWindow ? delay : undefined;
  };
  const handler: FanoutHandler<JetStreamMessage, PubAck> = async (item, { attempt }) => {
    const start = performance.now();
    const { subject, data, headers, msgID } = read(item);
    try {
      return await js.publish(subject, data, { msgID, timeout, ...(headers && { headers }) });
    } catch (error) {
      if (attempt === 1) first.set(item, start);
      throw error;
    }
  };
  return { handler, own: { name: OWNER, retry, ...rest, concurrency } };
}

function read(item: JetStreamMessage): JetStreamMessage {
  const { subject, data, msgID } = Object(item) as JetStreamMessage;
  if (typeof subject !== "string") throw wrong("subject", "a string");
  if (typeof msgID !== "string" || msgID === "") throw wrong("msgID", "a string that is not empty");
  if (data !== undefined && typeof data !== "string" && !(ArrayBuffer.isView(data))) {
    throw wrong("data", "a Uint8Array or a string");
  }
  return item;
}

function wrong(field: string, words: string): TypeError {
  return new TypeError(`${OWNER}: "${field}" of a message must be ${words}`);
}
