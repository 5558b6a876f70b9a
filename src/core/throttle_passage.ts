import { Passage } from "./passage.ts";
import { type ThrottleEdge, Throttler, type ThrottleStats } from "./throttler.ts";

/** A throttle between two sides: what passes is held until the consumer asks for it. */
export class ThrottlePassage<T> extends Passage<T, T> {
  readonly #throttler: Throttler<T>;
  readonly #leading: boolean;
  /** What has passed and is not asked for yet. */
  #passed: { readonly item: T } | undefined;
  #done = 0;
  #replaced = 0;
  #discarded = 0;

  constructor(interval: number, edge: ThrottleEdge) {
    super();
    this.#leading = edge === "leading";
    this.#throttler = new Throttler(interval, edge, (item) => this.#hold(item));
  }

  get stats(): ThrottleStats {
    const waiting = this.#throttler.waiting + (this.#passed ? 1 : 0);
    const dropped = this.#throttler.dropped + this.#replaced;
    const [done, discarded] = [this.#done, this.#discarded];
    return { accepted: waiting + done + dropped + discarded, waiting, done, dropped, discarded };
  }

  flush(): void {
    this.#throttler.flush();
  }

  override close(): undefined {
    this.#throttler.flush();
    super.close();
  }

  protected override get full(): boolean {
    return this.#leading && this.#passed !== undefined && this.#throttler.quiet;
  }

  protected override take(item: T): boolean {
    // At the leading edge what has passed is kept, so the next that would pass waits outside. At
    // the trailing edge the latest is what counts.
    if (this.full) return false;
    // Without another look at the clock: the interval may close just now.
    if (this.#leading && this.#passed) this.#throttler.dropped++;
    else this.put(item);
    return true;
  }

  protected override put(item: T): void {
    this.#throttler.trigger(item);
  }

  protected override advance(): void {
    if (this.demand && this.#passed) {
      const { item } = this.#passed;
      this.#passed = undefined;
      this.#done++;
      this.emit(item);
      this.admit();
    }
    if (this.closing && !this.#passed) this.finish();
  }

  protected override release(): void {
    this.#discarded += this.#throttler.cancel() + (this.#passed ? 1 : 0);
    this.#passed = undefined;
  }

  #hold(item: T): void {
    if (this.#passed) this.#replaced++;
    this.#passed = { item };
    this.step();
  }
}
