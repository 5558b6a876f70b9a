/** The results of a batch's handler, one entry for each item, as an `Aggregator` takes them. */

import { isError, isThenable, whenSettled } from "./promises.ts";

/** The result of a handler, and the errors in it by their index. */
export interface Entries {
  readonly result: unknown;
  readonly failures: ReadonlyMap<number, unknown>;
}

const NONE: ReadonlyMap<number, unknown> = new Map();

/**
 * Reads the result of a handler for `count` deliveries, and waits for the promises in it. A result
 * that isn't an array has no errors. An array of another length is ignored, unless an entry is an
 * error.
 */
export function readEntries(result: unknown, count: number): Entries | Promise<Entries> {
  if (!Array.isArray(result)) return { result, failures: NONE };
  if (result.length !== count) {
    if (!result.some(isFailure)) return { result, failures: NONE };
    const rule = `the handler must return an array with one entry for each of ${count} deliveries`;
    throw new TypeError(`acked: ${rule}; got ${result.length}`);
  }
  const failures = new Map<number, unknown>();
  const waits: Promise<void>[] = [];
  let entries = result;
  // By index, because the array may have holes.
  for (let place = 0; place < count; place++) {
    const judge = (entry: unknown): void => {
      if (isError(entry)) failures.set(place, entry);
    };
    const fail = (error: unknown): void => void failures.set(place, error);
    try {
      const entry = result[place];
      if (!isThenable(entry)) {
        judge(entry);
        continue;
      }
      // Calls `then` once: a thenable that isn't a promise may start work each time.
      const once = entry instanceof Promise ? entry : new Promise((resolve) => resolve(entry));
      if (once !== entry) {
        if (entries === result) entries = result.slice();
        entries[place] = once;
      }
      waits.push(whenSettled(once, judge, fail).catch(fail));
    } catch (error) {
      fail(error);
    }
  }
  if (waits.length === 0) return { result: entries, failures };
  return Promise.all(waits).then(() => ({ result: entries, failures }));
}

function isFailure(entry: unknown): boolean {
  try {
    return isError(entry);
  } catch {
    return true;
  }
}
