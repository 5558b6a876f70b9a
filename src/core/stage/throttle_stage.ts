import type { Stage, StageController } from "./stage.ts";
import { type ThrottleEdge, Throttler, type ThrottleStats } from "./throttler.ts";

/** A throttle between two sides: what passes is held until the consumer asks for it. */
export class ThrottleStage<T> implements Stage<T> {
  readonly #controller: StageController<T, T>;
  readonly #throttler: Throttler<T>;
  readonly #leading: boolean;
  /** What has passed and is not asked for yet. */
  #passed: { readonly item: T } | undefined;
  #done = 0;
  #replaced = 0;
  #discarded = 0;

  constructor(controller: StageController<T, T>, interval: number, edge: ThrottleEdge) {
    this.#controller = controller;
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

  get full(): boolean {
    return this.#leading && this.#passed !== undefined && this.#throttler.quiet;
  }

  write(item: T): boolean {
    // At the leading edge what has passed is kept, so the next that would pass waits outside. At
    // the trailing edge the latest is what counts.
    if (this.full) return false;
    // Without another look at the clock: the interval may close just now.
    if (this.#leading && this.#passed) this.#throttler.dropped++;
    else this.#throttler.trigger(item);
    return true;
  }

  pull(): void {
    const controller = this.#controller;
    if (controller.pullRequested && this.#passed) {
      const { item } = this.#passed;
      this.#passed = undefined;
      this.#done++;
      controller.enqueue(item);
      controller.ready();
    }
    if (controller.closeRequested && !this.#passed) controller.finish();
  }

  close(): boolean {
    this.#throttler.flush();
    return true;
  }

  abort(): void {
    this.#discarded += this.#throttler.cancel() + (this.#passed ? 1 : 0);
    this.#passed = undefined;
  }

  #hold(item: T): void {
    if (this.#passed) this.#replaced++;
    this.#passed = { item };
    this.#controller.advance();
  }
}
