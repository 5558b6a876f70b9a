/**
 * {@linkcode ackAll} and {@linkcode nakAll} settle many deliveries at once, and collect the errors.
 */

import { combine, isThenable, whenSettled } from "./promises.ts";
import type { Delivery } from "./delivery.ts";

/** A failure to tell the broker the outcome of a delivery. */
export interface Trouble {
  readonly delivery: Delivery<unknown>;
  readonly error: unknown;
}

/** The failures; mostly none. */
export type Troubles = readonly Trouble[];

/** Knows which deliveries are settled, even if they don't know it themselves. */
export class Settling {
  readonly #told = new WeakSet<object>();

  /** Whether a delivery is not settled yet. */
  readonly isOpen = (delivery: Delivery<unknown>): boolean => {
    const { settled } = delivery;
    return settled === undefined ? !this.#told.has(delivery) : !settled;
  };

  /**
   * Settles the open deliveries. A failure of one doesn't stop the others; that one is open again.
   */
  settle(
    deliveries: Iterable<Delivery<unknown>>,
    how: (delivery: Delivery<unknown>) => unknown,
  ): Troubles | Promise<Troubles> {
    const troubles: Trouble[] = [];
    const waits: Promise<void>[] = [];
    for (const delivery of deliveries) {
      try {
        if (!this.isOpen(delivery)) continue;
        // Before the adapter's code runs, because that may call this again.
        if (delivery.settled === undefined) this.#told.add(delivery);
        const told = how(delivery);
        if (isThenable(told)) waits.push(this.#wait(told, delivery, troubles));
      } catch (error) {
        this.#fail(delivery, error, troubles);
      }
    }
    return waits.length > 0 ? Promise.all(waits).then(() => troubles) : troubles;
  }

  #wait(told: PromiseLike<unknown>, delivery: Delivery<unknown>, to: Trouble[]): Promise<void> {
    return whenSettled(told, () => {}, (error) => this.#fail(delivery, error, to));
  }

  #fail(delivery: Delivery<unknown>, error: unknown, troubles: Trouble[]): void {
    this.#told.delete(delivery);
    troubles.push({ delivery, error });
  }
}

/**
 * Throws the failures where no sink waits for them: they become uncaught errors or unhandled
 * rejections.
 */
export function surface(troubles: Troubles | Promise<Troubles>, errors: unknown[] = []): void {
  const tell = (troubles: Troubles): void => {
    const all = [...errors, ...troubles.map(({ error }) => error)];
    if (all.length > 0) throw combine(all);
  };
  if (isThenable(troubles)) void troubles.then(tell);
  else tell(troubles);
}

/**
 * Acknowledges the deliveries that are not settled.
 *
 * @param deliveries The deliveries that are done.
 * @throws The error of an `ack`, after all have been called, or an `AggregateError` of several.
 *
 * @example
 * ```ts
 * import { ackAll, delivery } from "@weir/nats/delivery";
 * import { assertEquals } from "@std/assert";
 *
 * const acked: number[] = [];
 * const batch = [1, 2, 3].map((n) => delivery(n, { ack: () => acked.push(n), nak() {} }));
 * batch[1]!.nak();
 * ackAll(batch);
 * assertEquals(acked, [1, 3]);
 * ```
 */
export function ackAll(deliveries: Iterable<Delivery<unknown>>): void {
  settleAll(deliveries, (delivery) => delivery.ack());
}

/**
 * Gives back the deliveries that are not settled: the broker delivers them again.
 *
 * @param deliveries The deliveries that are not done.
 * @param delay The time until then, in milliseconds, at least.
 * @throws The error of a `nak`, after all have been called, or an `AggregateError` of several.
 *
 * @example
 * ```ts
 * import { delivery, nakAll } from "@weir/nats/delivery";
 * import { assertEquals } from "@std/assert";
 *
 * const back: unknown[] = [];
 * const nak = (delay?: number) => back.push(delay);
 * nakAll([1, 2].map((n) => delivery(n, { ack() {}, nak })), 500);
 * assertEquals(back, [500, 500]);
 * ```
 */
export function nakAll(deliveries: Iterable<Delivery<unknown>>, delay?: number): void {
  settleAll(deliveries, (delivery) => delivery.nak(delay));
}

function settleAll(
  deliveries: Iterable<Delivery<unknown>>,
  how: (delivery: Delivery<unknown>) => void,
): void {
  const errors: unknown[] = [];
  for (const delivery of deliveries) {
    try {
      if (!delivery.settled) how(delivery);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw combine(errors);
}
