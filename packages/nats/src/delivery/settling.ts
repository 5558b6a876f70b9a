/** {@linkcode ackAll} and {@linkcode nakAll}: many deliveries at once, and what went wrong with which. */

import { combine, isThenable, whenSettled } from "./promises.ts";
import type { Delivery } from "./delivery.ts";

/** A broker could not be told what has become of a delivery. */
export interface Trouble {
  readonly delivery: Delivery<unknown>;
  readonly error: unknown;
}

/** What went wrong; mostly nothing. */
export type Troubles = readonly Trouble[];

const NONE: Troubles = [];

/** Who has settled what: also of deliveries that don't know it themselves. */
export class Settling {
  readonly #told = new WeakSet<object>();

  /** Whether nobody has said yet what has become of it. */
  readonly isOpen = (delivery: Delivery<unknown>): boolean => {
    const { settled } = delivery;
    return settled === undefined ? !this.#told.has(delivery) : !settled;
  };

  /** Settles those that are open, whatever goes wrong with others. One with which it has is open again. */
  settle(
    deliveries: Iterable<Delivery<unknown>>,
    how: (delivery: Delivery<unknown>) => unknown,
  ): Troubles | Promise<Troubles> {
    let troubles: Trouble[] | undefined;
    let waits: Promise<void>[] | undefined;
    for (const delivery of deliveries) {
      const fail = (error: unknown): void => {
        this.#told.delete(delivery);
        (troubles ??= []).push({ delivery, error });
      };
      try {
        if (!this.isOpen(delivery)) continue;
        if (delivery.settled === undefined) this.#told.add(delivery);
        const told = how(delivery);
        if (isThenable(told)) (waits ??= []).push(whenSettled(told, () => {}, fail));
      } catch (error) {
        fail(error);
      }
    }
    return waits ? Promise.all(waits).then(() => troubles ?? NONE) : troubles ?? NONE;
  }
}

/**
 * Acknowledges those deliveries that are not settled.
 *
 * @param deliveries What is done.
 * @throws What an `ack` throws, once all have been called; an `AggregateError` of several errors.
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
 * Gives back those deliveries that are not settled: the broker hands them out again.
 *
 * @param deliveries What is not done.
 * @param delay In how many milliseconds, at the earliest.
 * @throws What a `nak` throws, once all have been called; an `AggregateError` of several errors.
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
