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
    const troubles: Trouble[] = [];
    const waits: Promise<void>[] = [];
    for (const delivery of deliveries) {
      try {
        if (!this.isOpen(delivery)) continue;
        // Before code of the adapter runs, which may come back here.
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

/** Throws what went wrong, where no sink waits for it: it is uncaught, or unhandled, then. */
export function surface(troubles: Troubles | Promise<Troubles>, errors: unknown[] = []): void {
  const tell = (troubles: Troubles): void => {
    const all = [...errors, ...troubles.map(({ error }) => error)];
    if (all.length > 0) throw combine(all);
  };
  if (isThenable(troubles)) void troubles.then(tell);
  else tell(troubles);
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
