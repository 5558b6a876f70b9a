/** {@linkcode commitOrder}: logs that commit an offset. */

import { check, FUNCTION } from "../options.ts";
import { combine } from "./promises.ts";

/** What {@linkcode commitOrder} makes. */
export interface CommitOrder<K, V> {
  /** How many have begun and are not committed. */
  readonly pending: number;
  /** Something begins, behind all of its key. The result says that it has settled. */
  begin(key: K, value: V): () => void;
  /** The key is another's now: nothing of it is committed any more. */
  drop(key: K): void;
  /** Resolves when no commit runs or is due. Rejects with what a commit has thrown. */
  idle(): Promise<void>;
}

/** Commits, of each key, the last of those that have settled with all before them. */
export function commitOrder<K, V>(
  commit: (value: V, key: K) => unknown,
): CommitOrder<K, V> {
  return new Order(check("commitOrder", "commit", commit, FUNCTION));
}

/** One that has begun. */
interface Entry<K, V> {
  readonly value: V;
  settled: boolean;
  next: Entry<K, V> | undefined;
  /** Its key, until it has settled or was dropped. */
  line: Line<K, V> | undefined;
}

/** Of one key. */
interface Line<K, V> {
  readonly key: K;
  /** Those that are not settled with all before them, in order. */
  head: Entry<K, V> | undefined;
  tail: Entry<K, V> | undefined;
  /** The last of those that are, if it is to be committed. */
  due: { readonly value: V } | undefined;
  /** How many those are, and of how many the commit runs. */
  ready: number;
  running: number;
  busy: boolean;
  /** What the last commit has thrown. */
  failure: { readonly error: unknown } | undefined;
}

class Order<K, V> implements CommitOrder<K, V> {
  pending = 0;
  readonly #commit: (value: V, key: K) => unknown;
  readonly #lines = new Map<K, Line<K, V>>();
  /** How many keys have a commit that runs or is due. */
  #busy = 0;
  #waiters: { resolve(): void; reject(error: unknown): void }[] = [];
  /** What was thrown while somebody waits. */
  #errors: unknown[] = [];

  constructor(commit: (value: V, key: K) => unknown) {
    this.#commit = commit;
  }

  begin(key: K, value: V): () => void {
    const line = this.#lineOf(key);
    const entry: Entry<K, V> = { value, settled: false, next: undefined, line };
    if (line.tail) line.tail.next = entry;
    else line.head = entry;
    line.tail = entry;
    this.pending++;
    return () => this.#settle(entry);
  }

  drop(key: K): void {
    const line = this.#lines.get(key);
    if (!line) return;
    for (let entry = line.head; entry; entry = entry.next) {
      entry.line = undefined;
      this.pending--;
    }
    this.pending -= line.ready + line.running;
    line.head =
      line.tail =
      line.due =
      line.failure =
        undefined;
    line.ready = line.running = 0;
    this.#release(line);
  }

  idle(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#tellIdle();
    });
  }

  #lineOf(key: K): Line<K, V> {
    let line = this.#lines.get(key);
    if (!line) {
      this.#lines.set(
        key,
        line = {
          key,
          head: undefined,
          tail: undefined,
          due: undefined,
          ready: 0,
          running: 0,
          busy: false,
          failure: undefined,
        },
      );
    }
    return line;
  }

  #settle(entry: Entry<K, V>): void {
    const { line } = entry;
    if (!line) return;
    entry.line = undefined;
    entry.settled = true;
    let last: Entry<K, V> | undefined;
    while (line.head?.settled) {
      last = line.head;
      line.head = last.next;
      line.ready++;
    }
    if (!last) return;
    if (!line.head) line.tail = undefined;
    line.due = { value: last.value };
    if (line.busy) return;
    line.busy = true;
    this.#busy++;
    void this.#run(line);
  }

  /** Commits what is due, until nothing is. Never rejects. */
  async #run(line: Line<K, V>): Promise<void> {
    // What settles in one turn is one commit.
    await undefined;
    while (line.due) {
      const { value } = line.due;
      line.due = undefined;
      line.running = line.ready;
      line.ready = 0;
      try {
        await this.#commit(value, line.key);
        this.pending -= line.running;
        line.failure = undefined;
      } catch (error) {
        // The next commit covers it, unless it was dropped.
        line.ready += line.running;
        if (line.running > 0) line.failure = { error };
        this.#fail(error);
      }
      line.running = 0;
    }
    line.busy = false;
    this.#busy--;
    this.#release(line);
    this.#tellIdle();
  }

  #fail(error: unknown): void {
    if (this.#waiters.length > 0) this.#errors.push(error);
    // Nobody waits: it is unhandled.
    else void Promise.reject(error);
  }

  /** Nothing is kept of a key of which nothing is to be done. */
  #release(line: Line<K, V>): void {
    if (!line.head && line.ready === 0 && !line.busy) this.#lines.delete(line.key);
  }

  #tellIdle(): void {
    if (this.#busy > 0 || this.#waiters.length === 0) return;
    const waiters = this.#waiters;
    const errors = new Set(this.#errors);
    for (const { failure } of this.#lines.values()) if (failure) errors.add(failure.error);
    this.#waiters = [];
    this.#errors = [];
    for (const { resolve, reject } of waiters) {
      if (errors.size > 0) reject(combine(errors));
      else resolve();
    }
  }
}
