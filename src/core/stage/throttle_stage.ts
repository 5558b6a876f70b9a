import type { Stage, StageController } from "./stage.ts";
import { Throttler, type ThrottleRule, type ThrottleStats } from "./throttler.ts";

/**
 * A throttle between two sides. It holds the item that has passed until the consumer asks for it.
 */
export class ThrottleStage<T> implements Stage<T> {
  readonly #controller: StageController<T, T>;
  readonly #throttler: Throttler<T>;
  /** The item that has passed, until the consumer asks for it. */
  #passed: { readonly item: T } | undefined;

  constructor(controller: StageController<T, T>, rule: ThrottleRule) {
    this.#controller = controller;
    this.#throttler = new Throttler(rule, (item) => {
      if (this.#passed) this.#throttler.dropped++;
      this.#passed = { item };
      controller.advance();
    });
  }

  get stats(): ThrottleStats {
    return this.#throttler.stats;
  }

  flush(): void {
    this.#throttler.flush();
  }

  /**
   * At the leading edge, the stage keeps the item that has passed. At the trailing edge, the latest
   * replaces it.
   */
  #keeping(): boolean {
    return !this.#throttler.trailing && this.#passed !== undefined;
  }

  get full(): boolean {
    return this.#keeping() && this.#throttler.quiet;
  }

  write(item: T): boolean {
    // The next item that would pass waits outside.
    if (this.full) return false;
    // This does not look at the clock again, because the interval may close just now.
    this.#throttler.trigger(item, this.#keeping());
    return true;
  }

  pull(): void {
    const controller = this.#controller;
    if (controller.pullRequested && this.#passed) {
      const { item } = this.#passed;
      this.#passed = undefined;
      this.#throttler.done++;
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
    this.#throttler.cancel();
    this.#passed = undefined;
  }
}
