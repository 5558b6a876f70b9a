/** Why mutants that survive are no hole in the tests. */

/** A reason, and the survivors that it is the reason of. */
export interface Reason {
  readonly reason: string;
  readonly mutants: readonly Excused[];
}

/** As the page names it. */
export type Excused = readonly [file: string, before: string, after: string];

/** The reasons, in the order of the page. */
export const reasons: readonly Reason[] = [
  {
    reason: "The same by a longer way: it only costs time or memory",
    mutants: [
      [
        "src/aggregator.ts",
        "collector !== undefined || values.weigh !== undefined",
        "true",
      ],
      [
        "src/aggregator.ts",
        "collector !== undefined && checked.onDiscard !== undefined",
        "collector !== undefined || checked.onDiscard !== undefined",
      ],
      ["src/aggregator.ts", "collector !== undefined", "true"],
      ["src/aggregator.ts", "checked.onDiscard !== undefined", "true"],
      ["src/core/cutter.ts", "{ this.#piece = undefined; this.#rest = NOTHING; }", "{}"],
      ["src/singleflight.ts", "options === undefined", "false"],
      ["src/core/flight.ts", "this.#joined > 1", "true"],
      ["src/core/flight.ts", "this.#joined > 1", "this.#joined >= 1"],
      [
        "src/singleflight.ts",
        "detailed || signal !== undefined || this.#clone !== undefined",
        "true",
      ],
    ],
  },
  {
    reason: "Never read before it is set, or while nothing is held",
    mutants: [
      ["src/core/flight.ts", "false", "true"],
      ["src/core/item_collector.ts", "false", "true"],
      ["src/core/item_collector.ts", "{ return this.#items.length; }", "{}"],
    ],
  },
  {
    reason: "Cannot be otherwise there",
    mutants: [
      // Only one who is among the callers leaves.
      ["src/core/flight.ts", "this.#callers?.size", "this.#callers.size"],
      // No signal has no followers.
      ["src/core/flight.ts", "this.#signal", "true"],
      // At the trailing edge no item passes at once, whenever the interval is over; the leading edge
      // has nothing that waits.
      ["src/core/throttler.ts", 'this.#edge === "both"', "true"],
    ],
  },
  {
    reason: "The end has come already: what is done after it is nobody's",
    mutants: [
      ["src/core/mapper.ts", "!this.errored", "true"],
      ["src/core/outlet.ts", "this.errored", "false"],
      ["src/core/outlet.ts", "false", "true"],
      // An abort fails it in any case; this is only sooner.
      ["src/core/mapper.ts", "this.closing && this.#calling > 0", "true"],
      [
        "src/core/mapper.ts",
        "this.closing && this.#calling > 0",
        "this.closing || this.#calling > 0",
      ],
      ["src/core/mapper.ts", "this.#calling > 0", "true"],
      ["src/core/mapper.ts", "this.#calling > 0", "this.#calling >= 0"],
    ],
  },
  {
    reason: "Held by a test that was written since",
    mutants: [
      ["src/core/cutter.ts", "this.#rest.length === 0", "false"],
      ["src/core/flight.ts", "this.#joined > 1", "false"],
      ["src/core/flight.ts", "this.#joined > 1", "this.#joined <= 1"],
      ["src/core/outlet.ts", "this.#batcher.held > 0", "true"],
      ["src/core/outlet.ts", "this.#batcher.held > 0", "this.#batcher.held >= 0"],
    ],
  },
];
