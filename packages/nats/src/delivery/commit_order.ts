/** {@linkcode commitOrder}: logs that commit an offset. */

import { check, FUNCTION } from "../options.ts";
import { combine } from "./promises.ts";

/**
 * The order of the commits of a log: what {@linkcode commitOrder} makes.
 *
 * @typeParam K The type of a key, such as a partition. Compared as a `Map` compares.
 * @typeParam V The type of what is committed, such as an offset.
 */
export interface CommitOrder<K, V> {
  /** How many have begun and are not committed. */
  readonly pending: number;
  /**
   * Begins an item, behind all that have begun of its key. Call it in the order of the log.
   *
   * @param key Of which partition, say.
   * @param value What to commit when this item has settled, and all before it.
   * @returns Call it when the item has settled. A second call does nothing.
   */
  begin(key: K, value: V): () => void;
  /**
   * Forgets a key, such as a partition that was revoked: nothing more of it is committed, and its items may
   * settle without effect. A commit that runs goes on; if the key begins again, it waits for that.
   *
   * @param key The key.
   */
  drop(key: K): void;
  /**
   * Waits until no commit runs or is due, whatever has not settled yet. A commit that awaits it waits for
   * itself.
   *
   * @returns Resolves then. Rejects then with what a commit has thrown meanwhile, or before without a later
   * commit of its key: an `AggregateError` of several errors.
   */
  idle(): Promise<void>;
}

/**
 * For logs that commit an offset, such as Kafka's: items settle in any order, and the commits of a key cover
 * only what has settled without a gap.
 *
 * - **Order**: one commit of a key runs at a time, and never goes back. Its value is that of the last item
 *   that has settled with all items before it.
 * - **Few commits**: what settles in one turn is one commit, and so is what settles while a commit runs.
 * - **Failure**: what `commit` throws rejects the `idle` calls that wait; if none waits, it is an unhandled
 *   rejection. The next commit of the key covers what was not committed. It is not tried again before: do
 *   that in `commit`.
 * - **Cost**: an item costs the same however many have begun, and a key of which all is committed costs
 *   nothing. One item that never settles holds back its key: watch `pending`.
 *
 * @param commit Commits a value of a key. It may be asynchronous.
 * @returns Where items begin, and settle.
 * @throws {TypeError} If `commit` is no function.
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
 *   return delivery(ms, { ack, nak: () => console.error("for a topic of its own") });
 * });
 * const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms * 10));
 * const sink = new Fanout(acked(({ value }: typeof messages[0]) => sleep(value)), { concurrency: 3 });
 * await sink.consume(messages);
 * await order.idle();
 * assertEquals([commits, order.pending], [["p2"], 0]); // 1 and 2 have waited for 0
 * ```
 *
 * @typeParam K The type of a key.
 * @typeParam V The type of what is committed.
 */
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
  /** Its key, until it has settled. */
  line: Line<K, V> | undefined;
}

/** Of one key. */
interface Line<K, V> {
  readonly key: K;
  /** Those that are not settled with all before them, in order. */
  head: Entry<K, V> | undefined;
  tail: Entry<K, V> | undefined;
  open: number;
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
  #pending = 0;
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
