/** {@linkcode Reading}: the engine of a source. */

import type { Consumer, ConsumerInfo, JsMsg } from "@nats-io/jetstream";
import type { JetStreamDelivery } from "./delivery.ts";
import { Held, Keeper, type KeeperHost } from "./held.ts";
import { Link, type LinkListener } from "./link.ts";
import { OWNER, Rounds, type RoundsHost, titleOf } from "./rounds.ts";
import type { JetStreamSourceOptions } from "./source.ts";

const HOUR = 3_600_000;
/** How long `cancel` waits for the server, in milliseconds. */
const GRACE = 1000;

/** The buffer between the rounds and the reader, and the end of a source. */
export class Reading
  implements UnderlyingDefaultSource<JetStreamDelivery>, RoundsHost, KeeperHost, LinkListener {
  readonly #link: Link;
  readonly #rounds: Rounds;
  readonly #keeper: Keeper;
  readonly #maxMessages: number;
  readonly #onLate: JetStreamSourceOptions["onLate"];
  readonly #signal: AbortSignal | undefined;
  readonly #allowMaxDeliver: boolean;
  /** The consumer's info, once it is known. */
  #info: ConsumerInfo | undefined;
  #controller!: ReadableStreamDefaultController<JetStreamDelivery>;
  /** The messages that wait for the reader, from `#head` on. */
  #buffer: Held[] = [];
  #head = 0;
  /** The reader that waits for a message. */
  #reader: (() => void) | undefined;
  #state: "idle" | "reading" | "ended" = "idle";

  constructor(consumer: Consumer, options: JetStreamSourceOptions) {
    this.#link = Link.of(options.connection);
    this.#maxMessages = options.maxMessages ?? 256;
    this.#onLate = options.onLate;
    this.#signal = options.signal;
    this.#allowMaxDeliver = options.allowMaxDeliver ?? false;
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
    // So that the caller of `cancel` may close the connection afterwards.
    await this.#link.ledger.sent(GRACE);
  }

  get room(): number {
    return this.#ample ? this.#maxMessages - this.#waiting : 0;
  }

  onInfo(info: ConsumerInfo): void {
    const { ack_policy, ack_wait = 30e9, backoff = [], max_deliver = -1 } = info.config;
    if (ack_policy !== "explicit") {
      throw new TypeError(
        `${OWNER}: the ack_policy of ${titleOf(info)} must be "explicit"; got "${ack_policy}"`,
      );
    }
    if (max_deliver > 0 && !this.#allowMaxDeliver) {
      throw new TypeError(
        `${OWNER}: the ${titleOf(info)} has max_deliver ${max_deliver}, after which the ` +
          `server gives a message up in silence; leave it out, and give acked a maxDeliveries, ` +
          `or set option "allowMaxDeliver"`,
      );
    }
    this.#info = info;
    this.#keeper.ackWait = Math.min(ack_wait, ...backoff) / 1e6;
  }

  onMessage(message: JsMsg): void {
    const held = new Held(message, this.#keeper);
    if (this.#state === "ended") return held.nak();
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
    // Extensions that were sent meanwhile are lost.
    this.#keeper.touch();
    this.#rounds.restart();
  }

  /**
   * The client doesn't report this error. It would ask forever, or get messages forever that it has
   * done.
   */
  onRefused(subject: string, error: Error): void {
    const info = this.#info;
    if (!info || !/^\$JS\.ACK\.|\.CONSUMER\.MSG\.NEXT\./.test(subject)) return;
    if (!`${subject}.`.includes(`.${info.stream_name}.${info.name}.`)) return;
    this.onError(
      new Error(`${OWNER}: ${titleOf(info)} cannot be read: ${error.message}`, { cause: error }),
    );
  }

  onClosed(cause: unknown): void {
    this.onError(new Error(`${OWNER}: the connection is closed`, { cause }));
    this.#keeper.clear();
  }

  get #waiting(): number {
    return this.#buffer.length - this.#head;
  }

  /** Asks for more messages if there is room: in few requests, and before the buffer is empty. */
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

  /** Ends the output. */
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

  /** Stops extending the messages that were read. */
  #forget(): void {
    this.#keeper.clear();
    this.#link.remove(this);
  }
}
