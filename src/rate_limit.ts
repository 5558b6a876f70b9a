/**
 * {@linkcode RateLimit}: so many starts in an interval, and no more.
 *
 * Runs in Deno, Bun, Node, edge runtimes and browsers.
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
  /** In milliseconds: more than 0 and at most 2147483647, or `Infinity`, where `limit` is for all time. */
  interval: number;
  /** What it is called in messages and by `console.log`, such as `RateLimit "github"`. */
  name?: string | undefined;
}

/** What `stats` shows of a {@linkcode RateLimit}. */
export interface RateLimitStats {
  /** Handlers that have started under it, so far. */
  readonly started: number;
  /** Sinks and streams that wait for a start now. */
  readonly waiting: number;
  /** For how many milliseconds nothing starts from now on; 0 where something may. */
  readonly wait: number;
}

/**
 * At most `limit` starts in **any** window of `interval` milliseconds, not only in those that a clock
 * cuts: the "10 calls a second" of an API. Give it to a `Fanout`, an `Aggregator` or a `MapStream` as its
 * `rate`, or to several, which share it and **take turns**. What may not start waits in the queue of its
 * sink, in order, within the bounds of that.
 *
 * A retry is a start, too. It bounds how many start, not how many run: that is `concurrency`.
 *
 * Where the other side says how long to wait, as a 429 with `Retry-After` does, use
 * {@linkcode RateLimit.pause}.
 *
 * It keeps the times of the last `limit` starts, and has a timer only while somebody waits. In
 * Cloudflare Workers, sinks of different requests cannot share one.
 *
 * @example At most 10 calls of an API in a second, by two sinks together
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
  /** When the last `limit` have started, in a ring. */
  readonly #starts: number[] = [];
  #started = 0;
  /** The end of the pause that ends last. */
  #paused = 0;
  /** Who waits for a start, in turns, and whose turn it is while it is told. */
  readonly #waiting = new Set<Starter>();
  #turn: Starter | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What the timer is set for, and the last such time that it has told. */
  #due = 0;
  #told = 0;

  /**
   * Makes a limit.
   *
   * @param options How many, in how long.
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

  /** What has started, and who waits, at this moment. */
  get stats(): RateLimitStats {
    const wait = Math.max(this.#next() - this.#now(), 0);
    return { started: this.#started, waiting: this.#waiting.size, wait };
  }

  /**
   * Lets nothing start for so long. What runs goes on. Of two pauses **the later end wins**.
   *
   * @param ms Milliseconds: 0 to 2147483647.
   * @throws {TypeError} If that is no number.
   * @throws {RangeError} If it is out of range.
   *
   * @example As long as an answer of 429 says
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
      // It had its turn: for more it stands at the end again.
      if (this.#waiting.size > 0) this.#turn = this.#turn && NOBODY;
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

  /** The clock, or what a timer has told: a test may have faked the timers and not the clock. */
  #now(): number {
    return Math.max(performance.now(), this.#told);
  }

  /** When the next may start. */
  #next(): number {
    const first = this.#starts[this.#started % this.#limit];
    return Math.max(this.#paused, first === undefined ? 0 : first + this.#interval);
  }

  /** There is a timer while somebody waits. */
  #update(): void {
    if (this.#waiting.size === 0) {
      // No timer does no harm; only the types of Workers refuse it.
      clearTimeout(this.#timer!);
      this.#timer = undefined;
    } else if (this.#timer === undefined && !this.#turn && this.#next() < Infinity) {
      this.#due = this.#next();
      // An error of rounding is no millisecond.
      const delay = Math.ceil(this.#due - this.#now() - 0.001);
      this.#timer = setTimeout(() => this.#fire(), Math.min(Math.max(delay, 0), MAX_DELAY));
    }
  }

  /** Platforms fire up to a millisecond early: then for one more. What is earlier is no real timer. */
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

/** Whose turn it is when the one who had it has taken a start. */
const NOBODY = {} as Starter;

/** The longest delay that platforms keep. */
const MAX_DELAY = 2147483647;
