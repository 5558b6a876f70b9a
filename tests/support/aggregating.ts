/** Helpers for the tests of `Aggregator`. */

import type { AggregatorStats, Collector } from "../../mod.ts";
import { counts } from "./hand.ts";

/** All seven counts; the others are 0. */
export function tally(some: Partial<AggregatorStats>): AggregatorStats {
  return { ...counts(some), batches: some.batches ?? 0 };
}

/** A custom batch, and the limit of its collector. */
export interface Sum {
  readonly sum: number;
}

/** Adds up to `limit` numbers. `on` gets each call, and may throw. */
export function summing(
  limit: number,
  on: (call: keyof Collector<number, Sum>) => void = () => {},
) {
  return (): Collector<number, Sum> => {
    let [count, sum] = [0, 0];
    return {
      get size() {
        on("size");
        return count;
      },
      get full() {
        on("full");
        return count >= limit;
      },
      fits() {
        on("fits");
        return true;
      },
      add(item) {
        on("add");
        count++;
        sum += item;
      },
      take() {
        on("take");
        const batch = { sum };
        count = sum = 0;
        return batch;
      },
    };
  };
}

/** The integers from `from` up to `to`. */
export function ids(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, place) => from + place);
}
