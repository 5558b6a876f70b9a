/** Keeps bad records in a file. */

import { writeFileSync } from "node:fs";
import { count } from "./progress.ts";
import { RecordError } from "./records.ts";

/** A record that isn't a place. */
export interface BadRecord {
  /** Its number in the input, from 1. */
  readonly record: number;
  readonly reason: string;
  /** Its text. */
  readonly raw: string;
}

/** Counts bad records, and writes each as a line of JSON to a file. */
export class DeadLetters {
  count = 0;
  readonly #path: string | undefined;
  readonly #most: number;
  readonly #flag: "w" | "wx";
  #first: BadRecord | undefined;

  /**
   * Without a path it only counts. With more than `most` bad records it throws. It writes a new file, or
   * replaces the one of an earlier run with `resume`: all records are read again.
   */
  constructor(path?: string, most: number = Infinity, resume: boolean = false) {
    this.#path = path;
    this.#most = most;
    this.#flag = resume ? "w" : "wx";
  }

  /** Adds a bad record. Throws if it can't write it, or if there are too many. */
  add(bad: BadRecord): void {
    if (this.#path !== undefined) this.#write(this.#path, bad);
    this.#first ??= bad;
    this.count++;
    if (this.count > this.#most) throw new RecordError(bad.record, bad.reason);
  }

  #write(path: string, bad: BadRecord): void {
    try {
      writeFileSync(path, `${JSON.stringify(bad)}\n`, { flag: this.#first ? "a" : this.#flag });
    } catch (error) {
      const { code, message } = error as Error & { code?: unknown };
      throw Object.assign(new Error(`${path}: ${message}`, { cause: error }), { code });
    }
  }

  /** What the program prints about them at the end. `undefined` if there are none. */
  get summary(): string | undefined {
    if (!this.#first) return undefined;
    const { record, reason } = this.#first;
    const where = this.#path ?? "not kept; --database or --dead-letters keeps them";
    const all = `Bad records: ${count(this.count)} (${where}).`;
    return `${all}\nThe first is record ${record}: ${reason}.`;
  }
}
