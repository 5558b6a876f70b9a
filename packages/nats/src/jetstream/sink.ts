/** {@linkcode JetStreamSink} publishes messages, many at once, none twice. */

import type { JetStreamClient, PubAck } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { backoff } from "@weir/streams/backoff";
import { Fanout, type FanoutHandler, type FanoutOptions } from "@weir/streams/fanout";
import { check, has, type Rule, show } from "../options.ts";
import { isFinal } from "./failures.ts";
import { Link } from "./link.ts";
import { checkMessage, type JetStreamMessage } from "./message.ts";

export type { JetStreamMessage };

/**
 * Options of {@linkcode JetStreamSink}: the options of a `Fanout`, some with another meaning or
 * default.
 */
export interface JetStreamSinkOptions extends FanoutOptions<JetStreamMessage> {
  /**
   * The most messages that wait for an answer of the server: an integer of at least 0.
   *
   * @default {256}
   */
  concurrency?: number | undefined;
  /**
   * How long an attempt waits for the answer of the server, in milliseconds: more than 0 and at
   * most 2147483647. The sink may notice a timeout up to 250 ms late.
   *
   * @default {5000}
   */
  timeout?: number | undefined;
  /**
   * The `duplicate_window` of the stream, in milliseconds: more than 0 and at most 2147483647. **No
   * attempt begins that could end after it**, because the stream might store the message a second
   * time.
   *
   * @default {120_000}, the default of a stream
   */
  duplicateWindow?: number | undefined;
  /**
   * When to send a failed message again, as in a `Fanout`. By default the sink tries again if the
   * server has not answered, is away, or has no room (status 503). It waits 25 to 50 ms, then
   * longer each time, up to 2 seconds, for as long as the `duplicateWindow` allows. A message that
   * would fail again fails at once.
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
// The client has a method that its type does not show.
const CLIENT: Rule = has("be a JetStreamClient", "publish", "getConnection", "getOptions");

type Client = JetStreamClient & { getConnection(): NatsConnection };

/**
 * Publishes messages to JetStream: a `Fanout` whose handler is the server. `submit` returns the
 * server's answer.
 *
 * - **Stored once**: the sink sends a message again with the same `msgID`, and a stream stores each
 *   id once within its `duplicate_window`. No attempt begins that could end after it.
 * - **Done** means that the stream has confirmed that it stored the message. A failed message may
 *   be stored too, if its answer was lost. Publish it again with the same id.
 * - **Bound**: at most `concurrency` messages wait for the server's answer, and at most `capacity`
 *   wait in the sink. `push` and a pipe wait for room.
 * - **Servers that go away**: unanswered messages are sent again over the next connection, and new
 *   messages wait for it. Connect with `maxReconnectAttempts: -1`.
 * - **Failure**: a message that would fail again fails at once, such as one that is too large, or
 *   one whose headers expect another predecessor. Other failures are tried again as `retry` says.
 *   The client can't tell a subject without a stream from a server that is away.
 * - **Order**: messages are sent in the order of acceptance. A message that is sent again comes
 *   after later ones, unless `concurrency` is 1.
 *
 * All sinks of a connection share one subscription for the answers, and there is no timer per
 * message.
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
   * @param options The bounds and the hooks.
   * @throws {TypeError} If `js` isn't a client, or an option is of the wrong kind or unknown.
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
  /** When the first attempt of a failed message began. */
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
