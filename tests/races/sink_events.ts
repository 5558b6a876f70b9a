/** The events of a sink's explorations, by name. */

import type { Advance } from "./race.ts";
import type { End, Order, Plan, SinkStep, Way } from "./sink_steps.ts";

/** Events, by name. */
export type SinkEvents = Readonly<Record<string, SinkStep | Advance>>;

/** An item, whose key is the last word of its name. */
export function comes(way: Way, plan: Partial<Plan> = {}): SinkStep {
  return { do: way, plans: [{ key: 0, weight: 2, ends: "by hand", act: "nothing", ...plan }] };
}

/** An item comes in each of these ways: without a key, or with each of two keys. */
export function items(ways: readonly Way[], keyed = false): SinkEvents {
  return Object.fromEntries(
    ways.flatMap((way) =>
      keyed
        ? [[`${way} a`, comes(way, { key: 0 })], [`${way} b`, comes(way, { key: 1 })]]
        : [[way, comes(way)]]
    ),
  );
}

/** Either of two handlers ends in this way. */
export function ends(...ends: readonly End[]): SinkEvents {
  return Object.fromEntries(
    ends.flatMap((end) =>
      [0, 1].map((nth) => [`${end} ${nth}`, { do: "settle", which: [{ nth, end }] }])
    ),
  );
}

/** Steps by their names. */
export function orders(...orders: readonly Order[]): SinkEvents {
  return Object.fromEntries(orders.map((order) => [order, { do: order }]));
}

/** Sets the concurrency. */
export function concurrency(...values: readonly number[]): SinkEvents {
  return Object.fromEntries(values.map((to) => [`concurrency ${to}`, { do: "concurrency", to }]));
}

/** The first caller that may leave does, or the next. */
export const leaves: SinkEvents = {
  "leave 0": { do: "leave", nth: 0 },
  "leave 1": { do: "leave", nth: 1 },
};

/** Milliseconds pass. */
export function pass(...times: readonly number[]): Readonly<Record<string, Advance>> {
  return Object.fromEntries(times.map((ms) => [`${ms} ms`, { do: "advance", ms }]));
}
