/** {@linkcode Publisher}: sends messages, and finds the answer of the server to each. */

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

/** How late a timeout may be noticed, in milliseconds: one timer looks after all messages. */
const TICK = 250;
const MSG_ID = "Nats-Msg-Id";

/** A message that the server has not answered. */
interface Sent {
  readonly message: JetStreamMessage;
  readonly headers: MsgHdrs;
  /** Of `performance.now()`. */
  readonly deadline: number;
  readonly resolve: (ack: PubAck) => void;
  readonly reject: (error: unknown) => void;
}

/** What the server answers. */
type Answer = PubAck & { readonly error?: ApiError };

/**
 * One for each connection, with one subscription for all answers. The client's own `publish` makes two
 * errors, a timer and five promises a message, and is a third as fast.
 */
export class Publisher {
  readonly #connection: NatsConnection;
  /** The subject of an answer, but for its token. */
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

  /** Resolves with the server's answer, if it comes before `deadline` of `performance.now()`. */
  send(message: JetStreamMessage, deadline: number): Promise<PubAck> {
    return new Promise((resolve, reject) => {
      const token = (this.#count++).toString(36);
      const sent = { message, headers: headersOf(message), deadline, resolve, reject };
      this.#answers ??= this.#listen();
      // While there is no connection it waits for the next.
      if (this.#up) this.#publish(sent, token);
      this.#waiting.set(token, sent);
      this.#timer ??= setInterval(this.#expire, TICK);
    });
  }

  /** The client drops what is sent from here on. */
  lost(): void {
    this.#up = false;
  }

  /** There is another connection: sends again what was not answered. It is stored once, by its id. */
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

  /** The server refuses a subject. It does not say of which message. */
  refused(subject: string, error: unknown): void {
    for (const [token, sent] of this.#waiting) {
      if (sent.message.subject !== subject) continue;
      this.#waiting.delete(token);
      return sent.reject(error);
    }
  }

  /** Nothing more will be answered. */
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
      // No permission to hear answers.
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
  // A copy: another message may have the same.
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
