/** What to try: settings, and what one sees. */

import { DEFAULTS, type Settings } from "./settings.ts";

/** Something to try. */
export interface Experiment {
  readonly name: string;
  readonly settings: Settings;
  readonly see: string;
}

/** In the order of `docs/play.md`. */
export const EXPERIMENTS: readonly Experiment[] = [
  {
    name: "Start here",
    settings: DEFAULTS,
    see: "The workers are faster than the source. The queue stays short.",
  },
  {
    name: "Full queue",
    settings: { ...DEFAULTS, rate: 120, concurrency: 2, capacity: 4, handlerTime: 900 },
    see: "The queue fills up to its capacity. Then the source slows down, and no item is lost.",
  },
  {
    name: "Linger",
    settings: { ...DEFAULTS, rate: 3, maxItems: 16, linger: 1500 },
    see: "Traffic is low. A batch goes out when its first item has waited for 1.5 seconds.",
  },
  {
    name: "Adaptive batches",
    settings: { ...DEFAULTS, maxItems: 36, linger: 0, concurrency: 1, capacity: 0, rate: 15 },
    see:
      "With a linger of 0 nothing waits for company: a batch grows only while the worker is busy.",
  },
  {
    name: "Abort",
    settings: { ...DEFAULTS, rate: 150, concurrency: 4, capacity: 8, handlerTime: 3000 },
    see: "Let the queue fill up, and press Abort. Each item that waits or runs is discarded.",
  },
  {
    name: "Rate limit",
    settings: { ...DEFAULTS, concurrency: 6, handlerTime: 500, rateLimit: 2 },
    see: "Workers are free, and only two handlers start in a second. The rest wait in the queue.",
  },
];
