/** What becomes of deliveries that have failed for good: they are given back, or are poison. */

import { check, DELAY } from "../options.ts";
import type { Delivery } from "./delivery.ts";
import { isThenable } from "./promises.ts";
import { type Settling, surface, type Trouble, type Troubles } from "./settling.ts";

/** When a delivery is poison, and who is told; how long others wait. Checked already. */
export interface Policy {
  readonly maxDeliveries?: number | undefined;
  // Any delivery is one.
  // deno-lint-ignore no-explicit-any
  readonly onPoison?: ((delivery: any, error: unknown) => unknown) | undefined;
  readonly delay?: ((error: unknown, deliveries: number) => number) | undefined;
}

/** Gives up deliveries, and knows with what each of them has failed. */
export class GivingUp {
  readonly #policy: Policy;
  readonly #settling: Settling;
  /** With what each has failed by itself: a batch fails with something that stands for all. */
  readonly #failures = new WeakMap<Delivery<unknown>, { readonly error: unknown }>();
  /** Of those at their last delivery, which a handler was given. */
  readonly #tried = new WeakSet<Delivery<unknown>>();

  constructor(policy: Policy, settling: Settling) {
    this.#policy = policy;
    this.#settling = settling;
  }

  /** A handler is about to be given it. */
  try(delivery: Delivery<unknown>, last: boolean): void {
    this.#failures.delete(delivery);
    if (last) this.#tried.add(delivery);
  }

  /** The handler has done it, and the broker could not be told: it is not poison. */
  done(delivery: Delivery<unknown>, error: unknown): void {
    this.fail(delivery, error);
    this.spare(delivery);
  }

  /** It has its last attempt still before it. */
  spare(delivery: Delivery<unknown>): void {
    this.#tried.delete(delivery);
  }

  /** It has failed with this. */
  fail(delivery: Delivery<unknown>, error: unknown): void {
    this.#failures.set(delivery, { error });
  }

  /**
   * They have failed for good, with this where nothing better is known: those whose handler has failed at
   * their last delivery are poison, the others are given back. After `limit` milliseconds of `onPoison`
   * they all are.
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

  /** The broker hands them out again, after a while. */
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

  /** The broker hands them out again, at once: nothing was wrong with them. */
  discard(deliveries: readonly Delivery<unknown>[]): Troubles | Promise<Troubles> {
    return this.#settling.settle(deliveries, (delivery) => delivery.nak());
  }

  /** It is handed over, and never comes again. What `onPoison` throws is thrown. */
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
    // The sink's own clock starts after this one: when it errors the sink, all are settled.
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

/** A second, and twice as long each time, up to a minute. */
function usualDelay(_error: unknown, deliveries: number): number {
  return Math.min(1000 * 2 ** (deliveries - 1), 60_000);
}
