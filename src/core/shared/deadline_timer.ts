/**
 * Setting and clearing a timer costs more than handling a hundred items, and a quick producer brings
 * the next deadline within a few microtasks: the timer waits that long for it.
 */
const IDLE_TICKS = 8;

/** Whose deadlines a {@linkcode DeadlineTimer} keeps. */
export interface DeadlineHost {
  /** How far ahead a deadline may lie, in milliseconds. */
  readonly duration: number;
  /** The first deadline, by the `now` of its timer; `Infinity` for none. */
  readonly deadline: number;
  /** It is `now`, and the first deadline has passed. */
  onDeadline(now: number): void;
}

/** One timer for the first of some deadlines. It lives only while there is one. */
export class DeadlineTimer {
  readonly #host: DeadlineHost;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The deadline that the timer is set for. */
  #setFor = Infinity;
  /** The deadline of the last timer that fired. */
  #fired = 0;
  /** How many microtasks the timer still waits for a deadline. */
  #ticks = 0;

  constructor(host: DeadlineHost) {
    this.#host = host;
  }

  /**
   * `performance.now()`, or the deadline of the last timer that fired, if that is later: a test may
   * have faked the timers and not the clock, and real ones fire up to a millisecond early.
   */
  get now(): number {
    return Math.max(performance.now(), this.#fired);
  }

  /** The first deadline may have changed. */
  update(): void {
    const { deadline, duration } = this.#host;
    // It need not move when that one goes: firing early only looks again.
    if (deadline < this.#setFor) {
      this.clear();
      this.#setFor = deadline;
      const delay = Math.ceil(deadline - this.now);
      // Rounding must not make it longer than platforms can wait.
      this.#timer = setTimeout(this.#fire, Math.min(Math.max(delay, 0), Math.ceil(duration)));
    }
    // Asked again: Deno runs microtasks within the first call of a timer function.
    if (this.#idle && !this.#ticks) {
      this.#ticks = IDLE_TICKS;
      queueMicrotask(this.#tick);
    }
  }

  clear(): void {
    // No timer does no harm; only the types of Workers refuse it.
    clearTimeout(this.#timer!);
    this.#setFor = Infinity;
  }

  /** Whether the timer is set, and there is no deadline. */
  get #idle(): boolean {
    return this.#setFor < Infinity && this.#host.deadline === Infinity;
  }

  readonly #tick = (): void => {
    if (!this.#idle) this.#ticks = 0;
    else if (--this.#ticks) queueMicrotask(this.#tick);
    else this.clear();
  };

  readonly #fire = (): void => {
    this.#fired = this.#setFor;
    this.#setFor = Infinity;
    const { now } = this;
    if (this.#host.deadline <= now) this.#host.onDeadline(now);
    this.update();
  };
}
