/** {@linkcode jetStreamSource}: the messages of a consumer, as a stream. */

import type { Consumer, ConsumerInfo, JsMsg } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { checkAll, FUNCTION, has, LIMIT, type Rule, type Rules } from "../options.ts";
import type { JetStreamDelivery } from "./delivery.ts";
import { Held, Keeper, type KeeperHost } from "./held.ts";
import { Link, type LinkListener } from "./link.ts";
import { OWNER, Rounds, type RoundsHost, titleOf } from "./rounds.ts";

/** Options of {@linkcode jetStreamSource}. */
export interface JetStreamSourceOptions {
  /** The connection of the consumer. Connect with `maxReconnectAttempts: -1`, or a server that is away ends it. */
  connection: NatsConnection;
  /**
   * The most messages that are asked for ahead and wait in the source: an integer of at least 1. What was
   * read and has not settled is not counted: the reader bounds it, and the consumer's `max_ack_pending`.
   *
   * @default {256}
   */
  maxMessages?: number | undefined;
  /**
   * How long a delivery that does not settle is kept from others, in milliseconds: more than 0, or
   * `Infinity`. After that the server may hand it out again once its ack wait is over.
   *
   * @default {3_600_000}
   */
  maxHold?: number | undefined;
  /** Is told of a delivery that is not kept any more, because of `maxHold`. */
  onLate?: ((delivery: JetStreamDelivery) => unknown) | undefined;
  /** Ends the stream when it aborts, as at its last message: what was read may still settle. */
  signal?: AbortSignal | undefined;
}

const HOUR = 3_600_000;
/** How long `cancel` waits for the server, in milliseconds. */
const GRACE = 1000;
const HOLD: Rule = ["number", "be more than 0 milliseconds", (value: number) => value > 0];

const RULES: Rules<keyof JetStreamSourceOptions> = {
  connection: has("be a NatsConnection", "status", "flush", "publish", "rtt", "isClosed", "closed"),
  maxMessages: LIMIT,
  maxHold: HOLD,
  onLate: FUNCTION,
  signal: has("be an AbortSignal", "addEventListener", "throwIfAborted"),
};
const CONSUMER: Rule = has("be a pull consumer of JetStream", "fetch", "info");

/**
 * The messages of a JetStream consumer, as a stream of deliveries.
 *
 * @param consumer A pull consumer whose `ack_policy` is explicit: `await js.consumers.get(stream, name)`.
 * @param options The connection, and the bounds.
 * @returns The stream. It ends only by `signal`, by `cancel()`, or with an error.
 */
export function jetStreamSource(
  consumer: Consumer,
  options: JetStreamSourceOptions,
): ReadableStream<JetStreamDelivery> {
  checkAll<JetStreamSourceOptions>(OWNER, options, RULES, "connection");
  checkAll(OWNER, { consumer }, { consumer: CONSUMER }, "consumer");
  return new ReadableStream(new Source(consumer, { ...options }), { highWaterMark: 0 });
}

/** Between the rounds and the reader: the buffer, and how it all ends. */
class Source
  implements UnderlyingDefaultSource<JetStreamDelivery>, RoundsHost, KeeperHost, LinkListener {
  readonly #link: Link;
  readonly #rounds: Rounds;
  readonly #keeper: Keeper;
  readonly #maxMessages: number;
  readonly #onLate: JetStreamSourceOptions["onLate"];
  readonly #signal: AbortSignal | undefined;
  #controller!: ReadableStreamDefaultController<JetStreamDelivery>;
  /** Those that wait for the reader, from `#head` on. */
  #buffer: Held[] = [];
  #head = 0;
  /** The reader who waits for a message. */
  #reader: (() => void) | undefined;
  #state: "idle" | "reading" | "ended" = "idle";

  constructor(consumer: Consumer, options: JetStreamSourceOptions) {
    this.#link = Link.of(options.connection);
    this.#maxMessages = options.maxMessages ?? 256;
    this.#onLate = options.onLate;
    this.#signal = options.signal;
    this.#keeper = new Keeper(this.#link.ledger, this, options.maxHold ?? HOUR);
    this.#rounds = new Rounds(consumer, this.#link, this);
  }

  start(controller: ReadableStreamDefaultController<JetStreamDelivery>): void {
    this.#controller = controller;
    if (this.#signal?.aborted) this.#finish();
    else this.#signal?.addEventListener("abort", this.#finish);
  }

  pull(): Promise<void> | void {
    if (this.#state === "idle") this.#begin();
    const next = this.#shift();
    if (next) {
      this.#controller.enqueue(next);
      if (this.#ample) this.#rounds.proceed();
      return;
    }
    this.#rounds.proceed();
    return new Promise((resolve) => this.#reader = resolve);
  }

  async cancel(): Promise<void> {
    this.#release();
    this.#forget();
    await this.#giveBack();
    // So that who cancels may close the connection then.
    await this.#link.ledger.sent(GRACE);
  }

  get room(): number {
    return this.#ample ? this.#maxMessages - this.#waiting : 0;
  }

  onInfo(info: ConsumerInfo): void {
    const { ack_policy, ack_wait = 30e9, backoff = [] } = info.config;
    if (ack_policy !== "explicit") {
      throw new TypeError(
        `${OWNER}: the ack_policy of ${titleOf(info)} must be "explicit"; got "${ack_policy}"`,
      );
    }
    this.#keeper.ackWait = Math.min(ack_wait, ...backoff) / 1e6;
  }

  onMessage(message: JsMsg): void {
    const held = new Held(message, this.#keeper);
    // More than was asked for is of a request that the client sent again by itself.
    if (this.#state === "ended" || this.#waiting >= this.#maxMessages) return held.nak();
    this.#keeper.add(held);
    const reader = this.#reader;
    if (!reader) {
      this.#buffer.push(held);
      return;
    }
    this.#reader = undefined;
    held.buffered = false;
    this.#controller.enqueue(held);
    reader();
  }

  onError(error: unknown): void {
    if (this.#state === "ended") return;
    this.#release();
    this.#controller.error(error);
    this.#forget();
    void this.#giveBack();
  }

  onLate(held: Held): void {
    if (held.buffered) held.nak();
    else this.#onLate?.(held);
  }

  onEmpty(): void {
    if (this.#state === "ended") this.#forget();
  }

  onDown(): void {
    this.#rounds.restart();
  }

  onUp(): void {
    // What the server was told while it was away is lost.
    this.#keeper.touch();
    this.#rounds.restart();
  }

  onClosed(cause: unknown): void {
    this.onError(new Error(`${OWNER}: the connection is closed`, { cause }));
    this.#keeper.clear();
  }

  get #waiting(): number {
    return this.#buffer.length - this.#head;
  }

  /** Whether to ask for more: in few requests, and before the buffer is empty. */
  get #ample(): boolean {
    return this.#waiting * 2 <= this.#maxMessages;
  }

  #begin(): void {
    this.#state = "reading";
    this.#link.add(this);
    const { connection } = this.#link;
    if (connection.isClosed()) this.onClosed(undefined);
  }

  #shift(): Held | undefined {
    const buffer = this.#buffer;
    while (this.#head < buffer.length) {
      const held = buffer[this.#head]!;
      buffer[this.#head++] = undefined as never;
      if (this.#head === buffer.length) {
        buffer.length = this.#head = 0;
      }
      if (held.settled) continue;
      held.buffered = false;
      return held;
    }
  }

  /** The signal aborts. */
  readonly #finish = (): void => {
    if (this.#state === "ended") return;
    this.#release();
    this.#controller.close();
    void this.#giveBack();
    if (this.#keeper.empty) this.#forget();
  };

  /** From here on nothing comes out. */
  #release(): void {
    this.#state = "ended";
    this.#signal?.removeEventListener("abort", this.#finish);
    this.#reader?.();
    this.#reader = undefined;
  }

  async #giveBack(): Promise<void> {
    this.#dropBuffer();
    await this.#rounds.end();
  }

  #dropBuffer(): void {
    for (let held = this.#shift(); held; held = this.#shift()) held.nak();
  }

  /** What was handed out is not ours any more. */
  #forget(): void {
    this.#keeper.clear();
    this.#link.remove(this);
  }
}
