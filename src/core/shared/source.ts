import { FLAG, type Rule, show } from "./options.ts";
import { isThenable, markHandled, resolved } from "./promises.ts";

/** What items can be read from. Promises in an `Iterable` are awaited. */
export type Source<T> = ReadableStream<T> | AsyncIterable<T> | Iterable<T | PromiseLike<T>>;

/** The option of what reads a source: its items are those of the arrays in it. */
export const FLATTEN: { readonly flatten: Rule } = { flatten: FLAG };

/** One item, or the end. */
interface Step<T> {
  readonly done?: boolean | undefined;
  readonly value?: T | undefined;
}

/** How many items are read in one go. */
const SPELL = 1024;

/** No page is open. */
const NONE: readonly never[] = [];

/** What becomes of the items. */
export interface PumpHost<T> {
  /** Takes the item, or returns when that is over. */
  write(item: T): Promise<void> | undefined;
  /** Whether there is no room for the next one. */
  readonly full?: boolean;
  /** Then it calls `resume` when there is, or at the end. */
  whenRoom?(resume: () => void): void;
  /** It is at its end. */
  readonly errored?: boolean;
  /**
   * Takes at once what it can of a page, from a place on, if nothing of the user's is called for it.
   * Returns how many. With `raw` there may be promises in it, which it does not take.
   */
  writeAll?(page: readonly T[], from: number, raw: boolean): number | undefined;
  /** What was read could not be written; or it stood in its page `behind` what could not. */
  readonly discard?: ((items: T[], reason: unknown, behind?: boolean) => void) | undefined;
}

/** Reads a source to its end and writes each item, waiting when told to. */
export class Pump<T> {
  readonly #owner: string;
  readonly #host: PumpHost<T>;
  /** One of the two. */
  readonly #reader: ReadableStreamDefaultReader<T> | undefined;
  readonly #iterator: Iterator<T | PromiseLike<T>> | AsyncIterator<T> | undefined;
  /** What it gives may be promises. */
  readonly #sync: boolean = false;
  /** It gives pages, in which the items are. */
  readonly #flatten: boolean | undefined;
  /** It is an array, read as a page whose items may be promises, and of which the rest was not read. */
  readonly #array: boolean = false;
  /** The page that is being read, and how far. */
  #page: readonly T[] = NONE;
  #at = 0;
  /** How many were taken, pages of what takes them whole as one. */
  #count = 0;
  /** Goes on with the source, where the page goes on by itself. */
  #turn!: (waits: Promise<void> | undefined) => void;
  #over = false;
  #reason: unknown;
  /** The source is at work, or at its end. */
  #inside = false;
  /** It has been asked for an item, and has not given one yet. */
  #reading = false;

  /** Throws a `TypeError` if the source is none, or is locked. */
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
   * Call it once. Resolves when all was written; rejects with the error of the source, or that with which
   * it was left. A read may never come back.
   */
  async run(): Promise<void> {
    const paced = this.#flatten && this.#host.whenRoom;
    try {
      // Where nothing is ever waited for, others have their turn now and then.
      for (; !this.#over; ++this.#count % SPELL || await undefined) {
        const inPage = this.#flatten && this.#at < this.#page.length;
        let item: T;
        let raw: boolean;
        if (inPage) {
          item = this.#page[this.#at++]!;
          raw = this.#array;
        } else {
          if (this.#flatten) this.#page = NONE;
          this.#inside = this.#reading = true;
          const read = this.#reader ? this.#reader.read() : this.#iterator!.next();
          this.#inside = (read as Step<T> | undefined)?.done === true;
          const step = (this.#reader || isThenable(read) ? await read : read) as Step<T>;
          this.#reading = false;
          if (Object(step) !== step) {
            throw new TypeError(`${this.#owner}: next() must give an object; got ${show(step)}`);
          }
          if (step.done) return;
          item = step.value as T;
          raw = this.#sync;
        }
        if (raw && isThenable(item)) {
          try {
            item = await item as T;
          } catch (error) {
            this.error(error);
            continue;
          }
        }
        if (this.#flatten && !inPage) this.#open(item);
        else {
          try {
            if (this.#over) throw this.#reason;
            const written = this.#host.write(item);
            if (written) await written;
          } catch (error) {
            this.#lose(item, error);
          }
        }
        if (paced || this.#host.full) { for (let waits; (waits = this.#fill());) await waits; }
      }
      throw this.#reason;
    } catch (error) {
      if (!this.#array) this.#host.discard?.(this.#page.slice(this.#at), error, true);
      throw error;
    } finally {
      this.#over = true;
      this.#reader?.releaseLock();
    }
  }

  /** Writes of the page what there is room for. Returns what has to be waited for. */
  #fill(): Promise<void> | undefined {
    const waits = this.#writePage();
    return waits === true ? new Promise((turn) => this.#turn = turn) : waits;
  }

  /** The same, but where it goes on by itself when there is room, it returns true. */
  #writePage(): true | Promise<void> | undefined {
    const host = this.#host;
    while (!this.#over) {
      if (host.full) {
        host.whenRoom!(this.#resume);
        return true;
      }
      const page = this.#page;
      if (this.#at >= page.length) return;
      if (++this.#count % SPELL === 0) return resolved();
      const taken = host.writeAll?.(page, this.#at, this.#array);
      if (taken) this.#at += taken;
      else {
        const item = page[this.#at]!;
        if (this.#array && isThenable(item)) return;
        this.#at++;
        const written = host.write(item);
        if (written) return written.catch((error) => this.#lose(item, error));
      }
    }
  }

  readonly #resume = (): void => {
    const waits = this.#host.errored ? undefined : this.#writePage();
    if (waits !== true) this.#turn(waits);
  };

  /** What was read could not be written. */
  #lose(item: T, error: unknown): void {
    this.error(error);
    this.#host.discard?.([item], error);
  }

  /** Turns to a page. */
  #open(page: unknown): void {
    this.#at = 0;
    if (Array.isArray(page)) this.#page = page;
    else {
      const rule = 'option "flatten" needs a source of arrays';
      this.error(new TypeError(`${this.#owner}: ${rule}; got ${show(page)}`));
    }
  }

  /** Lets go of the source, and waits for it, but for a generator that is at work: it may hang. */
  cancel(reason: unknown): Promise<void> | undefined {
    const left = this.#leave(reason);
    if (this.#reader || !this.#reading) return left;
  }

  /** As `cancel`, when an error has been told already: what the source says to it comes second. */
  error(reason: unknown): void {
    markHandled(this.#leave(reason));
  }

  async #leave(reason: unknown): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#reason = reason;
    // A generator cannot be left from within: it has to come back first.
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
