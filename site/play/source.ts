/** A source that offers items at a rate, and slows down when there is no demand. */

/** How much of the past the measured rate covers, in milliseconds. */
const WINDOW = 2000;

/** How much of that a source waits that is slowed down. */
const SLOW = 0.1;

/** How far the source may be behind its rate and still catch up, in milliseconds. */
const CATCH_UP = 50;

/** A stream of items, at a rate that one can change. */
export class RatedSource<T> {
  readonly readable: ReadableStream<T>;
  /** Items a second. */
  rate: number;
  #asked = false;
  #ended = false;
  #next: number;
  #times: number[] = [];
  /** When it waited for demand, and for how long. */
  #waits: { readonly until: number; readonly ms: number }[] = [];
  #since: number | undefined;
  #wake: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `make` makes the next item. */
  constructor(rate: number, make: () => T) {
    this.rate = rate;
    this.#next = performance.now();
    this.readable = new ReadableStream<T>({
      pull: async (controller) => {
        this.#asked = true;
        const now = performance.now();
        if (this.#since !== undefined) this.#waits.push({ until: now, ms: now - this.#since });
        await this.#due();
        if (this.#ended) return controller.close();
        this.#asked = false;
        this.#since = performance.now();
        this.#times.push(this.#since);
        controller.enqueue(make());
      },
      cancel: () => this.end(),
    }, { highWaterMark: 0 });
  }

  /** Whether it waits because its consumer has no demand. */
  get waits(): boolean {
    return !this.#asked && !this.#ended;
  }

  /** Whether it has waited for demand a good part of the time. */
  slowed(now: number): boolean {
    this.#waits = this.#waits.filter(({ until }) => now - until <= WINDOW);
    let waited = this.waits && this.#since !== undefined ? now - this.#since : 0;
    for (const { ms } of this.#waits) waited += ms;
    return waited > SLOW * WINDOW;
  }

  /** Items a second, as measured. */
  measured(now: number): number {
    this.#times = this.#times.filter((time) => now - time <= WINDOW);
    return this.#times.length * 1000 / WINDOW;
  }

  /** Closes the stream. */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#wake?.();
  }

  /** Waits until the next item is due. */
  async #due(): Promise<void> {
    const now = performance.now();
    this.#next = Math.max(this.#next + 1000 / this.rate, now - CATCH_UP);
    if (this.#ended || this.#next <= now) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#timer = setTimeout(resolve, this.#next - now);
    });
  }
}
