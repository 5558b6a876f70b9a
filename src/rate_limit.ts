/**
 * {@linkcode RateLimit}: allows a number of starts in any interval, and no more.
 *
 * It runs in Deno, Bun, Node, edge runtimes and browsers.
 *
 * @module
 */

import { describe, titleOf } from "./core/shared/describe.ts";
import { check, DURATION, LIMIT, NAME, PAUSE, readOptions } from "./core/shared/options.ts";
import type { Starter } from "./core/work/start_limit.ts";

/** Options of {@linkcode RateLimit}. */
export interface RateLimitOptions {
  /** The most starts in any `interval`: an integer of at least 1. */
  limit: number;
  /**
   * The length in milliseconds: more than 0 and at most 2147483647. With `Infinity`, `limit` holds
   * for all time.
   */
  interval: number;
  /** The name that messages and `console.log` show, such as `RateLimit "github"`. */
  name?: string | undefined;
}

/** What `stats` of a {@linkcode RateLimit} shows. */
export interface RateLimitStats {
  /** Handlers and calls that have started under it so far. */
  readonly started: number;
  /** Sinks and streams that wait for a start now. */
  readonly waiting: number;
  /** The time until something may start, in milliseconds; 0 if something may start now. */
  readonly wait: number;
}

/**
 * Allows at most `limit` starts in **any** window of `interval` milliseconds, not only in fixed
 * windows of a clock: the "10 calls a second" of an API. Give it to a `Fanout`, an `Aggregator` or
 * a `MapStream` as its `rate`. You may give it to several; they share it and **take turns**. Items
 * that may not start yet wait in the queue of their sink, in order and within its bounds.
 *
 * A retry is a start, too. It limits how many start, not how many run at once: that is
 * `concurrency`.
 *
 * If the other side says how long to wait, as a 429 with `Retry-After` does, call
 * {@linkcode RateLimit.pause}.
 *
 * It keeps the times of the last `limit` starts, and has a timer only while a sink or stream waits.
 * In Cloudflare Workers, sinks of different requests cannot share one.
 *
 * @example At most 10 calls of an API in a second, from two sinks together
 * ```ts
 * import { Fanout } from "@weir/streams/fanout";
 * import { RateLimit } from "@weir/streams/rate-limit";
 * import { assertEquals } from "@std/assert";
 *
 * const rate = new RateLimit({ limit: 10, interval: 1000 });
 * const options = { concurrency: 16, rate };
 * const reads = new Fanout((id: number) => Promise.resolve(id), options);
 * const writes = new Fanout((id: number) => Promise.resolve(id), options);
 * for (let id = 0; id < 8; id++) reads.tryPush(id), writes.tryPush(id);
 *
 * assertEquals(rate.stats.started, 10);
 * assertEquals(reads.stats.waiting + writes.stats.waiting, 6);
 * await Promise.all([reads.abort(), writes.abort()]);
 * ```
 */
export class RateLimit {
  readonly #owner: string;
  readonly #limit: number;
  readonly #interval: number;
  /** A ring with the times of the last `limit` starts. */
  readonly #starts: number[] = [];
  #started = 0;
  /** When the pause with the latest end is over. */
  #paused = 0;
  /**
   * The sinks and streams that wait for a start, in turns. While one of them is called, `#turn` is
   * that one.
   */
  readonly #waiting = new Set<Starter>();
  #turn: Starter | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The time that the timer is set for, and the last such time at which it fired. */
  #due = 0;
  #told = 0;

  /**
   * Makes a limit.
   *
   * @param options How many starts, in how long.
   * @throws {TypeError} If an option is missing, unknown or of the wrong kind.
   * @throws {RangeError} If an option is out of range.
   */
  constructor(options: RateLimitOptions) {
    const rules = { limit: LIMIT, interval: DURATION, name: NAME };
    const { limit, interval, name } = readOptions("RateLimit", options, rules);
    this.#owner = titleOf("RateLimit", name);
    this.#limit = check(this.#owner, "limit", limit!, LIMIT);
    this.#interval = check(this.#owner, "interval", interval!, DURATION);
    describe(this, this.#owner);
  }

  /** How many have started and how many wait, at this moment. */
  get stats(): RateLimitStats {
    const wait = Math.max(this.#next() - this.#now(), 0);
    return { started: this.#started, waiting: this.#waiting.size, wait };
  }

  /**
   * Lets nothing start for `ms` milliseconds. Running handlers go on. Of two pauses, **the one that
   * ends later wins**.
   *
   * @param ms The length in milliseconds: 0 to 2147483647.
   * @throws {TypeError} If `ms` is not a number.
   * @throws {RangeError} If `ms` is out of range.
   *
   * @example Pause for as long as a 429 response says
   * ```ts
   * import { RateLimit } from "@weir/streams/rate-limit";
   * import { assert } from "@std/assert";
   *
   * const rate = new RateLimit({ limit: 10, interval: 1000 });
   * const response = new Response(null, { status: 429, headers: { "retry-after": "3" } });
   * if (response.status === 429) rate.pause(1000 * Number(response.headers.get("retry-after")));
   * assert(rate.stats.wait > 2900);
   * ```
   */
  pause(ms: number): void {
    this.#paused = Math.max(
      this.#paused,
      this.#now() + check(`${this.#owner}.pause`, "ms", ms, PAUSE),
    );
  }

  /** @ignore For sinks. */
  ready(starter: Starter, now: number = this.#now()): boolean {
    const turn = this.#turn ? this.#turn === starter : this.#waiting.size === 0;
    return turn && now >= this.#next();
  }

  /** @ignore For sinks. */
  take(starter: Starter): boolean {
    const now = this.#now();
    const ready = this.ready(starter, now);
    if (ready) {
      this.#starts[this.#started++ % this.#limit] = now;
      // It has had its turn: for another start it goes to the end of the line.
      if (this.#waiting.size > 0) this.#turn = this.#turn && NO_STARTER;
    } else this.wait(starter);
    return ready;
  }

  /** @ignore For sinks. */
  wait(starter: Starter): void {
    this.#waiting.add(starter);
    this.#update();
  }

  /** @ignore For sinks. */
  leave(starter: Starter): void {
    this.#waiting.delete(starter);
    this.#update();
  }

  /** The clock, or the time of the last timer: a test may fake the timers and not the clock. */
  #now(): number {
    return Math.max(performance.now(), this.#told);
  }

  /** When the next one may start. */
  #next(): number {
    const first = this.#starts[this.#started % this.#limit];
    return Math.max(this.#paused, first === undefined ? 0 : first + this.#interval);
  }

  /** Sets a timer if a sink or stream waits, and clears it otherwise. */
  #update(): void {
    if (this.#waiting.size === 0) {
      // `clearTimeout(undefined)` is harmless; only the types of Workers refuse it.
      clearTimeout(this.#timer!);
      this.#timer = undefined;
    } else if (this.#timer === undefined && !this.#turn && this.#next() < Infinity) {
      this.#due = this.#next();
      // A rounding error is not worth a millisecond.
      const delay = Math.ceil(this.#due - this.#now() - 0.001);
      this.#timer = setTimeout(() => this.#fire(), Math.min(Math.max(delay, 0), MAX_DELAY));
    }
  }

  /**
   * Platforms fire up to a millisecond early: then waits one more. A timer that fires earlier is
   * fake.
   */
  #fire(): void {
    const early = this.#due - performance.now();
    if (early > 0 && early <= 1) this.#timer = setTimeout(() => this.#serve(), 1);
    else this.#serve();
  }

  #serve(): void {
    this.#told = this.#due;
    this.#timer = undefined;
    for (const starter of this.#waiting) {
      if (this.#now() < this.#next()) break;
      this.#waiting.delete(starter);
      this.#turn = starter;
      starter.fill();
    }
    this.#turn = undefined;
    this.#update();
  }
}

/** The turn after a start was taken: no starter has it. */
const NO_STARTER = {} as Starter;

/** The longest delay that platforms support. */
const MAX_DELAY = 2147483647;
