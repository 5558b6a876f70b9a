/** {@linkcode acked}: a handler whose deliveries are settled by what comes of it. */

import { check, checkAll, FUNCTION, LIMIT, type Rules } from "../options.ts";
import type { Delivery } from "./delivery.ts";
import { hooked } from "./hooks.ts";
import { Work } from "./work.ts";

/** What a handler is given: a delivery, or a batch of them. */
export type Deliveries = Delivery<unknown> | readonly Delivery<unknown>[];

/**
 * The type of a delivery that a handler is given, by itself or in a batch.
 *
 * @typeParam P What the handler takes.
 */
export type DeliveryOf<P> = P extends readonly (infer D)[] ? D : P;

/**
 * The type of an item of the sink. Where the handler takes batches it is `any`: the items of an
 * `Aggregator` are deliveries, and those of a `Fanout` are batches. Say which in your hook.
 *
 * @typeParam P What the handler takes.
 */
// deno-lint-ignore no-explicit-any
export type ItemOf<P> = P extends readonly unknown[] ? any : P;

/** What a sink gives to a handler beside its item: that of `@weir/streams`. */
export interface AckedContext {
  /** Aborts when the work is no longer wanted. */
  readonly signal: AbortSignal;
  /** How often the handler was given the item, this time included: from 1. */
  readonly attempt: number;
  /** How long the item has waited for this start, in milliseconds; only where there is a `maxWait`. */
  readonly waited: number | undefined;
}

/**
 * Settings of {@linkcode acked}.
 *
 * @typeParam D The type of a delivery.
 */
export interface AckedSettings<D> {
  /**
   * How many deliveries an item gets: an integer of at least 1. If it fails at the last one, it is poison.
   * Needs `onPoison`, and deliveries that are counted: one without a count fails with a `TypeError`.
   *
   * Most brokers count every delivery, also one that a sink has discarded or whose process has died. Leave
   * room for that.
   *
   * @default no delivery is poison
   */
  readonly maxDeliveries?: number | undefined;
  /**
   * Takes a poison delivery, for example to store it. Then the broker is told not to hand it out again, by
   * `term`, or by `ack` where there is no `term`. It may be asynchronous. Needs `maxDeliveries`.
   *
   * The error is that of this delivery. It is `undefined` where the count is above `maxDeliveries`, because
   * processes have died with the delivery: then the handler is not called.
   *
   * If it throws, that is a failure, and the delivery is given back. The same holds if it has not settled
   * within the `timeout` of the sink.
   */
  readonly onPoison?: ((delivery: D, error: unknown) => unknown) | undefined;
  /**
   * After how many milliseconds the broker may hand out again what has failed: 0 to 2147483647. It takes the
   * error of the delivery, and its count, or 1 where there is no count. If it throws, or returns anything
   * else, that is a failure as well, and the default applies.
   *
   * @default 1000, doubled with each delivery, at most 60000
   */
  readonly delay?: ((error: unknown, deliveries: number) => number) | undefined;
}

/**
 * Those options of a sink that have to do with deliveries. It has all others as well.
 *
 * @typeParam P What the handler takes.
 */
export interface AckedSinkOptions<P> {
  /** As that of the sink, but of a batch it takes only what was not settled before. */
  onError?: ((error: unknown, item: P, batch: P) => unknown) | undefined;
  /** As that of the sink, but it takes only what was not settled before. */
  onDiscard?: ((items: ItemOf<P>[], reason: unknown) => unknown) | undefined;
  /** As that of the sink, but of a batch it takes only what is not settled. */
  retry?: ((error: unknown, attempt: number, item: P) => number | undefined) | undefined;
  /** As that of the sink. */
  key?: ((item: ItemOf<P>) => unknown) | undefined;
  /** As that of the sink. */
  weigh?: ((item: ItemOf<P>) => number) | undefined;
}

/**
 * A handler that settles its deliveries: what {@linkcode acked} gives. It may be that of several sinks.
 *
 * @typeParam P What the handler takes.
 * @typeParam R What it returns.
 */
export interface Acked<P, R> {
  /**
   * What the sink calls.
   *
   * @param item A delivery, or a batch of them.
   * @param context Of the sink.
   */
  (item: P, context: AckedContext): R;
  /**
   * The options for a sink of this handler: with them the sink decides what has failed for good. Use it for
   * **each** sink of the handler, or for none: after the first call the handler leaves failures to its sinks.
   *
   * - `retry`: nothing is given back before it gives up. Of a batch only what is not settled goes again.
   * - `timeout`: what a handler does after it is ignored, as in the sink. Give it here, not to the sink beside.
   * - `onError`: what has failed for good is given back, or is poison. Then yours is called, and once more
   *   for each other error that came up. Without yours the sink errors, as it does without `acked`.
   * - `onDiscard`: what a `maxWait`, an abort or a failure of the sink discards is given back without delay.
   *   Then yours is called. What a `nak` throws there is uncaught.
   *
   * @param options Those of the sink. They are read once.
   * @returns The same options with those three in place.
   * @throws {TypeError} If the options are no object, or one of the three is no function.
   *
   * @example
   * ```ts
   * import { Aggregator } from "@weir/streams/aggregator";
   * import { acked, type Delivery, delivery } from "@weir/nats/delivery";
   * import { assertEquals } from "@std/assert";
   *
   * const log: string[] = [];
   * const work = acked((batch: Delivery<number>[], { attempt }) => {
   *   log.push(`insert ${batch.map(({ value }) => value)}`);
   *   return batch.map(({ value }) => value === 2 && attempt === 1 ? new Error("busy") : value);
   * });
   * const rows = new Aggregator(work, work.options({ maxItems: 3, retry: () => 5 }));
   * await rows.consume([1, 2, 3].map((n) =>
   *   delivery(n, { ack: () => log.push(`ack ${n}`), nak: () => log.push(`nak ${n}`) })
   * ));
   * assertEquals(log, ["insert 1,2,3", "ack 1", "ack 3", "insert 2", "ack 2"]);
   * ```
   */
  // What the sink wants may not say what they are: it has several shapes to try.
  options<O extends AckedSinkOptions<P> & object>(options: O): NoInfer<O>;
  /** The same, where there are no other options. */
  options(): Record<never, never>;
}

const RULES: Rules<keyof AckedSettings<unknown>> = {
  maxDeliveries: LIMIT,
  onPoison: FUNCTION,
  delay: FUNCTION,
};

/**
 * A handler for a `Fanout` or an `Aggregator` that calls yours, and tells the broker what has become of each
 * delivery: `ack` when it is done, `nak` when it has failed. So a pipeline is **at-least-once**: only what
 * is done is acked, and what a process leaves behind comes again. Your handler may see an item twice: make
 * it idempotent.
 *
 * - **Type**: your handler takes what it would take without this: one delivery, or an array of them in an
 *   `Aggregator` or in a `Fanout` behind a `BatchStream`. Results and `this` are passed on.
 * - **Done**: when your handler has resolved, all that is not settled is acked. It may settle some itself:
 *   the first settlement counts. So a handler that stops early because its signal aborts has to throw.
 * - **Failed**: when it throws, none of it is acked. All that is not settled is given back with the `delay`,
 *   and the error goes to the sink as it is: to its `onError`, or else the sink errors.
 * - **Parts of a batch**: return an array with one entry for each delivery, also in a `Fanout`. If an entry
 *   is an `Error`, or a promise that rejects or resolves to one, only that delivery has failed, and the others
 *   are acked. The sink sees a batch that has failed with that error, or with an `AggregateError` of several:
 *   `stats.failed` counts the whole batch, and each `submit` of it rejects. An array of another length fails
 *   all with a `TypeError` if an entry is an `Error`; else it is not looked at.
 * - **`retry`, `timeout`, `maxWait` and abort** of the sink need {@linkcode Acked.options}. Without it a
 *   failure is given back at once, a `retry` is a `TypeError`, and what the sink discards is left to the
 *   broker.
 * - **Poison**: with `maxDeliveries` what fails too often goes to `onPoison`, and not back. **None is given
 *   up for the failure of another**: those of a batch at their last delivery are handed over alone, one by
 *   one, after the rest.
 * - **Broken connections**: what `ack`, `nak` or `term` throw, or reject with, is a failure, and the other
 *   deliveries are settled all the same. What could not be acked is given back.
 * - **`submit`**: only its caller hears of a failure or a discard, and has to settle the delivery. Push, pipe
 *   or `consume` deliveries instead. When the sink ends, `consume` gives back what it could not bring in;
 *   what a pipe holds then is left to the broker.
 *
 * @param handler What is done with each delivery, or each batch.
 * @param settings When a delivery is poison, and how long one waits that is given back.
 * @returns The handler to give to a sink.
 * @throws {TypeError} If the handler is no function, a setting is of the wrong kind or unknown, or one of
 * `maxDeliveries` and `onPoison` is given without the other.
 * @throws {RangeError} If `maxDeliveries` is no integer of at least 1.
 *
 * @example
 * ```ts
 * import { Fanout } from "@weir/streams/fanout";
 * import { acked, type Delivery, delivery } from "@weir/nats/delivery";
 * import { assertEquals } from "@std/assert";
 *
 * const broker: string[] = [];
 * const mails = ["ada@example.org", "nobody"].map((to) =>
 *   delivery(to, {
 *     ack: () => broker.push(`ack ${to}`),
 *     nak: (delay) => broker.push(`nak ${to} ${delay}`),
 *   })
 * );
 * const send = acked(async ({ value }: Delivery<string>) => {
 *   await Promise.resolve();
 *   if (!value.includes("@")) throw new Error("no address");
 * });
 * const failed: string[] = [];
 * const sink = new Fanout(send, { concurrency: 16, onError: (_error, { value }) => failed.push(value) });
 * await sink.consume(mails);
 * assertEquals(broker, ["ack ada@example.org", "nak nobody 1000"]);
 * assertEquals(failed, ["nobody"]);
 * ```
 *
 * @example What has failed three times is stored
 * ```ts
 * import { Fanout } from "@weir/streams/fanout";
 * import { acked, type Delivery, delivery } from "@weir/nats/delivery";
 * import { assertEquals } from "@std/assert";
 *
 * const stored: string[] = [];
 * const work = acked((_: Delivery<string>) => Promise.reject(new Error("no")), {
 *   maxDeliveries: 3,
 *   onPoison: (delivery, error) => stored.push(`${delivery.value}: ${error}`),
 * });
 * const sink = new Fanout(work, work.options({ onError: () => {} }));
 * const ways = { ack: () => stored.push("ack"), nak: () => stored.push("nak") };
 * await sink.consume([
 *   delivery("second", { ...ways, deliveries: 2 }),
 *   delivery("third", { ...ways, term: () => stored.push("term"), deliveries: 3 }),
 * ]);
 * assertEquals(stored, ["nak", "third: Error: no", "term"]);
 * ```
 *
 * @typeParam P What the handler takes.
 * @typeParam R What it returns.
 */
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
  const options = (options: object = {}): object => hooked(work, options);
  return Object.assign(run, { options }) as Acked<P, R>;
}
