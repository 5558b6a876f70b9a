/** {@linkcode Delivery}: an item that somebody waits to hear of, whatever brought it. */

import { check, checkAll, DELAY, FUNCTION, LIMIT, type Rules } from "../options.ts";
import { isThenable, whenSettled } from "./promises.ts";

/**
 * An item of a broker, and the way to say what has become of it. Whoever takes one says so **once**:
 * the first of `ack`, `nak` and `term` counts, and what comes after has no effect.
 *
 * @typeParam T The type of the item.
 */
export interface Delivery<T> {
  /** The item. */
  readonly value: T;
  /**
   * How often the broker has handed it out, this time included: from 1. `undefined` where the broker does
   * not count.
   */
  readonly deliveries?: number | undefined;
  /** Whether somebody has said what has become of it. `undefined` where that is not known. */
  readonly settled?: boolean | undefined;
  /** It is done: the broker forgets it. */
  ack(): void;
  /**
   * It is not done: the broker hands it out again, to anybody.
   *
   * @param delay In how many milliseconds, at the earliest.
   */
  nak(delay?: number): void;
  /**
   * It will never be done: the broker does not hand it out again. Where there is none, `ack` does it.
   *
   * @param reason For the log of the broker.
   */
  term?(reason?: string): void;
}

/**
 * What an adapter of a broker does to settle a delivery. A promise that one of these returns is awaited by
 * {@linkcode acked}.
 */
export interface DeliveryWays {
  /** Tells the broker that it is done. */
  readonly ack: () => unknown;
  /** Tells the broker to hand it out again, in `delay` milliseconds at the earliest. */
  readonly nak: (delay?: number) => unknown;
  /**
   * Tells the broker never to hand it out again.
   *
   * @default `ack`
   */
  readonly term?: ((reason?: string) => unknown) | undefined;
  /** How often the broker has handed it out, this time included: an integer of at least 1. */
  readonly deliveries?: number | undefined;
}

const RULES: Rules<keyof DeliveryWays> = {
  ack: FUNCTION,
  nak: FUNCTION,
  term: FUNCTION,
  deliveries: LIMIT,
};

/**
 * Makes a {@linkcode Delivery}: what an adapter of a broker needs.
 *
 * - **Once**: the first of `ack`, `nak` and `term` calls the way of the broker, and what comes after does
 *   nothing. `settled` says whether one has.
 * - **Failure**: where the way of the broker throws, or its promise rejects, the caller is told, and the
 *   delivery is not settled: it may be tried again.
 * - **`term`** is always there: without a way of its own it does what `ack` does.
 *
 * @param value The item.
 * @param ways How the broker is told.
 * @returns The delivery.
 * @throws {TypeError} If a way is no function, or an option is of the wrong kind, unknown, or missing.
 * @throws {RangeError} If `deliveries` is no integer of at least 1; from its `nak`, if the delay is none of
 * 0 to 2147483647.
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

  /** Returns the promise of the broker's way, if it has one, for who cares to wait. */
  #settle(tell: () => unknown): void {
    if (this.#settled) return;
    // Before code of the adapter runs, which may come back here.
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
