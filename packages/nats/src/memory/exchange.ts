/** The engine of the broker: it knows where each message is. */

import { Backlog, type Message } from "./backlog.ts";
import type { BrokerEvent, BrokerEventKind } from "./event.ts";
import type { Faults } from "./faults.ts";
import { Handed, type Holder, type Verdict } from "./handed.ts";
import { random } from "./random.ts";
import { Timeline } from "./timeline.ts";

/** The number of latest acks that a restart may lose. */
const LATEST = 16;

/** A consumer, as the exchange needs it. */
export interface Consuming<T> extends Holder<T> {
  /** Its messages that are not settled, in its buffer or read. */
  readonly handed: ReadonlySet<Handed<T>>;
  /** Puts a requested message into its buffer. */
  receive(handed: Handed<T>): void;
  /** Gives a message to its waiting reader. */
  give(): void;
  /** The broker delivers nothing any more. */
  end(): void;
  pause(): void;
  resume(): void;
}

/** Delivers messages, and receives their outcomes. */
export class Exchange<T> {
  readonly history: BrokerEvent[] = [];
  readonly consumers: Set<Consuming<T>> = new Set();
  readonly ackWait: number;
  faults: Faults;
  readonly #timeline = new Timeline();
  readonly #random: () => number;
  readonly #backlog = new Backlog<T>();
  readonly #waiting = new Set<Consuming<T>>();
  readonly #paused = new Set<Consuming<T>>();
  readonly #idle: Array<() => void> = [];
  #latest: Message<T>[] = [];
  #published = 0;
  #pending = 0;
  #closed = false;
  #ended = false;

  constructor(ackWait: number, seed: number, faults: Faults) {
    this.ackWait = ackWait;
    this.faults = faults;
    this.#random = random(seed);
  }

  get pending(): number {
    return this.#pending;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get ended(): boolean {
    return this.#ended;
  }

  publish(value: T): string {
    const id = String(++this.#published);
    this.#pending++;
    this.note("published", { id });
    this.#backlog.add(id, value);
    this.#dispatch();
    return id;
  }

  /** Gives a consumer up to `count` messages at once, or one as soon as there is one. */
  fill(consumer: Consuming<T>, most: number): void {
    let given = 0;
    for (; given < most; given++) {
      const message = this.#backlog.next();
      if (!message) break;
      consumer.receive(this.#hand(message, consumer));
    }
    if (given > 0) consumer.give();
    else this.#waiting.add(consumer);
    this.#dispatch();
  }

  /** Notes that a consumer no longer waits. */
  unwant(consumer: Consuming<T>): void {
    this.#waiting.delete(consumer);
  }

  /** Notes that the pipeline of a consumer reads a delivery. */
  taken(handed: Handed<T>): void {
    this.#noteOf(handed, "taken");
  }

  /** Draws the faults after a consumer has taken a delivery. */
  strike(consumer: Consuming<T>): void {
    const { crash, pause, restart } = this.faults;
    if (this.#chance(crash)) consumer.crash();
    else if (this.ackWait < Infinity && this.#chance(pause)) this.#pause(consumer);
    else if (this.#chance(restart)) this.restart();
  }

  /** Receives the outcome of a delivery from a consumer. */
  hear(handed: Handed<T>, verdict: Verdict): void {
    const message = Handed.messageOf(handed);
    if (this.#chance(this.faults.crash)) {
      this.release(handed);
      Handed.holderOf(handed).crash();
    } else if (this.#chance(this.faults.lostAck)) {
      this.#noteOf(handed, "lost");
      this.release(handed);
    } else if (!message.settled) {
      // An ack of any delivery counts, even a late one.
      if (verdict.kind === "nacked") this.#nak(handed, message, verdict.delay);
      else this.#settle(handed, message, verdict);
    }
  }

  /** Notes that a delivery is no longer extended. */
  release(handed: Handed<T>): void {
    if (Handed.holderOf(handed).extends) this.#expect(handed);
  }

  /** Notes that a delivery is extended again. */
  extend(handed: Handed<T>): void {
    const message = Handed.messageOf(handed);
    if (Handed.holderOf(handed).extends && message.holder === handed) message.turn++;
  }

  restart(): void {
    this.note("restarted", {});
    if (this.#ended) return;
    for (const message of this.#latest.splice(0)) {
      if (!this.#chance(0.5)) continue;
      message.settled = false;
      this.#pending++;
      this.note("forgotten", { id: message.id });
      this.#queue(message);
    }
    for (const consumer of this.consumers) {
      for (const handed of [...consumer.handed]) {
        const message = Handed.messageOf(handed);
        if (message.holder !== handed || !this.#chance(0.5)) continue;
        this.#noteOf(handed, "forgotten");
        this.#queue(message);
      }
    }
    this.#dispatch();
  }

  close(): void {
    this.#closed = true;
    if (this.#pending === 0) this.end();
  }

  /** Ends all consumers, and cancels all timers. */
  end(): void {
    this.#closed = this.#ended = true;
    this.#timeline.clear();
    this.#waiting.clear();
    for (const consumer of [...this.consumers]) consumer.end();
    this.#tell();
  }

  settled(): Promise<void> {
    if (this.#pending === 0 || this.#ended) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  note(kind: BrokerEventKind, event: Omit<BrokerEvent, "at" | "kind">): void {
    this.history.push({ at: this.#timeline.now, kind, ...event });
  }

  #noteOf(handed: Handed<T>, kind: BrokerEventKind, reason?: string): void {
    const { id, deliveries } = handed;
    const consumer = Handed.holderOf(handed).id;
    this.note(kind, { id, consumer, deliveries, ...(reason !== undefined && { reason }) });
  }

  #hand(message: Message<T>, consumer: Consuming<T>): Handed<T> {
    message.deliveries++;
    message.turn++;
    const handed = new Handed(message, consumer);
    message.holder = handed;
    this.#noteOf(handed, "delivered");
    if (!consumer.extends) this.#expect(handed);
    if (message.doubled) message.doubled = false;
    else if (this.#chance(this.faults.duplicate)) {
      this.#noteOf(handed, "duplicated");
      message.doubled = true;
      this.#backlog.addAgain(message);
    }
    return handed;
  }

  #dispatch(): void {
    for (const consumer of this.#waiting) {
      const message = this.#backlog.next();
      if (!message) break;
      this.#waiting.delete(consumer);
      consumer.receive(this.#hand(message, consumer));
      consumer.give();
    }
  }

  /** Puts a message back for another delivery. */
  #queue(message: Message<T>): void {
    this.#free(message);
    this.#backlog.addAgain(message);
  }

  /** Takes a message from its consumer, and cancels its timer. */
  #free(message: Message<T>): void {
    message.holder = undefined;
    message.turn++;
  }

  /** Delivers a message again if it isn't settled or extended within the ack wait. */
  #expect(handed: Handed<T>): void {
    const message = Handed.messageOf(handed);
    if (message.holder !== handed) return;
    this.#later(message, this.ackWait, () => this.#noteOf(handed, "expired"));
  }

  #later(message: Message<T>, delay: number, note?: () => void): void {
    if (this.#ended) return;
    const { turn } = message;
    this.#timeline.in(delay, () => {
      if (message.turn !== turn) return;
      note?.();
      this.#queue(message);
      this.#dispatch();
    });
  }

  #nak(handed: Handed<T>, message: Message<T>, delay: number): void {
    this.#noteOf(handed, "nacked");
    if (delay > 0) {
      this.#free(message);
      message.place = undefined;
      this.#later(message, delay);
    } else {
      this.#queue(message);
      this.#dispatch();
    }
  }

  #settle(handed: Handed<T>, message: Message<T>, verdict: Verdict): void {
    this.#noteOf(handed, verdict.kind, verdict.kind === "termed" ? verdict.reason : undefined);
    message.settled = true;
    message.place = undefined;
    this.#free(message);
    this.#latest.push(message);
    if (this.#latest.length > LATEST) this.#latest.shift();
    if (--this.#pending > 0) return;
    this.#timeline.clear();
    for (const consumer of [...this.#paused]) this.#resume(consumer);
    if (this.#closed) this.end();
    else this.#tell();
  }

  #tell(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #pause(consumer: Consuming<T>): void {
    this.#paused.add(consumer);
    consumer.pause();
    this.#timeline.in(2 * this.ackWait * this.#random(), () => this.#resume(consumer));
  }

  #resume(consumer: Consuming<T>): void {
    if (this.#paused.delete(consumer)) consumer.resume();
  }

  #chance(probability: number): boolean {
    return probability > 0 && this.#random() < probability;
  }
}
