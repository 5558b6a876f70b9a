/** Counts the items that go through a case, and looks at the memory near 20 % and near 90 % of them. */

import { collect } from "../support/garbage.ts";
import { turn } from "../support/gate.ts";

/** What a process holds, in bytes, when all garbage has been collected. */
export interface Memory {
  readonly heap: number;
  readonly rss: number;
}

/** A way for items to go, and what it says of where they went. */
export interface Case {
  readonly name: string;
  /** How many items of a million: one front of each primitive has all of them. */
  readonly perMillion?: number;
  /** Returns how many items came out. Throws where something else is wrong. */
  run(load: Load): number | Promise<number>;
}

interface Host {
  process: { memoryUsage(): { heapUsed: number; rss: number } };
}

const { process } = globalThis as unknown as Host;

// Promises alone would let no timer fire, and Bun lets go of much at the end of a turn only.
const TURN = 10_000;
// Looked at three times each: what an engine compiles is now and then there for one look, and gone at the next.
const MARKS = [0.18, 0.19, 0.2, 0.88, 0.89, 0.9];

/** For the other fronts of a primitive. */
export const FEWER = 100_000;

/** The items of one case. */
export class Load {
  readonly size: number;
  readonly #looks: Memory[] = [];
  /** What else there is to say. */
  note = "";
  #count = 0;
  #mark: number;

  constructor(size: number) {
    this.size = size;
    this.#mark = this.#next();
  }

  /** What memory grew by from the first half of the looks to the second: from least to least. */
  get growth(): Memory {
    const half = this.#looks.length / 2;
    const early = this.#looks.slice(0, half);
    const late = this.#looks.slice(half);
    const grown = (part: keyof Memory) => least(late, part) - least(early, part);
    return { heap: grown("heap"), rss: grown("rss") };
  }

  /** Looks at the memory, beside the looks that come of themselves. */
  look(): void {
    this.#looks.push(memory());
  }

  /** Whether there is one more. */
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

  /** All of them, as a stream without a queue. */
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

  /** All of them, as an iterable. */
  *items(): Generator<number> {
    while (this.more) yield this.next();
  }

  /** Calls `body` for each, and waits where it wants to wait. */
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

/** Collects all garbage, and says what is left. */
export function memory(): Memory {
  // What the first finds dead may hold on to what only the second can.
  for (let round = 0; round < 3; round++) collect();
  const { heapUsed: heap, rss } = process.memoryUsage();
  return { heap, rss };
}

function least(looks: readonly Memory[], part: keyof Memory): number {
  return Math.min(...looks.map((look) => look[part]));
}

/** Pipes a stream to one that counts. */
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
