/** Why a message was handed out again: the rules of {@linkcode check}, one a reason. */

import type { BrokerEvent, BrokerEventKind } from "./event.ts";
import type { Log, Outage, Placed } from "./log.ts";

/** Why a message was handed out again. */
export type RepeatReason =
  | "nak"
  | "lost ack"
  | "restart"
  | "duplicate"
  | "crash"
  | "pause"
  | "left"
  | "ack wait over";

/** A message was taken, and then taken again. */
export interface Pair {
  readonly before: BrokerEvent;
  readonly taken: BrokerEvent;
  /** When the broker handed it out the time before, and this time. */
  readonly from: number;
  readonly to: number;
}

/** What may be assumed of the clocks and the acks. */
export interface Bounds {
  readonly ackWait: number;
  readonly reach: number;
}

/** Finds the events that may explain a pair. */
type Rule = (pair: Pair, log: Log, bounds: Bounds) => readonly Placed[];

/** The first that finds something is the reason. */
const RULES: readonly (readonly [RepeatReason, Rule])[] = [
  // A consumer gave it back: that of any earlier delivery may.
  ["nak", (pair, log) => ofMessage(pair, log, "nacked", isEarlier)],
  // Its consumer had said that it was done.
  ["lost ack", (pair, log) => ofMessage(pair, log, "lost", isBefore)],
  // The broker came back without what it knew.
  ["restart", (pair, log) => [
    ...ofMessage(pair, log, "forgotten", () => true),
    ...log.restarts.filter((outage) => isWithin(pair, outage, 0)),
  ]],
  ["duplicate", (pair, log) => ofMessage(pair, log, "duplicated", isEarlier)],
  // Its consumer was no more, or did not say that it still had it.
  ["crash", (pair, log) => ofConsumer(pair, log, "crashed")],
  [
    "pause",
    (pair, log, { ackWait }) =>
      log.pauses(pair.before.consumer).filter((pause) => isWithin(pair, pause, ackWait)),
  ],
  ["left", (pair, log) => ofConsumer(pair, log, "left")],
  ["ack wait over", (pair, log) => ofMessage(pair, log, "expired", isBefore)],
];

/** What explains that a message was taken again. */
export function explain(
  pair: Pair,
  log: Log,
  bounds: Bounds,
): { readonly reason: RepeatReason; readonly cause: BrokerEvent } | undefined {
  for (const [reason, rule] of RULES) {
    const cause = rule(pair, log, bounds).find((found) => counts(found, pair, log, bounds));
    if (cause) return { reason, cause: cause.event };
  }
}

/** An ack that the broker has heard ends all: what comes after it explains nothing, unless it was forgotten. */
function counts(cause: Placed, pair: Pair, log: Log, { reach }: Bounds): boolean {
  let ended = false;
  for (const { place, event } of log.of(pair.taken.id!)) {
    if (place > cause.place) break;
    if (event.kind === "forgotten") ended = false;
    else if (isEnd(event)) ended ||= cause.event.at - event.at >= reach;
  }
  return !ended;
}

/** Whether a consumer has said that a message needs nothing more. */
function isEnd({ kind }: BrokerEvent): boolean {
  return kind === "done" || kind === "acked" || kind === "termed";
}

function ofMessage(
  pair: Pair,
  log: Log,
  kind: BrokerEventKind,
  concerns: (event: BrokerEvent, pair: Pair) => boolean,
): readonly Placed[] {
  return log.of(pair.taken.id!).filter(({ event }) =>
    event.kind === kind && event.at >= pair.from && event.at <= pair.to && concerns(event, pair)
  );
}

function ofConsumer(pair: Pair, log: Log, kind: BrokerEventKind): readonly Placed[] {
  return log.consumer(pair.before.consumer).filter(({ event }) =>
    event.kind === kind && event.at >= pair.from && event.at <= pair.to
  );
}

/** Whether it was long enough, and while the consumer had the message. */
function isWithin(pair: Pair, { from, to }: Outage, least: number): boolean {
  return Math.max(from, pair.from) <= to && from + least <= Math.min(to, pair.to);
}

/** Whether an event is of the delivery before, as far as it says of which it is. */
function isBefore({ deliveries }: BrokerEvent, { before }: Pair): boolean {
  return deliveries === undefined || before.deliveries === undefined ||
    deliveries === before.deliveries;
}

/** Whether it is of any delivery but this one. */
function isEarlier({ deliveries }: BrokerEvent, { taken }: Pair): boolean {
  return deliveries === undefined || taken.deliveries === undefined ||
    deliveries < taken.deliveries;
}
