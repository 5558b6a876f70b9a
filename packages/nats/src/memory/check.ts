/** {@linkcode check}: whether a history lost a message, and why messages came twice. */

import { checkAll, type Rules, show } from "../options.ts";
import type { BrokerEvent } from "./event.ts";
import { Log } from "./log.ts";
import { explain, type Pair, type RepeatReason } from "./reasons.ts";

/** A message that was taken again. */
export interface Repeat {
  /** Which message. */
  readonly id: string;
  /** How it was taken this time. */
  readonly taken: BrokerEvent;
  /** How it was taken the time before. */
  readonly before: BrokerEvent;
  /** Why. `undefined`: nothing in the history explains it. */
  readonly reason?: RepeatReason;
  /** The event that explains it. */
  readonly cause?: BrokerEvent;
}

/** What a history says. */
export interface HistoryReport {
  /** How many messages were published. */
  readonly published: number;
  /** How many messages are done: a consumer said so at least once, or acked what had been taken. */
  readonly done: number;
  /** The ids of those that were given up: they were termed, and are not done. */
  readonly termed: readonly string[];
  /**
   * The ids of those that are neither done nor termed: **none, once all is settled**. An ack before anybody
   * has taken the message, as of a pipeline that acks what it receives, does not make it done.
   */
  readonly lost: readonly string[];
  /** The ids of those that were taken or settled, though nobody has published them. */
  readonly unpublished: readonly string[];
  /** Each time that a message was taken again. */
  readonly repeats: readonly Repeat[];
  /** Those of them that nothing in the history explains: **none, unless somebody is at fault**. */
  readonly unexplained: readonly Repeat[];
  /** How many repeats each reason has. */
  readonly reasons: Readonly<Partial<Record<RepeatReason, number>>>;
}

/** Options of {@linkcode check}. */
export interface CheckOptions {
  /**
   * How long a pause has to be to explain anything, in milliseconds: at least 0.
   *
   * @default {0}
   */
  readonly ackWait?: number | undefined;
  /**
   * How long after an ack a crash, a pause or a restart may still have lost it, in milliseconds: at least 0.
   * With 0 an ack that comes earlier in the history is safe: right for a `MemoryBroker`, which knows what it
   * has heard. Where several processes write the history, it is the time that an ack takes to be safe.
   *
   * @default {0}
   */
  readonly reach?: number | undefined;
}

const TIME = [
  "number",
  "be a number of milliseconds of at least 0",
  (value: number) => value >= 0,
] as const;

const RULES: Rules<keyof CheckOptions> = { ackWait: TIME, reach: TIME };

/**
 * Says what a history lost, what came twice, and why. A repeat is a message that was `taken` again. **The
 * cause lies between**: after the broker handed the message out the time before, before it handed it out this
 * time, and before any ack. What has happened to a message explains one repeat. The causes, in the order in which they are looked for:
 *
 * | reason          | what has happened                                                               |
 * | --------------- | ------------------------------------------------------------------------------- |
 * | `nak`           | an earlier delivery was `nacked`                                                |
 * | `lost ack`      | what the consumer had said was `lost`                                           |
 * | `restart`       | the broker has `forgotten` its ack, or who has it                               |
 * | `duplicate`     | an earlier delivery was `duplicated`                                            |
 * | `crash`         | its consumer `crashed`                                                          |
 * | `pause`         | its consumer was `paused` for the ack wait                                      |
 * | `left`          | its consumer had `left`                                                         |
 * | `ack wait over` | it has `expired`, though nothing happened to its consumer: its handler was slow |
 * | `restart`       | the broker was `stopped`, or `restarted`, and may have forgotten anything       |
 *
 * It is a pure function of plain events, in linear time. They may come from several processes, in any order, if
 * their clocks agree: those of one machine do. Say by `reach` how long an ack may be on its way then.
 *
 * @param history The events: `broker.history`, or what your own processes have written down.
 * @param options What may be assumed of acks and pauses.
 * @returns What was lost, what came twice, and why.
 * @throws {TypeError} If an event is none, or has a kind that there is not.
 *
 * @example By hand
 * ```ts
 * import { check } from "@weir/nats/memory";
 * import { assertEquals } from "@std/assert";
 *
 * const report = check([
 *   { at: 0, kind: "published", id: "a" },
 *   { at: 1, kind: "taken", id: "a", consumer: "one", deliveries: 1 },
 *   { at: 2, kind: "crashed", consumer: "one" },
 *   { at: 9, kind: "taken", id: "a", consumer: "two", deliveries: 2 },
 *   { at: 10, kind: "done", id: "a", consumer: "two", deliveries: 2 },
 * ]);
 * assertEquals([report.lost, report.unexplained, report.reasons], [[], [], { crash: 1 }]);
 * ```
 */
export function check(history: Iterable<BrokerEvent>, options: CheckOptions = {}): HistoryReport {
  if (typeof Object(history)[Symbol.iterator] !== "function") {
    throw new TypeError(`check: history must be an iterable of events; got ${show(history)}`);
  }
  checkAll("check", options, RULES);
  const { ackWait = 0, reach = 0 } = options;
  const log = new Log(history);
  const ids: Ids = { published: 0, done: 0, termed: [], lost: [], unpublished: [] };
  const repeats: Repeat[] = [];
  for (const id of log.ids) {
    count(id, log, ids);
    const used = new Set<BrokerEvent>();
    for (const pair of pairsOf(id, log)) {
      const { before, taken } = pair;
      const found = explain(pair, log, { ackWait, reach }, used);
      if (found) used.add(found.cause);
      repeats.push({ id, taken, before, ...found });
    }
  }
  const unexplained = repeats.filter(({ reason }) => reason === undefined);
  return { ...ids, repeats, unexplained, reasons: reasonsOf(repeats) };
}

interface Ids {
  published: number;
  done: number;
  readonly termed: string[];
  readonly lost: string[];
  readonly unpublished: string[];
}

function count(id: string, log: Log, ids: Ids): void {
  const kinds = new Set<string>();
  let done = false;
  for (const { event: { kind } } of log.of(id)) {
    kinds.add(kind);
    // An ack of what nobody has taken yet does not say that it is done.
    done ||= kind === "done" || (kind === "acked" && kinds.has("taken"));
  }
  if (kinds.has("published")) ids.published++;
  else ids.unpublished.push(id);
  if (done) ids.done++;
  else if (kinds.has("termed")) ids.termed.push(id);
  else if (kinds.has("published")) ids.lost.push(id);
}

/** The times that a message was taken, each with the one before: by the count of the broker, if it counts. */
function pairsOf(id: string, log: Log): Pair[] {
  const history = log.of(id);
  const taken = history.map(({ event }) => event).filter(({ kind }) => kind === "taken")
    .sort((a, b) => (a.deliveries ?? 0) - (b.deliveries ?? 0));
  const deliveryOf = (taken: BrokerEvent) =>
    history.find(({ event: { kind, deliveries } }) =>
      kind === "delivered" && deliveries === taken.deliveries
    );
  return taken.slice(1).map((next, index) => {
    const before = taken[index]!;
    const [handedBefore, handed] = [deliveryOf(before), deliveryOf(next)];
    const from = handedBefore?.event.at ?? Math.min(before.at, next.at);
    return { before, taken: next, handedBefore, handed, from, to: handed?.event.at ?? next.at };
  });
}

function reasonsOf(repeats: readonly Repeat[]): Partial<Record<RepeatReason, number>> {
  const reasons: Partial<Record<RepeatReason, number>> = {};
  for (const { reason } of repeats) {
    if (reason !== undefined) reasons[reason] = (reasons[reason] ?? 0) + 1;
  }
  return reasons;
}
