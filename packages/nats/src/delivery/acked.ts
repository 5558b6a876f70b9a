/** {@linkcode acked}: a handler whose deliveries are settled by what comes of it. */

import { check, checkAll, FUNCTION, LIMIT, type Rules } from "../options.ts";
import type { Delivery } from "./delivery.ts";
import { hooked } from "./hooks.ts";
import { Work } from "./work.ts";

/** What a handler is given: a delivery, or a batch of them. */
// A handler may take any kind of delivery.
// deno-lint-ignore no-explicit-any
export type Deliveries = Delivery<any> | readonly Delivery<any>[];

/** The type of a delivery that a handler is given, by itself or in a batch. */
export type DeliveryOf<P> = P extends readonly (infer D)[] ? D : P;

/** What a sink gives to a handler beside its item. */
export interface AckedContext {
  /** Aborts when the work is no longer wanted. */
  readonly signal: AbortSignal;
  /** How often the handler was given the item, this time included: from 1. */
  readonly attempt: number;
  /** How long it has waited for this start, in milliseconds; only where there is a `maxWait`. */
  readonly waited: number | undefined;
}

/**
 * Settings of {@linkcode acked}.
 *
 * @typeParam D The type of a delivery.
 */
export interface AckedSettings<D> {
  /**
   * At its how manyth delivery something that fails is poison: an integer of at least 1. Needs `onPoison`,
   * and a broker that counts.
   *
   * @default no delivery is
   */
  readonly maxDeliveries?: number | undefined;
  /** Is given what is poison. Needs `maxDeliveries`. */
  readonly onPoison?: ((delivery: D, error: unknown) => unknown) | undefined;
  /**
   * In how many milliseconds the broker hands out again what has failed: 0 to 2147483647.
   *
   * @default a second, doubled with each delivery, at most a minute
   */
  readonly delay?: ((error: unknown, deliveries: number) => number) | undefined;
}

/** What may be an item of the sink: what the handler takes, or for an `Aggregator` a delivery of it. */
// They differ where the handler takes batches, and which one it is says only the sink.
// deno-lint-ignore no-explicit-any
export type ItemOf<P> = P extends readonly unknown[] ? any : P;

/**
 * Those options of a sink that have to do with deliveries.
 *
 * @typeParam P What the handler takes.
 */
export interface AckedSinkOptions<P> {
  /** Is told of what has failed for good, as the sink says it, but only of what was not settled. */
  onError?: ((error: unknown, item: P, batch: P) => unknown) | undefined;
  /** Is told of what was given up, as the sink says it, but only of what was not settled. */
  onDiscard?: ((items: ItemOf<P>[], reason: unknown) => unknown) | undefined;
  /** Is asked whether what has failed goes again, as the sink says it, with what was not settled. */
  retry?: ((error: unknown, attempt: number, item: P) => number | undefined) | undefined;
  /** As the sink says it. */
  key?: ((item: ItemOf<P>) => unknown) | undefined;
  /** As the sink says it. */
  weigh?: ((item: ItemOf<P>) => number) | undefined;
}

/** A handler that settles its deliveries: what {@linkcode acked} gives. */
export interface Acked<P, R> {
  (item: P, context: AckedContext): R;
  /** The options of a sink. */
  // What the sink wants may not say what they are: it has several shapes to try.
  options<O extends AckedSinkOptions<P>>(options?: O): NoInfer<O>;
}

const RULES: Rules<keyof AckedSettings<unknown>> = {
  maxDeliveries: LIMIT,
  onPoison: FUNCTION,
  delay: FUNCTION,
};

/** Makes a handler for a `Fanout` or an `Aggregator` that acks and naks. */
export function acked<P extends Deliveries, R>(
  handler: (item: P, context: AckedContext) => R,
  settings: AckedSettings<DeliveryOf<P>> = {},
): Acked<P, R> {
  check("acked", "handler", handler, FUNCTION);
  checkAll("acked", settings, RULES);
  const read = { ...settings };
  if ((read.maxDeliveries === undefined) !== (read.onPoison === undefined)) {
    throw new TypeError('acked: options "maxDeliveries" and "onPoison" need each other');
  }
  const work = new Work(handler as never, read);
  const run = function (this: unknown, item: P, context: AckedContext): unknown {
    return work.run(this, item, context);
  };
  const options = <O extends AckedSinkOptions<P>>(options?: O): O =>
    hooked(work, options ?? ({} as O));
  return Object.assign(run, { options }) as Acked<P, R>;
}
