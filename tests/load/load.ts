/** Counts the items of a case, and measures the memory near 20 % and near 90 % of them. */

import { collect } from "../support/garbage.ts";
import { turn } from "../support/gate.ts";

/** The memory of a process, in bytes, after all garbage is collected. */
export interface Memory {
  readonly heap: number;
  readonly rss: number;
}

/** A way for items, and the number that came out. */
export interface Case {
  readonly name: string;
  /** The number of items, of a million. One way of each primitive gets all of them. */
  readonly perMillion?: number;
  /** Returns the number of items that came out. Throws if something else is wrong. */
  run(load: Load): number | Promise<number>;
}

interface Host {
  process: { memoryUsage(): { heapUsed: number; rss: number } };
}

const { process } = globalThis as unknown as Host;

// Promises alone would let no timer fire, and Bun frees much memory only at the end of a turn.
const TURN = 10_000;
// Measured three times each, because compiled code may be there in one look, and gone in the next.
const MARKS = [0.18, 0.19, 0.2, 0.88, 0.89, 0.9];

/** For the other ways of a primitive. */
export const FEWER = 100_000;

/** The items of one case. */
export class Load {
  readonly size: number;
  readonly #looks: Memory[] = [];
  /** More to report. */
  note = "";
  #count = 0;
  #mark: number;

  constructor(size: number) {
    this.size = size;
    this.#mark = this.#next();
  }

  /**
   * The growth of memory from the first half of the looks to the second, from minimum to minimum.
   */
  get growth(): Memory {
    const half = this.#looks.length / 2;
    const early = this.#looks.slice(0, half);
    const late = this.#looks.slice(half);
    const grown = (part: keyof Memory) => least(late, part) - least(early, part);
    return { heap: grown("heap"), rss: grown("rss") };
  }

  /** Measures the memory, besides the automatic looks. */
  look(): void {
    this.#looks.push(memory());
  }

  /** Whether there is another item. */
  get more(): boolean {
    return this.#count < this.size;
  }

  /** The next item: a number from 0. */
  next(): number {
    const item = this.#count++;
    if (item === this.#mark) {
      this.look();
      this.#mark = this.#next();
    }
    return item;
  }

  /** All items, as a stream without a queue. */
  stream<T = number>(item: (n: number) => T = (n) => n as T): ReadableStream<T> {
    return new ReadableStream<T>({
      pull: (controller) => {
        if (!this.more) return controller.close();
        const n = this.next();
        controller.enqueue(item(n));
        if (n % TURN === TURN - 1) return turn();
      },
    }, { highWaterMark: 0 });
  }

  /** All items, as an iterable. */
  *items(): Generator<number> {
    while (this.more) yield this.next();
  }

  /** Calls `body` for each item, and awaits its promise. */
  async each(body: (n: number) => Promise<unknown> | void): Promise<void> {
    while (this.more) {
      const n = this.next();
      const waited = body(n);
      if (waited) await waited;
      if (n % TURN === TURN - 1) await turn();
    }
  }

  #next(): number {
    return Math.floor(this.size * (MARKS[this.#looks.length] ?? Infinity));
  }
}

/** Collects all garbage, and returns the memory that is left. */
export function memory(): Memory {
  // The first collection may find objects that hold others, which only the second can free.
  for (let round = 0; round < 3; round++) collect();
  const { heapUsed: heap, rss } = process.memoryUsage();
  return { heap, rss };
}

function least(looks: readonly Memory[], part: keyof Memory): number {
  return Math.min(...looks.map((look) => look[part]));
}

/** Pipes a stream to a counting sink. */
export async function piped<T>(
  readable: ReadableStream<T>,
  size: (chunk: T) => number,
): Promise<number> {
  let count = 0;
  await readable.pipeTo(
    new WritableStream({
      write(chunk) {
        count += size(chunk);
      },
    }),
  );
  return count;
}

/** Reads a stream to its end and counts. */
export async function read<T>(
  readable: ReadableStream<T>,
  size: (chunk: T) => number,
): Promise<number> {
  const reader = readable.getReader();
  let count = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    count += size(next.value);
  }
  return count;
}
