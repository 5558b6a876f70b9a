/** {@linkcode Delivery}: an item that somebody waits to hear of, whatever brought it. */

/**
 * An item of a broker, and the way to say what has become of it. Whoever takes one says so **once**:
 * the first of `ack`, `nak` and `term` counts, and what comes after has no effect.
 *
 * @typeParam T The type of the item.
 */
export interface Delivery<T> {
  /** The item. */
  readonly value: T;
  /**
   * How often the broker has handed it out, this time included: from 1. `undefined` where the broker does
   * not count.
   */
  readonly deliveries?: number | undefined;
  /** Whether somebody has said what has become of it. `undefined` where that is not known. */
  readonly settled?: boolean | undefined;
  /** It is done: the broker forgets it. */
  ack(): void;
  /**
   * It is not done: the broker hands it out again, to anybody.
   *
   * @param delay In how many milliseconds, at the earliest.
   */
  nak(delay?: number): void;
  /**
   * It will never be done: the broker does not hand it out again. Where there is none, `ack` does it.
   *
   * @param reason For the log of the broker.
   */
  term?(reason?: string): void;
}
