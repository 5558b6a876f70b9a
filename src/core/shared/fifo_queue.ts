/** An entry of a queue. The queue that holds the entry owns these fields. */
export interface Linked {
  next: Linked | undefined;
  before: Linked | undefined;
}

/**
 * A queue of entries that carry their own links. Every operation takes constant time, also removing
 * an entry from the middle. The queue keeps nothing of the entries that have left.
 */
export class FifoQueue<E extends Linked> {
  // No private names in what every item passes: some engines are slow with them.
  head: E | undefined = undefined;
  tail: E | undefined = undefined;

  push(entry: E): void {
    const { tail } = this;
    entry.before = tail;
    if (tail === undefined) this.head = entry;
    else tail.next = entry;
    this.tail = entry;
  }

  /** Puts a shifted entry back. */
  unshift(entry: E): void {
    const { head } = this;
    entry.next = head;
    if (head) head.before = entry;
    else this.tail = entry;
    this.head = entry;
  }

  shift(): E | undefined {
    const { head } = this;
    if (head !== undefined) this.remove(head);
    return head;
  }

  /** Removes an entry, which must be in this queue. */
  remove(entry: E): void {
    const { before, next } = entry;
    if (before === undefined) this.head = next as E | undefined;
    else before.next = next;
    if (next === undefined) this.tail = before as E | undefined;
    else next.before = before;
    entry.before = entry.next = undefined;
  }

  /** Removes all entries, in order. */
  removeAll(): E[] {
    const entries: E[] = [];
    for (let entry = this.shift(); entry; entry = this.shift()) entries.push(entry);
    return entries;
  }
}
