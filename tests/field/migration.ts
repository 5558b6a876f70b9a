/** What the tests of docs/migration.md share. Each plays one job twice: by the original, and by ours. */

import { assertEquals } from "@std/assert";
import { type Gate, gate, turn } from "../support/gate.ts";

/** Play the same job with both. Each must come to the expected outcome. */
export async function same<O>(
  expected: O,
  original: () => O | Promise<O>,
  ours: () => O | Promise<O>,
): Promise<void> {
  assertEquals(await original(), expected, "the original");
  assertEquals(await ours(), expected, "ours");
}

/** A function that takes one turn of the event loop, fails for some items, and counts its calls. */
export class Job<T = number> {
  /** The items, in the order in which their calls started. */
  readonly started: T[] = [];
  /** The most calls that ran at once. */
  most = 0;
  #running = 0;
  readonly #failing: readonly T[];

  constructor(...failing: T[]) {
    this.#failing = failing;
  }

  readonly run = async (item: T): Promise<string> => {
    this.started.push(item);
    this.most = Math.max(this.most, ++this.#running);
    try {
      await turn();
      if (this.#failing.includes(item)) throw new Error(`failed: ${item}`);
      return `done: ${item}`;
    } finally {
      this.#running--;
    }
  };
}

/** A function whose calls the test settles. */
export class Gated<T = number> {
  /** The items, in the order in which their calls started. */
  readonly started: T[] = [];
  readonly #gates = new Map<T, Gate<string>>();

  readonly run = (item: T): Promise<string> => {
    this.started.push(item);
    const { promise, resolve, reject } = gate<string>();
    this.#gates.set(item, { promise, resolve, reject });
    return promise;
  };

  /** End the call for an item. */
  async settle(item: T): Promise<void> {
    this.#gates.get(item)!.resolve(`done: ${item}`);
    await turn();
  }
}

/** The numbers from 1 to `count`. */
export function ids(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** The message of the error with which a call ends. */
export async function messageOf(call: () => PromiseLike<unknown>): Promise<string> {
  try {
    await call();
    return "no error";
  } catch (error) {
    return (error as Error).message;
  }
}

/** The name of the error with which a promise rejects. */
export async function nameOf(promise: PromiseLike<unknown>): Promise<string> {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return (error as Error).name;
  }
}

/** Several turns of the event loop: enough for all that waits for nothing. */
export async function turns(count = 5): Promise<void> {
  for (let n = 0; n < count; n++) await turn();
}
