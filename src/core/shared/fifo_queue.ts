/** What can stand in a queue. The field belongs to the queue it stands in. */
export interface Linked {
  next: Linked | undefined;
}

/** A queue of entries that carry their own links: constant time, and nothing kept of those that left. */
export class FifoQueue<E extends Linked> {
  #head: E | undefined;
  #tail: E | undefined;

  get head(): E | undefined {
    return this.#head;
  }

  push(entry: E): void {
    if (this.#tail) this.#tail.next = entry;
    else this.#head = entry;
    this.#tail = entry;
  }

  /** Puts back what was shifted. */
  unshift(entry: E): void {
    entry.next = this.#head;
    this.#head = entry;
    this.#tail ??= entry;
  }

  shift(): E | undefined {
    const entry = this.#head;
    if (entry) {
      this.#head = entry.next as E | undefined;
      if (!this.#head) this.#tail = undefined;
      entry.next = undefined;
    }
    return entry;
  }

  /** Takes everything, in order. */
  removeAll(): E[] {
    const entries: E[] = [];
    for (let entry = this.shift(); entry; entry = this.shift()) entries.push(entry);
    return entries;
  }
}
