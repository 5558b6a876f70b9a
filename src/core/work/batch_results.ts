import { show } from "../shared/options.ts";
import { isThenable, whenSettled } from "../shared/promises.ts";
import type { Failure, Job, Result } from "./job.ts";

/** An entry of an item that has failed. */
class Wrong {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/**
 * Prepares what the handler of a batch of `count` items has returned. If that is an array with an
 * entry for each item, each entry that is an error, or a promise that ends in one, becomes a
 * {@linkcode Wrong}. If there are promises in it, this returns a promise. Without a `count` it is
 * too late for a result, but the rejections of the promises must still be handled.
 */
export function settleEntries(outcome: unknown, count: number | undefined): unknown {
  if (!Array.isArray(outcome) || outcome.length !== (count ?? outcome.length)) return outcome;
  let waits = false;
  const entries: unknown[] = [];
  // By place, because the array may have holes.
  for (let place = 0; place < outcome.length; place++) {
    let entry: unknown;
    try {
      entry = outcome[place];
      if (isThenable(entry)) {
        waits = true;
        entry = whenSettled(entry, judge, (error) => new Wrong(error));
      } else entry = judge(entry);
    } catch (error) {
      entry = new Wrong(error);
    }
    entries.push(entry);
  }
  return waits ? Promise.all(entries) : entries;
}

/** Resolves the callers whose items are done. Returns the failures. */
export function settleBatch(
  owner: string,
  job: Job,
  failed: boolean,
  outcome: unknown,
): Iterable<Failure> {
  const failures = new Map<unknown, Failure>();
  entriesOf(owner, job, failed, outcome)?.forEach((entry, place) => {
    if (!(entry instanceof Wrong)) return job.batch!.results[place]?.resolve(entry);
    const { error } = entry;
    const failure = failures.get(error) ?? { error, places: [] };
    failures.set(error, failure);
    failure.places.push(place);
  });
  return failures.values();
}

/** The result of each item; `undefined` if all items are done and no caller waits for a result. */
function entriesOf(
  owner: string,
  { count, batch }: Job,
  failed: boolean,
  outcome: unknown,
): readonly unknown[] | undefined {
  if (failed) return Array(count).fill(new Wrong(outcome));
  const { results } = batch!;
  const listed = Array.isArray(outcome);
  if (listed && outcome.length === count) return outcome;
  const waits = (result: Result): boolean => !result.left;
  if (!results.some(waits) && !(listed && outcome.some(isError))) return;
  const rule = `the handler must return an array with one entry for each of ${count} items`;
  const got = listed ? outcome.length : show(outcome);
  const wrong = new Wrong(new TypeError(`${owner}: ${rule}; got ${got}`));
  // If the handler has returned no array, only the submitted items fail: pushed items need no
  // entry.
  return listed ? Array(count).fill(wrong) : results.map((result) => waits(result) && wrong);
}

function judge(entry: unknown): unknown {
  return isError(entry) ? new Wrong(entry) : entry;
}

/**
 * Whether a value is an error, of any realm. The check for a message is cheap, and excludes most
 * values.
 */
function isError(value: unknown): boolean {
  return typeof value === "object" && value !== null && "message" in value &&
    (value instanceof Error ||
      /^\[object (Error|DOMException)]$/.test(Object.prototype.toString.call(value)));
}
