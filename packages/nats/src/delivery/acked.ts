/** {@linkcode acked} settles the deliveries of a handler by its outcome. */

import { check, checkAll, FUNCTION, LIMIT, type Rules } from "../options.ts";
import type { Delivery } from "./delivery.ts";
import { hooked } from "./hooks.ts";
import { Work } from "./work.ts";

/** The argument of a handler: a delivery, or a batch of them. */
export type Deliveries = Delivery<unknown> | readonly Delivery<unknown>[];

/**
 * The type of a delivery that a handler gets, alone or in a batch.
 *
 * @typeParam P What the handler takes.
 */
export type DeliveryOf<P> = P extends readonly (infer D)[] ? D : P;

/**
 * The type of an item of the sink. For a handler of batches it is `any`: the items of an
 * `Aggregator` are deliveries, and the items of a `Fanout` are batches. State the type in your
 * hook.
 *
 * @typeParam P What the handler takes.
 */
// deno-lint-ignore no-explicit-any
export type ItemOf<P> = P extends readonly unknown[] ? any : P;

/** The second argument of a handler, as in `@weir/streams`. */
export interface AckedContext {
  /** Aborts when the work is no longer wanted. */
  readonly signal: AbortSignal;
  /** How often the handler has got the item, including this time: from 1. */
  readonly attempt: number;
  /** How long the item has waited for this start, in milliseconds. Only with a `maxWait`. */
  readonly waited: number | undefined;
}

/**
 * Settings of {@linkcode acked}.
 *
 * @typeParam D The type of a delivery.
 */
export interface AckedSettings<D> {
  /**
   * How many deliveries an item gets: an integer of at least 1. An item that fails at the last one
   * is poison. This option needs `onPoison`, and a broker that counts deliveries: a delivery
   * without a count fails with a `TypeError`.
   *
   * Most brokers count every delivery, even if a sink has discarded it or its process has died.
   * Leave room for that.
   *
   * @default no delivery is poison
   */
  readonly maxDeliveries?: number | undefined;
  /**
   * Takes a poison delivery, for example to store it. Then `term` tells the broker not to deliver
   * it again, or `ack` if there is no `term`. It may be asynchronous. It needs `maxDeliveries`.
   *
   * `error` is the error of this delivery. If the count is above `maxDeliveries`, because processes
   * have died with the delivery, the handler is not called and `error` is `undefined`.
   *
   * If it throws, or doesn't settle within the `timeout` of the sink, that is a failure, and the
   * delivery is given back.
   */
  readonly onPoison?: ((delivery: D, error: unknown) => unknown) | undefined;
  /**
   * Returns how many milliseconds the broker waits before it delivers a failed delivery again: 0 to
   * 2147483647. It takes the error of the delivery, and its count, or 1 if there is no count. If it
   * throws, or returns anything else, that is one more failure, and the default applies.
   *
   * @default 1000, doubled with each delivery, at most 60000
   */
  readonly delay?: ((error: unknown, deliveries: number) => number) | undefined;
}

/**
 * The options of a sink that concern deliveries. All other options are allowed too.
 *
 * @typeParam P What the handler takes.
 */
export interface AckedSinkOptions<P> {
  /**
   * The `onError` of the sink, but from a batch it takes only the deliveries that are not settled
   * yet.
   */
  onError?: ((error: unknown, item: P, batch: P) => unknown) | undefined;
  /** The `onDiscard` of the sink, but it takes only the deliveries that are not settled yet. */
  onDiscard?: ((items: ItemOf<P>[], reason: unknown) => unknown) | undefined;
  /**
   * The `retry` of the sink, but from a batch it takes only the deliveries that are not settled.
   */
  retry?: ((error: unknown, attempt: number, item: P) => number | undefined) | undefined;
  /** As that of the sink. */
  key?: ((item: ItemOf<P>) => unknown) | undefined;
  /** As that of the sink. */
  weigh?: ((item: ItemOf<P>) => number) | undefined;
}

/**
 * A handler that settles its deliveries. {@linkcode acked} makes it. Several sinks may share it.
 *
 * @typeParam P What the handler takes.
 * @typeParam R What it returns.
 */
export interface Acked<P, R> {
  /**
   * The handler that the sink calls.
   *
   * @param item A delivery, or a batch of them.
   * @param context The context that the sink gives.
   */
  (item: P, context: AckedContext): R;
  /**
   * Makes the options for a sink of this handler: with them the sink decides when a delivery has
   * failed for good. Use it for **each** sink of the handler, or for none: after the first call the
   * handler leaves failures to its sinks.
   *
   * - `retry`: nothing is given back before it gives up. Only the deliveries of a batch that are
   *   not settled are tried again.
   * - `timeout`: everything that a handler does after it is ignored, as in the sink. Pass it here,
   *   and not to the sink directly.
   * - `onError`: a delivery that has failed for good is given back, or is poison. Then your
   *   `onError` is called, and once more for each other error on the way. If you have none, the
   *   sink fails, as it does without `acked`.
   * - `onDiscard`: deliveries that a `maxWait`, an abort or a failure of the sink discards are
   *   given back without delay. Then your `onDiscard` is called. An error of a `nak` is uncaught
   *   there.
   *
   * @param options The options of the sink. They are read once.
   * @returns The same options, with `onError`, `onDiscard` and `retry` that settle deliveries.
   * @throws {TypeError} If the options aren't an object, or one of the three isn't a function.
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
  // `NoInfer`, because the sink has several overloads, and none of them may decide the type.
  options<O extends AckedSinkOptions<P> & object>(options: O): NoInfer<O>;
  /** The same, without other options. */
  options(): Record<never, never>;
}

const RULES: Rules<keyof AckedSettings<unknown>> = {
  maxDeliveries: LIMIT,
  onPoison: FUNCTION,
  delay: FUNCTION,
};

/**
 * Returns a handler for a `Fanout` or an `Aggregator` that calls yours, and tells the broker the
 * outcome of each delivery: `ack` when it is done, `nak` when it has failed. So a pipeline is
 * **at-least-once**: only done deliveries are acked, and those of a dead process come again. Your
 * handler may see an item twice: make it idempotent.
 *
 * - **Type**: your handler takes the same argument as in the sink: one delivery, or an array of
 *   them in an `Aggregator` or in a `Fanout` behind a `BatchStream`. Results and `this` are passed
 *   on.
 * - **Done**: when your handler resolves, all its deliveries that are not settled are acked. It may
 *   settle some itself: the first settlement counts. If your handler stops early because its signal
 *   aborts, it must throw.
 * - **Failed**: when your handler throws, none of its deliveries is acked. Those that are not
 *   settled are given back with the `delay`. The error goes to the sink unchanged: to its
 *   `onError`, or the sink fails.
 * - **Parts of a batch**: return an array with one entry for each delivery, also in a `Fanout`. If
 *   an entry is an `Error`, or a promise that rejects or resolves to one, only that delivery has
 *   failed, and the others are acked. For the sink the batch has failed, with that error or with an
 *   `AggregateError` of several: `stats.failed` counts the whole batch, and each `submit` of it
 *   rejects. If the array has another length and an entry is an `Error`, all deliveries fail with a
 *   `TypeError`. Otherwise an array of another length is ignored.
 * - **`retry`, `timeout`, `maxWait` and abort** of the sink need {@linkcode Acked.options}. Without
 *   it, a failure is given back at once, a `retry` is a `TypeError`, and the broker has to find out
 *   about discarded deliveries itself.
 * - **Poison**: with `maxDeliveries`, a delivery that fails too often goes to `onPoison`, and not
 *   back. **None is given up because another one failed**: the deliveries of a batch that are at
 *   their last delivery go to your handler alone, one by one, after the rest.
 * - **Broken connections**: if `ack`, `nak` or `term` throws or rejects, that is a failure, and the
 *   other deliveries are settled nevertheless. A delivery whose `ack` fails is given back.
 * - **`submit`**: only its caller learns of a failure or a discard, and has to settle the delivery.
 *   Push, pipe or `consume` deliveries instead. When the sink ends, `consume` gives back the
 *   deliveries that the sink did not accept. A pipe leaves such deliveries to the broker.
 *
 * @param handler Handles each delivery, or each batch.
 * @param settings When a delivery is poison, and how long a failed one waits.
 * @returns The handler to give to a sink.
 * @throws {TypeError} If the handler isn't a function, a setting is of the wrong kind or unknown,
 * or only one of `maxDeliveries` and `onPoison` is given.
 * @throws {RangeError} If `maxDeliveries` isn't an integer of at least 1.
 *
 * @example
 * ```ts
 * import { Fanout } from "@weir/streams/fanout";
 * import { acked, type Delivery, delivery } from "@weir/nats/delivery";
 * import { assertEquals } from "@std/assert";
 *
 * const broker: string[] = [];
 * const mails = ["ada@example.org", "lin"].map((to) =>
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
 * assertEquals(broker, ["ack ada@example.org", "nak lin 1000"]);
 * assertEquals(failed, ["lin"]);
 * ```
 *
 * @example Store a delivery that has failed three times
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
