/** Tests that control their clock. */

import { assertEquals } from "@std/assert";
import { type Clock, withClock } from "./clock.ts";
import { turn } from "./gate.ts";
import { test } from "./test.ts";

/**
 * Registers a test under the fake clock. No timer may outlive the test by more than a turn of the
 * event loop.
 */
export function timed(
  name: string,
  body: (clock: Clock) => Promise<void>,
  timersOnly?: boolean,
): void {
  test(name, () =>
    withClock(async (clock) => {
      await body(clock);
      await turn();
      assertEquals(clock.pending, 0);
    }, timersOnly));
}
