/**
 * {@linkcode backoff}: says when to try again, with longer and longer delays.
 *
 * It runs in Deno, Bun, Node, edge runtimes and browsers.
 *
 * @module
 */

import { check, FLAG, LIMIT, PAUSE, readOptions, type Rule } from "./core/shared/options.ts";

const FACTOR: Rule = ["number", "be at least 1", (value: number) => value >= 1];

/** Options of {@linkcode backoff}. */
export interface BackoffOptions {
  /**
   * How often the handler is called for an item in all, including the first time: an integer of at
   * least 1.
   *
   * @default {5}
   */
  attempts?: number | undefined;
  /**
   * The delay before the second attempt, in milliseconds: 0 to 2147483647.
   *
   * @default {100}
   */
  min?: number | undefined;
  /**
   * The longest delay, in milliseconds: `min` to 2147483647.
   *
   * @default {10_000}, or `min` if that is more
   */
  max?: number | undefined;
  /**
   * Each delay is this many times as long as the one before: a number of at least 1.
   *
   * @default {2}
   */
  factor?: number | undefined;
  /**
   * Whether each delay is drawn at random from its upper half, so that items that failed together
   * don't all come again together.
   *
   * @default {true}
   */
  jitter?: boolean | undefined;
}

/**
 * Makes a `retry` for a `Fanout` or an `Aggregator` that waits longer each time: `min`, then
 * `factor` times as long, and so on up to `max`, for `attempts` calls in all. By default it gives
 * up after 0.75 to 1.5 seconds. If the other side may be down for a minute, take `attempts: 20`,
 * which gives up after one to two minutes.
 *
 * It retries after any error. To retry only after some errors, check the error first.
 *
 * @param options How often to try, and how long to wait.
 * @returns A function that gives the milliseconds until the next attempt, or `undefined` after the
 * last.
 * @throws {TypeError} If an option is of the wrong kind or unknown.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { backoff } from "@weir/streams/backoff";
 * import { assertEquals } from "@std/assert";
 *
 * const delays = backoff({ attempts: 4, min: 100, max: 300, jitter: false });
 * assertEquals([1, 2, 3, 4].map((n) => delays(new Error(), n)), [100, 200, 300, undefined]);
 * ```
 *
 * @example Retry only errors that may go away
 * ```ts
 * import { Fanout } from "@weir/streams/fanout";
 * import { backoff } from "@weir/streams/backoff";
 * import { assertEquals } from "@std/assert";
 *
 * const again = backoff({ min: 1 });
 * const failed: string[] = [];
 * let calls = 0;
 * await using mails = new Fanout((to: string) => {
 *   calls++;
 *   throw new Error(to.includes("@") ? "busy" : "no address");
 * }, {
 *   retry: (error, attempt) =>
 *     (error as Error).message === "busy" ? again(error, attempt) : undefined,
 *   onError: (error) => failed.push((error as Error).message),
 * });
 * await mails.consume(["ada@example.org", "no address"]);
 * assertEquals([calls, failed], [6, ["no address", "busy"]]);
 * ```
 */
export function backoff(
  options?: BackoffOptions,
): (error: unknown, attempt: number) => number | undefined {
  const rules = { attempts: LIMIT, min: PAUSE, max: PAUSE, factor: FACTOR, jitter: FLAG };
  const values = readOptions<BackoffOptions>("backoff", options, rules);
  const { attempts = 5, min = 100, factor = 2, jitter = true } = values;
  const { max = Math.max(10_000, min) } = values;
  const rule = `be at least option "min" of ${min}`;
  check("backoff", "max", max, ["number", rule, () => max >= min]);
  return (_error, attempt) => {
    if (attempt >= attempts) return;
    const delay = Math.min(min * factor ** (attempt - 1), max);
    return jitter ? delay * (1 + Math.random()) / 2 : delay;
  };
}
