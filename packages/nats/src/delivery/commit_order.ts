/** {@linkcode commitOrder}, for logs that commit an offset. */

import { check, FUNCTION } from "../options.ts";
import { combine } from "./promises.ts";

/**
 * The order of the commits of a log. {@linkcode commitOrder} makes it.
 *
 * @typeParam K The type of a key, such as a partition. Compared as a `Map` compares.
 * @typeParam V The type of a committed value, such as an offset.
 */
export interface CommitOrder<K, V> {
  /** The number of items that have begun and are not committed. */
  readonly pending: number;
  /**
   * Begins an item, after all earlier items of its key. Call it in the order of the log.
   *
   * @param key The key, such as a partition.
   * @param value The value to commit when this item and all before it have settled.
   * @returns A function to call when the item has settled. A second call does nothing.
   */
  begin(key: K, value: V): () => void;
  /**
   * Forgets a key, such as a revoked partition. Nothing more of the key is committed, and its items
   * settle without effect. A running commit goes on. If the key begins again, its next commit waits
   * for that one.
   *
   * @param key The key.
   */
  drop(key: K): void;
  /**
   * Waits until no commit runs or is due. Items that have not settled don't matter. Don't await it
   * in a commit: that would wait for itself.
   *
   * @returns A promise that resolves at that time. It rejects if a commit has thrown meanwhile, or
   * earlier without a later commit of its key: with that error, or an `AggregateError` of several.
   */
  idle(): Promise<void>;
}

/**
 * For logs that commit an offset, such as Kafka. Items settle in any order, and a commit of a key
 * covers only items that have settled without a gap.
 *
 * - **Order**: one commit of a key runs at a time, and commits never go back. The value is that of
 *   the last item that has settled together with all items before it.
 * - **Few commits**: all items that settle in one turn make one commit. The items that settle while
 *   a commit runs make one commit too.
 * - **Failure**: if `commit` throws, the error rejects the waiting `idle` calls. If none waits, it
 *   is an unhandled rejection. The next commit of the key covers the items that were not committed.
 *   There is no earlier retry: do that in `commit`.
 * - **Cost**: an item costs the same, no matter how many have begun. A key without open items costs
 *   nothing. One item that never settles holds back its key: watch `pending`.
 *
 * @param commit Commits a value of a key. It may be asynchronous.
 * @returns The order, in which items begin and settle.
 * @throws {TypeError} If `commit` isn't a function.
 *
 * @example
 * ```ts
 * import { Fanout } from "@weir/streams/fanout";
 * import { acked, commitOrder, delivery } from "@weir/nats/delivery";
 * import { assertEquals } from "@std/assert";
 *
 * const commits: string[] = [];
 * const order = commitOrder((offset: number, partition: string) => commits.push(partition + offset));
 * const messages = [3, 1, 2].map((ms, offset) => {
 *   const ack = order.begin("p", offset);
 *   return delivery(ms, { ack, nak: () => console.error("for another topic") });
 * });
 * const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms * 10));
 * const sink = new Fanout(acked(({ value }: typeof messages[0]) => sleep(value)), { concurrency: 3 });
 * await sink.consume(messages);
 * await order.idle();
 * assertEquals([commits, order.pending], [["p2"], 0]); // 1 and 2 have waited for 0
 * ```
 *
 * @typeParam K The type of a key.
 * @typeParam V The type of a committed value.
 */
export function commitOrder<K, V>(
  commit: (value: V, key: K) => unknown,
): CommitOrder<K, V> {
  return new Order(check("commitOrder", "commit", commit, FUNCTION));
}

/** An item that has begun. */
interface Entry<K, V> {
  readonly value: V;
  settled: boolean;
  next: Entry<K, V> | undefined;
  /** The line of its key, until it has settled. */
  line: Line<K, V> | undefined;
}

/** The items of one key. */
interface Line<K, V> {
  readonly key: K;
  /** The items that are not yet settled with all before them, in order. */
  head: Entry<K, V> | undefined;
  tail: Entry<K, V> | undefined;
  open: number;
  /** The last item that is settled with all before it, if it is to be committed. */
  due: { readonly value: V } | undefined;
  /** The number of items of the next commit, and of the running one. */
  ready: number;
  running: number;
  busy: boolean;
  /** The error of the last commit. */
  failure: { readonly error: unknown } | undefined;
}

class Order<K, V> implements CommitOrder<K, V> {
  #pending = 0;
  readonly #commit: (value: V, key: K) => unknown;
  readonly #lines = new Map<K, Line<K, V>>();
  /** The number of keys with a commit that runs or is due. */
  #busy = 0;
  #waiters: { resolve(): void; reject(error: unknown): void }[] = [];
  /** The errors while an `idle` call waits. */
  #errors: unknown[] = [];

  constructor(commit: (value: V, key: K) => unknown) {
    this.#commit = commit;
  }

  get pending(): number {
    return this.#pending;
  }

  begin(key: K, value: V): () => void {
    const line = this.#lineOf(key);
    const entry: Entry<K, V> = { value, settled: false, next: undefined, line };
    if (line.tail) line.tail.next = entry;
    else line.head = entry;
    line.tail = entry;
    line.open++;
    this.#pending++;
    return () => this.#settle(entry);
  }

  drop(key: K): void {
    const line = this.#lines.get(key);
    if (!line) return;
    this.#pending -= line.open + line.ready + line.running;
    line.open = line.ready = line.running = 0;
    line.head = line.tail = undefined;
    line.due = line.failure = undefined;
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
          open: 0,
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
      line.open--;
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

  /** Commits until nothing is due. Never rejects. */
  async #run(line: Line<K, V>): Promise<void> {
    // All items that settle in one turn make one commit.
    await undefined;
    while (line.due) {
      const { value } = line.due;
      line.due = undefined;
      line.running = line.ready;
      line.ready = 0;
      try {
        await this.#commit(value, line.key);
        this.#pending -= line.running;
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
    // No `idle` call waits, so it becomes an unhandled rejection.
    else void Promise.reject(error);
  }

  /** Deletes a key that has nothing left to do. */
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
