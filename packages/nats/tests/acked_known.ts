/** The visible state of a delivery in a schedule, and the checks of it. */

import { type Delivery, delivery } from "../delivery.ts";

/** The visible state of a delivery. */
export interface Known {
  readonly id: number;
  readonly count: number;
  given: Delivery<Known>;
  /** The calls that the broker got. */
  readonly settled: string[];
  /** The state of its calls. */
  readonly signals: AbortSignal[];
  /** From outside it is unknown whether its attempt was over. */
  unsure: boolean;
  /** Its handler has settled it itself. */
  own: boolean;
  /** A current attempt has done it. */
  done: boolean;
  /** A handler, or the timeout, has failed it. */
  failed: boolean;
  poisoned: boolean;
  errors: number;
  discards: number;
  /** The sink has accepted it. */
  accepted: boolean;
}

/** Makes a delivery with this count: `made` by the package, or one without a `settled` property. */
export function makeKnown(id: number, count: number, made: boolean): Known {
  const known: Known = {
    id,
    count,
    given: undefined as never,
    settled: [],
    signals: [],
    unsure: false,
    own: false,
    done: false,
    failed: false,
    poisoned: false,
    errors: 0,
    discards: 0,
    accepted: false,
  };
  const tell = (what: string) => (delay?: unknown) =>
    void known.settled.push(what === "nak" && delay === undefined ? "nak now" : what);
  const ways = { ack: tell("ack"), nak: tell("nak"), deliveries: count };
  known.given = made
    ? delivery(known, { ...ways, term: tell("term") })
    : Object.freeze({ ...ways, value: known });
  return known;
}

/** Returns its problem at a quiet moment. */
export function complaintNow(known: Known): string | undefined {
  const { id, settled, unsure, own, done, poisoned } = known;
  if (settled.length > 1) return `${id} is settled twice: ${settled}`;
  if (unsure || own) return;
  const [how] = settled;
  if (done && how !== "ack") return `${id} is done, and ${how ?? "not acked"}`;
  if (how === "ack" && !done && !poisoned) return `${id} is acked, and was not done`;
  if (how === "term" && !poisoned) return `${id} is terminated, and no poison`;
}

/** Returns its problem at the end. An unsettled delivery may be `left` to the broker. */
export function complaintAtEnd(
  { id, settled: [how], unsure, own, done, accepted, errors, discards, count }: Known,
  setup: {
    readonly managed: boolean;
    readonly onError: boolean;
    readonly maxDeliveries: number | undefined;
  },
  left: boolean,
): string | undefined {
  const { managed, onError, maxDeliveries = Infinity } = setup;
  // A delivery that a pipe has lost was never accepted.
  if (how === undefined) return accepted && !left ? `${id} is not settled` : undefined;
  if (!managed || own || unsure) return;
  if (done) return errors + discards > 0 ? `${id} is done, but was reported as failed` : undefined;
  if (how === "nak now") return discards === 1 ? undefined : `${id} is discarded ${discards} times`;
  const told = errors >= 1 || discards === 1 || !onError || count > maxDeliveries;
  return told ? undefined : `${id} has failed, but was not reported`;
}
