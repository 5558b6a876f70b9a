/** What becomes of bad records. */

import { writeFileSync } from "node:fs";
import { count } from "./progress.ts";
import { RecordError } from "./records.ts";

/** A record that is no place. */
export interface BadRecord {
  /** Its number in the input, from 1. */
  readonly record: number;
  readonly reason: string;
  /** Its text. */
  readonly raw: string;
}

/** Counts bad records, and keeps them in a file, a line of JSON each. */
export class DeadLetters {
  count = 0;
  readonly #path: string | undefined;
  readonly #most: number;
  #first: BadRecord | undefined;

  /** Without a path it only counts. */
  constructor(path?: string, most: number = Infinity) {
    this.#path = path;
    this.#most = most;
  }

  /** Throws when it can't be written, or when there are too many. */
  add(bad: BadRecord): void {
    if (this.#path !== undefined) this.#write(this.#path, bad);
    this.#first ??= bad;
    this.count++;
    if (this.count > this.#most) throw new RecordError(bad.record, bad.reason);
  }

  #write(path: string, bad: BadRecord): void {
    try {
      writeFileSync(path, `${JSON.stringify(bad)}\n`, { flag: this.#first ? "a" : "wx" });
    } catch (error) {
      const { code, message } = error as Error & { code?: unknown };
      throw Object.assign(new Error(`${path}: ${message}`, { cause: error }), { code });
    }
  }

  /** What to say of them at the end; `undefined` where there were none. */
  get summary(): string | undefined {
    if (!this.#first) return undefined;
    const { record, reason } = this.#first;
    const where = this.#path ?? "kept nowhere; --database or --dead-letters keeps them";
    const all = `Bad records: ${count(this.count)} (${where}).`;
    return `${all}\nThe first is record ${record}: ${reason}.`;
  }
}
