/** One call of a handler by its sink, and the mistakes that it may have. */

import { show } from "../options.ts";
import type { Delivery } from "./delivery.ts";

/** The part of a handler's context that `acked` reads. */
export interface CallContext {
  readonly signal?: AbortSignal | undefined;
  readonly attempt?: number | undefined;
}

/** A call, which is one attempt. */
export interface Call {
  /** The `this` of the handler. */
  readonly self: unknown;
  readonly context: CallContext | undefined;
  /** Whether a timeout may end the call before its handler. */
  readonly timed: boolean;
  /** Whether the handler takes arrays. */
  readonly batch: boolean;
  readonly all: readonly Delivery<unknown>[];
}

/** Returns the reason why the handler can't be called, if there is one. */
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

/** Whether a value has `ack` and `nak`. */
export function isDelivery(value: unknown): boolean {
  const { ack, nak } = Object(value ?? {}) as Partial<Delivery<unknown>>;
  return typeof ack === "function" && typeof nak === "function";
}
