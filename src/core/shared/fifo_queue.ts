/** What can stand in a queue. The fields belong to the queue it stands in. */
export interface Linked {
  next: Linked | undefined;
  before: Linked | undefined;
}

/**
 * A queue of entries that carry their own links: constant time, also to leave it from the middle, and
 * nothing kept of those that left.
 */
export class FifoQueue<E extends Linked> {
  #head: E | undefined;
  #tail: E | undefined;

  get head(): E | undefined {
    return this.#head;
  }

  push(entry: E): void {
    const tail = this.#tail;
    entry.before = tail;
    if (tail) tail.next = entry;
    else this.#head = entry;
    this.#tail = entry;
  }

  /** Puts back what was shifted. */
  unshift(entry: E): void {
    const head = this.#head;
    entry.next = head;
    if (head) head.before = entry;
    else this.#tail = entry;
    this.#head = entry;
  }

  shift(): E | undefined {
    const entry = this.#head;
    if (entry) this.remove(entry);
    return entry;
  }

  /** Takes out an entry, which must be in here. */
  remove(entry: E): void {
    const { before, next } = entry;
    if (before) before.next = next;
    else this.#head = next as E | undefined;
    if (next) next.before = before;
    else this.#tail = before as E | undefined;
    entry.before = entry.next = undefined;
  }

  /** Takes everything, in order. */
  removeAll(): E[] {
    const entries: E[] = [];
    for (let entry = this.shift(); entry; entry = this.shift()) entries.push(entry);
    return entries;
  }
}
