/**
 * Measures callers under ten times more load than the handlers can take.
 *
 * The loop is open: item `i` is due at `i / RATE`, even if nothing is ready for it, and its time
 * counts from then. A late generator, or a queue that makes it wait, does not make a number
 * smaller: there is no coordinated omission.
 */

import PQueue from "p-queue";
import { Fanout } from "../../mod.ts";
import { millis, type Way } from "../harness.ts";
import type { Overload } from "../summary.ts";
import { OVERLOAD } from "../targets.ts";
import { heap, steady } from "./memory.ts";

const { concurrency, deadline, maxWait, few, many } = OVERLOAD;
const RATE = OVERLOAD.times * concurrency / OVERLOAD.handler;
/** The number of parts of a run, each with its own result. */
const SLICES = 10;

/** The time when an item is due, in milliseconds from the start. */
const due = (item: number) => item / RATE;

/** Handles an item, with the time that it has waited by the clock of its queue. */
type Handler = (item: number, context?: { readonly waited: number | undefined }) => Promise<void>;

/** A target for the items. */
interface Pool {
  offer(item: number): unknown;
  /** The number of items that are neither served nor discarded. */
  left(): number;
  /** Its own counts, if it has any: served, refused, discarded. */
  books?(): readonly number[];
  close(): unknown;
}

interface Offered extends Way {
  open(handler: Handler, refused: () => void, discarded: (items: number) => void): Pool;
}

const ways: readonly Offered[] = [
  {
    kind: "weir",
    name: "Fanout.tryPush",
    open: (handler, refused) => {
      const fanout = new Fanout<number>(handler, { concurrency, capacity: few });
      return opened(fanout, (item) => fanout.tryPush(item) || refused());
    },
  },
  {
    kind: "weir",
    name: "Fanout.tryPush, with maxWait",
    open: (handler, refused, discarded) => {
      const onDiscard = (items: number[]) => discarded(items.length);
      const options = { concurrency, capacity: many, maxWait, onDiscard };
      const fanout = new Fanout<number>(handler, options);
      return opened(fanout, (item) => fanout.tryPush(item) || refused());
    },
  },
  {
    kind: "weir",
    name: "Fanout.push",
    open: (handler) => {
      const fanout = new Fanout<number>(handler, { concurrency, capacity: few });
      return opened(fanout, (item) => fanout.push(item).catch(() => {}));
    },
  },
  {
    kind: "unbounded",
    name: "p-queue",
    open: (handler) => {
      const queue = new PQueue({ concurrency });
      return queued(queue, (item) => queue.add(() => handler(item)));
    },
  },
  {
    kind: "peer",
    name: "p-queue, its size asked first",
    open: (handler, refused) => {
      const queue = new PQueue({ concurrency });
      return queued(queue, (item) => {
        if (queue.size < few) queue.add(() => handler(item));
        else refused();
      });
    },
  },
];

function queued(queue: PQueue, offer: Pool["offer"]): Pool {
  return {
    offer,
    left: () => queue.size + queue.pending,
    close: () => {
      queue.clear();
      return queue.onIdle();
    },
  };
}

function opened(fanout: Fanout<number>, offer: Pool["offer"]): Pool {
  return {
    offer,
    left: () => fanout.stats.waiting + fanout.stats.running + fanout.stats.blocked,
    books: () => [fanout.stats.done, fanout.stats.refused, fanout.stats.discarded],
    close: async () => {
      await fanout.abort();
      await fanout.idle();
    },
  };
}

/** Overloads all ways, one after the other, for `duration` milliseconds. */
export async function overload(duration: number): Promise<Overload[]> {
  const found = [await capacity(duration)];
  for (const way of ways) {
    // The engine warms up, and this measures the memory at the beginning.
    const early = await offered(way, duration / SLICES);
    const late = await offered(way, duration);
    found.push({ ...late, held: [...early.held, ...late.held] });
  }
  return found;
}

/**
 * The capacity of the handlers: loops that wait for nothing else, and take none of the offered
 * items. The items are offered nevertheless, because in Deno timers are later when there are
 * others.
 */
async function capacity(duration: number): Promise<Overload> {
  const record = new Tally(duration, RATE * duration);
  const start = performance.now();
  let over = false;
  const loop = async () => {
    while (!over) {
      const begun = performance.now() - start;
      await millis();
      if (!over) record.add(begun, performance.now() - start);
    }
  };
  const loops = Promise.all(Array.from({ length: concurrency }, loop));
  const late = await onTime(RATE * duration, () => {});
  over = true;
  await loops;
  const told = record.told();
  const none = { refused: 0, discarded: 0, left: 0, held: [0, 0] };
  return {
    kind: "floor",
    name: "16 loops that await",
    ...told,
    ...none,
    offered: told.served,
    late,
  };
}

/** Offers all items that are due in `duration` milliseconds to a way. */
async function offered({ open, ...way }: Offered, duration: number): Promise<Overload> {
  const total = RATE * duration;
  const record = new Tally(duration, total);
  let [start, refused, discarded, over] = [0, 0, 0, false];
  const handler: Handler = async (item, context) => {
    const waited = performance.now() - start - due(item);
    // By its own clock, which starts when the item has arrived.
    const counted = context?.waited ?? 0;
    if (counted > waited + 0.01) throw new Error(`${way.name}: ${counted} ms of ${waited}`);
    await millis();
    if (!over) record.add(due(item), performance.now() - start);
  };
  const pool = open(handler, () => refused++, (items) => over || (discarded += items));
  const before = await steady();
  start = performance.now();
  const late = await onTime(total, pool.offer);
  over = true;
  const held = Math.max(heap() - before, 0);
  const left = pool.left();
  const told = record.told();
  const counts = [told.served, refused, discarded];
  const books = pool.books?.() ?? counts;
  if (
    String(books) !== String(counts) || counts.reduce((sum, each) => sum + each, left) !== total
  ) {
    throw new Error(`${way.name}: ${counts} and ${left} of ${total}, and by its books ${books}`);
  }
  await pool.close();
  return { ...way, ...told, offered: total, refused, discarded, left, late, held: [held] };
}

/** Offers each item when it is due, or as soon as possible. Returns the largest delay. */
function onTime(total: number, offer: Pool["offer"]): Promise<number> {
  return new Promise((resolve) => {
    const start = performance.now();
    let [item, late] = [0, 0];
    const timer = setInterval(() => {
      const now = performance.now() - start;
      late = Math.max(late, now - due(item));
      while (item < total && due(item) <= now) offer(item++);
      if (item < total) return;
      clearInterval(timer);
      resolve(late);
    }, 1);
  });
}

/** The served items, in memory that is allocated before the start. */
class Tally {
  readonly #duration: number;
  readonly #times: Float64Array;
  readonly #slowest: number[] = Array(SLICES).fill(0);
  readonly #timely: number[] = Array(SLICES).fill(0);
  #served = 0;

  constructor(duration: number, most: number) {
    this.#duration = duration;
    this.#times = new Float64Array(Math.ceil(most));
  }

  /** Notes an item that was due at `from` and done at `to`. */
  add(from: number, to: number): void {
    const time = to - from;
    this.#times[this.#served++] = time;
    const slice = Math.floor(to * SLICES / this.#duration);
    if (slice >= SLICES) return;
    this.#slowest[slice] = Math.max(this.#slowest[slice]!, time);
    if (time <= deadline) this.#timely[slice]!++;
  }

  told() {
    const sorted = this.#times.subarray(0, this.#served).sort();
    const at = (share: number) => sorted[Math.floor(sorted.length * share)]!;
    const seconds = this.#duration / 1000;
    return {
      served: this.#served,
      goodput: this.#timely.reduce((sum, each) => sum + each) / seconds,
      p50: at(0.5),
      p99: at(0.99),
      p999: at(0.999),
      slowest: this.#slowest,
      timely: this.#timely.map((each) => each * SLICES / seconds),
    };
  }
}
