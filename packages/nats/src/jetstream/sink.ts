/** {@linkcode JetStreamSink}: publishes messages, many at once, none twice. */

import type { JetStreamClient, PubAck } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { backoff } from "@weir/streams/backoff";
import { Fanout, type FanoutHandler, type FanoutOptions } from "@weir/streams/fanout";
import { check, has, type Rule, show } from "../options.ts";
import { isFinal } from "./failures.ts";
import { Link } from "./link.ts";
import { checkMessage, type JetStreamMessage } from "./message.ts";

export type { JetStreamMessage };

/** Options of {@linkcode JetStreamSink}: those of a `Fanout`, some with another meaning or default. */
export interface JetStreamSinkOptions extends FanoutOptions<JetStreamMessage> {
  /**
   * The most messages that the server has not answered: an integer of at least 0.
   *
   * @default {256}
   */
  concurrency?: number | undefined;
  /**
   * How long an attempt waits for the answer of the server, in milliseconds: more than 0 and at most
   * 2147483647. It is noticed up to 250 ms later.
   *
   * @default {5000}
   */
  timeout?: number | undefined;
  /**
   * The `duplicate_window` of the stream, in milliseconds: more than 0 and at most 2147483647. **No attempt
   * begins that could end after it**: the stream might store the message a second time.
   *
   * @default {120_000}, as that of a stream
   */
  duplicateWindow?: number | undefined;
  /**
   * When a message that has failed is sent again, as that of a `Fanout`. By default after 25 to 50 ms, then
   * later and later, at most 2 seconds: where the server has not answered, is not there, or has no room
   * (status 503), as long as the `duplicateWindow` allows. What would fail again fails at once.
   */
  retry?: FanoutOptions<JetStreamMessage>["retry"];
}

const OWNER = "JetStreamSink";
const MAX_DELAY = 2147483647;
const TIME: Rule = [
  "number",
  `be more than 0 and at most ${MAX_DELAY} milliseconds`,
  (value: number) => value > 0 && value <= MAX_DELAY,
];
// The client has a method that its type does not name.
const CLIENT: Rule = has("be a JetStreamClient", "publish", "getConnection", "getOptions");

type Client = JetStreamClient & { getConnection(): NatsConnection };

/**
 * Publishes messages to JetStream: a `Fanout` whose handler is the server. `submit` gives its answer.
 *
 * - **Stored once**: a message that is sent again has the same `msgID`, and a stream stores two with one id
 *   once, within its `duplicate_window`. Here no attempt begins that could end after it.
 * - **Done** is what the stream has stored, and said so. What has failed may be stored all the same: its
 *   answer may be lost. Publish it again with the same id.
 * - **Bound**: the server has at most `concurrency` messages that it has not answered, and `capacity` wait
 *   here; `push` and a pipe wait for room.
 * - **Servers that go away**: what was not answered is sent again by the next connection, and what comes
 *   meanwhile waits for it. Connect with `maxReconnectAttempts: -1`.
 * - **Failure**: what would fail again, such as a message that is too large or one that its headers expect
 *   after another, fails at once; the rest is tried again as `retry` says. The client and the server cannot
 *   tell a subject that no stream stores from a server that is away.
 * - **Order**: messages are sent in the order of acceptance. One that is sent again comes later than those
 *   after it, unless `concurrency` is 1.
 *
 * It hears the answers by one subscription for all sinks of a connection, and has no timer for a message.
 *
 * @example
 * ```ts
 * import { jetstream } from "@nats-io/jetstream";
 * import type { NatsConnection } from "@nats-io/nats-core";
 * import { JetStreamSink } from "@weir/nats";
 *
 * async function publish(
 *   connection: NatsConnection, // connect({ servers, maxReconnectAttempts: -1 })
 *   orders: AsyncIterable<{ id: string }>,
 * ): Promise<void> {
 *   const sink = new JetStreamSink(jetstream(connection));
 *   for await (const order of orders) {
 *     await sink.push({ subject: "orders.new", msgID: order.id, data: JSON.stringify(order) });
 *   }
 *   await sink.close();
 * }
 * ```
 */
export class JetStreamSink extends Fanout<JetStreamMessage, PubAck> {
  /**
   * Makes a sink.
   *
   * @param js The client: `jetstream(connection)`.
   * @param options The bounds, and who is told what.
   * @throws {TypeError} If the client is none, or an option of the wrong kind or unknown.
   * @throws {RangeError} If an option is out of range.
   */
  constructor(js: JetStreamClient, options?: JetStreamSinkOptions) {
    const { handler, own } = open(js, options);
    super(handler, own);
  }
}

interface Opened {
  readonly handler: FanoutHandler<JetStreamMessage, PubAck>;
  readonly own: FanoutOptions<JetStreamMessage>;
}

function open(js: JetStreamClient, options: JetStreamSinkOptions = {}): Opened {
  check(OWNER, "js", js, CLIENT);
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${OWNER}: options must be a plain object; got ${show(options)}`);
  }
  const { timeout = 5000, duplicateWindow = 120_000, concurrency = 256, ...others } = options;
  check(OWNER, "timeout", timeout, TIME);
  check(OWNER, "duplicateWindow", duplicateWindow, TIME);
  const rule = `be at least option "timeout" of ${timeout}`;
  check(OWNER, "duplicateWindow", duplicateWindow, ["number", rule, (value) => value >= timeout]);

  const link = Link.of((js as Client).getConnection());
  const publisher = link.publisher(js.getOptions().watcherPrefix);
  /** Of those that have failed: when their first attempt began. */
  const begun = new WeakMap<JetStreamMessage, number>();
  const delays = backoff({ attempts: Number.MAX_SAFE_INTEGER, min: 50, max: 2000 });
  const retry = (error: unknown, attempt: number, message: JetStreamMessage) => {
    if (isFinal(error)) return;
    const delay = delays(error, attempt)!;
    const left = begun.get(message)! + duplicateWindow - performance.now();
    return delay + timeout <= left ? delay : undefined;
  };
  const handler: Opened["handler"] = (message, { attempt }) => {
    checkMessage(OWNER, message);
    const start = performance.now();
    const sent = publisher.send(message, start + timeout);
    if (attempt === 1) sent.catch(() => begun.set(message, start));
    return sent;
  };
  return { handler, own: { name: OWNER, retry, ...others, concurrency } };
}
