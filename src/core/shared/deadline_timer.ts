/**
 * Setting and clearing a timer costs more than handling a hundred items, and a quick producer brings
 * the next deadline within a few microtasks: the timer waits that long for it.
 */
const IDLE_TICKS = 8;

/** Whose deadlines a {@linkcode DeadlineTimer} keeps. */
export interface DeadlineHost {
  /** How far ahead a deadline may lie, in milliseconds. */
  readonly duration: number;
  /** The first deadline, by `performance.now()`; `Infinity` for none. */
  readonly deadline: number;
  /** It is `now`, and the first deadline has passed. */
  onDeadline(now: number): void;
}

/** One timer for the first of some deadlines. It lives only while there is one. */
export class DeadlineTimer {
  readonly #host: DeadlineHost;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** How many microtasks the timer still waits for a deadline. */
  #ticks = 0;
  readonly #tick = (): void => {
    if (this.#host.deadline < Infinity) this.#ticks = 0;
    else if (--this.#ticks === 0) this.clear();
    else queueMicrotask(this.#tick);
  };

  constructor(host: DeadlineHost) {
    this.#host = host;
  }

  get armed(): boolean {
    return this.#timer !== undefined;
  }

  /** For the first deadline. It need not move when that one goes: firing early only looks again. */
  arm(): void {
    const { deadline, duration } = this.#host;
    clearTimeout(this.#timer);
    const delay = Math.ceil(deadline - performance.now());
    // Rounding must not make it longer than platforms can wait.
    this.#timer = setTimeout(() => this.#fire(), Math.min(Math.max(delay, 0), duration));
    // Deno runs microtasks within the first call of a timer function: the deadline may be gone.
    this.release();
  }

  /** Lets go of the timer, unless a deadline comes within the same task of the event loop. */
  release(): void {
    if (this.#host.deadline < Infinity || !this.#timer || this.#ticks > 0) return;
    this.#ticks = IDLE_TICKS;
    queueMicrotask(this.#tick);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #fire(): void {
    this.#timer = undefined;
    const now = performance.now();
    if (this.#host.deadline <= now) this.#host.onDeadline(now);
    // What was started meanwhile armed a timer of its own, for later than the first.
    if (this.#host.deadline < Infinity) this.arm();
  }
}
