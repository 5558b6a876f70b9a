/** {@linkcode Publisher} sends messages, and matches the server's answers to them. */

import { type ApiError, JetStreamApiError, type PubAck } from "@nats-io/jetstream";
import {
  createInbox,
  errors,
  headers,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type Subscription,
} from "@nats-io/nats-core";
import type { JetStreamMessage } from "./message.ts";

/** How late a timeout may be noticed, in milliseconds: one timer serves all messages. */
const TICK = 250;
const MSG_ID = "Nats-Msg-Id";

/** A message that the server has not answered. */
interface Sent {
  readonly message: JetStreamMessage;
  readonly headers: MsgHdrs;
  /** A time of `performance.now()`. */
  readonly deadline: number;
  readonly resolve: (ack: PubAck) => void;
  readonly reject: (error: unknown) => void;
}

/** An answer of the server. */
type Answer = PubAck & { readonly error?: ApiError };

/**
 * One per connection, with one subscription for all answers. The client's own `publish` makes two
 * errors, a timer and five promises per message, and is a third as fast.
 */
export class Publisher {
  readonly #connection: NatsConnection;
  /** The subject of an answer, without its token. */
  readonly #inbox: string;
  readonly #waiting = new Map<string, Sent>();
  #count = 0;
  #answers: Subscription | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #up: boolean;

  constructor(connection: NatsConnection, prefix: string | undefined, up: boolean) {
    this.#connection = connection;
    this.#up = up;
    this.#inbox = `${createInbox(prefix)}.`;
  }

  /**
   * Resolves with the server's answer, if it arrives before `deadline`, a time of
   * `performance.now()`.
   */
  send(message: JetStreamMessage, deadline: number): Promise<PubAck> {
    return new Promise((resolve, reject) => {
      const token = (this.#count++).toString(36);
      const sent = { message, headers: headersOf(message), deadline, resolve, reject };
      this.#answers ??= this.#listen();
      // Without a connection, the message waits for the next one.
      if (this.#up) this.#publish(sent, token);
      this.#waiting.set(token, sent);
      this.#timer ??= setInterval(this.#expire, TICK);
    });
  }

  /** The connection is lost. The client drops everything from here on. */
  lost(): void {
    this.#up = false;
  }

  /**
   * The client has reconnected: sends all unanswered messages again. Their ids keep them from being
   * stored twice.
   */
  found(): void {
    this.#up = true;
    for (const [token, sent] of this.#waiting) {
      try {
        this.#publish(sent, token);
      } catch (error) {
        this.#waiting.delete(token);
        sent.reject(error);
      }
    }
  }

  /** The server refuses a subject. It does not name the message. */
  refused(subject: string, error: unknown): void {
    for (const [token, sent] of this.#waiting) {
      if (sent.message.subject !== subject) continue;
      this.#waiting.delete(token);
      return sent.reject(error);
    }
  }

  /** The connection is closed, so no more answers come. */
  end(error: unknown): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#answers = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }

  #publish({ message: { subject, data }, headers }: Sent, token: string): void {
    this.#connection.publish(subject, data, { reply: this.#inbox + token, headers });
  }

  #listen(): Subscription {
    const callback = (error: Error | null, msg: Msg): void => {
      // No permission to receive answers.
      if (error) return this.end(error);
      const token = msg.subject.slice(this.#inbox.length);
      const sent = this.#waiting.get(token);
      if (!sent) return; // too late
      this.#waiting.delete(token);
      settle(sent, msg);
    };
    return this.#connection.subscribe(`${this.#inbox}*`, { callback });
  }

  readonly #expire = (): void => {
    const now = performance.now();
    for (const [token, { deadline, reject }] of this.#waiting) {
      if (deadline > now) continue;
      this.#waiting.delete(token);
      reject(new errors.TimeoutError());
    }
    if (this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  };
}

function headersOf({ headers: given, msgID }: JetStreamMessage): MsgHdrs {
  const all = headers();
  // A copy, because several messages may share the headers.
  if (given) {
    for (const [name, values] of given) for (const value of values) all.append(name, value);
  }
  all.set(MSG_ID, msgID);
  return all;
}

function settle({ message, resolve, reject }: Sent, msg: Msg): void {
  if (msg.data.length === 0 && msg.headers?.code === 503) {
    const cause = new errors.NoRespondersError(message.subject);
    const words = `no stream stores subject ${
      JSON.stringify(message.subject)
    }, or its server is away`;
    return reject(new errors.RequestError(words, { cause }));
  }
  try {
    const answer = msg.json<Answer>();
    if (answer.error) return reject(new JetStreamApiError(answer.error));
    if (!answer.stream) throw new errors.ProtocolError("the answer is not that of a stream");
    answer.duplicate ??= false;
    resolve(answer);
  } catch (error) {
    reject(error);
  }
}
