import { FLAG, type Rule, show } from "./options.ts";
import { isThenable, markHandled, resolved } from "./promises.ts";

/** Where items can come from. Promises in an `Iterable` are awaited. */
export type Source<T> = ReadableStream<T> | AsyncIterable<T> | Iterable<T | PromiseLike<T>>;

/** The option for a source of arrays, whose elements are the items. */
export const FLATTEN: { readonly flatten: Rule } = { flatten: FLAG };

/** One item, or the end. */
interface Step<T> {
  readonly done?: boolean | undefined;
  readonly value?: T | undefined;
}

/** How many items the pump reads before other code gets a turn. */
const SPELL = 1024;

/** The page while none is open. */
const NONE: readonly never[] = [];

/** Where the items go. */
export interface PumpHost<T> {
  /** Takes the item. Returns a promise if that takes time. */
  write(item: T): Promise<void> | undefined;
  /** Whether there is no room for the next item. */
  readonly full?: boolean;
  /** Calls `resume` when there is room again, or at the end. */
  whenRoom?(resume: () => void): void;
  /** Whether the host has ended. */
  readonly errored?: boolean;
  /**
   * Takes at once as many items of a page as it can, from a place on, if that calls no user code.
   * Returns how many it took. With `raw`, the page may hold promises, which it does not take.
   */
  writeAll?(page: readonly T[], from: number, raw: boolean): number | undefined;
  /** Gets an item that was read and could not be written, or the items `behind` it in its page. */
  readonly discard?: ((items: T[], reason: unknown, behind?: boolean) => void) | undefined;
}

/** Reads a source to its end and writes each item. Waits when the host tells it to. */
export class Pump<T> {
  readonly #owner: string;
  readonly #host: PumpHost<T>;
  /** Either the reader or the iterator is set. */
  readonly #reader: ReadableStreamDefaultReader<T> | undefined;
  readonly #iterator: Iterator<T | PromiseLike<T>> | AsyncIterator<T> | undefined;
  /** Whether the items may be promises. */
  readonly #sync: boolean = false;
  /** Whether the source gives pages, whose elements are the items. */
  readonly #flatten: boolean | undefined;
  /**
   * Whether the source is an array. It is read as one page whose items may be promises, and its
   * rest counts as not read.
   */
  readonly #array: boolean = false;
  /** The page that is being read, and the place of the next item in it. */
  #page: readonly T[] = NONE;
  #at = 0;
  /** How many turns the loops had. A page that is taken as a whole counts as one. */
  #count = 0;
  /** Lets `run` go on with the source after the page has gone on by itself. */
  #turn!: (waits: Promise<void> | undefined) => void;
  #over = false;
  #reason: unknown;
  /** Whether the code of the source runs now, or the source is at its end. */
  #inside = false;
  /** Whether the source was asked for an item and has not answered yet. */
  #reading = false;

  /** Throws a `TypeError` if the source is not a `Source`, or is locked. */
  constructor(
    owner: string,
    source: Source<T> | Source<readonly T[]>,
    host: PumpHost<T>,
    flatten: boolean | undefined,
  ) {
    this.#owner = owner;
    this.#host = host;
    this.#flatten = flatten;
    const given = Object(source);
    if (typeof given.getReader === "function") {
      this.#reader = given.getReader();
      return;
    }
    const asynchronous = given[Symbol.asyncIterator];
    const iterate = asynchronous ?? given[Symbol.iterator];
    // A string would give its letters.
    if (typeof source === "string" || !iterate) {
      throw new TypeError(
        `${owner}: source must be a ReadableStream, an AsyncIterable or an Iterable, ` +
          `and no string; got ${show(source)}`,
      );
    }
    this.#sync = !asynchronous;
    this.#array = !flatten && Array.isArray(source) && iterate === source.values;
    if (this.#array) this.#flatten = true;
    this.#iterator = this.#array ? [source as never].values() : iterate.call(source);
  }

  /**
   * Call it once. Resolves when all items are written. Rejects with the error of the source, or
   * with the reason for which the pump left it. A read may never settle.
   */
  async run(): Promise<void> {
    const reader = this.#reader;
    try {
      if (await (reader ? this.#runStream(reader) : this.#runIterator(this.#iterator!))) return;
      throw this.#reason;
    } catch (error) {
      if (!this.#array) this.#host.discard?.(this.#page.slice(this.#at), error, true);
      throw error;
    } finally {
      this.#over = true;
      reader?.releaseLock();
    }
  }

  // One loop for streams and one for iterators, because engines run short loops faster. Each
  // returns whether it has come to the end of the source.

  async #runStream(reader: ReadableStreamDefaultReader<T>): Promise<boolean> {
    while (!this.#over) {
      this.#inside = true;
      const read = reader.read();
      this.#inside = false;
      const { done, value } = await read;
      if (done) return true;
      for (let waits = this.#put(value!); waits; waits = this.#fill()) {
        try {
          await waits;
        } catch (error) {
          this.#lose(this.#last(value!), error);
        }
      }
    }
    return false;
  }

  async #runIterator(iterator: Iterator<T | PromiseLike<T>> | AsyncIterator<T>): Promise<boolean> {
    // If nothing is ever awaited, other code gets a turn now and then.
    for (; !this.#over; ++this.#count % SPELL || await undefined) {
      this.#inside = this.#reading = true;
      const read = iterator.next();
      this.#inside = (read as Step<T> | undefined)?.done === true;
      const step = (isThenable(read) ? await read : read) as Step<T>;
      this.#reading = false;
      if (Object(step) !== step) {
        throw new TypeError(`${this.#owner}: next() must give an object; got ${show(step)}`);
      }
      if (step.done) return true;
      let item = step.value as T;
      if (this.#sync && isThenable(item)) {
        try {
          item = await item as T;
        } catch (error) {
          this.error(error);
          continue;
        }
      }
      for (let waits = this.#put(item); waits; waits = this.#fill()) {
        try {
          await waits;
        } catch (error) {
          this.#lose(this.#last(item), error);
        }
      }
    }
    return false;
  }

  /** The item that was written last: the one that the source gave, or one of its page. */
  #last(given: T): T {
    return this.#flatten ? this.#page[this.#at - 1]! : given;
  }

  /** Writes an item, or opens a page. Returns a promise if it has to wait. */
  #put(item: T): Promise<void> | undefined {
    if (this.#flatten) {
      this.#open(item);
      return this.#fill();
    }
    try {
      if (this.#over) throw this.#reason;
      const written = this.#host.write(item);
      if (written) return written;
    } catch (error) {
      this.#lose(item, error);
    }
    if (this.#host.full) return this.#fill();
  }

  /** Writes the items of the page for which there is room. Returns a promise if it has to wait. */
  #fill(): Promise<void> | undefined {
    const waits = this.#writePage();
    return waits === true ? new Promise((turn) => this.#turn = turn) : waits;
  }

  /** Does the same, except that it returns true if it will go on by itself when there is room. */
  #writePage(): true | Promise<void> | undefined {
    const host = this.#host;
    while (!this.#over) {
      if (host.full) {
        host.whenRoom!(this.#resume);
        return true;
      }
      const page = this.#page;
      if (this.#at >= page.length) {
        this.#page = NONE;
        return;
      }
      if (++this.#count % SPELL === 0) return resolved();
      const taken = host.writeAll?.(page, this.#at, this.#array);
      if (taken) this.#at += taken;
      else {
        const item = page[this.#at++]!;
        if (this.#array && isThenable(item)) return this.#writeLater(item as PromiseLike<T>);
        try {
          const written = host.write(item);
          if (written) return written;
        } catch (error) {
          this.#lose(item, error);
        }
      }
    }
  }

  /** Writes the item that a promise of an array gives. */
  async #writeLater(promise: PromiseLike<T>): Promise<void> {
    let item: T;
    try {
      item = await promise;
    } catch (error) {
      return this.error(error);
    }
    try {
      if (this.#over) throw this.#reason;
      await this.#host.write(item);
    } catch (error) {
      this.#lose(item, error);
    }
  }

  readonly #resume = (): void => {
    const waits = this.#host.errored ? undefined : this.#writePage();
    if (waits !== true) this.#turn(waits);
  };

  /** An item was read and could not be written. */
  #lose(item: T, error: unknown): void {
    this.error(error);
    this.#host.discard?.([item], error);
  }

  /** Opens a page. */
  #open(page: unknown): void {
    this.#at = 0;
    if (Array.isArray(page)) this.#page = page;
    else {
      const rule = 'option "flatten" needs a source of arrays';
      this.error(new TypeError(`${this.#owner}: ${rule}; got ${show(page)}`));
    }
  }

  /** Leaves the source, and waits for that, unless a generator has a pending read: it may hang. */
  cancel(reason: unknown): Promise<void> | undefined {
    const left = this.#leave(reason);
    if (this.#reader || !this.#reading) return left;
  }

  /**
   * Does what `cancel` does when an error is known already: an error of the source comes second.
   */
  error(reason: unknown): void {
    markHandled(this.#leave(reason));
  }

  async #leave(reason: unknown): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#reason = reason;
    // A generator cannot be left from inside: it has to return to its caller first.
    if (this.#inside) {
      await undefined;
      if (this.#inside) return;
    }
    const reader = this.#reader;
    const left: unknown = reader ? reader.cancel(reason) : this.#iterator!.return?.();
    reader?.releaseLock();
    await left;
  }
}
