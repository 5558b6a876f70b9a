/** {@linkcode Rounds} asks the server for messages, one request after the other. */

import type { Consumer, ConsumerInfo, ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import type { Link } from "./link.ts";
import { isFinal } from "./failures.ts";

/** The owner in error messages. */
export const OWNER = "jetStreamSource";

/**
 * How long a request waits for messages, and the interval of the server's heartbeats, in
 * milliseconds.
 */
const EXPIRES = 30_000;
const HEARTBEAT = 5000;
/** The first and the longest pause after a request that failed, in milliseconds. */
const PAUSE = 50;
const LONGEST = 2000;
/**
 * How long an answer may take, in milliseconds. A server that has just started may drop a request.
 */
const PATIENCE = 1000;
/** How long a cancelled request may take to end, in milliseconds. */
const GRACE = 1000;

/** The owner of the rounds. */
export interface RoundsHost {
  /** The number of messages that there is room for. */
  readonly room: number;
  /**
   * Gets the consumer's info, at the start and after a failure. Throws if the consumer is
   * unsuitable.
   */
  onInfo(info: ConsumerInfo): void;
  onMessage(message: JsMsg): void;
  /** The rounds can't go on. */
  onError(error: unknown): void;
}

/** Makes one request at a time, so that messages come in the order of the server. */
export class Rounds {
  readonly #consumer: Consumer;
  readonly #link: Link;
  readonly #host: RoundsHost;
  /** The most messages that a request may ask for. */
  #most = Infinity;
  #expires = EXPIRES;
  #messages: ConsumerMessages | undefined;
  #running: Promise<void> | undefined;
  #ended = false;
  #wake: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(consumer: Consumer, link: Link, host: RoundsHost) {
    this.#consumer = consumer;
    this.#link = link;
    this.#host = host;
  }

  /** Starts, or continues if it waits for room. */
  proceed(): void {
    if (this.#ended) return;
    this.#running ??= this.#run().catch((error) => this.#host.onError(error));
    // A pause after a failure ends by itself.
    if (this.#timer === undefined) this.#resume();
  }

  /** The connection is lost, or is a new one: requests of the last one are void. */
  restart(): void {
    // The client would repeat the whole request, though some messages have arrived.
    this.#messages?.stop();
    if (this.#link.up) this.#resume();
  }

  /** Makes no more requests. Resolves when no more messages come. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#resume();
    const messages = this.#messages;
    if (!messages) return;
    const late = setTimeout(() => messages.stop(), GRACE);
    // `stop` alone would drop messages on their way, and no process would get them before their ack
    // wait is over.
    if (this.#link.up) drain(messages);
    else messages.stop();
    await this.#running;
    clearTimeout(late);
  }

  async #run(): Promise<void> {
    let failures = 0;
    let known = false;
    while (!this.#ended) {
      try {
        if (!this.#link.up) {
          await this.#wait();
          continue;
        }
        if (!known) {
          known = await this.#inspect();
          continue;
        }
        const { room } = this.#host;
        if (room > 0) await this.#ask(Math.min(room, this.#most));
        else await this.#wait();
        failures = 0;
      } catch (error) {
        if (this.#ended) return;
        if (isFinal(error)) throw await this.#explain(error);
        await this.#wait(Math.min(PAUSE * 2 ** failures++, LONGEST));
        // An unanswered request does not show whether the consumer exists.
        known = false;
      }
    }
  }

  /** Asks for the consumer's info. Returns whether there was an answer. */
  async #inspect(): Promise<boolean> {
    const asked = this.#consumer.info();
    asked.catch(() => {}); // it may reject later
    const info = await Promise.race([asked, this.#wait(PATIENCE)]);
    this.#resume();
    if (!info || this.#ended) return false;
    const { max_batch, max_expires } = info.config;
    this.#most = max_batch && max_batch > 0 ? max_batch : Infinity;
    this.#expires = max_expires ? Math.min(Math.max(max_expires / 1e6, 1000), EXPIRES) : EXPIRES;
    this.#host.onInfo(info);
    return true;
  }

  async #ask(count: number): Promise<void> {
    const expires = this.#expires;
    const messages = await this.#consumer.fetch({
      max_messages: count,
      expires,
      idle_heartbeat: Math.min(HEARTBEAT, expires / 2),
    });
    this.#messages = messages;
    if (this.#ended || !this.#link.up) messages.stop();
    try {
      for await (const message of messages) this.#host.onMessage(message);
    } finally {
      this.#messages = undefined;
    }
  }

  /** An error of the client doesn't say where it comes from, so this adds the consumer's name. */
  async #explain(error: unknown): Promise<unknown> {
    if (error instanceof TypeError) return error;
    const title = await this.#consumer.info(true).then(titleOf, () => "the consumer");
    const { message } = Object(error) as { message?: unknown };
    return new Error(`${OWNER}: ${title} cannot be read: ${message}`, { cause: error });
  }

  /** Waits until there is room, the connection changes, or a pause is over. */
  async #wait(pause?: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (pause !== undefined) this.#timer = setTimeout(this.#resume, pause);
    });
  }

  readonly #resume = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  };
}

/**
 * Ends a request by a method that the client's type does not show. It loses no message, while
 * `stop` drops messages on their way.
 */
function drain(messages: ConsumerMessages): void {
  const { sub } = messages as { sub?: { drain?(): Promise<void> } };
  if (typeof sub?.drain === "function") sub.drain().catch(() => messages.stop());
  else messages.stop();
}

/** The name of a consumer in error messages. */
export function titleOf({ stream_name, name }: ConsumerInfo): string {
  return `consumer ${JSON.stringify(name)} of stream ${JSON.stringify(stream_name)}`;
}
