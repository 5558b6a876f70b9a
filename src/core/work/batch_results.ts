import { show } from "../shared/options.ts";
import type { Deferred } from "../shared/promises.ts";
import type { Submitters } from "./job.ts";

/**
 * Those who wait for the results of a batch of `count` items, each at the place of its item. The array
 * has holes where an item was not submitted, and `forEach` passes over them.
 */
export function batchResults(
  owner: string,
  results: readonly Deferred<unknown>[],
  count: number,
): Submitters {
  return {
    /** One result for each item, in order; an `Error` there is the failure of that item alone. */
    resolve(outcome) {
      const values = resultsOf(owner, outcome, count);
      let failures = 0;
      results.forEach((result, place) => {
        const value = values[place];
        if (value instanceof Error) {
          failures++;
          result.reject(value);
        } else {
          result.resolve(value);
        }
      });
      return failures;
    },
    reject(error) {
      let told = 0;
      results.forEach((result) => {
        told++;
        result.reject(error);
      });
      return told === count;
    },
  };
}

/** What the handler has returned, as one result for each item. */
function resultsOf(owner: string, outcome: unknown, count: number): readonly unknown[] {
  const iterable = typeof Object(outcome ?? undefined)[Symbol.iterator] === "function";
  const values = iterable ? [...outcome as Iterable<unknown>] : undefined;
  if (values?.length === count) return values;
  const rule = `the handler must return an iterable with one result for each of ${count} items`;
  throw new TypeError(`${owner}: ${rule}; got ${values ? values.length : show(outcome)}`);
}
