/** {@linkcode Held}: a message that is ours for now, and {@linkcode Keeper}, which tells the server so. */

import type { JsMsg } from "@nats-io/jetstream";
import type { JetStreamDelivery } from "./delivery.ts";
import type { AckLedger } from "./ack_ledger.ts";

/** What every message of the client has, though its type does not say so. */
type Raw = JsMsg & { readonly reply?: string; readonly didAck?: boolean };

/** How many parts the ack wait has; one tick of the clock is a part. */
const PARTS = 4;

/** A message until somebody has said what has become of it. Its links are those of the keeper's list. */
export class Held implements JetStreamDelivery {
  readonly value: JsMsg;
  private readonly keeper: Keeper;
  private said = false;
  /** @internal The neighbours in the list; none where it is not in it. */
  before: Held | undefined = undefined;
  after: Held | undefined = undefined;
  kept = false;
  /** When it came, and when the server last heard of it, in ticks. */
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

  /** Whether it is the first word, and there is somebody to hear it. */
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

/** What a keeper needs of its owner. */
export interface KeeperHost {
  /** One that is not extended any more, since it has been held for too long. */
  onLate(held: Held): void;
  /** Nothing is held. */
  onEmpty(): void;
}

/**
 * Tells the server of all that is held, until it settles, in time for its ack wait. One timer for all;
 * the list is in the order in which the server last heard of its members.
 */
export class Keeper {
  readonly ledger: AckLedger;
  readonly #host: KeeperHost;
  readonly #maxHold: number;
  #first: Held | undefined;
  #last: Held | undefined;
  #tick = 0;
  /** Milliseconds of a tick. */
  #length = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(ledger: AckLedger, host: KeeperHost, maxHold: number) {
    this.ledger = ledger;
    this.#host = host;
    this.#maxHold = maxHold;
  }

  /** Sets how long the server waits, in milliseconds. */
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

  /** Tells the server of all at once. */
  touch(): void {
    this.#visit(this.#tick);
  }

  /** Lets go of all. The server hands out again what does not settle in time. */
  clear(): void {
    for (let held = this.#first; held; held = this.#first) this.#unlink(held);
    this.stop();
  }

  /** Has no timer until something is held again. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  readonly #extend = (): void => {
    this.#tick++;
    // What came in the last tick is fresh; the next one is in time for it.
    this.#visit(this.#tick - 2);
    if (this.#first === undefined) this.stop();
  };

  /** Extends what the server has not heard of since a tick. */
  #visit(until: number): void {
    const last = this.#last;
    const oldest = this.#tick - this.#maxHold / this.#length;
    for (let held = this.#first; held && held.heard <= until;) {
      const next = held === last ? undefined : held.after;
      if (held.settled) this.remove(held); // by the message itself
      else if (held.since < oldest) {
        const late = held;
        this.#unlink(late);
        // What it calls may throw: the others are extended first.
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
