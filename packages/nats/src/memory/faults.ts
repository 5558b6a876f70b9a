/** The faults that a broker can make by itself. */

import { checkAll, type Rule, type Rules } from "../options.ts";

/** How likely each fault is: from 0, never, which is the default of each, to 1, always. */
export interface MemoryFaults {
  /**
   * That what a consumer says of a delivery (ack, nak or term) never reaches the broker. It is handed out
   * again when its ack wait is over.
   *
   * @default {0}
   */
  readonly lostAck?: number | undefined;
  /**
   * That a message that is handed out is handed out once more, to anybody, though nothing is wrong.
   *
   * @default {0}
   */
  readonly duplicate?: number | undefined;
  /**
   * That a consumer crashes when it takes a message, and when it says what has become of one: that is lost
   * with it.
   *
   * @default {0}
   */
  readonly crash?: number | undefined;
  /**
   * That a consumer pauses when it takes a message: by the seed for up to twice the ack wait. Where that is
   * `Infinity`, none does.
   *
   * @default {0}
   */
  readonly pause?: number | undefined;
  /**
   * That the broker restarts when a consumer takes a message.
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
