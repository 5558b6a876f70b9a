/** A first-in, first-out queue in constant time. */

/** A queue. */
export class Line<T> {
  #items: T[] = [];
  #first = 0;

  /** Its length. */
  get length(): number {
    return this.#items.length - this.#first;
  }

  /** Adds an item at the end. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Removes and returns the first item, if there is one. */
  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#first++];
    if (this.#first >= 64 && this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }
}
