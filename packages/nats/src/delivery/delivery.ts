/** {@linkcode Delivery}: an item whose outcome a broker waits for. */

import { check, checkAll, DELAY, FUNCTION, LIMIT, type Rules } from "../options.ts";
import { isThenable, whenSettled } from "./promises.ts";

/**
 * An item of a broker, with methods to report its outcome. Settle it **once**: the first of `ack`,
 * `nak` and `term` counts, and later calls have no effect.
 *
 * @typeParam T The type of the item.
 */
export interface Delivery<T> {
  /** The item. */
  readonly value: T;
  /**
   * How often the broker has delivered it, including this time: from 1. `undefined` if the broker
   * does not count.
   */
  readonly deliveries?: number | undefined;
  /** Whether it is settled. `undefined` if that is unknown. */
  readonly settled?: boolean | undefined;
  /** Reports that it is done: the broker forgets it. */
  ack(): void;
  /**
   * Reports that it is not done: the broker delivers it again, to any consumer.
   *
   * @param delay The time until then, in milliseconds, at least.
   */
  nak(delay?: number): void;
  /**
   * Reports that it will never be done: the broker does not deliver it again. If there is no
   * `term`, use `ack`.
   *
   * @param reason A reason for the log of the broker.
   */
  term?(reason?: string): void;
}

/**
 * The functions by which an adapter of a broker settles a delivery. If one returns a promise,
 * {@linkcode acked} awaits it.
 */
export interface DeliveryWays {
  /** Tells the broker that the delivery is done. */
  readonly ack: () => unknown;
  /** Tells the broker to deliver it again, in `delay` milliseconds at the earliest. */
  readonly nak: (delay?: number) => unknown;
  /**
   * Tells the broker never to deliver it again.
   *
   * @default `ack`
   */
  readonly term?: ((reason?: string) => unknown) | undefined;
  /** How often the broker has delivered it, including this time: an integer of at least 1. */
  readonly deliveries?: number | undefined;
}

const RULES: Rules<keyof DeliveryWays> = {
  ack: FUNCTION,
  nak: FUNCTION,
  term: FUNCTION,
  deliveries: LIMIT,
};

/**
 * Makes a {@linkcode Delivery}, for an adapter of a broker.
 *
 * - **Once**: the first of `ack`, `nak` and `term` calls your function, and later calls do nothing.
 *   `settled` says whether one was called.
 * - **Failure**: if your function throws, or its promise rejects, the caller gets the error, and
 *   the delivery is not settled. You may try again.
 * - **`term`** is always there: without your own function it does the same as `ack`.
 *
 * @param value The item.
 * @param ways The functions that tell the broker.
 * @returns The delivery.
 * @throws {TypeError} If a way isn't a function, or an option is of the wrong kind, unknown, or
 * missing.
 * @throws {RangeError} If `deliveries` isn't an integer of at least 1. Its `nak` throws one if the
 * delay isn't from 0 to 2147483647.
 *
 * @example
 * ```ts
 * import { delivery } from "@weir/nats/delivery";
 * import { assertEquals } from "@std/assert";
 *
 * const told: string[] = [];
 * const mail = delivery("ada@example.org", {
 *   ack: () => told.push("ack"),
 *   nak: (delay) => told.push(`nak ${delay}`),
 *   deliveries: 1,
 * });
 * mail.nak(500);
 * mail.ack(); // too late
 * assertEquals([told, mail.settled], [["nak 500"], true]);
 * ```
 *
 * @typeParam T The type of the item.
 */
export function delivery<T>(value: T, ways: DeliveryWays): Delivery<T> {
  checkAll("delivery", ways, RULES, "ack", "nak");
  return new MadeDelivery(value, ways);
}

class MadeDelivery<T> implements Delivery<T> {
  readonly value: T;
  readonly deliveries: number | undefined;
  readonly #ways: DeliveryWays;
  #settled = false;

  constructor(value: T, ways: DeliveryWays) {
    this.value = value;
    this.deliveries = ways.deliveries;
    this.#ways = ways;
  }

  get settled(): boolean {
    return this.#settled;
  }

  ack(): void {
    return this.#settle(() => this.#ways.ack());
  }

  nak(delay?: number): void {
    if (delay !== undefined) check("Delivery.nak", "delay", delay, DELAY);
    return this.#settle(() => this.#ways.nak(delay));
  }

  term(reason?: string): void {
    const ways = this.#ways;
    return this.#settle(() => ways.term ? ways.term(reason) : ways.ack());
  }

  /** Returns the promise of the adapter, if there is one, so that the caller can await it. */
  #settle(tell: () => unknown): void {
    if (this.#settled) return;
    // Before the adapter's code runs, because that may call this delivery again.
    this.#settled = true;
    const undo = (error: unknown): never => {
      this.#settled = false;
      throw error;
    };
    try {
      const told = tell();
      if (isThenable(told)) return whenSettled(told, () => {}, undo) as never;
    } catch (error) {
      undo(error);
    }
  }
}
