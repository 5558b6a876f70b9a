/**
 * Deals with deliveries that have failed for good: it gives them back, or treats them as poison.
 */

import { check, DELAY } from "../options.ts";
import type { Delivery } from "./delivery.ts";
import { isThenable } from "./promises.ts";
import { type Settling, surface, type Trouble, type Troubles } from "./settling.ts";

/** When a delivery is poison, where it goes, and how long others wait. Already checked. */
export interface Policy {
  readonly maxDeliveries?: number | undefined;
  // `any` allows each type of delivery.
  // deno-lint-ignore no-explicit-any
  readonly onPoison?: ((delivery: any, error: unknown) => unknown) | undefined;
  readonly delay?: ((error: unknown, deliveries: number) => number) | undefined;
}

/** Gives up deliveries, and knows the error of each. */
export class GivingUp {
  readonly #policy: Policy;
  readonly #settling: Settling;
  /** The error of each delivery. The error of its batch may stand for several. */
  readonly #failures = new WeakMap<Delivery<unknown>, { readonly error: unknown }>();
  /** The deliveries at their last delivery that went to a handler. */
  readonly #tried = new WeakSet<Delivery<unknown>>();

  constructor(policy: Policy, settling: Settling) {
    this.#policy = policy;
    this.#settling = settling;
  }

  /** Notes that a handler is about to get the delivery. */
  try(delivery: Delivery<unknown>, last: boolean): void {
    this.#failures.delete(delivery);
    if (last) this.#tried.add(delivery);
  }

  /** Notes that the handler has done it, but the broker doesn't know: it is not poison. */
  done(delivery: Delivery<unknown>, error: unknown): void {
    this.fail(delivery, error);
    this.spare(delivery);
  }

  /** Notes that its last attempt is still to come. */
  spare(delivery: Delivery<unknown>): void {
    this.#tried.delete(delivery);
  }

  /** Notes its error. */
  fail(delivery: Delivery<unknown>, error: unknown): void {
    this.#failures.set(delivery, { error });
  }

  /**
   * Gives up deliveries that have failed for good. Deliveries whose handler has failed at their
   * last delivery are poison, and the others are given back. If `onPoison` takes longer than
   * `limit` milliseconds, all are given back. `error` applies where the delivery has no own error.
   */
  giveUp(
    deliveries: readonly Delivery<unknown>[],
    error: unknown,
    limit?: number,
  ): Troubles | Promise<Troubles> {
    const { maxDeliveries } = this.#policy;
    if (maxDeliveries === undefined) return this.giveBack(deliveries, error);
    const isPoison = (delivery: Delivery<unknown>): boolean =>
      delivery.deliveries === maxDeliveries && this.#tried.has(delivery);
    const poison = deliveries.filter(isPoison);
    const back = this.giveBack(deliveries.filter((each) => !isPoison(each)), error);
    return poison.length === 0 ? back : this.#poisonAll(back, poison, error, limit);
  }

  /** Gives deliveries back: the broker delivers them again after a delay. */
  giveBack(
    deliveries: readonly Delivery<unknown>[],
    error: unknown,
  ): Troubles | Promise<Troubles> {
    const wrong: Trouble[] = [];
    const troubles = this.#settling.settle(deliveries, (delivery) => {
      let delay: number | undefined;
      try {
        delay = this.#delay(delivery, error);
      } catch (thrown) {
        wrong.push({ delivery, error: thrown });
      }
      return delivery.nak(delay ?? usualDelay(error, delivery.deliveries ?? 1));
    });
    if (wrong.length === 0) return troubles;
    return isThenable(troubles)
      ? troubles.then((all) => [...wrong, ...all])
      : [...wrong, ...troubles];
  }

  /** Gives deliveries back without delay, because nothing was wrong with them. */
  discard(deliveries: readonly Delivery<unknown>[]): Troubles | Promise<Troubles> {
    return this.#settling.settle(deliveries, (delivery) => delivery.nak());
  }

  /**
   * Gives a delivery to `onPoison`, and then tells the broker never to deliver it again. Throws the
   * error of `onPoison`.
   */
  async poison(delivery: Delivery<unknown>, error: unknown): Promise<Troubles> {
    await this.#policy.onPoison!(delivery, error);
    return await this.#settling.settle([delivery], (delivery) => {
      const reason = `given up at delivery ${delivery.deliveries}`;
      return delivery.term ? delivery.term(reason) : delivery.ack();
    });
  }

  async #poisonAll(
    back: Troubles | Promise<Troubles>,
    deliveries: readonly Delivery<unknown>[],
    error: unknown,
    limit = Infinity,
  ): Promise<Troubles> {
    // The timer of the sink starts after this one: when the sink fails, all are settled.
    const timer = limit < Infinity
      ? setTimeout(() => surface(this.giveBack(deliveries, error)), limit)
      : undefined;
    const troubles: Trouble[] = [];
    try {
      troubles.push(...await back);
      for (const delivery of deliveries) {
        if (!this.#settling.isOpen(delivery)) continue;
        try {
          troubles.push(...await this.poison(delivery, this.#causeOf(delivery, error)));
        } catch (thrown) {
          this.fail(delivery, thrown);
          troubles.push({ delivery, error: thrown });
        }
        troubles.push(...await this.giveBack([delivery], error));
      }
    } finally {
      clearTimeout(timer);
    }
    return troubles;
  }

  #causeOf(delivery: Delivery<unknown>, error: unknown): unknown {
    const own = this.#failures.get(delivery);
    return own ? own.error : error;
  }

  #delay(delivery: Delivery<unknown>, error: unknown): number {
    const { delay = usualDelay } = this.#policy;
    const ms = delay(this.#causeOf(delivery, error), delivery.deliveries ?? 1);
    return check("acked", "delay", ms, DELAY);
  }
}

/** A second, then twice as long each time, up to a minute. */
function usualDelay(_error: unknown, deliveries: number): number {
  return Math.min(1000 * 2 ** (deliveries - 1), 60_000);
}
