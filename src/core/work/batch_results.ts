import { show } from "../shared/options.ts";
import type { Deferred } from "../shared/promises.ts";
import type { Submitters } from "./job.ts";

/** Those who wait for the results of a batch of `count` items, each at the place of its item. */
export class BatchResults implements Submitters {
  readonly #owner: string;
  readonly #results: readonly Deferred<unknown>[];
  readonly #count: number;

  constructor(owner: string, results: readonly Deferred<unknown>[], count: number) {
    this.#owner = owner;
    this.#results = results;
    this.#count = count;
  }

  /** One result for each item, in order; an `Error` there is the failure of that item alone. */
  resolve(outcome: unknown): number {
    const values = this.#values(outcome);
    let failures = 0;
    this.#results.forEach((result, place) => {
      const value = values[place];
      if (value instanceof Error) {
        failures++;
        result.reject(value);
      } else {
        result.resolve(value);
      }
    });
    return failures;
  }

  reject(error: unknown): boolean {
    let told = 0;
    this.#results.forEach((result) => {
      told++;
      result.reject(error);
    });
    return told === this.#count;
  }

  #values(outcome: unknown): readonly unknown[] {
    const rule =
      `the handler must return an iterable with one result for each of ${this.#count} items`;
    if (typeof Object(outcome ?? undefined)[Symbol.iterator] !== "function") {
      throw new TypeError(`${this.#owner}: ${rule}; got ${show(outcome)}`);
    }
    const values = [...outcome as Iterable<unknown>];
    if (values.length !== this.#count) {
      throw new TypeError(`${this.#owner}: ${rule}; got ${values.length}`);
    }
    return values;
  }
}
