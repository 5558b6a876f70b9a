/** One call of a handler by its sink, and what may be wrong with it. */

import { show } from "../options.ts";
import type { Delivery } from "./delivery.ts";

/** What is looked at of the context that a sink gives to its handler. */
export interface CallContext {
  readonly signal?: AbortSignal | undefined;
  readonly attempt?: number | undefined;
}

/** A call: an attempt. */
export interface Call {
  /** The `this` of the handler. */
  readonly self: unknown;
  readonly context: CallContext | undefined;
  /** Whether it may be over before its handler is. */
  readonly timed: boolean;
  /** Whether the handler takes arrays. */
  readonly batch: boolean;
  readonly all: readonly Delivery<unknown>[];
}

/** Why the handler cannot be called at all. */
export function complaintOf(
  { all, context }: Call,
  managed: boolean,
  maxDeliveries: number | undefined,
): TypeError | undefined {
  for (const each of all) {
    if (!isDelivery(each)) {
      const rule = "an item must be a delivery, or an array of them";
      return new TypeError(`acked: ${rule}; got ${show(each)}`);
    }
    if (maxDeliveries !== undefined && !(each.deliveries! >= 1)) {
      const rule = 'option "maxDeliveries" needs deliveries that are counted';
      return new TypeError(`acked: ${rule}; got one with ${show(each.deliveries)}`);
    }
  }
  if (!managed && (context?.attempt ?? 1) > 1) {
    const rule = "a sink with a retry needs the options of the handler";
    return new TypeError(`acked: ${rule}; write new Fanout(work, work.options({ retry }))`);
  }
}

/** Whether it can be settled. */
export function isDelivery(value: unknown): boolean {
  const { ack, nak } = Object(value ?? {}) as Partial<Delivery<unknown>>;
  return typeof ack === "function" && typeof nak === "function";
}
