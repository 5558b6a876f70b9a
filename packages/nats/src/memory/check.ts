/** {@linkcode check}: whether a history lost a message, and why messages came twice. */

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
   * has heard. Where several processes write the history, it is the time that an ack takes to be safe. It
   * is also how long after a pause, or after the broker is back, a consumer may hear of what was handed out to
   * it before.
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
    // An ack of what nobody has taken yet does not say that it is done.
    done ||= kind === "done" || (kind === "acked" && kinds.has("taken"));
  }
  if (kinds.has("published")) ids.published++;
  else ids.unpublished.push(id);
  if (done) ids.done++;
  else if (kinds.has("termed")) ids.termed.push(id);
  else if (kinds.has("published")) ids.lost.push(id);
}

/**
 * The repeats of a message. A broker that comes back may have lost its count, and a consumer that was paused
 * hears late of what it was handed: where both may be, the order that explains more is the one.
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
 * One explanation for each, as many as can be: what happened to the message explains one time that it came
 * again. What happened to a consumer or to the broker concerns all that it had, and may explain several.
 */
function assign(choices: readonly Explanation[][]): (Explanation | undefined)[] {
  const chosen: (Explanation | undefined)[] = choices.map(() => undefined);
  const owners = new Map<BrokerEvent, number>();
  // An owner that has another choice makes room.
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

/** A time that a message was taken, and how it was handed out for that. */
interface Hand {
  readonly taken: BrokerEvent;
  readonly handed: Placed | undefined;
  readonly at: number;
  /** How often it had been handed out by then, as the broker counts. */
  readonly count: number;
  /** How often the broker had come back by then. */
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

/** Each time but the first, with the one before. */
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
