/** {@linkcode MemoryDelivery} and its implementation. */

import type { Delivery } from "../delivery/delivery.ts";
import { check, DELAY } from "../options.ts";
import type { Message } from "./backlog.ts";

/**
 * A delivery of a {@linkcode MemoryBroker}.
 *
 * @typeParam T The type of the item.
 */
export interface MemoryDelivery<T> extends Delivery<T> {
  /**
   * The id of the message, the same in each delivery: the key by which a handler does its work
   * once.
   */
  readonly id: string;
  /** How often the broker has delivered it, including this time: from 1. */
  readonly deliveries: number;
  /** Whether this delivery has had an `ack`, a `nak` or a `term`. */
  readonly settled: boolean;
  /**
   * Reports that it will never be done: the broker does not deliver it again.
   *
   * @param reason A reason for the history.
   */
  term(reason?: string): void;
}

/** The outcome of a delivery. */
export type Verdict =
  | { readonly kind: "acked" }
  | { readonly kind: "nacked"; readonly delay: number }
  | { readonly kind: "termed"; readonly reason?: string };

/** The consumer that has a delivery. */
export interface Holder<T> {
  readonly id: string;
  /** Whether it extends its messages while it lives. */
  readonly extends: boolean;
  say(handed: Handed<T>, verdict: Verdict): void;
  crash(): void;
}

/** A message that a consumer has. */
export class Handed<T> implements MemoryDelivery<T> {
  readonly id: string;
  readonly value: T;
  readonly deliveries: number;
  readonly #message: Message<T>;
  readonly #holder: Holder<T>;
  #settled = false;

  constructor(message: Message<T>, holder: Holder<T>) {
    this.id = message.id;
    this.value = message.value;
    this.deliveries = message.deliveries;
    this.#message = message;
    this.#holder = holder;
  }

  get settled(): boolean {
    return this.#settled;
  }

  ack(): void {
    this.#settle({ kind: "acked" });
  }

  nak(delay = 0): void {
    check("MemoryDelivery.nak", "delay", delay, DELAY);
    this.#settle({ kind: "nacked", delay });
  }

  term(reason?: string): void {
    this.#settle({ kind: "termed", ...(reason !== undefined && { reason }) });
  }

  /** Its message, for the broker. */
  static messageOf<T>(handed: Handed<T>): Message<T> {
    return handed.#message;
  }

  /** Its consumer, for the broker. */
  static holderOf<T>(handed: Handed<T>): Holder<T> {
    return handed.#holder;
  }

  #settle(verdict: Verdict): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#holder.say(this, verdict);
  }
}
