/** What can happen to a sink, by names: the events of its explorations. */

import type { Advance } from "./race.ts";
import type { End, Order, Plan, SinkStep, Way } from "./sink_steps.ts";

/** Events by their names. */
export type SinkEvents = Readonly<Record<string, SinkStep | Advance>>;

/** An item, of the key that the last word of its name says. */
export function comes(way: Way, plan: Partial<Plan> = {}): SinkStep {
  return { do: way, plans: [{ key: 0, weight: 2, ends: "by hand", act: "nothing", ...plan }] };
}

/** An item comes by each of these ways: without a key, or of each of two. */
export function items(ways: readonly Way[], keyed = false): SinkEvents {
  return Object.fromEntries(
    ways.flatMap((way) =>
      keyed
        ? [[`${way} a`, comes(way, { key: 0 })], [`${way} b`, comes(way, { key: 1 })]]
        : [[way, comes(way)]]
    ),
  );
}

/** Either of two handlers ends so. */
export function ends(...ends: readonly End[]): SinkEvents {
  return Object.fromEntries(
    ends.flatMap((end) =>
      [0, 1].map((nth) => [`${end} ${nth}`, { do: "settle", which: [{ nth, end }] }])
    ),
  );
}

/** As they are called. */
export function orders(...orders: readonly Order[]): SinkEvents {
  return Object.fromEntries(orders.map((order) => [order, { do: order }]));
}

/** So many handlers may run from now on. */
export function concurrency(...values: readonly number[]): SinkEvents {
  return Object.fromEntries(values.map((to) => [`concurrency ${to}`, { do: "concurrency", to }]));
}

/** The first of those who may leave does, or the next. */
export const leaves: SinkEvents = {
  "leave 0": { do: "leave", nth: 0 },
  "leave 1": { do: "leave", nth: 1 },
};

/** So many milliseconds pass. */
export function pass(...times: readonly number[]): Readonly<Record<string, Advance>> {
  return Object.fromEntries(times.map((ms) => [`${ms} ms`, { do: "advance", ms }]));
}
