/**
 * {@linkcode Held}, a message that this process has, and {@linkcode Keeper}, which tells the server
 * that work goes on.
 */

import type { JsMsg } from "@nats-io/jetstream";
import type { JetStreamDelivery } from "./delivery.ts";
import type { AckLedger } from "./ack_ledger.ts";

/** Members that every message of the client has, though its type does not show them. */
type Raw = JsMsg & { readonly reply?: string; readonly didAck?: boolean };

/** The number of ticks in an ack wait. */
const PARTS = 4;

/** A message that is not settled yet, as a member of the keeper's linked list. */
export class Held implements JetStreamDelivery {
  readonly value: JsMsg;
  private readonly keeper: Keeper;
  private said = false;
  /** @internal The neighbours in the list; `undefined` outside it. */
  before: Held | undefined = undefined;
  after: Held | undefined = undefined;
  kept = false;
  /** When it arrived, and when it was last extended, in ticks. */
  since = 0;
  heard = 0;
  /** Whether it waits in the buffer. */
  buffered = true;

  constructor(value: JsMsg, keeper: Keeper) {
    this.value = value;
    this.keeper = keeper;
  }

  get id(): string {
    const { stream, streamSequence } = this.value.info;
    return `${stream}:${streamSequence}`;
  }

  get deliveries(): number {
    return this.value.info.deliveryCount;
  }

  get settled(): boolean {
    return this.said || (this.value as Raw).didAck === true;
  }

  ack(): void {
    if (!this.settle()) return;
    this.value.ack();
    this.keep("+ACK");
  }

  nak(delay?: number): void {
    const wait = delay === undefined ? 0 : Math.ceil(delay);
    if (!(wait >= 0 && wait < Infinity)) {
      throw new RangeError(`nak: delay must be at least 0 milliseconds; got ${String(delay)}`);
    }
    if (!this.settle()) return;
    this.value.nak(wait);
    this.keep(wait === 0 ? "-NAK" : `-NAK {"delay":${wait * 1e6}}`);
  }

  term(reason?: string): void {
    if (!this.settle()) return;
    this.value.term(reason);
    this.keep(reason ? `+TERM ${reason}` : "+TERM");
  }

  /** Whether this is the first settlement, and the connection is open. */
  private settle(): boolean {
    if (this.said) return false;
    this.said = true;
    this.keeper.remove(this);
    return (this.value as Raw).didAck !== true && !this.keeper.ledger.closed;
  }

  private keep(payload: string): void {
    const { reply } = this.value as Raw;
    if (reply) this.keeper.ledger.keep(reply, payload);
  }
}

/** The owner of a keeper. */
export interface KeeperHost {
  /** A message has reached `maxHold`, and is not extended any more. */
  onLate(held: Held): void;
  /** The list is empty. */
  onEmpty(): void;
}

/**
 * Extends each message before its ack wait is over, until it settles. There is one timer for all.
 * The list is in the order of the last extension.
 */
export class Keeper {
  readonly ledger: AckLedger;
  readonly #host: KeeperHost;
  readonly #maxHold: number;
  #first: Held | undefined;
  #last: Held | undefined;
  #tick = 0;
  /** The length of a tick, in milliseconds. */
  #length = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(ledger: AckLedger, host: KeeperHost, maxHold: number) {
    this.ledger = ledger;
    this.#host = host;
    this.#maxHold = maxHold;
  }

  /** Sets the ack wait, in milliseconds. */
  set ackWait(value: number) {
    const length = Math.min(Math.max(value / PARTS, 1), 2 ** 31 - 1);
    if (length === this.#length) return;
    this.#length = length;
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = setInterval(this.#extend, length);
  }

  get empty(): boolean {
    return this.#first === undefined;
  }

  add(held: Held): void {
    held.since = held.heard = this.#tick;
    this.#append(held);
    this.#timer ??= setInterval(this.#extend, this.#length);
  }

  remove(held: Held): void {
    if (!held.kept) return;
    this.#unlink(held);
    if (this.#first === undefined) this.#host.onEmpty();
  }

  /** Extends all messages now. */
  touch(): void {
    this.#visit(this.#tick);
  }

  /** Removes all messages. The server delivers those again that don't settle in time. */
  clear(): void {
    for (let held = this.#first; held; held = this.#first) this.#unlink(held);
    this.stop();
  }

  /** Stops the timer until there is a message again. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  readonly #extend = (): void => {
    this.#tick++;
    // Messages of the last tick are fresh: the next tick is early enough for them.
    this.#visit(this.#tick - 2);
    if (this.#first === undefined) this.stop();
  };

  /** Extends all messages that were not extended for a tick. */
  #visit(until: number): void {
    const last = this.#last;
    const oldest = this.#tick - this.#maxHold / this.#length;
    for (let held = this.#first; held && held.heard <= until;) {
      const next = held === last ? undefined : held.after;
      if (held.settled) this.remove(held); // settled by the message itself
      else if (held.since < oldest) {
        const late = held;
        this.#unlink(late);
        // The callback may throw, so the others are extended first.
        queueMicrotask(() => this.#host.onLate(late));
      } else {
        held.value.working();
        this.#unlink(held);
        held.heard = this.#tick;
        this.#append(held);
      }
      held = next;
    }
    if (this.#first === undefined) this.#host.onEmpty();
  }

  #append(held: Held): void {
    held.kept = true;
    held.before = this.#last;
    if (this.#last) this.#last.after = held;
    else this.#first = held;
    this.#last = held;
  }

  #unlink(held: Held): void {
    const { before, after } = held;
    if (before) before.after = after;
    else this.#first = after;
    if (after) after.before = before;
    else this.#last = before;
    held.before = held.after = undefined;
    held.kept = false;
  }
}
