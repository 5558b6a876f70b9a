/** A sorted history, in which the rules of {@linkcode check} look up events. */

import { show } from "../options.ts";
import type { BrokerEvent, BrokerEventKind } from "./event.ts";

/** The subject that an event of each kind has to name. */
const SUBJECTS: Readonly<Record<BrokerEventKind, "id" | "consumer" | undefined>> = {
  published: "id",
  delivered: "id",
  taken: "id",
  done: "id",
  acked: "id",
  nacked: "id",
  termed: "id",
  lost: "id",
  expired: "id",
  duplicated: "id",
  forgotten: "id",
  crashed: "consumer",
  paused: "consumer",
  resumed: "consumer",
  left: "consumer",
  stopped: undefined,
  restarted: undefined,
};

/** The time of a pause or an outage. */
export interface Outage {
  /** Its place in the history. */
  readonly place: number;
  readonly from: number;
  readonly to: number;
  readonly event: BrokerEvent;
}

/** An event, and its place in the history. */
export interface Placed {
  readonly place: number;
  readonly event: BrokerEvent;
}

const NOTHING: readonly never[] = [];

/** All events of a history, by their message, their consumer or the broker. */
export class Log {
  /** The ids, in the order of their first event. */
  readonly ids: readonly string[];
  /** When the broker was away. */
  readonly restarts: readonly Outage[];
  readonly #messages = new Map<string, Placed[]>();
  readonly #consumers = new Map<string, Placed[]>();
  readonly #pauses = new Map<string, readonly Outage[]>();

  constructor(history: Iterable<BrokerEvent>) {
    const events = [...history];
    for (const [index, event] of events.entries()) validate(event, index);
    const broker: Placed[] = [];
    // The sort is stable: events of one time keep their order.
    events.sort((a, b) => a.at - b.at);
    for (const [place, event] of events.entries()) {
      const subject = SUBJECTS[event.kind];
      if (subject === "id") add(this.#messages, event.id!, { place, event });
      else if (subject === "consumer") add(this.#consumers, event.consumer!, { place, event });
      else broker.push({ place, event });
    }
    this.ids = [...this.#messages.keys()];
    this.restarts = outages(broker, "stopped", "restarted");
  }

  /** The events of a message. */
  of(id: string): readonly Placed[] {
    return this.#messages.get(id) ?? NOTHING;
  }

  /** The events of a consumer. */
  consumer(name: string | undefined): readonly Placed[] {
    return name === undefined ? NOTHING : this.#consumers.get(name) ?? NOTHING;
  }

  /** The pauses of a consumer. */
  pauses(name: string | undefined): readonly Outage[] {
    if (name === undefined) return NOTHING;
    const known = this.#pauses.get(name);
    if (known) return known;
    const pauses = outages(this.consumer(name), "paused", "resumed");
    this.#pauses.set(name, pauses);
    return pauses;
  }
}

/** Pairs starts with ends. An end alone is an outage of no time, and a start alone never ends. */
function outages(
  events: readonly Placed[],
  start: BrokerEventKind,
  end: BrokerEventKind,
): Outage[] {
  const found: Outage[] = [];
  let begun: Placed | undefined;
  for (const placed of events) {
    if (placed.event.kind === start) begun ??= placed;
    if (placed.event.kind !== end) continue;
    found.push(outage(begun ?? placed, placed.event.at));
    begun = undefined;
  }
  if (begun) found.push(outage(begun, Infinity));
  return found;
}

function outage({ place, event }: Placed, to: number): Outage {
  return { place, from: event.at, to, event };
}

function add(map: Map<string, Placed[]>, key: string, placed: Placed): void {
  const known = map.get(key);
  if (known) known.push(placed);
  else map.set(key, [placed]);
}

/** Checks an event, which may come from anywhere. */
function validate(event: BrokerEvent, index: number): void {
  const of = `check: history[${index}]`;
  if (typeof event !== "object" || event === null) {
    throw new TypeError(`${of} must be an event; got ${show(event)}`);
  }
  const { at, kind } = event;
  if (!Object.hasOwn(SUBJECTS, kind)) {
    throw new TypeError(`${of}.kind must be a kind of event; got ${show(kind)}`);
  }
  if (!Number.isFinite(at)) {
    throw new TypeError(`${of}.at must be a finite number; got ${show(at)}`);
  }
  const subject = SUBJECTS[kind];
  if (subject !== undefined && typeof event[subject] !== "string") {
    throw new TypeError(`${of}.${subject} must be a string; got ${show(event[subject])}`);
  }
}
