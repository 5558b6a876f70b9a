/** The rules of {@linkcode check}, one for each reason why a message came again. */

import type { BrokerEvent, BrokerEventKind } from "./event.ts";
import type { Log, Outage, Placed } from "./log.ts";

/** The reason why a message came again. */
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
  /** The broker's deliveries of the time before and of this time, if they are logged. */
  readonly handedBefore: Placed | undefined;
  readonly handed: Placed | undefined;
  /** The times of those deliveries, as far as is known. */
  readonly from: number;
  readonly to: number;
}

/** The assumptions about the clocks and the acks. */
export interface Bounds {
  readonly ackWait: number;
  readonly reach: number;
}

/** Finds the events that may explain a pair. */
type Rule = (pair: Pair, log: Log, bounds: Bounds) => readonly Placed[];

/** The first rule that finds an event gives the reason. */
const RULES: readonly (readonly [RepeatReason, Rule])[] = [
  // The consumer of any earlier delivery may have given it back.
  ["nak", (pair, log, bounds) => [
    ...ofMessage(pair, log, "nacked", isEarlier),
    ...lateNaks(pair, log, bounds),
  ]],
  // Its consumer had said that it was done.
  ["lost ack", (pair, log) => ofMessage(pair, log, "lost", isBefore)],
  // The broker restarted and forgot what it knew.
  ["restart", (pair, log) => ofMessage(pair, log, "forgotten", () => true)],
  ["duplicate", (pair, log) => ofMessage(pair, log, "duplicated", isEarlier)],
  // Its consumer was gone, or did not extend it.
  ["crash", (pair, log) => ofConsumer(pair, log, "crashed")],
  [
    "pause",
    (pair, log, { ackWait, reach }) =>
      log.pauses(pair.before.consumer).filter((pause) => isWithin(pair, pause, ackWait, reach)),
  ],
  ["left", (pair, log) => ofConsumer(pair, log, "left")],
  ["ack wait over", (pair, log) => ofMessage(pair, log, "expired", isBefore)],
  // A real broker doesn't log what it has forgotten.
  [
    "restart",
    (pair, log, { reach }) => log.restarts.filter((outage) => isWithin(pair, outage, 0, reach)),
  ],
];

/** Events that may explain a repeat. */
export interface Explanation {
  readonly reason: RepeatReason;
  readonly cause: BrokerEvent;
}

/** Returns all events that may explain a repeat, the likelier first. */
export function explanations(pair: Pair, log: Log, bounds: Bounds): Explanation[] {
  const { handed } = pair;
  // Nothing explains the delivery of a message that the broker knows to be settled.
  if (handed && isOver(handed, pair, log, bounds, isHeard)) return [];
  return RULES.flatMap(([reason, rule]) =>
    rule(pair, log, bounds)
      .filter((found) => !isOver(found, pair, log, bounds, isSaid))
      .map(({ event }) => ({ reason, cause: event }))
  );
}

/**
 * Whether a message was settled before an event, and the broker did not forget that. A settlement
 * from before the earlier delivery doesn't count.
 */
function isOver(
  { place, event }: Placed,
  { taken, from }: Pair,
  log: Log,
  { reach }: Bounds,
  isEnd: (event: BrokerEvent) => boolean,
): boolean {
  let over = false;
  for (const earlier of log.of(taken.id!)) {
    if (earlier.place > place) break;
    if (earlier.event.at < from) continue;
    if (earlier.event.kind === "forgotten") over = false;
    else if (isEnd(earlier.event)) over ||= event.at - earlier.event.at >= reach;
  }
  return over;
}

function isHeard({ kind }: BrokerEvent): boolean {
  return kind === "acked" || kind === "termed";
}

function isSaid(event: BrokerEvent): boolean {
  return event.kind === "done" || isHeard(event);
}

function ofMessage(
  pair: Pair,
  log: Log,
  kind: BrokerEventKind,
  concerns: (event: BrokerEvent, pair: Pair) => boolean,
): readonly Placed[] {
  return log.of(pair.taken.id!).filter((placed) =>
    placed.event.kind === kind && isBetween(placed, pair) && concerns(placed.event, pair)
  );
}

function ofConsumer(pair: Pair, log: Log, kind: BrokerEventKind): readonly Placed[] {
  return log.consumer(pair.before.consumer).filter((placed) =>
    placed.event.kind === kind && isBetween(placed, pair)
  );
}

/**
 * Naks that reached the broker late: those from the time when it was away, and those of a delivery
 * that is no longer the latest.
 */
function lateNaks(pair: Pair, log: Log, { reach }: Bounds): readonly Placed[] {
  const { before, from, to } = pair;
  return log.of(pair.taken.id!).filter(({ event }) => {
    const { kind, at, deliveries } = event;
    if (kind !== "nacked" || !isEarlier(event, pair)) return false;
    const followed = deliveries !== undefined && deliveries < (before.deliveries ?? 0);
    return followed && at < from && from <= at + reach ||
      log.restarts.some((outage) =>
        outage.from - reach <= at && at <= outage.to && outage.to <= to && from <= outage.to + reach
      );
  });
}

/** Compares by the order of the broker's log, or else by the clock. */
function isBetween({ place, event: { at } }: Placed, pair: Pair): boolean {
  const { handedBefore, handed, from, to } = pair;
  return (handedBefore ? place > handedBefore.place : at >= from) &&
    (handed ? place < handed.place : at <= to);
}

/**
 * Whether a pause was long enough, and happened while the consumer had the message, or the message
 * was on its way.
 */
function isWithin(pair: Pair, { from, to }: Outage, least: number, late = 0): boolean {
  return Math.max(from, pair.from) <= to + late && from + least <= Math.min(to, pair.to);
}

/** Whether an event concerns the delivery before, as far as it names one. */
function isBefore({ deliveries }: BrokerEvent, { before }: Pair): boolean {
  return deliveries === undefined || before.deliveries === undefined ||
    deliveries === before.deliveries;
}

/** Whether an event concerns another delivery than this one. */
function isEarlier({ deliveries }: BrokerEvent, { taken }: Pair): boolean {
  return deliveries === undefined || taken.deliveries === undefined ||
    deliveries < taken.deliveries;
}
