/** {@linkcode check} tells whether a history lost a message, and why messages came twice. */

import { checkAll, type Rules, show } from "../options.ts";
import type { BrokerEvent } from "./event.ts";
import { Log, type Placed } from "./log.ts";
import {
  type Bounds,
  type Explanation,
  explanations,
  type Pair,
  type RepeatReason,
} from "./reasons.ts";

/** A message that was taken again. */
export interface Repeat {
  /** The message. */
  readonly id: string;
  /** The event of this time. */
  readonly taken: BrokerEvent;
  /** The event of the time before. */
  readonly before: BrokerEvent;
  /** The reason. `undefined` if nothing in the history explains it. */
  readonly reason?: RepeatReason;
  /** The event that explains it. */
  readonly cause?: BrokerEvent;
}

/** The result of {@linkcode check}. */
export interface HistoryReport {
  /** The number of published messages. */
  readonly published: number;
  /**
   * The number of done messages: a consumer reported `done` at least once, or acked after the
   * message was taken.
   */
  readonly done: number;
  /** The ids of messages that were given up: they were termed, and are not done. */
  readonly termed: readonly string[];
  /**
   * The ids of messages that are neither done nor termed: **none, once all are settled**. An ack
   * before the message was taken does not make it done. A pipeline that acks on receipt does that.
   */
  readonly lost: readonly string[];
  /** The ids of messages that were taken or settled, though they were never published. */
  readonly unpublished: readonly string[];
  /** All repeats: each time that a message was taken again. */
  readonly repeats: readonly Repeat[];
  /** The repeats that nothing in the history explains: **none, unless there is a bug**. */
  readonly unexplained: readonly Repeat[];
  /** The number of repeats for each reason. */
  readonly reasons: Readonly<Partial<Record<RepeatReason, number>>>;
}

/** Options of {@linkcode check}. */
export interface CheckOptions {
  /**
   * The shortest pause that explains a repeat, in milliseconds: at least 0.
   *
   * @default {0}
   */
  readonly ackWait?: number | undefined;
  /**
   * How long after an ack a crash, a pause or a restart may still have lost it, in milliseconds: at
   * least 0. With 0, an ack that comes earlier in the history is safe. That is right for a
   * `MemoryBroker`. If several processes write the history, it is the time until an ack is safe. It
   * is also how long after a pause, or after the broker's return, a consumer may receive messages
   * that were delivered before.
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
 * Tells which messages a history lost, which came twice, and why. A repeat is a message that was
 * `taken` again. **The cause lies between**: after the broker's delivery of the time before, before
 * its delivery of this time, and before any ack. An event of the message explains one repeat.
 * `check` looks for the causes in this order:
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
 * It is a pure function of plain events, in linear time. The events may come from several
 * processes, in any order, if their clocks agree, as on one machine. Then set `reach` to the time
 * that an ack may be on its way.
 *
 * @param history The events: `broker.history`, or those that your own processes have logged.
 * @param options The assumptions about acks and pauses.
 * @returns The lost messages, the repeats, and their reasons.
 * @throws {TypeError} If an event isn't one, or has an unknown kind.
 *
 * @example Check a list of events
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
    repeats.push(...repeatsOf(id, log, { ackWait, reach }));
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
    // An ack of a message that was not taken yet does not show that it is done.
    done ||= kind === "done" || (kind === "acked" && kinds.has("taken"));
  }
  if (kinds.has("published")) ids.published++;
  else ids.unpublished.push(id);
  if (done) ids.done++;
  else if (kinds.has("termed")) ids.termed.push(id);
  else if (kinds.has("published")) ids.lost.push(id);
}

/**
 * Finds the repeats of a message. A restarted broker may have lost its count, and a paused consumer
 * receives a delivery late. If both are possible, the order that explains more repeats wins.
 */
function repeatsOf(id: string, log: Log, bounds: Bounds): Repeat[] {
  const hands = handsOf(id, log);
  const read = (order: (a: Hand, b: Hand) => number): Repeat[] => {
    const all = pairs([...hands].sort(order));
    const found = assign(all.map((pair) => explanations(pair, log, bounds)));
    return all.map(({ before, taken }, place) => ({ id, taken, before, ...found[place] }));
  };
  const open = (repeats: Repeat[]) => repeats.filter(({ reason }) => reason === undefined).length;
  const byCount = read((a, b) => a.count - b.count);
  if (open(byCount) === 0) return byCount;
  const byLife = read((a, b) => a.life - b.life || a.count - b.count);
  return open(byLife) < open(byCount) ? byLife : byCount;
}

/**
 * Assigns explanations to as many repeats as possible. An event of the message explains one repeat.
 * An event of a consumer or of the broker concerns all its messages, and may explain several.
 */
function assign(choices: readonly Explanation[][]): (Explanation | undefined)[] {
  const chosen: (Explanation | undefined)[] = choices.map(() => undefined);
  const owners = new Map<BrokerEvent, number>();
  // A repeat that has another explanation makes room.
  const place = (index: number, asked: Set<BrokerEvent>): boolean =>
    choices[index]!.some((choice) => {
      const { cause } = choice;
      if (cause.id !== undefined) {
        if (asked.has(cause)) return false;
        asked.add(cause);
        const owner = owners.get(cause);
        if (owner !== undefined && !place(owner, asked)) return false;
        owners.set(cause, index);
      }
      chosen[index] = choice;
      return true;
    });
  for (const index of choices.keys()) place(index, new Set());
  return chosen;
}

/** A time that a message was taken, and the delivery before it. */
interface Hand {
  readonly taken: BrokerEvent;
  readonly handed: Placed | undefined;
  readonly at: number;
  /** The number of deliveries by then, as the broker counts. */
  readonly count: number;
  /** The number of restarts of the broker by then. */
  readonly life: number;
}

function handsOf(id: string, log: Log): Hand[] {
  const history = log.of(id);
  return history.filter(({ event }) => event.kind === "taken").map(({ place, event: taken }) => {
    const handed = history.filter((each) =>
      each.event.kind === "delivered" && each.place < place &&
      each.event.deliveries === taken.deliveries && each.event.consumer === taken.consumer
    ).at(-1);
    const at = handed?.event.at ?? taken.at;
    const life = log.restarts.filter(({ to }) => to <= at).length;
    return { taken, handed, at, count: taken.deliveries ?? 0, life };
  });
}

/** Pairs each time, except the first, with the one before. */
function pairs(hands: readonly Hand[]): Pair[] {
  return hands.slice(1).map(({ taken, handed, at: to }, index) => {
    const { taken: before, handed: handedBefore, at } = hands[index]!;
    return { before, taken, handedBefore, handed, from: Math.min(at, to), to };
  });
}

function reasonsOf(repeats: readonly Repeat[]): Partial<Record<RepeatReason, number>> {
  const reasons: Partial<Record<RepeatReason, number>> = {};
  for (const { reason } of repeats) {
    if (reason !== undefined) reasons[reason] = (reasons[reason] ?? 0) + 1;
  }
  return reasons;
}
