/** The faults that a broker makes by itself. */

import { checkAll, type Rule, type Rules } from "../options.ts";

/** The probability of each fault, from 0 (never, the default) to 1 (always). */
export interface MemoryFaults {
  /**
   * An `ack`, `nak` or `term` never reaches the broker, which delivers the message again when its
   * ack wait is over.
   *
   * @default {0}
   */
  readonly lostAck?: number | undefined;
  /**
   * The broker delivers a message once more, to any consumer, without a reason.
   *
   * @default {0}
   */
  readonly duplicate?: number | undefined;
  /**
   * A consumer crashes when it takes a message, or when it settles one. That settlement is lost.
   *
   * @default {0}
   */
  readonly crash?: number | undefined;
  /**
   * A consumer pauses when it takes a message, for up to twice the ack wait, by the seed. With an
   * ack wait of `Infinity`, none pauses.
   *
   * @default {0}
   */
  readonly pause?: number | undefined;
  /**
   * The broker restarts when a consumer takes a message.
   *
   * @default {0}
   */
  readonly restart?: number | undefined;
}

/** The same, complete. */
export type Faults = Readonly<Record<keyof MemoryFaults, number>>;

const PROBABILITY: Rule = [
  "number",
  "be a number from 0 to 1",
  (value: number) => value >= 0 && value <= 1,
];

const RULES: Rules<keyof MemoryFaults> = {
  lostAck: PROBABILITY,
  duplicate: PROBABILITY,
  crash: PROBABILITY,
  pause: PROBABILITY,
  restart: PROBABILITY,
};

/** Checks the faults, and completes them. */
export function readFaults(owner: string, faults: MemoryFaults): Faults {
  checkAll(owner, faults, RULES);
  const { lostAck = 0, duplicate = 0, crash = 0, pause = 0, restart = 0 } = faults;
  return { lostAck, duplicate, crash, pause, restart };
}
