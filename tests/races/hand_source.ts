/** A source that a test feeds. */

import type { Source } from "../../mod.ts";

/** The kind of the source. `"pages"` gives arrays of all items, for `flatten`. */
export type SourceKind = "stream" | "iterator" | "pages";

/** A listener that is called just before the source acts. */
export interface Told<T> {
  given?(item: T): void;
  ended?(failure: { readonly error: unknown } | undefined): void;
}

/** Gives its items: one item, or one page, for each pull. */
export class HandSource<T> {
  readonly kind: SourceKind;
  readonly source: Source<T>;
  /** A pull waits for an item. */
  asked = false;
  readonly given: Set<T> = new Set();
  /** It has ended or failed. */
  ended = false;
  broken: { readonly error: unknown } | undefined;
  /** The reader has left, with a reason if it gave one. */
  cancelled: { readonly reason: unknown } | undefined;
  /** The reader was told to stop. */
  left: { readonly reason: unknown } | undefined;

  readonly #fed: T[] = [];
  readonly #told: Told<T>;
  #end: { readonly failure: { readonly error: unknown } | undefined } | undefined;
  #give!: (given: T) => void;
  #finish!: () => void;
  #fail!: (error: unknown) => void;

  constructor(kind: SourceKind, told: Told<T> = {}) {
    this.#told = told;
    this.kind = kind;
    this.source = kind === "stream" ? this.#stream() : this.#iterable();
  }

  /** Whether it takes items. */
  get open(): boolean {
    return !this.#end && !this.cancelled && !this.left;
  }

  feed(item: T): void {
    this.#fed.push(item);
    this.#answer();
  }

  end(): void {
    this.#end ??= { failure: undefined };
    this.#answer();
  }

  /** Items that were fed before come first. */
  fail(error: unknown): void {
    this.#end ??= { failure: { error } };
    this.#answer();
  }

  #ask(): void {
    this.asked = true;
    this.#answer();
  }

  #answer(): void {
    if (!this.asked || this.ended || this.cancelled) return;
    if (this.#fed.length > 0) {
      this.asked = false;
      const paged = this.kind === "pages";
      const items = this.#fed.splice(0, paged ? Infinity : 1);
      for (const item of items) {
        this.given.add(item);
        this.#told.given?.(item);
      }
      this.#give(paged ? items as T : items[0]!);
    } else if (this.#end) {
      this.asked = false;
      this.ended = true;
      this.broken = this.#end.failure;
      this.#told.ended?.(this.broken);
      if (this.broken) this.#fail(this.broken.error);
      else this.#finish();
    }
  }

  #stream(): ReadableStream<T> {
    return new ReadableStream<T>({
      start: (controller) => {
        this.#give = (item) => controller.enqueue(item);
        this.#finish = () => controller.close();
        this.#fail = (error) => controller.error(error);
      },
      pull: () => this.#ask(),
      cancel: (reason) => void (this.cancelled = { reason }),
    }, { highWaterMark: 0 });
  }

  #iterable(): AsyncIterable<T> {
    const iterator: AsyncIterator<T> = {
      next: () =>
        new Promise((resolve, reject) => {
          this.#give = (value) => resolve({ done: false, value });
          this.#finish = () => resolve({ done: true, value: undefined });
          this.#fail = reject;
          this.#ask();
        }),
      return: (value) => {
        this.cancelled = { reason: undefined };
        return Promise.resolve({ done: true, value });
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }
}
