/** {@linkcode Rounds}: asks the server for messages, one request after the other. */

import type { Consumer, ConsumerInfo, ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import type { Link } from "./link.ts";
import { isFinal } from "./failures.ts";

/** Who it is in messages. */
export const OWNER = "jetStreamSource";

/** How long a request waits for messages, and how often the server says meanwhile that it is there, in ms. */
const EXPIRES = 30_000;
const HEARTBEAT = 5000;
/** The first and the longest pause after a request that failed, in milliseconds. */
const PAUSE = 50;
const LONGEST = 2000;
/** How long an answer may take: a server that has just started may drop what it is asked. In milliseconds. */
const PATIENCE = 1000;
/** How long a request that is given up may take to end, in milliseconds. */
const GRACE = 1000;

/** What the rounds need of their owner. */
export interface RoundsHost {
  /** How many may be asked for now. */
  readonly room: number;
  /** The consumer as the server has it: at the start, and after what has failed. Throws if it will not do. */
  onInfo(info: ConsumerInfo): void;
  onMessage(message: JsMsg): void;
  /** It cannot go on. */
  onError(error: unknown): void;
}

/** One request at a time, so that messages come in the order of the server. */
export class Rounds {
  readonly #consumer: Consumer;
  readonly #link: Link;
  readonly #host: RoundsHost;
  /** The most that a request may ask for. */
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

  /** Begins, or goes on where it waits for room. */
  proceed(): void {
    if (this.#ended) return;
    this.#running ??= this.#run().catch((error) => this.#host.onError(error));
    // A pause after a failure ends by itself.
    if (this.#timer === undefined) this.#resume();
  }

  /** The connection is lost, or another: what was asked of the last one is void. */
  restart(): void {
    // The client would ask again for as many as at first, though some have come.
    this.#messages?.stop();
    if (this.#link.up) this.#resume();
  }

  /** Asks for nothing more. Resolves when nothing more comes of what was asked. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#resume();
    const messages = this.#messages;
    if (!messages) return;
    const late = setTimeout(() => messages.stop(), GRACE);
    // With `stop` alone, what is on its way would be dropped, and nobody would have it before its ack wait is over.
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
        // A request that nobody answers does not say whether the consumer is there.
        known = false;
      }
    }
  }

  /** Asks how the consumer is. Says whether there was an answer. */
  async #inspect(): Promise<boolean> {
    const asked = this.#consumer.info();
    asked.catch(() => {}); // who knows when
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

  /** An error of the client says little of where it comes from; ours are clear. */
  async #explain(error: unknown): Promise<unknown> {
    if (error instanceof TypeError) return error;
    const title = await this.#consumer.info(true).then(titleOf, () => "the consumer");
    const { message } = Object(error) as { message?: unknown };
    return new Error(`${OWNER}: ${title} cannot be read: ${message}`, { cause: error });
  }

  /** Until there is room, or the connection is another, or a pause is over. */
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

/** The client's own way to an end without loss, which its type does not have; else what is on its way is dropped. */
function drain(messages: ConsumerMessages): void {
  const { sub } = messages as { sub?: { drain?(): Promise<void> } };
  if (typeof sub?.drain === "function") sub.drain().catch(() => messages.stop());
  else messages.stop();
}

/** For messages: what the server calls the consumer. */
export function titleOf({ stream_name, name }: ConsumerInfo): string {
  return `consumer ${JSON.stringify(name)} of stream ${JSON.stringify(stream_name)}`;
}
