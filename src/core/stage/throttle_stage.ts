import type { Stage, StageController } from "./stage.ts";
import { Throttler, type ThrottleRule, type ThrottleStats } from "./throttler.ts";

/** A throttle between two sides: what passes is held until the consumer asks for it. */
export class ThrottleStage<T> implements Stage<T> {
  readonly #controller: StageController<T, T>;
  readonly #throttler: Throttler<T>;
  /** What has passed and is not asked for yet. */
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

  /** At the leading edge what has passed is kept. At the trailing edge the latest is what counts. */
  #keeping(): boolean {
    return !this.#throttler.trailing && this.#passed !== undefined;
  }

  get full(): boolean {
    return this.#keeping() && this.#throttler.quiet;
  }

  write(item: T): boolean {
    // The next that would pass waits outside.
    if (this.full) return false;
    // Without another look at the clock: the interval may close just now.
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
